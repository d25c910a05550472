"""`tradepulse backfill` as a process, against a fake exchange and a real database."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from tests.fakes.exchange import HOUR, MINUTE, FakeExchange, Instrument, Tape
from tests.fakes.exchange.faults import NoAnswer, ServerError, SlowAnswer, TruncatedBody
from tests.fakes.exchange.synthetic import random_candles
from tradepulse.candles.timeframes import TIMEFRAMES_MS
from tradepulse.market_data.store import load_candles
from tradepulse.runtime.db import connect, migrate

pytestmark = pytest.mark.integration

START = 1_700_006_400_000
COUNT = 1_500
PATIENCE_S = 240
"""The first process compiles ccxt, which takes long where much else goes on."""
END = START + COUNT * MINUTE
BTC, ETH = random_candles(COUNT, START, seed=1), random_candles(COUNT, START, seed=2)


class Setting:
    """A fake exchange whose past is over, a migrated database, and the command."""

    def __init__(self, fake: FakeExchange, url: str, folder: Path, compiled: Path) -> None:
        # ccxt is large: what one process has compiled, the next one finds, wherever this runs
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self.env = {**kept, "PYTHONPYCACHEPREFIX": str(compiled), "DATABASE_URL": url}
        self.fake = fake
        self.url = url
        self.file = folder / "venues.json"
        self.file.write_text(
            # where the fake stands still for a while, nothing is asked twice
            json.dumps(
                {name: fake.config(name) | {"timeout": 60_000} for name in ("coinbase", "kraken")}
            )
        )

    async def start(self, *arguments: str, **env: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tradepulse.cli.main", "backfill", *arguments),
            stdout=PIPE,
            stderr=PIPE,
            env={**self.env, "VENUES_FILE": str(self.file), **env},
        )

    async def run(self, *arguments: str, **env: str) -> tuple[int, list[str], list[str]]:
        process = await self.start(*arguments, **env)
        try:
            out, told = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert b"Traceback" not in told, told.decode()
        return process.returncode or 0, out.decode().splitlines(), told.decode().splitlines()

    async def rows(self, exchange: str = "coinbase", symbol: str = "BTC/USD") -> np.ndarray:
        connection = await connect(self.url)
        try:
            c = await load_candles(connection, exchange, symbol, "1m")
        finally:
            await connection.close()
        return np.column_stack([c.open_time, c.open, c.high, c.low, c.close, c.volume])

    def asked(self) -> int:
        return sum(method == "fetch_ohlcv" for _, method in self.fake.calls)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest_asyncio.fixture
async def setting(database_url: str, tmp_path: Path, compiled: Path) -> AsyncIterator[Setting]:
    await migrate(database_url)
    tapes = [
        Tape(Instrument(symbol), candles=rows)
        for symbol, rows in (("BTC/USD", BTC), ("ETH/USD", ETH))
    ]
    async with FakeExchange(END + HOUR, {"coinbase": tapes, "kraken": tapes}) as fake:
        yield Setting(fake, database_url, tmp_path, compiled)


RANGE = ("--from", str(START), "--to", str(END), "--timeframe", "1m")


async def test_several_series_and_one_that_the_venue_does_not_have(setting: Setting) -> None:
    wanted = ("--exchange", "coinbase", "--symbol", "BTC/USD,FOO/USD,ETH/USD", *RANGE)
    status, out, told = await setting.run(*wanted, "--dry-run")
    assert status == 1
    assert out == [
        f"coinbase:{symbol}:1m: 1,500 candles are missing, 2023-11-15 00:00 to 2023-11-16 01:00; "
        "requests: about 5"
        for symbol in ("BTC/USD", "ETH/USD")
    ]
    assert setting.asked() == 0

    setting.fake.faults.add(ServerError(), method="fetch_ohlcv", count=2)
    setting.fake.faults.add(TruncatedBody(), method="fetch_ohlcv", count=1)
    status, out, told = await setting.run(*wanted)
    assert status == 1
    assert out == [
        f"coinbase:{symbol}:1m: stored 1,500, 0 were there already"
        for symbol in ("BTC/USD", "ETH/USD")
    ]
    assert (
        told[-1] == "coinbase:FOO/USD:1m: coinbase has no FOO/USD: check its spelling, as BTC/USD"
    )
    assert any("market data needs no keys" in line for line in told)
    assert np.array_equal(await setting.rows(), BTC)
    assert np.array_equal(await setting.rows(symbol="ETH/USD"), ETH)

    asked = setting.asked()
    status, out, _ = await setting.run("--exchange", "coinbase", "--symbol", "BTC/USD", *RANGE)
    assert (status, out) == (0, ["coinbase:BTC/USD:1m: stored 0, 1,500 were there already"])
    assert setting.asked() == asked


async def test_kraken_says_what_it_does_not_serve(setting: Setting) -> None:
    wanted = ("--exchange", "kraken", "--symbol", "BTC/USD", *RANGE)
    _, out, _ = await setting.run(*wanted, "--dry-run")
    assert out[0].endswith("; 1,500 are older than the last 720 that it serves")
    status, out, told = await setting.run(*wanted)
    assert status == 1
    assert out == ["kraken:BTC/USD:1m: stored 721, 0 were there already"]
    assert told[-1] == (
        "kraken:BTC/USD:1m: no candles for kraken BTC/USD 1m before 2023-11-15T12:59Z; kraken "
        "serves only the last 720: import a file or build from trades (--from-trades)"
    )
    status, out, _ = await setting.run(*wanted, "--from-trades", "--backward")
    assert (status, out) == (0, ["kraken:BTC/USD:1m: stored 779, 721 were there already"])
    assert np.array_equal(await setting.rows("kraken"), BTC)


async def test_killed_in_the_middle_it_goes_on_where_it_stood(setting: Setting) -> None:
    wanted = ("--exchange", "coinbase", "--symbol", "BTC/USD", *RANGE)
    setting.fake.faults.add(NoAnswer(), method="fetch_ohlcv", skip=3)
    process = await setting.start(*wanted)
    async with asyncio.timeout(PATIENCE_S):
        while setting.asked() < 4:  # noqa: ASYNC110 - the process tells nobody
            await asyncio.sleep(0.02)
    process.kill()
    await process.wait()
    assert np.array_equal(await setting.rows(), BTC[:900])
    setting.fake.faults.clear()
    setting.fake.calls.clear()
    status, out, _ = await setting.run(*wanted)
    assert (status, out) == (0, ["coinbase:BTC/USD:1m: stored 600, 900 were there already"])
    assert setting.asked() == 2
    assert np.array_equal(await setting.rows(), BTC)


async def test_interrupted_it_says_what_it_has(setting: Setting) -> None:
    slow = [
        setting.fake.faults.add(SlowAnswer(30), method="fetch_ohlcv", symbol=symbol, skip=1)
        for symbol in ("BTC/USD", "ETH/USD")
    ]
    process = await setting.start("--exchange", "coinbase", "--symbol", "BTC/USD,ETH/USD", *RANGE)
    async with asyncio.timeout(PATIENCE_S):
        while not all(one.hits for one in slow):  # noqa: ASYNC110 - the process tells nobody
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, told = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 130
    assert told.decode().splitlines()[-1] == (
        "stopped; what was stored stays: the same command goes on from there"
    )
    assert b"Traceback" not in told, told.decode()
    assert out.decode().splitlines() == [
        f"coinbase:{symbol}:1m: stored 300, 0 were there already"
        for symbol in ("BTC/USD", "ETH/USD")
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--exchange", "mtgox", "--symbol", "BTC/USD", *RANGE],
            "--exchange: unknown venue 'mtgox'; known are binanceus, coinbase, kraken, bitstamp",
        ),
        (
            ["--exchange", "kraken", "--symbol", "BTC/USD", *RANGE[:4], "--timeframe", "7m"],
            f"--timeframe: unknown timeframe '7m'; known are {', '.join(TIMEFRAMES_MS)}",
        ),
        (
            ["--exchange", "kraken", "--symbol", "BTC/USD"],
            "give --symbol, --timeframe and --from, as BTC/USD, 5m and 2024-01-01",
        ),
        (
            ["--exchange", "kraken", "--symbol", "BTC/USD", *RANGE[4:], "--from", "2090-01-01"],
            "--from 2090-01-01 is in the future",
        ),
    ],
)
async def test_what_is_refused_at_once(setting: Setting, arguments: list[str], line: str) -> None:
    status, out, told = await setting.run(*arguments)
    assert (status, out, told) == (1, [], [f"tradepulse backfill: {line}"])
    assert not setting.fake.calls


async def test_a_venues_file_that_cannot_be_used_and_a_timeframe_that_the_venue_lacks(
    setting: Setting, tmp_path: Path
) -> None:
    wanted = ("--exchange", "kraken", "--symbol", "BTC/USD", *RANGE)
    bad = tmp_path / "bad.json"
    bad.write_text('{"mtgox": {}}')
    status, _, told = await setting.run(*wanted, VENUES_FILE=str(bad))
    assert status == 1
    names = "binanceus, coinbase, kraken, bitstamp"
    assert told == [
        f"tradepulse backfill: VENUES_FILE: {bad}: unknown venue 'mtgox'; known are {names}"
    ]
    status, out, told = await setting.run(*wanted[:-1], "3m")
    assert (status, out) == (1, [])
    assert told[-1].startswith("kraken:BTC/USD:3m: kraken has no 3m candles, only 1m, 5m, 15m")
