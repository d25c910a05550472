"""Many series that close at once, every one with an entry: from the first candle to the last order.

The prices turn up at every `PERIOD`-th close, in all series at once, so that each gives an entry
there, and leaves it some closes later. The shares of the hops come from the times that stand in
Kafka's records (whole milliseconds).
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from path_run import Run, announced, candle, console, keyed

from contracts.events import CandleClosed, OrderDecided
from contracts.topics import ACCOUNT, CANDLES, EVALUATIONS, FEEDS
from tradepulse.embedded.children import Children
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import connect

PERIOD = 4
"""Closes from one entry to the next; in between the position is left again."""
PRICES = (100.0, 99.0, 98.0, 101.0)
FAST, SLOW = 2, 5
"""Of the cross: each turn is one."""
STARTED_S = 8.0
WARM = 3
"""Entries that are not counted: services, caches and connections are new."""


def zigzag(symbols: Sequence[str], row: int) -> list[CandleClosed]:
    """Return the candles of one close."""
    open_, close = PRICES[(row - 1) % PERIOD], PRICES[row % PERIOD]
    return [candle(symbol, row, open_, close) for symbol in symbols]


class Times:
    """When things happened at each close, seconds of the wall clock."""

    def __init__(self) -> None:
        self.sent: dict[int, float] = {}
        self.sent_last: dict[int, float] = {}
        self.evaluated: dict[int, float] = {}
        self.ordered: dict[int, list[float]] = {}
        self.received: dict[int, float] = {}

    async def follow_orders(self, run: Run) -> None:
        """Note when each order was published, and received."""
        async with run.reader(ACCOUNT, latest=True) as reader:
            while True:
                for record, event in await reader.next_records():
                    if isinstance(event, OrderDecided) and event.status == "OPEN":
                        if event.notional is None:
                            continue  # an exit
                        at = event.decided_at
                        self.ordered.setdefault(at, []).append(record.timestamp / 1000)
                        self.received[at] = time.time()

    async def follow_evaluations(self, run: Run) -> None:
        """Note when the last evaluation of each close was published."""
        async with run.reader(EVALUATIONS, latest=True) as reader:
            while True:
                for record, value in await reader.next_records():
                    close_time = int(value.partition(b'"close_time":')[2].partition(b",")[0])
                    self.evaluated[close_time] = max(
                        self.evaluated.get(close_time, 0.0), record.timestamp / 1000
                    )


async def closes(
    folder: Path, children: Children, count: int, *, over_s: float = 0.0, entries: int = 10
) -> None:
    """Time from the first candle of a close to its last order, an entry on every series.

    Args:
        folder: for broker and database.
        children: kills what was started.
        count: series.
        over_s: the candles come at once, or one by one over so many seconds.
        entries: closes that are measured.
    """
    symbols = [f"S{i}/USD" for i in range(count)]
    rows = (WARM + entries) * PERIOD
    async with Run(folder, children) as run:
        await run.activate(symbols, FAST, SLOW)
        connection = await connect(run.postgres.url())
        await store_candles(
            connection, [c for row in range(PERIOD) for c in zigzag(symbols, row)], "replay"
        )
        await connection.close()
        event = announced(symbols, None)
        await run.publisher.send(FEEDS, event.feed, event.model_dump_json().encode())
        for service in ("signal_svc", "rl_svc", "executor_svc"):
            run.start(
                *("-m", f"{service}.app"),
                POLICY="equal",
                INITIAL_CASH="1000000000",
                MAX_OPEN_POSITIONS=str(count),
            )
        times = Times()
        following = [
            asyncio.create_task(times.follow_orders(run)),
            asyncio.create_task(times.follow_evaluations(run)),
        ]
        await asyncio.sleep(STARTED_S)
        pause = max(0.5, over_s + 0.5, count / 1000)
        for row in range(rows):
            candles = zigzag(symbols, row)
            at = candles[0].close_time
            times.sent[at] = time.time()
            if over_s:
                await one_by_one(run, candles, over_s)
            else:
                await run.publisher.send_many(CANDLES, keyed(candles))
            times.sent_last[at] = time.time()
            await asyncio.sleep(max(0.0, times.sent[at] + pause - time.time()))
        await asyncio.sleep(3)
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    tell(times, count, over_s)


async def one_by_one(run: Run, candles: Sequence[CandleClosed], over_s: float) -> None:
    """Publish candles evenly over some seconds, each by itself, as venues send them."""
    begun = time.perf_counter()
    sending = []
    for number, (key, value) in enumerate(keyed(candles)):
        wait = begun + number * over_s / len(candles) - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        sending.append(asyncio.create_task(run.publisher.send(CANDLES, key, value)))
    await asyncio.gather(*sending)


def tell(times: Times, count: int, over_s: float) -> None:
    """Print the times of the closes at which every series had its entry."""
    full = [at for at, orders in sorted(times.ordered.items()) if len(orders) == count][WARM:]
    odd = {len(orders) for orders in times.ordered.values()} - {count}
    how = f"over {over_s:g} s" if over_s else "at once"
    if not full:
        console.print(f"{count:>6} series {how}: no close with an order on every series: {odd}")
        return
    # what trickles in is counted from its last candle: before that nobody can know
    begun = times.sent_last if over_s else times.sent
    last = np.array([times.received[at] - begun[at] for at in full]) * 1000
    hops = {
        "candles published": [times.sent_last[at] - times.sent[at] for at in full],
        "evaluated": [times.evaluated[at] - times.sent_last[at] for at in full],
        "settled, stored, published": [max(times.ordered[at]) - times.evaluated[at] for at in full],
        "received": [times.received[at] - max(times.ordered[at]) for at in full],
    }
    shares = ", ".join(f"{name} {1000 * np.median(each):.0f}" for name, each in hops.items())
    console.print(
        f"{count:>6} series {how}: last order after p50 {np.median(last):.0f} ms, max "
        f"{last.max():.0f} ms ({len(full)} closes; medians of the hops: {shares})"
    )
    if odd:
        console.print(f"        closes with another number of orders: {sorted(odd)}")
