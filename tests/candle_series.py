"""Made-up candles for tests: possible, reproducible, on the grid."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from contracts.events import CandleClosed
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.strategies.sources import reference_of

START = 1_599_955_200_000
"""2020-09-13, on the grid of every timeframe."""
FIGURES = ("open_time", "open", "high", "low", "close", "volume")


def random_walk(
    symbol: str,
    count: int,
    *,
    seed: int = 0,
    exchange: str = "test",
    timeframe: str = "30m",
    start: int = START,
    without: Iterable[int] = (),
) -> Candles:
    """Return `count` candles from `start`, less those whose index is in `without` (holes)."""
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.normal(0, 0.005, count)))
    open_ = np.concatenate([[100.0], close[:-1]])
    high = np.maximum(open_, close) * (1 + random.random(count) * 0.003)
    low = np.minimum(open_, close) * (1 - random.random(count) * 0.003)
    times = start + np.arange(count, dtype=np.int64) * timeframe_ms(timeframe)
    keep = ~np.isin(np.arange(count), list(without))
    columns = (times, open_, high, low, close, random.random(count) * 10)
    return Candles(exchange, symbol, timeframe, *(column[keep] for column in columns))


def beside_bitcoin(candles: Candles, seed: int = 1) -> Candles:
    """Give a series a Bitcoin to look at, that walks by itself over the same times."""
    random = np.random.default_rng(seed)
    close = 500 * np.exp(np.cumsum(random.normal(0, 0.006, len(candles))))
    others = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close}
    name = reference_of("BTC", candles)
    bitcoin = replace(candles, symbol=name.partition(":")[2], **others)
    return replace(candles, references={name: bitcoin})


def as_events(series: Iterable[Candles]) -> list[CandleClosed]:
    """Return every candle as the event that market_ingest would publish, series by series."""
    return [
        CandleClosed(
            exchange=candles.exchange,
            symbol=candles.symbol,
            timeframe=candles.timeframe,
            close_time=time + timeframe_ms(candles.timeframe),
            source="replay",
            **dict(zip(FIGURES, (time, *figures), strict=True)),
        )
        for candles in series
        for time, *figures in zip(*(getattr(candles, n).tolist() for n in FIGURES), strict=True)
    ]


def same(a: Candles, b: Candles) -> bool:
    """Tell whether two series are equal to the bit."""
    return a.series == b.series and all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in FIGURES
    )
