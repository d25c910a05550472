"""Gaps in a real database are repaired from a fake exchange, and every try is on record."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import numpy as np
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry
from topic_reader import read_all

from contracts.events import CandleClosed
from contracts.topics import CANDLES
from market_ingest.history.due_repairs import RepairRounds
from market_ingest.history.meters import GapMeters
from market_ingest.history.scanner import Scanner
from tests.candle_series import random_walk, same
from tests.fakes.exchange import HOUR, MINUTE, FakeExchange, Instrument, Tape
from tests.fakes.exchange.faults import Halt, ServerError
from tests.fakes.exchange.synthetic import random_candles
from tradepulse.candles.arrays import Candles
from tradepulse.candles.gaps.records import NEVER, Gap
from tradepulse.candles.gaps.remedies import resample
from tradepulse.candles.series import SeriesFilter
from tradepulse.market_data.backfill import missing_ranges
from tradepulse.market_data.corrections import store_corrections
from tradepulse.market_data.gaps.repair import Repaired, Repairs
from tradepulse.market_data.gaps.scan import Scan, scan_all
from tradepulse.market_data.gaps.store import GapFilter, list_gaps, quiet_holes
from tradepulse.market_data.gaps.tails import TailScanner
from tradepulse.market_data.gaps.tries_store import due_gaps, repairs_of, series_to_fill
from tradepulse.market_data.store import load_candles, store_candles, upsert_candles
from tradepulse.market_data.subscriptions import feed_of
from tradepulse.market_data.synthetic import renew_synthetic_from
from tradepulse.market_data.venues.client import Venues
from tradepulse.market_data.venues.history import Patience, pages
from tradepulse.market_data.venues.pace import LocalPace
from tradepulse.research.configurations import NewConfiguration, activate, add_discovered
from tradepulse.runtime.db import connect, connect_pool, migrate
from tradepulse.runtime.outbox import Relay
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.topics import create_topics
from tradepulse.strategies import get_strategy
from tradepulse.strategies._registry import STRATEGIES

pytestmark = pytest.mark.integration

START = 1_700_006_400_000
BTC, ETH, LTC = "BTC/USD", "ETH/USD", "LTC/USD"
PATIENT = Patience(tries=2, first_s=0.001)
Pool = asyncpg.Pool
COUNT = 600


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await migrate(database_url)
    pool = await connect_pool(database_url, max_size=4)
    yield pool
    await pool.close()


@asynccontextmanager
async def market(
    name: str, tapes: Sequence[Tape], now: int
) -> AsyncIterator[tuple[FakeExchange, Venues]]:
    async with FakeExchange(now, {name: tapes}) as fake:
        options = {name: fake.config(name)}
        async with Venues(options, LocalPace(), lambda: fake.clock.now) as venues:
            yield fake, venues


def recorded(symbol: str, seed: int, count: int = COUNT) -> np.ndarray:
    return random_candles(count, START, seed=seed)


def tape(symbol: str, rows: np.ndarray, **more: Any) -> Tape:
    return Tape(Instrument(symbol), candles=rows, **more)


def candles(rows: np.ndarray, exchange: str, symbol: str, timeframe: str = "1m") -> Candles:
    return Candles(exchange, symbol, timeframe, rows[:, 0].astype(np.int64), *rows.T[1:])


async def store(pool: Pool, *series: Candles, source: Any = "import") -> None:
    async with pool.acquire() as connection:
        await store_candles(connection, series, source)


async def scan(pool: Pool, **options: Any) -> Scan:
    async with pool.acquire() as connection:
        return await scan_all(connection, **options)


async def gaps(pool: Pool, **filters: Any) -> list[Gap]:
    async with pool.acquire() as connection:
        return await list_gaps(connection, GapFilter(**filters))


async def tries(pool: Pool, gap: Gap) -> list[tuple[str, str, int]]:
    async with pool.acquire() as connection:
        return [(t.step, t.outcome, t.candles) for t in await repairs_of(connection, gap.gap_id)]


async def sources(pool: Pool, symbol: str = BTC, timeframe: str = "1m") -> dict[int, str]:
    rows = await pool.fetch(
        "select open_time, source from market_data where symbol = $1 and timeframe = $2",
        symbol,
        timeframe,
    )
    return {row["open_time"]: row["source"] for row in rows}


async def load(pool: Pool, exchange: str, symbol: str = BTC, timeframe: str = "1m") -> Candles:
    async with pool.acquire() as connection:
        return await load_candles(connection, exchange, symbol, timeframe)


def repairs(pool: Pool, venues: Venues | None, clock: Callable[[], int], **more: Any) -> Repairs:
    return Repairs(pool, venues, clock, patience=PATIENT, **more)


async def all_repaired(pool: Pool, work: Repairs, **options: Any) -> list[tuple[Gap, Repaired]]:
    """Try everything that is open once, oldest first."""
    found = await gaps(pool, status=["open"])
    return [(gap, await work.repair(gap, **options)) for gap in reversed(found)]


def without(rows: np.ndarray, *holes: slice) -> np.ndarray:
    keep = np.ones(len(rows), np.bool_)
    for hole in holes:
        keep[hole] = False
    return rows[keep]


HOLE = slice(300, 320)
END = START + COUNT * MINUTE


async def test_a_hole_is_asked_of_the_venue_again(pool: Pool) -> None:
    rows = recorded(BTC, 1)
    await store(pool, candles(without(rows, HOLE), "binanceus", BTC))
    found = await scan(pool)
    assert [(f.kind, f.cause, f.count) for f in found.found] == [("hole", "unknown", 20)]
    async with market("binanceus", [tape(BTC, rows)], END + HOUR) as (fake, venues):
        work = repairs(pool, venues, lambda: fake.clock.now)
        ((gap, done),) = await all_repaired(pool, work)
    assert done.verdict is not None
    assert (done.verdict.status, done.stored) == ("repaired", 20)
    assert await tries(pool, gap) == [("venue", "mended", 20)]
    (after,) = await gaps(pool)
    assert (after.status, after.repaired_by) == ("repaired", "venue")
    assert after.settled_at is not None
    assert same(await load(pool, "binanceus"), candles(rows, "binanceus", BTC))
    there = await sources(pool)
    hole = {START + i * MINUTE for i in range(300, 320)}
    assert {t for t, source in there.items() if source == "repaired"} == hole
    # nobody follows it live
    assert await untold(pool) == []
    again = await scan(pool)
    assert (again.found, again.saved.new, again.saved.gone) == ([], 0, 0)


async def test_a_hole_is_made_of_shorter_candles(pool: Pool) -> None:
    rows = recorded(BTC, 2)
    minutes = candles(rows, "bitfinex", BTC)
    fives = resample(minutes, "5m").candles
    keep = np.delete(np.arange(len(fives)), [40, 41, 42])
    holed = candles(
        np.column_stack([getattr(fives, n)[keep] for n in ("open_time", "open", "high", "low",
                                                          "close", "volume")]),
        "bitfinex", BTC, "5m",
    )  # fmt: skip
    await store(pool, minutes, holed)
    assert [f.cause for f in (await scan(pool)).found] == ["missed"]
    ((gap, done),) = await all_repaired(pool, repairs(pool, None, lambda: END + HOUR))
    assert done.verdict is not None
    assert done.verdict.status == "repaired"
    assert await tries(pool, gap) == [("finer", "mended", 3)]
    assert same(await load(pool, "bitfinex", timeframe="5m"), fives)


async def test_what_a_venue_has_no_candles_of_any_more_is_built_from_trades(pool: Pool) -> None:
    random = np.random.default_rng(3)
    count = 2_000
    times = START + np.sort(random.integers(0, count * MINUTE, 6 * count))
    prices = 100 + np.round(np.cumsum(random.normal(0, 0.05, len(times))), 2)
    sides = random.choice(["buy", "sell"], len(times)).tolist()
    rows = list(zip(times.tolist(), prices.tolist(), [0.5] * len(times), sides, strict=True))
    kraken = Tape(Instrument(BTC), trades=rows)
    now = START + count * MINUTE + HOUR
    async with market("kraken", [kraken], now) as (fake, venues):
        whole = [
            page.candles
            async for page in pages(
                venues.venue("kraken"), BTC, "1m", START, START + 700 * MINUTE, from_trades=True
            )
        ]
        table = np.concatenate([
            np.column_stack([getattr(c, n) for n in ("open_time", "open", "high", "low", "close",
                                                     "volume")]) for c in whole
        ])  # fmt: skip
        # 2,000 minutes before now: the venue serves the last 720 only
        keep = ~np.isin(table[:, 0], START + np.arange(300, 320) * MINUTE)
        await store(pool, candles(table[keep], "kraken", BTC))
        await scan(pool)
        work = repairs(pool, venues, lambda: fake.clock.now)
        (gap,) = await gaps(pool, kind="hole", start=START + 300 * MINUTE, end=START + 320 * MINUTE)
        done = await work.repair(gap)
    assert done.verdict is not None
    assert await tries(pool, gap) == [("trades", "mended", 20)] or done.stored >= 15
    assert same(await load(pool, "kraken"), candles(table, "kraken", BTC))


async def test_what_nobody_can_give_stands_with_its_reason(pool: Pool) -> None:
    rows = recorded(BTC, 4)
    await store(pool, candles(without(rows, HOLE), "bitfinex", BTC))
    await store(pool, candles(without(rows, HOLE), "binanceus", "OLD/USD"))
    await scan(pool)
    async with market("binanceus", [tape(BTC, rows)], END + HOUR) as (fake, venues):
        done = await all_repaired(pool, repairs(pool, venues, lambda: fake.clock.now))
    assert {g.finding.exchange: r.verdict.status for g, r in done if r.verdict} == {
        "bitfinex": "unrepairable",
        "binanceus": "unrepairable",
    }
    for gap, one in done:
        nobody = gap.finding.exchange == "bitfinex"
        expected = [("none", "nothing", 0)] if nobody else [("venue", "refused", 0)] * 2
        got = await tries(pool, gap)
        assert [t[1] for t in got] == [t[1] for t in expected][: len(got)]
        assert ("nobody to ask" if nobody else "has no OLD/USD") in one.tried[0].note
    again = await scan(pool)
    assert (again.saved.new, again.saved.gone, again.saved.grown) == (0, 0, 0)
    async with pool.acquire() as connection:
        assert await due_gaps(connection, END + 365 * 24 * HOUR, 10) == []


async def test_a_venue_that_is_down_is_asked_later(pool: Pool) -> None:
    rows = recorded(BTC, 5)
    await store(pool, candles(without(rows, HOLE), "binanceus", BTC))
    await scan(pool)
    async with market("binanceus", [tape(BTC, rows)], END + HOUR) as (fake, venues):
        work = repairs(pool, venues, lambda: fake.clock.now)
        fake.faults.add(ServerError(), method="fetch_ohlcv")
        (gap,) = await gaps(pool)
        pauses = []
        for _ in range(3):
            done = await work.repair(gap)
            assert [t.outcome for t in done.tried] == ["down"]
            (gap,) = await gaps(pool)
            assert (gap.status, gap.attempts) == ("open", 0)
            pauses.append((gap.next_try_at - fake.clock.now) // MINUTE)
        assert pauses == [1, 2, 4]
        async with pool.acquire() as connection:
            assert await due_gaps(connection, fake.clock.now, 10) == []
            assert len(await due_gaps(connection, fake.clock.now + 4 * MINUTE, 10)) == 1
        fake.faults.clear()
        done = await work.repair(gap)
    assert done.verdict is not None
    assert done.verdict.status == "repaired"
    assert [t[1] for t in await tries(pool, gap)] == ["down", "down", "down", "mended"]


async def test_an_outage_is_asked_again_at_growing_pauses_and_then_given_up(pool: Pool) -> None:
    series = [recorded(symbol, seed) for seed, symbol in enumerate((BTC, ETH, LTC))]
    pairs = list(zip((BTC, ETH, LTC), series, strict=True))
    halt = Halt(START + 300 * MINUTE, START + 320 * MINUTE)
    tapes = [tape(symbol, rows) for symbol, rows in pairs]
    for symbol, rows in pairs:
        await store(pool, candles(without(rows, HOLE), "binanceus", symbol))
    assert {(f.cause, f.sure) for f in (await scan(pool)).found} == {("outage", True)}
    now = END + HOUR
    async with market("binanceus", tapes, now) as (fake, venues):
        fake.faults.add(halt)
        work = repairs(pool, venues, lambda: now)
        pauses = []
        for _ in range(6):
            async with pool.acquire() as connection:
                (gap,) = [g for g in await due_gaps(connection, now, 9) if g.finding.symbol == BTC]
            done = await work.repair(gap)
            assert done.verdict is not None
            pauses.append(done.verdict.next_try_at - now)
            now = done.verdict.next_try_at
    assert [p // MINUTE for p in pauses[:-1]] == [1, 10, 60, 360, 1440]
    assert pauses[-1] > NEVER // 2
    (gap,) = await gaps(pool, series=SeriesFilter(symbol=BTC))
    assert (gap.status, gap.attempts, gap.finding.cause) == ("unrepairable", 6, "outage")
    # whoever loads candles need not ask either
    async with pool.acquire() as connection:
        assert await missing_ranges(connection, "binanceus", BTC, "1m", START, END) == []


async def test_quiet_intervals_are_settled_by_the_venues_word(pool: Pool) -> None:
    rows = recorded(BTC, 7)
    thin = np.sort(np.random.default_rng(1).choice(np.arange(5, COUNT - 5), 200, replace=False))
    left = np.delete(rows, thin, axis=0)
    await store(pool, candles(left, "coinbase", BTC), candles(recorded(ETH, 8), "coinbase", ETH))
    found = (await scan(pool)).found
    assert {f.cause for f in found} == {"no_trade"}
    async with market("coinbase", [tape(BTC, left)], END + HOUR) as (fake, venues):
        work = repairs(pool, venues, lambda: fake.clock.now)
        first = (await gaps(pool))[-1]
        await work.repair(first)
        assert await tries(pool, first) == [("venue", "nothing", 0)]
        assert ("coinbase", "fetch_trades") not in fake.calls
        # a backfill has asked for the whole range: nothing is asked again
        await pool.execute(
            "update venue_answers set asked = int8multirange(int8range($1, $2))", START, END
        )
        fake.calls.clear()
        await all_repaired(pool, work)
        assert not fake.calls
    assert {g.status for g in await gaps(pool)} == {"unrepairable"}
    async with pool.acquire() as connection:
        quiet = await quiet_holes(connection, "coinbase", BTC, "1m", START, END)
    assert sum(f.count for f in quiet) == 200


async def configure(pool: Pool, exchange: str, first: int, *, fill_gaps: bool = True) -> None:
    one = uuid4()
    new = NewConfiguration(
        configuration_id=one,
        strategy="sma_cross",
        exchange=exchange,
        symbol=BTC,
        timeframe="1m",
        params={},
        share=1,
        metrics={"in_sample_range": [first, first + HOUR]},
    )
    async with pool.acquire() as connection, connection.transaction():
        await add_discovered(connection, new, "test")
        await connection.execute(
            "update trained_configurations set fill_gaps = $2 where configuration_id = $1",
            one,
            fill_gaps,
        )
    await activate(pool, one, "test")


async def test_what_a_strategy_asks_for_is_kept_with_its_configurations(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = replace(get_strategy("sma_cross"), name="asking", fill_gaps=True)
    monkeypatch.setitem(STRATEGIES, "asking", asking)

    async def added(strategy: str, edited_from: UUID | None = None) -> tuple[UUID, bool]:
        one = uuid4()
        new = NewConfiguration(
            one, strategy, "kraken", BTC, "1m", {}, 1.0, {}, edited_from=edited_from
        )
        async with pool.acquire() as connection, connection.transaction():
            await add_discovered(connection, new, "test")
        query = "select fill_gaps from trained_configurations where configuration_id = $1"
        return one, await pool.fetchval(query, one)

    first, asks = await added("asking")
    assert asks
    assert not (await added("sma_cross"))[1]
    # without its file nobody knows the strategy here; an edit keeps what the old one asks for
    monkeypatch.delitem(STRATEGIES, "asking")
    assert (await added("asking", edited_from=first))[1]
    assert not (await added("asking"))[1]
    # of the active ones only
    async with pool.acquire() as connection:
        assert await series_to_fill(connection) == {}
    await activate(pool, first, "test")
    async with pool.acquire() as connection:
        assert list(await series_to_fill(connection)) == [("kraken", BTC, "1m")]


async def test_where_a_strategy_asks_for_it_a_hole_is_filled_with_the_close_before(
    pool: Pool,
) -> None:
    rows = recorded(BTC, 9)
    early = slice(100, 105)
    await store(pool, candles(without(rows, HOLE, early), "binanceus", BTC))
    await configure(pool, "kraken", START, fill_gaps=False)
    async with pool.acquire() as connection:
        assert await series_to_fill(connection) == {}
    await configure(pool, "binanceus", START + 200 * MINUTE)
    await scan(pool)
    tapes = [tape(BTC, without(rows, slice(302, 320), early))]
    async with market("binanceus", tapes, END + HOUR) as (fake, venues):
        meters = GapMeters(CollectorRegistry())
        rounds = RepairRounds(pool, venues, lambda: fake.clock.now, meters)
        assert await rounds.run(asyncio.get_running_loop().time() + 60) == 2
        # the first two are there now, the rest repeats the close of the second
        there = await load(pool, "binanceus")
        hole = there.between(START + 300 * MINUTE, START + 320 * MINUTE)
        assert len(hole) == 20
        assert (hole.volume[2:] == 0).all()
        for name in ("open", "high", "low", "close"):
            assert (getattr(hole, name)[2:] == rows[301, 4]).all()
        told = await sources(pool)
        kinds = [told[START + i * MINUTE] for i in range(299, 321)]
        assert kinds == ["import", "repaired", "repaired", *["synthetic"] * 18, "import"]
        # before the configuration's own first candle nothing is made up
        assert START + 100 * MINUTE not in told
        by_status = {g.status: g for g in await gaps(pool, start=START + 300 * MINUTE)}
        assert set(by_status) == {"repaired", "filled"}
        filled = by_status["filled"]
        assert (filled.finding.first, filled.finding.count) == (START + 302 * MINUTE, 18)
        assert "the rest of gap" in filled.finding.sentence
        # a scan looks through what is made up, and finds the same gap
        again = await scan(pool)
        assert (again.saved.new, again.saved.gone, again.saved.grown) == (0, 0, 0)

        # the venue has one of them after all: what follows it repeats its close
        later = rows[310:311]
        await store(pool, candles(later, "binanceus", BTC), source="backfill")
        changed = await scan(pool)
        assert (changed.saved.new, changed.saved.gone) == (2, 1)
        for gap in await gaps(pool, status=["open"], start=START + 300 * MINUTE):
            await repairs(pool, venues, lambda: fake.clock.now).repair(
                gap, synthetic_from=START + 200 * MINUTE
            )
    there = await load(pool, "binanceus")
    assert (there.between(START + 311 * MINUTE, START + 320 * MINUTE).close == rows[310, 4]).all()
    assert (there.between(START + 302 * MINUTE, START + 310 * MINUTE).close == rows[301, 4]).all()


async def test_impossible_and_unfinished_candles_are_replaced(pool: Pool) -> None:
    rows = recorded(BTC, 10)
    wrong = rows.copy()
    wrong[50:53, 2] = 1.0
    wrong[-1, 1:5] = wrong[-1, 1]
    await store(pool, candles(wrong, "binanceus", BTC))
    await scan(pool, now=END - 1)
    assert {(g.finding.kind, g.finding.count) for g in await gaps(pool)} == {
        ("impossible", 3),
        ("unfinished", 1),
    }
    # it has closed meanwhile, and stays doubtful
    await scan(pool, now=END + HOUR)
    assert {g.status for g in await gaps(pool)} == {"open"}
    async with market("binanceus", [tape(BTC, rows)], END + HOUR) as (fake, venues):
        await all_repaired(pool, repairs(pool, venues, lambda: fake.clock.now))
    assert same(await load(pool, "binanceus"), candles(rows, "binanceus", BTC))
    assert {(g.status, g.repaired_by) for g in await gaps(pool)} == {("repaired", "venue")}
    assert (await scan(pool)).found == []


async def untold(pool: Pool) -> list[CandleClosed]:
    """Return what market_ingest is to publish."""
    rows = await pool.fetch("select * from outbox order by id")
    assert {(row["service"], row["topic"]) for row in rows} <= {(CANDLES.writer, CANDLES.name)}
    return [CandleClosed.model_validate_json(row["value"]) for row in rows]


async def followed(pool: Pool, series: str, until: int) -> None:
    await pool.execute(
        "insert into feeds (feed, spec, published_until) values ($1, '{}', $2)",
        feed_of(*series.split(":")),
        until,
    )


async def test_repairs_of_what_is_followed_are_published(pool: Pool) -> None:
    count = 1_500
    rows = recorded(BTC, 11, count)
    end = START + count * MINUTE
    old, edge = slice(100, 110), slice(1_490, 1_495)
    await store(pool, candles(without(rows, HOLE, old, edge), "binanceus", BTC))
    until = START + 1_400 * MINUTE
    await followed(pool, "binanceus:BTC/USD:1m", until)
    await scan(pool)
    async with market("binanceus", [tape(BTC, rows)], end + HOUR) as (fake, venues):
        meters = GapMeters(CollectorRegistry())
        rounds = RepairRounds(pool, venues, lambda: fake.clock.now, meters)
        await rounds.run(asyncio.get_running_loop().time() + 60)
    # what windows cannot reach any more is not told, what is not published yet is the feed's
    assert await untold(pool) == []
    assert {g.status for g in await gaps(pool, end=until)} == {"repaired"}
    (waiting,) = await gaps(pool, start=until)
    assert waiting.status == "open"
    await pool.execute("update feeds set published_until = $1", end)
    async with market("binanceus", [tape(BTC, rows)], end + HOUR) as (fake, venues):
        rounds = RepairRounds(pool, venues, lambda: fake.clock.now, meters)
        await rounds.run(asyncio.get_running_loop().time() + 60)
    told = await untold(pool)
    assert [c.open_time for c in told] == [START + i * MINUTE for i in range(1_490, 1_495)]
    assert {c.source for c in told} == {"repaired"}


class Lost:
    """A broker that is gone."""

    async def send_many(self, *_: Any) -> None:
        raise ConnectionError


async def test_a_repair_is_told_though_the_broker_was_gone_when_it_was_stored(
    pool: Pool, kafka_bootstrap: str, no_topics: None
) -> None:
    await create_topics(kafka_bootstrap)
    rows = recorded(BTC, 13)
    await store(pool, candles(without(rows, HOLE), "binanceus", BTC))
    await followed(pool, "binanceus:BTC/USD:1m", END)
    await scan(pool)
    async with market("binanceus", [tape(BTC, rows)], END + HOUR) as (fake, venues):
        await all_repaired(pool, repairs(pool, venues, lambda: fake.clock.now))
    with pytest.raises(ConnectionError):
        await Relay(pool, Lost(), CANDLES.writer).run()  # type: ignore[arg-type]  # it only sends
    assert same(await load(pool, "binanceus"), candles(rows, "binanceus", BTC))
    publisher = await Publisher(kafka_bootstrap, "test").start()
    try:
        # two replicas relay at the same time
        relays = [Relay(pool, publisher, CANDLES.writer) for _ in range(2)]
        assert sum(await asyncio.gather(*(one.publish_once() for one in relays))) == 20
        told: list[CandleClosed] = await read_all(kafka_bootstrap, CANDLES)
    finally:
        await publisher.stop()
    assert [c.open_time for c in told] == [START + i * MINUTE for i in range(300, 320)]
    assert [c.close for c in told] == rows[HOLE, 4].tolist()
    assert await untold(pool) == []


async def test_corrections_of_one_candle_are_told_in_the_order_in_which_they_are_stored(
    pool: Pool,
) -> None:
    one = candles(recorded(BTC, 14, 3), "binanceus", BTC)
    await store(pool, one)
    await followed(pool, "binanceus:BTC/USD:1m", START + 3 * MINUTE)
    higher, highest = (replace(one, high=one.high + more) for more in (1, 2))
    begun = asyncio.Event()

    async def correct_slowly() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await store_corrections(connection, higher.rows(1, 2))
            begun.set()
            # the other one waits for this one's end, whatever it does meanwhile
            while not await pool.fetchval(  # noqa: ASYNC110 - the database tells nobody
                "select exists (select from pg_locks where not granted)"
            ):
                await asyncio.sleep(0.01)

    async def correct_after() -> None:
        await begun.wait()
        async with pool.acquire() as connection, connection.transaction():
            await store_corrections(connection, highest)

    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        group.create_task(correct_slowly())
        group.create_task(correct_after())
    assert [c.high for c in await untold(pool)] == [higher.high[1], *highest.high]
    assert same(await load(pool, "binanceus"), highest)


async def test_a_correction_that_is_not_stored_is_not_told(pool: Pool) -> None:
    one = candles(recorded(BTC, 15, 3), "binanceus", BTC)
    await store(pool, one)
    await followed(pool, "binanceus:BTC/USD:1m", START + 3 * MINUTE)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await store_corrections(connection, replace(one, high=one.high + 1))
        await transaction.rollback()
    assert await untold(pool) == []
    assert same(await load(pool, "binanceus"), one)


async def test_the_scanner_finds_and_repairs_by_itself(pool: Pool, database_url: str) -> None:
    rows = recorded(BTC, 12)
    await store(pool, candles(without(rows[:500], HOLE), "binanceus", BTC))
    registry = CollectorRegistry()
    meters = GapMeters(registry)
    connection = await connect(database_url)
    value = registry.get_sample_value
    tried = {"exchange": "binanceus", "step": "venue"}
    mended = {**tried, "outcome": "mended"}

    async def statuses_are(*wanted: str) -> None:
        async with asyncio.timeout(120):
            while sorted(g.status for g in await gaps(pool)) != sorted(wanted):  # noqa: ASYNC110 - a table tells nobody
                await asyncio.sleep(0.02)

    async with market("binanceus", [tape(BTC, rows)], END + HOUR) as (fake, venues):
        clock = lambda: fake.clock.now  # noqa: E731 - the market's
        rounds = RepairRounds(pool, venues, clock, meters)
        scanner = Scanner(connection, meters, 0.2, clock=clock, repairs=rounds)
        running = asyncio.create_task(scanner.run())
        try:
            await statuses_are("repaired")
            # candles go on, with a hole
            await store(pool, candles(without(rows[500:], slice(40, 44)), "binanceus", BTC))
            await statuses_are("repaired", "repaired")
            # a repair is counted a moment after it is stored
            async with asyncio.timeout(120):
                while value("tradepulse_gap_repairs_total", mended) != 2:  # noqa: ASYNC110 - nor does a metric
                    await asyncio.sleep(0.02)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await connection.close()
    assert same(await load(pool, "binanceus"), candles(rows, "binanceus", BTC))
    assert value("tradepulse_repaired_candles_total", tried) == 24
    assert value("tradepulse_gap_repairs_total", mended) == 2
    assert value("tradepulse_gap_scan_failures_total") == 0
    assert (value("tradepulse_gap_scan_seconds_count", {"scope": "new"}) or 0) > 0


async def test_only_the_ends_are_read_between_two_scans_of_everything(pool: Pool) -> None:
    walks = [random_walk(s, COUNT, seed=i, timeframe="1m") for i, s in enumerate((BTC, ETH, LTC))]
    begin = int(walks[0].open_time[0])
    for walk in walks:
        await store(pool, walk.rows(0, 400))
    tails = TailScanner()
    async with pool.acquire() as connection:
        assert tails.changed
        await tails.note(connection)
        await scan_all(connection)
        assert not tails.changed

        # candles go on, then all stop together
        for walk in walks:
            await store_candles(connection, [walk.rows(400, 410), walk.rows(430, 450)], "import")
        one = await tails.scan(connection)
        assert [(f.cause, f.sure, f.count) for f in one.found] == [("outage", True, 20)] * 3
        assert not tails.changed

        # at the live edge a hole grows
        followed = [walks[0].series]
        edge = begin + 450 * MINUTE
        for late in (5, 9):
            now = edge + late * MINUTE + 120_000
            two = await tails.scan(connection, now=now, followed=followed)
            assert [(f.count, f.first) for f in two.found] == [(late, edge)]
        assert (two.saved.new, two.saved.grown) == (0, 1)
        wanted = GapFilter(SeriesFilter(symbol=BTC), status=["open"])
        open_ones = await list_gaps(connection, wanted)
        assert [g.finding.count for g in open_ones] == [9, 20]

        # and is gone when its candles come
        await store_candles(connection, [walks[0].rows(450, 470)], "import")
        three = await tails.scan(connection, now=edge + 20 * MINUTE, followed=followed)
        assert (three.found, three.saved.gone) == ([], 1)
        assert not tails.changed

        # what comes elsewhere is seen by its number
        await store_candles(connection, [walks[1].rows(412, 414)], "import")
        await tails.scan(connection)
        assert tails.changed
        await tails.note(connection)
        assert not tails.changed
        full = await scan_all(connection)
        assert (full.saved.new, full.saved.gone) == (2, 1)


async def test_what_was_judged_by_its_witnesses_is_not_judged_again_without_them(
    pool: Pool,
) -> None:
    walks = [random_walk(s, COUNT, seed=i, timeframe="1m") for i, s in enumerate((BTC, ETH, LTC))]
    for walk in walks:
        await store(pool, walk.rows(0, 450))
    now = int(walks[0].open_time[0]) + 460 * MINUTE + 120_000
    followed = [walk.series for walk in walks]
    tails = TailScanner()
    async with pool.acquire() as connection:
        await tails.note(connection)
        await scan_all(connection)
        for new in (3, 0):
            scan = await tails.scan(connection, now=now, followed=followed)
            assert (scan.saved.new, scan.saved.grown, scan.saved.gone) == (new, 0, 0)
            told = [(g.finding.count, g.finding.cause) for g in await list_gaps(connection)]
            assert told == [(10, "outage")] * 3


@pytest.mark.parametrize("seed", range(3))
async def test_every_candle_says_where_it_came_from_after_any_sequence(
    pool: Pool, seed: int
) -> None:
    """Whatever is stored, repaired and filled: what is made up has the close before it."""
    random = np.random.default_rng(seed)
    rows = recorded(BTC, seed, 120)
    real = random.random(120) < 0.5
    real[0] = True
    given = {0: "import"}
    await store(pool, candles(rows[real], "binanceus", BTC))
    given = {int(i): "import" for i in np.flatnonzero(real)}
    known = real.copy()
    clock = lambda: START + 120 * MINUTE + HOUR  # noqa: E731 - fixed
    for _ in range(12):
        what = random.choice(["fill", "venue", "backfill", "live"])
        lo = int(random.integers(0, 110))
        part = np.arange(lo, lo + 1 + int(random.integers(0, 10)))
        if what == "fill":
            await scan(pool)
            for gap in await gaps(pool, status=["open", "filled"]):
                await repairs(pool, None, clock).repair(gap, synthetic_from=START)
        elif what == "venue":
            await scan(pool)
            # only a part of what is asked for is there
            tapes = [tape(BTC, rows[np.unique(np.r_[np.flatnonzero(known), part])])]
            async with market("binanceus", tapes, clock()) as (_, venues):
                work = repairs(pool, venues, clock)
                asked = set()
                for gap in await gaps(pool, status=["open", "filled"]):
                    done = await work.repair(gap, synthetic_from=START)
                    begin = (gap.finding.first - START) // MINUTE
                    # of a hole for want of trades the venue's word is taken, and kept
                    if not any("said before" in one.note for one in done.tried):
                        asked |= set(range(begin, begin + gap.finding.count))
            came = [i for i in part.tolist() if i in asked]
            given |= dict.fromkeys(came, "repaired")
            known[came] = True
        else:
            rank = ("import", "backfill", "live", "repaired")
            async with pool.acquire() as connection:
                await upsert_candles(connection, [candles(rows[part], "binanceus", BTC)], what)
                await renew_synthetic_from(connection, "binanceus", BTC, "1m", START)
            for i in part.tolist():
                if i not in given or rank.index(what) > rank.index(given[i]):
                    given[i] = what
            known[part] = True
    there, told = await load(pool, "binanceus"), await sources(pool)
    close = None
    for t, *figures in zip(
        there.open_time.tolist(),
        *(getattr(there, n).tolist() for n in ("open", "high", "low", "close", "volume")),
        strict=True,
    ):
        i = (t - START) // MINUTE
        if told[t] == "synthetic":
            assert not known[i]
            assert figures == [close, close, close, close, 0], i
        else:
            assert told[t] == given[i], i
            assert figures == rows[i, 1:].tolist()
            close = figures[3]
    assert set(np.flatnonzero(known)) == {
        (t - START) // MINUTE for t, source in told.items() if source != "synthetic"
    }
