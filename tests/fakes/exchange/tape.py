"""A recorded market: trades and candles of one instrument, and what is seen of them at a time.

Prices and amounts are floats here, as recorded; they are rounded to the instrument's decimals where
they go onto the wire.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tests.fakes.exchange.instruments import DAY, MINUTE, Instrument

Span = tuple[int, int]
EIGHT_DECIMALS = 1e8


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


@dataclass(frozen=True)
class _Trades:
    time: NDArray[np.int64]
    id: NDArray[np.int64]
    sells: NDArray[np.bool_]
    price: NDArray[np.float64]
    amount: NDArray[np.float64]

    def where(self, mask: NDArray[np.bool_]) -> "_Trades":
        return _Trades(
            self.time[mask], self.id[mask], self.sells[mask], self.price[mask], self.amount[mask]
        )


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
        self._all_trades = _recorded(trades) if len(trades) else _from_candles(rows, timeframe)
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
        found = [
            Candle(int(opens[i]), *(float(value) for value in values[i]), int(counts[i]))
            for i in range(low, high)
        ]
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
        self._cache: dict[int, tuple[NDArray, NDArray, NDArray]] = {}
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
            opens_cut, values, _ = _grouped(self._trades.where(cut), self._base, self._anchor)
            rebuilt = np.column_stack([opens_cut, values]) if len(opens_cut) else np.zeros((0, 6))
            rows = np.vstack([self._base_rows, rebuilt])
            self._base_rows = rows[np.argsort(rows[:, 0], kind="stable")]

    def _floor(self, times: NDArray, timeframe: int) -> NDArray:
        return (times - self._anchor) // timeframe * timeframe + self._anchor

    def _series(self, timeframe: int) -> tuple[NDArray, NDArray, NDArray]:
        if timeframe not in self._cache:
            self._cache[timeframe] = self._build(timeframe)
        return self._cache[timeframe]

    def _build(self, timeframe: int) -> tuple[NDArray, NDArray, NDArray]:
        if self._given and timeframe >= self._base:
            opens = self._base_rows[:, 0].astype(np.int64)
            values = self._base_rows[:, 1:]
            if timeframe > self._base:
                opens, values = _merged(self._floor(opens, timeframe), values)
            return opens, values, np.where(values[:, 4] > 0, 4, 0)
        grouped = _grouped(self._trades, timeframe, self._anchor)
        if not self._fills_quiet or len(grouped[0]) == 0:
            return grouped
        return self._with_quiet(grouped, timeframe)

    def _with_quiet(
        self, grouped: tuple[NDArray, NDArray, NDArray], timeframe: int
    ) -> tuple[NDArray, NDArray, NDArray]:
        opens, values, counts = grouped
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
        parts: list[NDArray] = []
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


def _recorded(trades: Sequence[tuple[int, float, float, str]]) -> _Trades:
    time = np.array([row[0] for row in trades], dtype=np.int64)
    if (np.diff(time) < 0).any():
        raise ValueError("the trades of a tape must be in the order of their times")
    return _Trades(
        time,
        np.arange(1, len(time) + 1),
        np.array([row[3] == "sell" for row in trades], dtype=bool),
        np.array([row[1] for row in trades], dtype=np.float64),
        np.array([row[2] for row in trades], dtype=np.float64),
    )


def _from_candles(rows: NDArray, timeframe: int) -> _Trades:
    traded = rows[rows[:, 5] > 0]
    opens, rising = traded[:, 0].astype(np.int64), traded[:, 4] >= traded[:, 1]
    second = np.where(rising, traded[:, 3], traded[:, 2])
    third = np.where(rising, traded[:, 2], traded[:, 3])
    price = np.column_stack([traded[:, 1], second, third, traded[:, 4]])
    # in units of the last decimal on the wire, so that the four add up to the volume there
    units = np.round(traded[:, 5] * EIGHT_DECIMALS)
    quarter = np.maximum(np.floor(units / 4), 1)
    last = np.maximum(units - 3 * quarter, 1)
    amount = np.column_stack([quarter, quarter, quarter, last]) / EIGHT_DECIMALS
    offsets = np.array([0, timeframe // 4, timeframe // 2, 3 * timeframe // 4])
    before = np.column_stack([price[:, 0], price[:, :3]])
    count = price.size
    return _Trades(
        (opens[:, None] + offsets).ravel(),
        np.arange(1, count + 1),
        (price < before).ravel(),
        price.ravel(),
        amount.ravel(),
    )


def _grouped(trades: _Trades, timeframe: int, anchor: int) -> tuple[NDArray, NDArray, NDArray]:
    if len(trades.time) == 0:
        return np.zeros(0, np.int64), np.zeros((0, 5)), np.zeros(0, np.int64)
    floor = (trades.time - anchor) // timeframe * timeframe + anchor
    opens, first, counts = np.unique(floor, return_index=True, return_counts=True)
    price = trades.price
    values = np.column_stack(
        [
            price[first],
            np.maximum.reduceat(price, first),
            np.minimum.reduceat(price, first),
            price[first + counts - 1],
            np.add.reduceat(trades.amount, first),
        ]
    )
    return opens, values, counts


def _merged(floors: NDArray, values: NDArray) -> tuple[NDArray, NDArray]:
    if len(floors) == 0:
        return floors, values
    opens, first, counts = np.unique(floors, return_index=True, return_counts=True)
    return opens, np.column_stack(
        [
            values[first, 0],
            np.maximum.reduceat(values[:, 1], first),
            np.minimum.reduceat(values[:, 2], first),
            values[first + counts - 1, 3],
            np.add.reduceat(values[:, 4], first),
        ]
    )
