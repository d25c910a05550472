"""The first promise, live: what exchanges stream gives the backtest's trades, trade for trade.

Four venues speak over WebSocket, two of them in candles and two in trades, and break off all the
time. market_ingest, signal_svc, rl_svc and executor_svc follow them as processes, the last two by
the wall clock; the first and the last are killed on the way. The market lies in the year 2090, so
that nothing in it is old by that clock. One strategy looks at another venue: its evaluations wait
for the candles there.

Of a message that is lost without a trace (Coinbase alone numbers its own) the candle is published
wrong and corrected later, and what was decided on it stays decided: such trades are not those of
the backtest, by design, and such losses are not among the faults here.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_market import compiled_once
from system import (
    DAY,
    RULES,
    System,
    configurations_for,
    demo_candles,
    equity_rows,
    on_every,
    trade_rows,
)
from system import START as RECORDED_START

from tests.fakes.exchange import MINUTE, FakeExchange, Instrument, Tape
from tests.fakes.exchange.faults import (
    Disconnect,
    DropSocket,
    Duplicated,
    GarbageFrame,
    LostMessage,
    ServerError,
    TruncatedFrame,
)
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.instrument_rules import KeptRules, binding_rules, market_rules
from tradepulse.market_data.store import store_candles
from tradepulse.market_data.subscriptions import subscribe
from tradepulse.runtime.db import connect, ms
from tradepulse.trading.backtest import BacktestResult, backtest
from tradepulse.trading.weights import InverseVolatility

pytestmark = pytest.mark.integration
DAYS = 3
SLOT = 30 * MINUTE
START = 3_786_912_000_000
"""2090-01-01, the first slot that is traded."""
END = START + DAYS * DAY
VENUES = {
    "BTC/USD": "kraken",
    "ETH/USD": "binanceus",
    "LTC/USD": "coinbase",
    "XRP/USD": "bitstamp",
}
AHEAD = 2
"""So many closes may the market be ahead of the ledger: after three a series counts as down."""
PATIENCE_S = 120
WAITS = {
    "CLOCK": "wall",
    "GRACE_MS": str(PATIENCE_S * 1000),
    "REFERENCE_GRACE_MS": str(PATIENCE_S * 1000),
    "CLOCK_TOLERANCE_S": str(3 * 10**9),
}
"""A grace as long as ours, as the market here is thousands of times as fast as a real one; and it
may be a century ahead of the clock."""
DECIDING = ("signal_svc", "rl_svc", "executor_svc")
KILLED = {START + DAY: "market_ingest", START + 2 * DAY: "executor_svc"}
KEYS = ("apiKey", "secret")


def market() -> list[Candles]:
    """Return the demo candles, one symbol on each venue, as if they were to come."""
    recorded = {one.symbol: one for one in demo_candles(DAYS)}
    return [
        replace(
            recorded[symbol],
            exchange=venue,
            open_time=recorded[symbol].open_time - RECORDED_START + START,
            # as they are written on the wire
            volume=np.array([float(f"{volume:.8f}") for volume in recorded[symbol].volume]),
        )
        for symbol, venue in VENUES.items()
    ]


def instrument(one: Candles) -> Instrument:
    """Return what a venue lists of a series' symbol."""
    return Instrument(one.symbol, price_decimals=8, amount_decimals=8, min_cost=Decimal(5))


def listed(one: Candles) -> KeptRules:
    """Return what market_ingest keeps of that."""
    item = instrument(one)
    amounts = item.tick, item.lot, item.min_amount, item.min_cost
    return KeptRules(one.exchange, one.symbol, *amounts, source="ccxt", valid_from=0)


def tape(one: Candles) -> Tape:
    """Return the market of a series: four trades for each candle."""
    columns = one.open_time, one.open, one.high, one.low, one.close, one.volume
    return Tape(instrument(one), candles=np.column_stack(columns), timeframe=SLOT)


