"""`tradepulse subscriptions` on a real database, with a fake exchange to ask."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from live_market import BTC, START, compiled_once

from tests.fakes.exchange import FakeExchange, Tape
from tests.fakes.exchange.synthetic import random_trades
from tradepulse.runtime.db import migrate

pytestmark = pytest.mark.integration


async def run(database_url: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run the command; return its status and all that it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tradepulse.cli.main", "subscriptions", *arguments),
        env={**os.environ, "DATABASE_URL": database_url, "COLUMNS": "120", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_series_are_added_listed_and_removed(database_url: str, tmp_path: Path) -> None:
    await migrate(database_url)
    assert "no subscriptions; `tradepulse" in (await run(database_url))[1]
    tape = Tape(BTC, trades=random_trades(10, START - 60_000, START))
    async with FakeExchange(START, {"kraken": [tape]}) as fake:
        config = {"kraken": fake.config("kraken")}
        for key in ("apiKey", "secret"):
            del config["kraken"][key]
        compiled = compiled_once(tmp_path)
        file = tmp_path / "venues.json"
        file.write_text(json.dumps(config))
        status, told = await run(
            database_url,
            "add",
            "kraken:BTC/USD:1m",
            "kraken:DOGE/USD:1m",
            VENUES_FILE=str(file),
            **compiled,
        )
        assert (status, told) == (
            1,
            "tradepulse subscriptions: kraken has no DOGE/USD: check its spelling, as BTC/USD\n",
        )
        status, told = await run(
            database_url,
            "add",
            "kraken:BTC/USD:1m",
            "kraken:BTC/USD:5m",
            VENUES_FILE=str(file),
            **compiled,
        )
        assert status == 0
        assert told.splitlines() == [
            "kraken:BTC/USD:1m is followed from now on",
            "kraken:BTC/USD:5m is followed from now on",
        ]
    # the venue is away now: the series is kept, and told later
    status, told = await run(
        database_url, "add", "kraken:ETH/USD:1m", VENUES_FILE=str(file), **compiled
    )
    assert status == 0
    assert "its symbols are not checked" in told
    assert "kraken:ETH/USD:1m is followed from now on" in told
    status, told = await run(database_url, "list")
    assert [series in told for series in ("BTC/USD:1m", "BTC/USD:5m", "ETH/USD:1m")] == [True] * 3
    assert "nobody follows them: start market_ingest, FEED_MODE=live" in told
    assert (await run(database_url, "remove", "kraken:BTC/USD:5m", "x:Y/Z:1m")) == (
        0,
        "kraken:BTC/USD:5m is followed no longer\nx:Y/Z:1m was not followed\n",
    )


@pytest.mark.parametrize(
    ("series", "line"),
    [
        ("mtgox:BTC/USD:1m", "unknown venue 'mtgox'; known are binanceus, coinbase"),
        ("kraken:BTC/USD:7m", "unknown timeframe '7m'; known are 1m"),
        ("kraken:BTCUSD:1m", "'BTCUSD' is no spot symbol"),
        ("kraken", "is no series; write exchange:symbol:timeframe, as kraken:BTC/USD:5m"),
    ],
)
async def test_what_nobody_has_is_refused(series: str, line: str) -> None:
    status, told = await run("postgresql://nobody@127.0.0.1:1/nothing", "add", series)
    assert status == 1
    assert line in told
    assert told.count("\n") == 1
