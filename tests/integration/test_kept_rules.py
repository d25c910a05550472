"""The rules of venues on a real database: fetched by ccxt from fake exchanges, kept, taken up."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from live_market import START, compiled_once, following

from executor_svc.markets import Markets
from executor_svc.settings import ExecutorSettings
from market_ingest.live.listings import DAY_MS, HOUR_MS, Listings
from market_ingest.live.store import LiveStore
from tests.fakes.exchange import FakeExchange, Instrument, Tape
from tests.fakes.exchange.faults import ServerError
from tests.fakes.exchange.synthetic import random_trades
from tradepulse.market_data.instrument_rules import (
    KeptRules,
    RuleSource,
    binding_rules,
    history,
    keep_rules,
)
from tradepulse.market_data.subscriptions import subscribe
from tradepulse.market_data.venues.client import Venues
from tradepulse.market_data.venues.pace import LocalPace
from tradepulse.runtime.clock import wall_clock
from tradepulse.runtime.db import connect, connect_pool, migrate
from tradepulse.trading.sizing import InstrumentRules

pytestmark = pytest.mark.integration

VENUES = ("binanceus", "coinbase", "kraken", "bitstamp")
BTC = Instrument(
    "BTC/USD", price_decimals=3, amount_decimals=6,
    min_amount=Decimal("0.0004"), min_cost=Decimal("7.5"),
)  # fmt: skip
ETH = Instrument("ETH/USD", price_decimals=8, amount_decimals=0, min_amount=Decimal(1))


def listed(venue: str, item: Instrument, at: int, source: RuleSource = "ccxt") -> KeptRules:
    return KeptRules(
        venue, item.symbol, item.tick, item.lot, item.min_amount, item.min_cost,
        source=source, valid_from=at,
    )  # fmt: skip


def exchange(*venues: str) -> FakeExchange:
    trades = random_trades(10, START - 60_000, START)
    return FakeExchange(
        START, {v: [Tape(one, trades=trades) for one in (BTC, ETH)] for v in venues}
    )


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[Any]:
    await migrate(database_url)
    connection = await connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def tradepulse(database_url: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run the command; return its status and all that it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tradepulse.cli.main", *arguments),
        env={**os.environ, "DATABASE_URL": database_url, "COLUMNS": "150", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


def reached(fake: FakeExchange, folder: Path) -> dict[str, str]:
    """Return the environment in which a command finds the fake venues."""
    config = {venue: fake.config(venue) for venue in fake.venues}
    for one in config.values():
        for key in ("apiKey", "secret"):
            del one[key]
    (folder / "venues.json").write_text(json.dumps(config))
    return {"VENUES_FILE": str(folder / "venues.json"), **compiled_once(folder)}


# kept


async def test_the_newest_binds_and_nothing_is_lost(database_url: str) -> None:
    now = wall_clock()
    first = listed("kraken", BTC, now - 5_000)
    later = replace(first, price_tick=Decimal("0.1"), valid_from=now - 3_000)
    future = replace(first, price_tick=Decimal(9), source="file", valid_from=now + DAY_MS)
    async with connected(database_url) as connection:
        assert await binding_rules(connection) == {}
        assert await keep_rules(connection, [first, listed("kraken", ETH, 7)]) != []
        assert await keep_rules(connection, [replace(first, valid_from=now - 4_000)]) == []
        assert await keep_rules(connection, [later, future]) == [later, future]
        found = await binding_rules(connection)
        assert found == {"kraken:BTC/USD": later, "kraken:ETH/USD": listed("kraken", ETH, 7)}
        assert await binding_rules(connection, ["kraken:BTC/USD", "x:Y/Z"]) == {
            "kraken:BTC/USD": later
        }
        everything = [listed("kraken", ETH, 7), first, later, future]
        assert await history(connection, "kraken") == everything
        # at one moment a person stands above a file, and that above the venue
        for source in ("hand", "file", "ccxt"):
            await keep_rules(connection, [replace(later, source=source, valid_from=now)])
        assert (await binding_rules(connection))["kraken:BTC/USD"].source == "hand"


async def test_what_no_market_has_is_not_kept(database_url: str) -> None:
    async with connected(database_url) as connection:
        undated = listed("kraken", BTC, 1)
        with pytest.raises(ValueError, match="kept with their date"):
            await keep_rules(connection, [replace(undated, valid_from=None)])
        with pytest.raises(ValueError, match="price_tick is 0"):
            replace(undated, price_tick=Decimal(0))


# the commands


async def test_a_venue_s_markets_are_fetched_and_written_for_a_backtest(
    database_url: str, tmp_path: Path
) -> None:
    async with connected(database_url) as connection, exchange(*VENUES) as fake:
        environment = reached(fake, tmp_path)
        assert (
            "none are kept; `tradepulse rules fetch" in (await tradepulse(database_url, "rules"))[1]
        )
        for venue in VENUES:
            status, told = await tradepulse(database_url, "rules", "fetch", venue, **environment)
            assert (status, told) == (
                0,
                "2 of 2 kept; a running executor takes them up when it starts anew\n",
            )
        found = await binding_rules(connection)
        assert len(found) == 2 * len(VENUES)
        for one in found.values():
            item = BTC if one.symbol == BTC.symbol else ETH
            assert one == listed(one.exchange, item, one.valid_from or 0)
        status, told = await tradepulse(
            database_url, "rules", "fetch", "kraken", "--symbol", "ETH/USD", **environment
        )
        assert (status, told) == (0, "0 of 1 kept, the others were known\n")
        for arguments, reason in (
            (("kraken", "--symbol", "DOGE/USD"), "kraken has no DOGE/USD: check its spelling"),
            (("mtgox",), "unknown venue 'mtgox'; known are binanceus"),
        ):
            status, told = await tradepulse(
                database_url, "rules", "fetch", *arguments, **environment
            )
            assert status == 1
            assert told.count("\n") == 1
            assert reason in told
    out = tmp_path / "markets.json"
    arguments = ("rules", "list", "--exchange", "kraken", "--out", str(out))
    assert (await tradepulse(database_url, *arguments))[1] == f"2 written to {out}\n"
    rows = "\n".join(
        f"kraken,BTC/USD,1h,{START // 3_600_000 * 3_600_000 + hour * 3_600_000},"
        f"{price},{price},{price},{price},1"
        for hour, price in enumerate([100.0001 + 0.0001 * n for n in range(400)])
    )
    candles = tmp_path / "candles.csv"
    candles.write_text(f"exchange,symbol,timeframe,open_time,open,high,low,close,volume\n{rows}\n")
    report = tmp_path / "report.json"
    status, told = await tradepulse(
        database_url, "backtest", "--candles", str(candles), "--strategy", "donchian_breakout",
        "--markets-file", str(out), "--json", str(report),
    )  # fmt: skip
    assert status == 0, told
    assert "no rules of the venue" not in told
    result = json.loads(report.read_text())
    assert result["account"]["markets"] == {
        "kraken:BTC/USD": {
            "price_tick": "0.001", "quantity_step": "0.000001",
            "min_quantity": "0.0004", "min_notional": "7.5",
        }
    }  # fmt: skip
    # the prices are off the tick of now, and nothing is refused for that
    assert result["refused"].keys() <= {"the series ended"}
    assert result["trades"]
    assert all(Decimal(t["quantity"]) % Decimal("0.000001") == 0 for t in result["trades"])


async def test_rules_are_imported_set_and_listed(database_url: str, tmp_path: Path) -> None:
    await migrate(database_url)
    file = tmp_path / "markets.csv"
    file.write_text("exchange,symbol,price_tick,min_notional\nkraken,BTC/USD,0.1,5\nx,A/B,,3\n")
    status, told = await tradepulse(database_url, "rules", "import", str(file))
    assert (status, told.partition(";")[0]) == (0, "2 of 2 kept")
    told = (await tradepulse(database_url, "rules", "import", str(file)))[1]
    assert told == "0 of 2 kept, the others were known\n"
    arguments = ("rules", "set", "kraken:BTC/USD", "--tick", "0.5", "--step", "0.0001")
    assert (await tradepulse(database_url, *arguments))[1].startswith("1 of 1 kept")
    told = (await tradepulse(database_url, "rules"))[1]
    assert [line.split()[:6] for line in told.splitlines() if "kraken" in line] == [
        ["kraken:BTC/USD", "0.5", "0.0001", "-", "-", "hand"]
    ]
    told = (await tradepulse(database_url, "rules", "list", "--history", "--symbol", "BTC/USD"))[1]
    assert [line.split()[5] for line in told.splitlines() if "kraken" in line] == ["file", "hand"]
    for arguments, reason in (
        (("import", str(tmp_path / "none")), "none: No such file or directory"),
        (("set", "kraken", "--tick", "1"), "kraken is no instrument; write exchange:symbol"),
        (("set", "kraken:BTC/USD", "--tick", "0"), "--tick 0: must be above zero"),
        (("list", "--history", "--out", "x"), "--out writes what binds"),
    ):
        status, told = await tradepulse(database_url, "rules", *arguments)
        assert status == 1
        assert reason in told
        assert told.count("\n") == 1


async def test_subscriptions_and_backfills_keep_what_they_learn(
    database_url: str, tmp_path: Path
) -> None:
    async with connected(database_url) as connection, exchange("kraken", "bitstamp") as fake:
        environment = reached(fake, tmp_path)
        arguments = ("subscriptions", "add", "kraken:BTC/USD:1m", "kraken:BTC/USD:5m")
        assert (await tradepulse(database_url, *arguments, **environment))[0] == 0
        assert list(await binding_rules(connection)) == ["kraken:BTC/USD"]
        arguments = (
            "backfill", "--exchange", "bitstamp", "--symbol", "ETH/USD", "--timeframe", "1m",
            "--from", str(START - 120_000), "--to", str(START),
        )  # fmt: skip
        status, told = await tradepulse(database_url, *arguments, **environment)
        assert status == 0, told
        found = await binding_rules(connection)
        assert list(found) == ["bitstamp:ETH/USD", "kraken:BTC/USD"]
        assert [one.source for one in await history(connection, "kraken")] == ["ccxt"]


# the services


async def test_a_followed_symbol_s_rules_are_kept_before_it_is_announced(
    database_url: str,
) -> None:
    async with (
        exchange("kraken") as fake,
        following(fake, database_url, "kraken:BTC/USD:1m") as market,
    ):
        await market.until(lambda: market.sent.feeds)
        async with market.pool.acquire() as connection:
            (found,) = (await binding_rules(connection)).values()
        assert found == listed("kraken", BTC, found.valid_from or 0)


async def test_once_a_day_the_venue_is_looked_at_again(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    async with pool.acquire() as connection:
        for symbol in ("BTC/USD", "ETH/USD"):
            await subscribe(connection, "kraken", symbol, "1m")
        await subscribe(connection, "coinbase", "BTC/USD", "1m")
    async with (
        exchange("kraken", "coinbase") as fake,
        Venues({v: fake.config(v) for v in fake.venues}, LocalPace()) as venues,
    ):
        # nobody follows coinbase here, so it is not loaded, and not asked
        await venues.venue("kraken").check("BTC/USD")
        time = [START]
        listings = Listings(venues, LiveStore(pool), lambda: time[0], look_s=0.005)  # type: ignore[arg-type]  # it needs no stream clients

        async def rows() -> list[KeptRules]:
            async with pool.acquire() as connection:
                return await history(connection, "kraken")

        calls = len(fake.calls)
        await listings.look()
        time[0] += DAY_MS - 1
        await listings.look()
        assert len(fake.calls) == calls
        fake.faults.add(ServerError(), venue="kraken", count=1)
        time[0] += 1
        await listings.look()
        assert "it is asked again in an hour" in caplog.text
        calls = len(fake.calls)
        time[0] += HOUR_MS - 1
        await listings.look()
        assert len(fake.calls) == calls
        assert await rows() == []
        time[0] += 1
        await listings.look()
        assert {one.symbol for one in await rows()} == {"BTC/USD", "ETH/USD"}
        fake.core("kraken").tape("ETH/USD").instrument = replace(ETH, price_decimals=2)
        time[0] += DAY_MS
        task = asyncio.create_task(listings.run())
        async with asyncio.timeout(60):
            while len(await rows()) < 3:  # noqa: ASYNC110 - the database does not tell
                await asyncio.sleep(0.01)
        last = (await rows())[-1]
        assert (last.symbol, last.price_tick) == ("ETH/USD", Decimal("0.01"))
        assert not any(venue == "coinbase" for venue, _ in fake.calls)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await pool.close()


async def test_the_executor_learns_each_instrument_once_and_says_what_it_does_not_know(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ExecutorSettings(
        kafka_bootstrap_servers="k:1", database_url="postgresql://u@h/d",
        markets={"kraken:ETH/USD": {"price_tick": "0.5", "allows_margin": True}},
    )  # type: ignore[arg-type]  # as the environment has it  # fmt: skip
    await migrate(database_url)
    pool = await connect_pool(database_url)
    async with pool.acquire() as connection:
        await keep_rules(connection, [listed("kraken", one, 1) for one in (BTC, ETH)])
    markets = Markets(pool, settings.by_hand())
    account = settings.rules(markets.rules)
    assert not account.market("kraken:BTC/USD").is_known
    names = ["kraken:BTC/USD", "kraken:ETH/USD", "kraken:LTC/USD"]
    for _ in range(2):
        await markets.learn(names)
    told = [r for r in caplog.records if "no rules of the venue are known" in r.message]
    assert [getattr(r, "instrument", "") for r in told] == ["kraken:LTC/USD"]
    assert account.market("kraken:BTC/USD") == listed("kraken", BTC, 1).rules()
    assert account.market("kraken:ETH/USD") == InstrumentRules(
        Decimal("0.5"), ETH.lot, ETH.min_cost, allows_margin=True, min_quantity=ETH.min_amount
    )
    # what changes while it runs counts from the next start
    async with pool.acquire() as connection:
        await keep_rules(connection, [listed("kraken", replace(BTC, price_decimals=1), 2)])
    await markets.learn(names)
    assert account.market("kraken:BTC/USD").price_tick == BTC.tick
    await pool.close()
