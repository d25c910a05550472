"""A day of recorded trades through WebSocket, with disconnects and garbage all along."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from live_market import FAST, MINUTE, following

from tests.fakes.exchange import HOUR, FakeExchange, Instrument, Tape
from tests.fakes.exchange.faults import DropSocket, Duplicated, GarbageFrame, Late, TruncatedFrame
from tests.fakes.exchange.synthetic import random_trades

pytestmark = pytest.mark.integration
RECORDED = Path(__file__).parents[3] / "shared" / "data" / "trades_ticks.parquet"
DAY = 24 * HOUR
SYNTHETIC_START = 1_700_006_400_000


def recorded_day() -> tuple[Tape, int]:
    """Return a day of trades of XRP/ETH, recorded where they are at hand, and its start."""
    instrument = Instrument("XRP/ETH", price_decimals=8, amount_decimals=8)
    if not RECORDED.exists():
        trades = random_trades(9_000, SYNTHETIC_START, SYNTHETIC_START + DAY, price=0.002)
        made = [(t, round(p, 2) + 0.001, a, side) for t, p, a, side in trades]
        return Tape(instrument, trades=made), SYNTHETIC_START
    frame = (
        pl.read_parquet(RECORDED)
        .filter((pl.col("exchange") == "binance") & (pl.col("symbol") == "XRP/ETH"))
        .sort("ts", "id", maintain_order=True)
    )
    start = int(frame["ts"][0]) // (HOUR) * HOUR + HOUR
    day = frame.filter((pl.col("ts") >= start - HOUR) & (pl.col("ts") < start + DAY))
    rows = zip(*(day[c].to_list() for c in ("ts", "price", "amount", "side")), strict=True)
    return Tape(instrument, trades=list(rows)), start


@pytest.mark.parametrize(
    ("venue", "hours", "step"), [("coinbase", 24, MINUTE), ("binanceus", 2, 15_000)]
)
async def test_a_day_with_a_disconnect_every_few_minutes_and_garbage(
    venue: str, hours: int, step: int, database_url: str
) -> None:
    tape, start = recorded_day()
    series, data = f"{venue}:XRP/ETH:1m", "watch_ohlcv" if venue == "binanceus" else "watch_trades"
    async with (
        FakeExchange(start + 30_000, {venue: [tape]}, seed=7) as fake,
        following(fake, database_url, series, options=replace(FAST, tick_s=0.001)) as market,
    ):
        await market.connected(1)
        planned = [
            fake.faults.add(GarbageFrame(), method=data, probability=0.005),
            fake.faults.add(TruncatedFrame(), method=data, probability=0.005),
            fake.faults.add(Duplicated(), method=data, probability=0.01),
            fake.faults.add(Late(2), method=data, probability=0.002),
        ]
        drops = [
            fake.faults.add(DropSocket(clean=number % 2 == 0), method=data, count=1, start=at)
            for number, at in enumerate(range(start + 5 * MINUTE, start + hours * HOUR, 6 * MINUTE))
        ]
        for _ in range(0, hours * HOUR - 5 * MINUTE, step):
            await market.pass_time(step, step=step)
            # a connection takes real time, of which the market must not make hours
            await market.connected(1)
        await market.settled(series)
        counts = await market.check(series, start)
        hits = [one.hits for one in planned]
        print(f"{venue}: {counts}; faults {hits}, {sum(d.hits for d in drops)} disconnects")
        assert counts["live"] > 0.25 * sum(counts.values())
        assert sum(hits) > 3 * hours
        assert sum(d.hits for d in drops) > 6 * hours