class Going:
    """Lets the market go on, and never faster than the services follow."""

    def __init__(self, fake: FakeExchange, system: System, connection: Any) -> None:
        self._fake = fake
        self._system = system
        self._connection = connection

    async def told(self) -> None:
        """Wait until market_ingest has read whatever was sent, and is connected everywhere.

        Its loop goes round several times between three questions for the time.
        """
        await self._asked_for_time(1)
        for venue in VENUES.values():
            await self._fake.subscribed(venue)
        await self._asked_for_time(3)

    async def _asked_for_time(self, times: int) -> None:
        seen = len(self._fake.calls)
        async with asyncio.timeout(PATIENCE_S):
            while self._fake.calls[seen:].count(("binanceus", "fetch_time")) < times:
                self._system.none_has_ended()
                await asyncio.sleep(0.002)

    async def through(self, slot: int) -> None:
        """Trade a slot; the one before it closes."""
        await self.told()
        await self._to(slot + 3 * SLOT // 4 + 1_000)
        if (before := slot - AHEAD * SLOT) > START:
            await self.settled(before, until=slot + SLOT - 500)
        await self._to(slot + SLOT - 500)

    async def settled(self, close_time: int, until: int) -> None:
        """Wait for the ledger, and let some market time go by meanwhile: pauses are made of it."""
        async with asyncio.timeout(PATIENCE_S):
            while await self._settled() < close_time:
                self._system.none_has_ended()
                await self._to(min(self._fake.clock.now + 1_000, until))
                await asyncio.sleep(0.005)

    async def _settled(self) -> int:
        found = await self._connection.fetchval(
            "select settled_time from event_time_positions where consumer = 'executor:main'"
        )
        return int(found or 0)

    async def _to(self, time: int) -> None:
        await self._fake.advance(time - self._fake.clock.now)


def planned(fake: FakeExchange) -> dict[str, list[Any]]:
    """Plan what goes wrong."""
    streams = {
        venue: "watch_ohlcv" if venue in ("kraken", "binanceus") else "watch_trades"
        for venue in VENUES.values()
    }
    names = list(streams)
    add = fake.faults.add
    drops = []
    for number, slot in enumerate(range(START + 2 * SLOT, END - 2 * SLOT, 3 * SLOT)):
        venue, quarter = names[number % 4], number // 4 % 4
        drop, at = DropSocket(clean=number % 3 == 0), slot + quarter * SLOT // 4
        drops.append(add(drop, venue=venue, method=streams[venue], count=1, start=at))
    frames = [
        add(fault, venue=venue, method=method, probability=0.01)
        for venue, method in streams.items()
        for fault in (GarbageFrame(), TruncatedFrame(), Duplicated())
    ]
    lost = [
        add(LostMessage(), venue="coinbase", count=1, start=at, until=at + SLOT // 4)
        for at in range(START + 5 * SLOT + SLOT // 4, END, 15 * SLOT)
    ]
    answers = [
        add(fault, method="fetch_ohlcv", probability=0.1) for fault in (ServerError(), Disconnect())
    ]
    return {"disconnects": drops, "frames": frames, "lost": lost, "answers": answers}


@contextmanager
def started(system: System, fake: FakeExchange, folder: Path) -> Iterator[None]:
    """Run the services; market_ingest finds the venues where the fake ones are."""
    reached = {venue: fake.config(venue) for venue in fake.venues}
    for config in reached.values():
        for key in KEYS:
            del config[key]
    (folder / "venues.json").write_text(json.dumps(reached))
    try:
        system.start(
            "market_ingest",
            "tests.integration.live_process",
            VENUES_FILE=str(folder / "venues.json"),
            FAKE_TIME_URL=f"{fake.address}/binanceus/api/v3/time",
            DIES_BEFORE_CORRECTION=str(folder / "never"),
            # a quarter of an hour may pass at once
            STALL_AFTER_S=str(DAY // 1000),
            **compiled_once(folder),
        )
        for name in DECIDING:
            system.start(name, **WAITS)
        yield
    finally:
        system.stop()


@pytest.mark.usefixtures("own_strategies")
async def test_live_candles_give_the_trades_of_the_backtest(
    kafka_bootstrap: str, database_url: str, no_topics: None, tmp_path: Path
) -> None:
    candles = market()
    beside = on_every([one for one in candles if one.exchange != "kraken"], {"beside_kraken": [{}]})
    configurations = [*configurations_for(candles), *beside]
    kept = {one.instrument: listed(one) for one in candles}
    rules = replace(RULES, markets=market_rules(kept, kept, {}))
    result = backtest(candles, configurations, rules, InverseVolatility(96), between=(START, None))
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare(configurations)
    connection = await connect(database_url)
    await store_candles(connection, [one.between(None, START) for one in candles], "import")
    for one in candles:
        await subscribe(connection, one.exchange, one.symbol, one.timeframe)
    tapes = {one.exchange: [tape(one)] for one in candles}
    async with FakeExchange(START + 1, tapes, seed=11) as fake:
        faults = planned(fake)
        with started(system, fake, tmp_path):
            going = Going(fake, system, connection)
            await system.logged("service started", DECIDING)
            for slot in range(START, END + SLOT, SLOT):
                if slot in KILLED:
                    system.kill(KILLED[slot])
                    system.start(KILLED[slot])
                await going.through(slot)
            await going.settled(END, until=fake.clock.now)
            await system.outbox_is_empty()
    hits = {name: sum(one.hits for one in some) for name, some in faults.items()}
    sources = await check_candles(connection, candles)
    entries = await entries_by_source(connection)
    binding = await binding_rules(connection)
    assert {n: replace(one, valid_from=0) for n, one in binding.items()} == kept
    await connection.close()
    trades = await system.trades()
    check_ledger(trades, await system.ledger(), result)
    print(f"{len(trades)} trades; entries {entries}; candles {sources}; faults {hits}")
    assert len(trades) > 30
    names = {one.configuration_id for one in beside}
    assert sum(trade.configuration_id in names for trade in result.trades) > 10
    assert entries["live"] > 20
    assert sources["live"] > 0.5 * sources.total()
    assert min(hits.values()) > 5


async def check_candles(connection: Any, candles: list[Candles]) -> Counter[str]:
    """See that what is stored is the market, and return how much of it came from where."""
    sources: Counter[str] = Counter()
    for one in candles:
        rows = await connection.fetch(
            "select open_time, open, high, low, close, volume, source from market_data "
            "where exchange = $1 and open_time >= $2 order by open_time",
            *(one.exchange, START),
        )
        sources += Counter(row["source"] for row in rows)
        traded = one.between(START, None)
        columns = traded.open_time, traded.open, traded.high, traded.low, traded.close
        assert [tuple(row)[:5] for row in rows] == list(
            zip(*(column.tolist() for column in columns), strict=True)
        )
        assert [row["volume"] for row in rows] == pytest.approx(traded.volume.tolist(), rel=1e-12)
    return sources


async def entries_by_source(connection: Any) -> Counter[str]:
    """Return how many entries were made on a candle from where."""
    rows = await connection.fetch(
        "select source, count(*) from orders join market_data using (exchange, symbol, timeframe) "
        "where opens_position and status = 'FILLED' "
        "and open_time = extract(epoch from decided_at) * 1000 - $1 group by 1",
        SLOT,
    )
    return Counter({row["source"]: row["count"] for row in rows})


def check_ledger(
    trades: list[tuple[Any, ...]], ledger: dict[str, list[tuple[Any, ...]]], result: BacktestResult
) -> None:
    """Compare with the backtest, which at its last candle closes what live stays open."""
    closed = [trade for trade in result.trades if trade.exit_reason != "end_of_data"]
    still_open = [trade for trade in result.trades if trade.exit_reason == "end_of_data"]
    assert trades == trade_rows(replace(result, trades=closed))
    assert {
        (row[0], row[7], ms(row[8]), row[9]) for row in ledger["positions"] if row[14] is None
    } == {(t.position_id, t.quantity, t.entry_time, t.entry_price) for t in still_open}
    refused = {row[0] for row in ledger["orders"] if row[15] == "REFUSED"}
    assert refused == {order.order_id for order in result.refused}
    equity = [(ms(row[1]), *row[2:]) for row in ledger["equity"]]
    assert equity[:-1] == equity_rows(result)[:-1]
