"""Candles out of the database and into it, measured beside the naive ways, in one run.

    python bench/data.py                            all, on a database of its own: ten minutes
    python bench/data.py --rows 400000 --runs 10    small and quick; also --series
    python bench/data.py --only insert              one part: read, many, insert, live

The candles are synthetic: random walks with a fixed seed, of 5 minutes. They are written
as a live database is: a fifth series by series, the rest in the order of time over all series, so
that the rows of one series are scattered over all pages; some are repaired afterwards, and the last
25 closes come after the last vacuum.
"""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import asyncpg
import numpy as np
from peer_data import (
    FILL_TEXT_KEY,
    TEXT_KEY_TABLE,
    UPSERT_ONE,
    one_value,
    records,
    rows_to_arrays,
    rows_to_frame,
)
from rich.console import Console
from rich.progress import track

from tradepulse.candles.arrays import Candles
from tradepulse.embedded.children import Children
from tradepulse.embedded.postgres import EmbeddedPostgres
from tradepulse.market_data.copy_rows import blank, encoded, wire
from tradepulse.market_data.loader import MarketData
from tradepulse.market_data.rows import FIGURES, PRICES, Name
from tradepulse.market_data.store import load_candles, load_frame, upsert_candles
from tradepulse.runtime.db import Connection, connect, connect_pool, migrate
from tradepulse.strategies.indicators import atr_wilder, sma

EXCHANGES = ("binanceus", "coinbase", "kraken", "bitstamp")
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
STEP = 300_000
T0 = 1_700_000_100_000
NINETY_DAYS = 90 * 288
AFTER_VACUUM = 25
"""Closes."""
MANY = 40
BULK = 10
"""Series in a bulk insert."""
BULK_ROWS = 25_000
"""Candles in each of them."""
TABLE_ROW = wire(**PRICES, series=">i4", source="S4")
"""A row of the table `candles` whose source is "live"."""
console = Console()
chance = np.random.default_rng(1)


def name_of(series: int) -> Name:
    """Return the names of a synthetic series, numbered from 0."""
    return EXCHANGES[series % len(EXCHANGES)], f"SYNTHETIC{series}/USD", "5m"


def walk(name: Name, start: int, count: int) -> Candles:
    """Return a random walk."""
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.002, count)))
    open_ = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    times = start + STEP * np.arange(count, dtype=np.int64)
    return Candles(*name, times, open_, high, low, close, chance.random(count) * 10)


async def copy(
    connection: Connection, walks: dict[str, np.ndarray], of: np.ndarray, at: np.ndarray
) -> None:
    """Write row `at[i]` of series `of[i]`, in this order; series are numbered from 1."""
    rows = blank(TABLE_ROW, len(of))
    rows["series"], rows["source"] = of + 1, b"live"
    for figure in FIGURES:
        rows[figure] = walks[figure][of, at]
    await connection.copy_to_table("candles", source=encoded(rows), format="binary")


