"""Recorded trades, served by a fake exchange, become the recorded candles; where they are there."""

from pathlib import Path

import numpy as np
import polars as pl

from tests.fakes.exchange import HOUR, FakeExchange, Instrument, Tape
from tradepulse.candles.arrays import Candles
from tradepulse.candles.from_trades import Trades, candles_from_trades
from tradepulse.market_data.venues.client import open_venue
from tradepulse.market_data.venues.history import pages
from tradepulse.market_data.venues.pace import LocalPace

DATA = Path(__file__).parents[3] / "shared/data"
FIGURES = ("open_time", "open", "high", "low", "close", "volume")


def recorded(exchange: str, symbol: str) -> pl.DataFrame:
    frame = pl.read_parquet(DATA / "trades_ticks.parquet").filter(
        (pl.col("exchange") == exchange) & (pl.col("symbol") == symbol)
    )
    # recorded kraken trades have no id, and one is there twice, at the border of two pages
    return frame if frame["id"][0] else frame.unique(("ts", "price", "amount"), maintain_order=True)


async def through(
    name: str, symbol: str, frame: pl.DataFrame, timeframe: str, start: int, end: int, now: int
) -> np.ndarray:
    rows = frame.select("ts", "price", "amount", "side").rows()
    # so much has traded since that the venue has no candle of then any more
    rows += [(time, 1.0, 1.0, "buy") for time in range(rows[-1][0] + HOUR, now, HOUR)]
    tape = Tape(Instrument(symbol, price_decimals=8), trades=rows)
    async with FakeExchange(now, {name: [tape]}) as fake:
        async with open_venue(
            name, {name: fake.config(name)}, LocalPace(), lambda: fake.clock.now
        ) as venue:
            found = pages(venue, symbol, timeframe, start, end, from_trades=True)
            parts = [page.candles async for page in found]
        asked = [method for _, method in fake.calls]
        # kraken is asked once how far its own candles go
        assert asked.count("fetch_ohlcv") == (name == "kraken")
        assert asked.count("fetch_trades") > 2
    return np.vstack([np.column_stack([getattr(c, name) for name in FIGURES]) for c in parts])


class TestRecordedTrades:
    """Collected only where the recorded data is."""

    __test__ = DATA.is_dir()

    async def test_an_hour_of_kraken(self) -> None:
        start = 1_561_939_200_000
        found = await through(
            *("kraken", "BTC/USD", recorded("kraken", "BTC/USD"), "1h"),
            *(start, start + HOUR, start + 800 * HOUR),
        )
        candle = pl.read_parquet(DATA / "kraken_1h_2013_2021.parquet").filter(
            (pl.col("symbol") == "BTC/USD") & (pl.col("ts") == start)
        )
        assert found.tolist() == [[candle[n][0] for n in ("ts", *FIGURES[1:])]]

    async def test_59_hours_of_binance(self) -> None:
        frame = recorded("binance", "XRP/ETH")
        start, end = 1_570_752_060_000, 1_570_965_540_000
        trades = Trades(
            *("binance", "XRP/ETH", frame["ts"].to_numpy(), np.array(frame["id"].to_list())),
            *(frame["price"].to_numpy(), frame["amount"].to_numpy()),
        )
        # these are the venue's own candles: see test_trade_candles.py
        whole: Candles = candles_from_trades(trades, "1m", start=start, end=end)
        found = await through("binanceus", "XRP/ETH", frame, "1m", start, end, end + HOUR)
        assert np.array_equal(found, np.column_stack([getattr(whole, n) for n in FIGURES]))
