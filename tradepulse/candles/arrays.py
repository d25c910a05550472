"""One series of candles as arrays, the form in which all rules read the market."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.series import OnSeries
from tradepulse.candles.timeframes import timeframe_ms

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_FIGURES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Candles(OnSeries):
    """A series of closed candles in time order.

    Attributes:
        exchange: venue, as in `binanceus`.
        symbol: ccxt's unified symbol, as in `BTC/USD`.
        timeframe: a key of `TIMEFRAMES_MS`.
        open_time: int64 `(n,)`, epoch ms, strictly increasing. Holes are allowed.
        open: float64 `(n,)`, quote currency; so are `high`, `low` and `close`.
        volume: float64 `(n,)`, base currency.
        references: by `exchange:symbol`, candles of the same timeframe of other instruments that
            strategies look at, by `exchange:symbol:timeframe` closed higher candles of the series
            itself, where they need not be made. They may begin before these and end after them.
        before: so many candles of the series came right before these, and are known to whoever
            made the higher ones.
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
    references: Mapping[str, "Candles"] = field(default_factory=dict, kw_only=True)
    before: int = field(default=0, kw_only=True)

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
            references=self.references,
            before=self.before + lo if self.before else 0,
        )

    def to_polars(self) -> "pl.DataFrame":
        """Return a frame: `open_time` (UTC, ms), open, high, low, close, volume (Float64)."""
        import polars as pl  # noqa: PLC0415 - who works on arrays does not need it

        time = pl.Series("open_time", self.open_time).cast(pl.Datetime("ms", "UTC"))
        figures = {name: np.ascontiguousarray(getattr(self, name)) for name in _FIGURES}
        return pl.DataFrame({"open_time": time, **figures})

    def to_pandas(self) -> "pd.DataFrame":
        """Return a frame of open, high, low, close, volume with `open_time`, UTC, as its index.

        Raises:
            ImportError: pandas is not installed; TradePulse itself does not need it.
        """
        import pandas as pd  # noqa: PLC0415 - an extra of the user's

        time = pd.DatetimeIndex(self.open_time.astype("datetime64[ms]"), tz="UTC", name="open_time")
        return pd.DataFrame({name: getattr(self, name) for name in _FIGURES}, index=time)

    def __repr__(self) -> str:
        if not len(self):
            return f"<Candles {self.series}: none>"
        first, last = (
            f"{datetime.fromtimestamp(int(ms) / 1000, tz=UTC):%Y-%m-%d %H:%M}"
            for ms in self.open_time[[0, -1]]
        )
        return f"<Candles {self.series}: {len(self):,}, {first} to {last} UTC>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the series, its first and last candles."""
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.to_polars()._repr_html_()}"