async def fill(connection: Connection, series: int, length: int) -> list[Candles]:
    """Write `length` candles of each series into both layouts; return them."""
    for i in range(series):
        await connection.execute(
            "insert into candle_series values (default, $1, $2, $3)", *name_of(i)
        )
    made = [walk(name_of(i), T0, length) for i in range(series)]
    table = {figure: np.stack([getattr(one, figure) for one in made]) for figure in FIGURES}
    walks = [Candles(*name_of(i), *(table[f][i] for f in FIGURES)) for i in range(series)]
    every, backfilled, vacuumed = np.arange(series), length // 5, length - AFTER_VACUUM
    for i in track(range(series), "backfilling", console=console):
        await copy(connection, table, np.full(backfilled, i), np.arange(backfilled))
    for lo in track(range(backfilled, vacuumed, 1_000), "writing as live", console=console):
        times = np.arange(lo, min(lo + 1_000, vacuumed))
        await copy(connection, table, np.tile(every, len(times)), np.repeat(times, series))
    for one in track(walks, "repairing", console=console):
        some = np.sort(chance.choice(vacuumed, length // 500, replace=False))
        one.volume[some] += 1
        repaired = (getattr(one, figure)[some] for figure in FIGURES)
        names = one.exchange, one.symbol, one.timeframe
        await upsert_candles(connection, [Candles(*names, *repaired)], "repaired")
    with console.status("the same in a table keyed by the names"):
        await connection.execute("set max_parallel_workers_per_gather = 0")
        await connection.execute(TEXT_KEY_TABLE)
        await connection.execute(FILL_TEXT_KEY, T0)
    with console.status("vacuum"):
        await connection.execute("vacuum analyze candles, text_key")
    last = np.arange(vacuumed, length)
    await copy(connection, table, np.tile(every, len(last)), np.repeat(last, series))
    await connection.execute(FILL_TEXT_KEY, T0 + STEP * vacuumed)
    for name in ("candles", "text_key"):
        sizes = await connection.fetchrow(
            f"select reltuples::bigint, pg_table_size(oid) / 1e6, pg_indexes_size(oid) / 1e6 "
            f"from pg_class where relname = '{name}'"
        )
        console.print(f"{name:>35}: {sizes[0]:,} rows, {sizes[1]:.0f} MB, index {sizes[2]:.0f} MB")
    return walks


def indicators(candles: Candles) -> None:
    """Compute what a strategy wants."""
    atr_wilder(14).of(candles)
    sma(20).of(candles)


def shown(name: str, took: list[float], ours: list[float] | None = None) -> None:
    """Print milliseconds, and how many times ours that is."""
    p50, p99 = np.percentile(np.array(took) * 1000, [50, 99])
    ratio = "" if ours is None else f", {np.median(took) / np.median(ours):.1f} times ours"
    console.print(f"{name:>35}: p50 {p50:7.1f} ms, p99 {p99:7.1f} ms{ratio}", soft_wrap=True)


async def read(connection: Connection, pool: Pool, walks: list[Candles], runs: int) -> None:
    """Time 90 days of one series with ATR(14) and SMA(20)."""
    length = len(walks[0])
    count = min(NINETY_DAYS, length)
    loader = MarketData(pool)

    async def ours(name: Name, start: int, end: int) -> Candles:
        return await loader.load(*name, start, end)

    async def one_connection(name: Name, start: int, end: int) -> Candles:
        return await load_candles(connection, *name, start, end)

    async def frame(name: Name, start: int, end: int) -> Candles:
        found = await loader.load_candles(*name, start, end)
        return Candles(*name, *(found[figure].to_numpy() for figure in FIGURES))

    async def with_source(name: Name, start: int, end: int) -> None:
        await load_frame(connection, *name, start, end, with_source=True)

    ways: dict[str, Callable[[Name, int, int], Awaitable[Candles | None]]] = {
        "ours": ours,
        "ours, as a polars frame": frame,
        "ours, only read": ours,
        "ours, over one connection": one_connection,
        "ours, only read, with the source": with_source,
        "keyed by names, one value": lambda *a: one_value(connection, *a),
        "keyed by names, rows to polars": lambda *a: rows_to_frame(connection, *a, "text_key"),
        "our layout, rows to polars": lambda *a: rows_to_frame(connection, *a, "market_data"),
        "our layout, rows to NumPy": lambda *a: rows_to_arrays(connection, *a, "market_data"),
    }
    took: dict[str, list[float]] = {way: [] for way in ways}
    server = []
    for _ in track(range(runs), "reading", console=console):
        for way, load in ways.items():
            one = walks[chance.integers(len(walks))]
            lo = int(chance.integers(length - count + 1))
            start, end = T0 + STEP * lo, T0 + STEP * (lo + count)
            begun = time.perf_counter()
            found = await load((one.exchange, one.symbol, one.timeframe), start, end)
            if found is not None and "only read" not in way:
                indicators(found)
            took[way].append(time.perf_counter() - begun)
            if found is not None and found.close.tobytes() != one.close[lo : lo + count].tobytes():
                raise AssertionError(f"{way}: other candles than were written")
        plan = await connection.fetch(
            "explain (analyze, timing off) select open_time, open, high, low, close, volume from "
            f"candles where series = {chance.integers(len(walks)) + 1} "
            f"and open_time >= {start} and open_time < {end} order by open_time"
        )
        server.append(float(plan[-1][0].split()[2]) / 1000)
    console.print(f"{count:,} candles of one series, with ATR(14) and SMA(20), {runs} times each")
    for way, times in took.items():
        shown(way, times, took["ours"])
    shown("ours, in the server", server)


async def many(connection: Connection, pool: Pool, walks: list[Candles], runs: int) -> None:
    """Time 90 days of 40 series with indicators."""
    count = min(NINETY_DAYS, len(walks[0]))
    start, end = T0, T0 + STEP * count
    loader = MarketData(pool)
    took: dict[str, list[float]] = {"ours": [], "keyed by names, rows to polars": []}
    for _ in track(range(max(1, runs // 10)), f"reading {MANY}", console=console):
        for way, times in took.items():
            some = chance.choice(len(walks), min(MANY, len(walks)), replace=False)
            begun = time.perf_counter()
            for i in some:
                name = (walks[i].exchange, walks[i].symbol, walks[i].timeframe)
                if way == "ours":
                    found = await loader.load(*name, start, end)
                else:
                    found = await rows_to_frame(connection, name, start, end, "text_key")
                indicators(found)
            times.append(time.perf_counter() - begun)
    console.print(f"{MANY} series of {count:,} candles, one after the other")
    for way, times in took.items():
        shown(way, times, took["ours"])


async def insert(connection: Connection, per_series: int) -> None:
    """Rate bulk inserts into the filled tables: new candles, and the same ones again."""
    rates: dict[str, list[float]] = {}

    async def rate(way: str, count: int, writing: Awaitable[object]) -> None:
        begun = time.perf_counter()
        await writing
        rates.setdefault(way, []).append(count / (time.perf_counter() - begun))

    for turn in track(range(3), "inserting", console=console):
        names = [("binanceus", f"BULK{turn}-{i}/USD", "5m") for i in range(BULK)]
        bulk = [walk(name, T0, per_series) for name in names]
        count = BULK * per_series
        await rate("ours, new", count, upsert_candles(connection, bulk, "live"))
        await rate("ours, all there already", count, upsert_candles(connection, bulk, "live"))
        other = [walk(name, T0, per_series) for name in names]
        await rate("ours, all changed", count, upsert_candles(connection, other, "repaired"))
        kept = upsert_candles(connection, bulk, "import")
        await rate("ours, all differ and are kept", count, kept)
        around = [walk((*name[:2], "15m"), T0, per_series) for name in names]
        middle = [one.rows(per_series // 2, per_series // 2 + 1) for one in around]
        await upsert_candles(connection, middle, "live")
        writing = upsert_candles(connection, around, "live")
        await rate("ours, new but for one", count, writing)
        rows = records(bulk)
        await rate("executemany, keyed by names", count, connection.executemany(UPSERT_ONE, rows))
        numbers = np.repeat(np.arange(BULK) + 1_000_000 * (turn + 1), per_series)
        raw = blank(TABLE_ROW, count)
        raw["series"], raw["source"] = numbers, b"live"
        for figure in FIGURES:
            raw[figure] = np.concatenate([getattr(one, figure) for one in bulk])
        alone = connection.copy_to_table("candles", source=encoded(raw), format="binary")
        await rate("COPY alone, fails on any conflict", count, alone)
    console.print(f"bulk insert of {BULK} series of {per_series:,} candles, median of 3")
    ours = np.median(rates["ours, new"])
    for way, found in rates.items():
        console.print(
            f"{way:>35}: {np.median(found):9,.0f} rows/s, {np.median(found) / ours:.2f} times"
        )


async def live(connection: Connection, walks: list[Candles], runs: int) -> None:
    """Time what comes live: one close of some series, in a transaction of its own."""
    console.print("one close of so many series, as it comes live")
    length = len(walks[0])
    for count in (1, 20, len(walks)):
        took = []
        for turn in range(runs):
            close = T0 + STEP * (length + turn)
            new = [walk(name_of(i), close + STEP * count * 1_000, 1) for i in range(count)]
            begun = time.perf_counter()
            await upsert_candles(connection, new, "live")
            took.append(time.perf_counter() - begun)
        shown(f"{count} candles", took)


async def measure(url: str, asked: argparse.Namespace) -> None:
    """Fill the empty database and run the parts that were asked for."""
    await migrate(url)
    connection, pool = await connect(url), await connect_pool(url)
    runs, only = asked.runs, asked.only
    length = max(asked.rows // asked.series, 2 * AFTER_VACUUM)
    walks = await fill(connection, asked.series, length)
    indicators(walks[0])  # compiled before anything is timed
    if only in (None, "read"):
        await read(connection, pool, walks, runs)
    if only in (None, "many"):
        await many(connection, pool, walks, runs)
    if only in (None, "insert"):
        await insert(connection, min(BULK_ROWS, len(walks[0])))
    if only in (None, "live"):
        await live(connection, walks, runs)
    await pool.close()
    await connection.close()


async def main() -> None:
    """Measure on a database of its own, or on the one that is given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["read", "many", "insert", "live"])
    parser.add_argument("--rows", type=int, default=5_200_000)
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--database", help="address of an empty database to use instead of its own")
    asked = parser.parse_args()
    console.print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, synthetic candles")
    if asked.database:
        await measure(asked.database, asked)
    else:
        with tempfile.TemporaryDirectory(prefix="tpb-") as folder:
            async with Children() as children:
                postgres = EmbeddedPostgres(Path(folder) / "postgres", children)
                await postgres.start()
                await measure(postgres.url(), asked)
                await postgres.stop()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"this process took {peak:.0f} MiB at most")


if __name__ == "__main__":
    asyncio.run(main())
