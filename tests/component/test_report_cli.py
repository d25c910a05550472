"""`tradepulse configs report` on a real PostgreSQL."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid5

import pytest
from studio_rows import report
from typer.testing import CliRunner

from contracts.events import NAMESPACE
from tests.report_example import example_report
from tradepulse.cli import main
from tradepulse.research.report_page import report_page
from tradepulse.runtime.db import connect, migrate

JUDGED, NEW = uuid5(NAMESPACE, "judged"), uuid5(NAMESPACE, "new")


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    asyncio.run(_seed(database_url))
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


async def _seed(url: str) -> None:
    await migrate(url)
    connection = await connect(url)
    for configuration in (JUDGED, NEW):
        await connection.execute(
            "insert into trained_configurations (configuration_id, strategy, exchange, symbol, "
            "timeframe, params) values ($1, 'sma_cross', 'test', 'BTC/USD', '30m', '{}')",
            configuration,
        )
    await report(connection, JUDGED, example_report(verdict="an older one"))
    await report(connection, JUDGED, example_report())
    await connection.close()


def call(*arguments: str) -> Any:
    return CliRunner().invoke(main.app, ["configs", "report", *arguments])


def test_it_is_shown_in_words(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    result = call(str(JUDGED)[:9])
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert text.startswith("refused sma_cross on test BTC/USD 30m refused: 2 of 4 gates did not")
    assert "best of 4,812 parameter sets; in sample 2020-09-13 00:00 to 2020-12-09" in text
    assert "Deflated Sharpe ratio 0.62 >= 0.95 refused The best of 4,812" in text
    assert "figure in sample out of sample" in text


def test_both_files_hold_what_is_stored(database: str, tmp_path: Path) -> None:
    page, data = tmp_path / "r.html", tmp_path / "r.json"
    result = call(str(JUDGED), "--html", str(page), "--json", str(data))
    assert result.exit_code == 0, result.output
    stored = json.loads(data.read_text())
    assert stored == example_report()
    assert page.read_text() == report_page(stored)
    assert result.stdout == f"written to {data}\nwritten to {page}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([str(NEW)], f"configuration {NEW} was not validated yet"),
        (["ffff0"], "no configuration of an id that begins with 'ffff0'; see `tradepulse configs`"),
        ([str(JUDGED), "--html", "/nowhere/r.html"], "/nowhere/r.html: No such file or directory"),
    ],
)
def test_refusals_are_one_line(database: str, arguments: list[str], said: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"tradepulse configs: {said}")
    assert len(result.stderr.splitlines()) == 1
