"""A headless Chromium, and the complete system as `tradepulse up` starts it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SPEED = "36000"
"""Ten hours of candles each second, as by default: trades within a minute."""
STARTED_S = 240
STOPPED_S = 180
expect.set_options(timeout=30_000)
ADDRESS = re.compile(r"http://\S+/\?token=[\w-]+")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.fail("no chromium on the path: install the distribution's chromium package")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def running_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the page, with its token, of a system of this run's own."""
    folder = tmp_path_factory.mktemp("up")
    output = folder / "output"
    environment = {name: value for name, value in os.environ.items() if name not in _GIVEN}
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tradepulse.cli.main", "up", "--port", "0"),
                *("--state", str(folder / "state"), "--speed", SPEED),
            ],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment | {"TERM": "dumb"},
        )
    try:
        yield _address(process, output)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOPPED_S)


_GIVEN = frozenset(("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"))
"""Another test's broker and database are not this system's."""


def _answers(address: str) -> bool:
    try:
        return httpx.get(urljoin(address, "/livez"), timeout=30).is_success
    except httpx.HTTPError:
        return False


def _address(process: "subprocess.Popen[bytes]", output: Path) -> str:
    deadline = time.monotonic() + STARTED_S
    while time.monotonic() < deadline and process.poll() is None:
        found = ADDRESS.search(output.read_text(errors="replace"))
        if found and _answers(found.group()):
            return found.group()
        time.sleep(0.2)
    pytest.fail(f"tradepulse up gave no page:\n{output.read_text(errors='replace')[-2_000:]}")
