"""The API's document against the running service: schemathesis finds no difference."""

import asyncio
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from studio_page import TOKEN, Studio
from studio_rows import Seeded, configuration_id, report

from tests.report_example import example_report
from tradepulse.embedded.ports import free_ports
from tradepulse.runtime.health import http_server
from tradepulse.runtime.settings import RuntimeSettings

EXAMPLES = 20
"""Made up for each operation, beside those that the document itself gives rise to."""
PATIENCE_S = 500


async def test_the_document_tells_the_truth(studio: Studio, seeded: Seeded, tmp_path: Path) -> None:
    async with studio.pool.acquire() as connection:
        await report(connection, configuration_id("BTC/USD", "sma_cross"), example_report())
    [port] = free_ports(1)
    settings = SimpleNamespace(http_host="127.0.0.1", http_port=port)
    async with http_server(cast(RuntimeSettings, settings), studio.app):
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        said, status = await _schemathesis(f"http://127.0.0.1:{port}/api/openapi.json", tmp_path)
    assert status == 0, said[-12_000:]
    tested = re.search(r"Operations:\s.*?(\d+)", said)
    assert tested, said[-3_000:]
    document: dict[str, Any] = await studio.get("/api/openapi.json")
    # all but the stream, which never ends
    assert int(tested[1]) == sum(map(len, document["paths"].values())) - 1


async def _schemathesis(address: str, folder: Path) -> tuple[str, int | None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", address),
        *("--header", f"Authorization: Bearer {TOKEN}", "--exclude-path", "/api/stream"),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--no-color"),
        *("--suppress-health-check", "all", "--request-timeout", "60", "--continue-on-failure"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode(errors="replace"), process.returncode
