"""One series of candles as arrays, the form in which all rules read the market."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.series import OnSeries
from tradepulse.candles.timeframes import timeframe_ms


@dataclass(frozen=True, slots=True, eq=False)
class Candles(OnSeries):
    """A series of closed candles in time order.

    Attributes:
        exchange: venue, as in `binanceus`.
        symbol: ccxt's unified symbol, as in `BTC/USD`.
        timeframe: a key of `TIMEFRAMES_MS`.
        open_time: int64 `(n,)`, epoch ms, strictly increasing. Holes are allowed.
        open: float64 `(n,)`, quote currency; so are `high`, `low` and `close`.
        volume: float64 `(n,)`, base currency.
    """

    exchange: str
    symbol: str
    timeframe: str
    open_time: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.open_time)

    @property
    def close_time(self) -> NDArray[np.int64]:
        """int64 `(n,)`, epoch ms."""
        return self.open_time + timeframe_ms(self.timeframe)

    def between(self, start: int | None, end: int | None) -> "Candles":
        """Return the candles with `start <= open_time < end` (views, no copies)."""
        lo = 0 if start is None else int(np.searchsorted(self.open_time, start))
        hi = len(self) if end is None else int(np.searchsorted(self.open_time, end))
        return self.rows(lo, hi)

    def rows(self, lo: int, hi: int) -> "Candles":
        """Return rows `lo:hi` (views, no copies)."""
        return Candles(
            self.exchange,
            self.symbol,
            self.timeframe,
            self.open_time[lo:hi],
            self.open[lo:hi],
            self.high[lo:hi],
            self.low[lo:hi],
            self.close[lo:hi],
            self.volume[lo:hi],
        )
