"""A recorded market: trades and candles of one instrument, and what is seen of them at a time.

Prices and amounts are floats here, as recorded; they are rounded to the instrument's decimals where
they go onto the wire.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from tests.fakes.exchange.instruments import DAY, MINUTE, Instrument
from tests.fakes.exchange.series import Array, from_candles, grouped, merged, recorded

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trade:
    """One public trade; `side` is the taker's."""

    time: int
    id: int
    side: str
    price: float
    amount: float


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle as a venue answers it, finished or not; `open_time` in epoch milliseconds."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int


class Tape:
    """Everything that ever trades on one market, given by a test; served up to a time.

    Args:
        instrument: what is traded.
        trades: rows (time ms, price, amount, side), times not falling; side "buy" or "sell" is the
            taker's. Ids run from 1.
        candles: rows (open time ms, open, high, low, close, volume), times rising.
        timeframe: of `candles`, in ms.
        fills_quiet: whether an interval without a trade has a flat candle of volume 0 when candles
            are built from trades; as the venue does if not given. Given candles are served as they
            are: a missing row is a hole.

    Without trades, each candle becomes up to four: its open, its extremes (the nearer to the open
    first) and its close. They rebuild the candle.
    """

    def __init__(
        self,
        instrument: Instrument,
        *,
        trades: Sequence[tuple[int, float, float, str]] = (),
        candles: ArrayLike | None = None,
        timeframe: int = MINUTE,
        fills_quiet: bool | None = None,
    ) -> None:
        self.instrument = instrument
        self._base = timeframe
        self._fills_quiet = fills_quiet
        self._anchor = 0
        rows = np.zeros((0, 6)) if candles is None else np.asarray(candles, dtype=np.float64)
        self._given = candles is not None
        self._all_trades = recorded(trades) if len(trades) else from_candles(rows, timeframe)
        self._all_rows = rows
        self._halts: tuple[Span, ...] = ()
        self._apply_halts()

    def at_venue(self, *, fills_quiet: bool, anchor: int) -> Self:
        """Return the tape as a venue serves it; `anchor` is where its weeks begin, ms."""
        served = copy(self)
        served._fills_quiet = fills_quiet if self._fills_quiet is None else self._fills_quiet
        served._anchor = anchor
        served._apply_halts()
        return served

    def halt(self, spans: tuple[Span, ...]) -> None:
        """Take out what traded in [start, end) of each span; the given spans replace earlier."""
        if spans != self._halts:
            self._halts = spans
            self._apply_halts()

    def is_halted(self, now: int) -> bool:
        """Whether trading is halted at a time."""
        return any(start <= now < end for start, end in self._halts)

    def trades(self, after: int, until: int, limit: int | None = None) -> list[Trade]:
        """Trades with after < time <= until, oldest first; the first `limit` of them."""
        low, high = np.searchsorted(self._trades.time, [after, until], side="right")
        return self._rows(int(low), int(high) if limit is None else int(min(high, low + limit)))

    def last_trades(self, until: int, limit: int) -> list[Trade]:
        """Return the last `limit` trades at or before a time, oldest first."""
        high = int(np.searchsorted(self._trades.time, until, side="right"))
        return self._rows(max(0, high - limit), high)

    def trades_from_id(self, first: int, until: int, limit: int) -> list[Trade]:
        """Return trades with id >= first, up to a time; the first `limit` of them."""
        low = int(np.searchsorted(self._trades.id, first))
        high = int(np.searchsorted(self._trades.time, until, side="right"))
        return self._rows(low, min(high, low + limit))

    def price(self, now: int) -> float | None:
        """Return the last traded price at a time; none before the first trade."""
        at = int(np.searchsorted(self._trades.time, now, side="right"))
        return float(self._trades.price[at - 1]) if at else None

    def day(self, now: int) -> Candle:
        """Return what traded in the 24 hours up to a time, as one candle."""
        low, high = np.searchsorted(self._trades.time, [now - DAY, now], side="right")
        price, begin = self._trades.price[low:high], now - DAY
        if not len(price):
            last = self.price(now) or 0.0
            return Candle(begin, last, last, last, last, 0.0, 0)
        edges = float(price[0]), float(price.max()), float(price.min()), float(price[-1])
        return Candle(begin, *edges, float(self._trades.amount[low:high].sum()), len(price))

    def candles(
        self,
        timeframe: int,
        now: int,
        *,
        start: int | None = None,
        end: int | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> list[Candle]:
        """Candles with start <= open time <= end that have begun by `now`, oldest first.

        The last may be unfinished: it then holds what traded up to `now`. `first` or `last` keeps
        so many from that end.
        """
        opens, values, counts = self._series(timeframe)
        forming = self.open_time(timeframe, now)
        low = 0 if start is None else int(np.searchsorted(opens, start))
        high = int(np.searchsorted(opens, forming))
        if end is not None:
            high = min(high, int(np.searchsorted(opens, end, side="right")))
        unfinished = self._forming(timeframe, forming, now)
        if (start is not None and forming < start) or (end is not None and forming > end):
            unfinished = None
        if first is not None:
            high = min(high, low + first)
            if high - low >= first:
                unfinished = None
        if last is not None:
            low = max(low, high - last + (unfinished is not None))
        found = [_candle(int(opens[i]), values[i], int(counts[i])) for i in range(low, high)]
        return [*found, unfinished] if unfinished is not None else found

    def open_time(self, timeframe: int, now: int) -> int:
        """Open time of the candle that a time falls into."""
        return (now - self._anchor) // timeframe * timeframe + self._anchor

    def _rows(self, low: int, high: int) -> list[Trade]:
        live = self._trades
        return [
            Trade(
                int(live.time[i]),
                int(live.id[i]),
                "sell" if live.sells[i] else "buy",
                float(live.price[i]),
                float(live.amount[i]),
            )
            for i in range(low, high)
        ]

    def _apply_halts(self) -> None:
        self._cache: dict[int, tuple[Array, Array, Array]] = {}
        live = np.ones(len(self._all_trades.time), dtype=bool)
        whole = np.ones(len(self._all_rows), dtype=bool)
        opens = self._all_rows[:, 0]
        for start, end in self._halts:
            live &= (self._all_trades.time < start) | (self._all_trades.time >= end)
            whole &= (opens + self._base <= start) | (opens >= end)
        self._trades = self._all_trades.where(live)
        self._base_rows = self._all_rows[whole]
        if not whole.all():
            # candles cut by a halt are what traded of them outside of it
            cut = np.isin(self._floor(self._trades.time, self._base), opens[~whole])
            opens_cut, values, _ = grouped(self._trades.where(cut), self._base, self._anchor)
            rebuilt = np.column_stack([opens_cut, values]) if len(opens_cut) else np.zeros((0, 6))
            rows = np.vstack([self._base_rows, rebuilt])
            self._base_rows = rows[np.argsort(rows[:, 0], kind="stable")]

    def _floor(self, times: Array, timeframe: int) -> Array:
        return (times - self._anchor) // timeframe * timeframe + self._anchor

    def _series(self, timeframe: int) -> tuple[Array, Array, Array]:
        if timeframe not in self._cache:
            self._cache[timeframe] = self._build(timeframe)
        return self._cache[timeframe]

    def _build(self, timeframe: int) -> tuple[Array, Array, Array]:
        if self._given and timeframe >= self._base:
            opens = self._base_rows[:, 0].astype(np.int64)
            values = self._base_rows[:, 1:]
            if timeframe > self._base:
                opens, values = merged(self._floor(opens, timeframe), values)
            return opens, values, np.where(values[:, 4] > 0, 4, 0)
        traded = grouped(self._trades, timeframe, self._anchor)
        if not self._fills_quiet or len(traded[0]) == 0:
            return traded
        return self._with_quiet(traded, timeframe)

    def _with_quiet(
        self, traded: tuple[Array, Array, Array], timeframe: int
    ) -> tuple[Array, Array, Array]:
        opens, values, counts = traded
        grid = np.arange(opens[0], opens[-1] + timeframe, timeframe, dtype=np.int64)
        at = np.searchsorted(opens, grid, side="right") - 1
        quiet = opens[at] != grid
        filled, trades = values[at], np.where(quiet, 0, counts[at])
        filled[quiet, :4] = values[at][quiet, 3:4]
        filled[quiet, 4] = 0.0
        keep = np.ones(len(grid), dtype=bool)
        for start, end in self._halts:
            keep &= ~(quiet & (grid >= start) & (grid + timeframe <= end))
        return grid[keep], filled[keep], trades[keep]

    def _forming(self, timeframe: int, forming: int, now: int) -> Candle | None:
        parts: list[Array] = []
        done = forming
        if self._given and timeframe > self._base:
            done = self.open_time(self._base, now)
            opens = self._base_rows[:, 0]
            parts.extend(self._base_rows[(opens >= forming) & (opens + self._base <= now), 1:])
        low, high = np.searchsorted(self._trades.time, [done, now + 1])
        live = self._trades.price[low:high]
        if len(live):
            volume = float(self._trades.amount[low:high].sum())
            parts.append(np.array([live[0], live.max(), live.min(), live[-1], volume]))
        if parts:
            stack = np.array(parts)
            low_price, high_price = float(stack[:, 2].min()), float(stack[:, 1].max())
            first, last = float(stack[0, 0]), float(stack[-1, 3])
            volume = float(stack[:, 4].sum())
            return Candle(forming, first, high_price, low_price, last, volume, int(high - low))
        price = self.price(now)
        if price is None or not self._fills_quiet or self.is_halted(now):
            return None
        if self._given and self.open_time(self._base, now) not in self._base_rows[:, 0]:
            return None
        if not self._given and now > self._trades.time[-1] + timeframe:
            return None
        return Candle(forming, price, price, price, price, 0.0, 0)


def _candle(open_time: int, values: Array, trades: int) -> Candle:
    first, high, low, last, volume = (float(value) for value in values)
    return Candle(open_time, first, high, low, last, volume, trades)
