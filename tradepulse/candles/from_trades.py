"""Candles made of trades: of many at once, or of one after another as they arrive.

Both ways give the same candles to the bit, in whatever order the trades arrive. The rules:

- A trade belongs to the interval `[open_time, open_time + timeframe)` that holds its time. An
  interval without a trade gives no candle.
- **Order** is by time, then by id: whole numbers by size, and so are texts of digits; other texts
  by length, then by letters. Trades of one time that have no id keep the order they are given in.
- **The same trade.** Within an interval, trades of one id are one trade, and the one given first
  counts: venues send a trade again after a reconnect and at the border of two pages. One without
  an id (an empty text) is known by its time, price and amount: recorded kraken trades hold one
  twice, at the border of two pages of 1,000, and the venue's candle counts it once.
- **Volume** is the exact decimal sum, see `trade_sums`.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import LAST_TIME
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.candles.trade_sums import ExactSum, exact_sums

_INT64_DIGITS: Final = 18
_NO_ID: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Trades of one instrument, in any order, with repeats or without.

    Attributes:
        exchange: venue, as in `kraken`.
        symbol: ccxt's unified symbol, as in `BTC/USD`.
        time: int64 `(n,)`, epoch ms.
        id: the venue's, `(n,)`: whole numbers from 0, or texts, empty where there is none.
        price: float64 `(n,)`, quote currency, above 0.
        amount: float64 `(n,)`, base currency, 0 or more.
    """

    exchange: str
    symbol: str
    time: NDArray[np.int64]
    id: NDArray[np.int64] | NDArray[np.str_]
    price: NDArray[np.float64]
    amount: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time)


def trade_problem(time: int, price: float, amount: float) -> str | None:
    """Return what makes a trade impossible, with its value, or None."""
    if not 0 <= time < LAST_TIME:
        return f"time {time} is not in epoch milliseconds"
    if not (math.isfinite(price) and price > 0):
        return f"price {price} is not above zero"
    if not (math.isfinite(amount) and amount >= 0):
        return f"amount {amount} is not zero or more"
    return None


def candles_from_trades(
    trades: Trades, timeframe: str, *, start: int | None = None, end: int | None = None
) -> Candles:
    """Return the candles of trades, in time order.

    Args:
        trades: in any order. The first and the last interval may be there in part only: give
            `start` and `end` to have whole ones alone.
        timeframe: a key of `TIMEFRAMES_MS`.
        start: epoch ms; intervals that begin earlier are left out.
        end: epoch ms; intervals that end later are left out.

    Raises:
        ValueError: the timeframe is unknown, or a trade impossible (see `trade_problem`).
    """
    step = timeframe_ms(timeframe)
    time, price, amount = trades.time, trades.price, trades.amount
    wrong = (time < 0) | (time >= LAST_TIME) | ~np.isfinite(price) | (price <= 0)
    wrong |= ~np.isfinite(amount) | (amount < 0)
    if wrong.any():
        row = int(wrong.argmax())
        what = trade_problem(int(time[row]), float(price[row]), float(amount[row]))
        raise ValueError(f"{trades.exchange}:{trades.symbol}: trade {row}: {what}")
    opens = time - time % step
    chosen = np.ones(len(time), np.bool_)
    if start is not None:
        chosen &= opens >= start
    if end is not None:
        chosen &= opens + step <= end
    chosen_rows = _in_order(time, opens, _codes(trades.id), price, amount, np.flatnonzero(chosen))
    opens, price, amount = opens[chosen_rows], price[chosen_rows], amount[chosen_rows]
    heads = np.flatnonzero(np.append(True, np.diff(opens) != 0)[: len(opens)])
    if not len(heads):
        nothing = np.empty(0)
        return Candles(trades.exchange, trades.symbol, timeframe, opens, *[nothing] * 5)
    lasts = np.append(heads[1:], len(opens)) - 1
    return Candles(
        trades.exchange,
        trades.symbol,
        timeframe,
        opens[heads],
        price[heads],
        np.maximum.reduceat(price, heads),
        np.minimum.reduceat(price, heads),
        price[lasts],
        exact_sums(amount, heads),
    )


def _in_order(
    time: NDArray[np.int64],
    opens: NDArray[np.int64],
    codes: NDArray[np.int64],
    price: NDArray[np.float64],
    amount: NDArray[np.float64],
    rows: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Return the rows without repeats and in order."""
    time, opens, codes = time[rows], opens[rows], codes[rows]
    if (np.diff(time) >= 0).all() and (np.diff(codes) > 0).all() and (codes[:1] != _NO_ID).all():
        return rows
    repeated = np.zeros(len(rows), np.bool_)
    # the sort is stable: of the same trades, the one given first stays first
    by_id = np.lexsort((codes, opens))
    repeated[by_id[1:]] = _like_the_one_before(codes[by_id], opens[by_id])
    nameless = np.flatnonzero(codes == _NO_ID)
    if len(nameless):
        price, amount = price[rows][nameless], amount[rows][nameless]
        alike = np.lexsort((amount, price, time[nameless]))
        repeated[nameless] = False
        repeated[nameless[alike[1:]]] = _like_the_one_before(
            time[nameless][alike], price[alike], amount[alike]
        )
    rows, time, codes = rows[~repeated], time[~repeated], codes[~repeated]
    return rows[np.lexsort((codes, time))]


def _like_the_one_before(
    *columns: NDArray[np.int64] | NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return for all rows but the first whether they equal the row before."""
    alike = np.ones(max(len(columns[0]) - 1, 0), np.bool_)
    for column in columns:
        alike &= column[1:] == column[:-1]
    return alike


def _codes(ids: NDArray[np.int64] | NDArray[np.str_]) -> NDArray[np.int64]:
    """Return whole numbers that are equal and ordered as the ids are; `_NO_ID` for the empty."""
    if ids.dtype.kind in "iu":
        return ids.astype(np.int64)
    texts = np.ascontiguousarray(ids, dtype=np.str_)
    if not len(texts):
        return np.empty(0, np.int64)
    letters = texts.view(np.uint32).reshape(len(texts), -1)
    length = (letters != 0).sum(axis=1)
    if letters.shape[1] <= _INT64_DIGITS:
        numbers = np.zeros(len(texts), np.int64)
        plain = ~((letters[:, 0] == ord("0")) & (length > 1))
        for column in letters.T:
            digit = column.astype(np.int64) - ord("0")
            plain &= ((digit >= 0) & (digit <= 9)) | (column == 0)  # noqa: PLR2004 - the digits
            numbers = np.where(column == 0, numbers, numbers * 10 + digit)
        if plain.all():
            return np.where(length == 0, _NO_ID, numbers)
    order = np.lexsort((texts, length))
    ranks = np.empty(len(texts), np.int64)
    ranks[order] = np.append(0, np.cumsum(texts[order][1:] != texts[order][:-1]))
    return np.where(length == 0, _NO_ID, ranks)


class TradeCandleBuilder:
    """Builds the candles of one series out of trades as they arrive, in any order.

    It remembers the ids of the trades in intervals that are not yet taken, and in the one taken
    last: about 100 bytes for each trade of these.

    Attributes:
        late: how many trades came after the candle of their interval had been taken. A repeat of
            a trade in the candle taken last is none.
        repeated: how many trades were there already.
    """

    def __init__(self, exchange: str, symbol: str, timeframe: str) -> None:
        self.exchange = exchange
        self.symbol = symbol
        self.timeframe = timeframe
        self.late = 0
        self.repeated = 0
        self._step = timeframe_ms(timeframe)
        self._forming: dict[int, _Forming] = {}
        self._taken_until: int | None = None
        self._taken_last: tuple[int, set[object]] | None = None

    def add(self, time: int, id: int | str, price: float, amount: float) -> None:  # noqa: A002 - the trade's own word
        """Take in a trade; see `Trades` for the units.

        Raises:
            ValueError: the trade is impossible; nothing has changed.
        """
        problem = trade_problem(time, price, amount)
        if problem is not None:
            raise ValueError(f"{self.exchange}:{self.symbol}: trade {id}: {problem}")
        text = str(id)
        name: object = text or (time, price, amount)
        open_time = time - time % self._step
        if self._taken_until is not None and open_time + self._step <= self._taken_until:
            if self._was_taken(open_time, name):
                self.repeated += 1
            else:
                self.late += 1
            return
        candle = self._forming.get(open_time)
        if candle is None:
            candle = self._forming[open_time] = _Forming()
        if name in candle.names:
            self.repeated += 1
            return
        candle.names.add(name)
        candle.add((time, len(text), text), price, amount)

    def take(self, until: int) -> Candles:
        """Remove and return the candles that close at or before a time, oldest first.

        Trades of these intervals that come afterwards are late.

        Args:
            until: epoch ms.
        """
        closed = sorted(opened for opened in self._forming if opened + self._step <= until)
        candles = self._candles(closed)
        if closed:
            self._taken_last = closed[-1], self._forming[closed[-1]].names
        for opened in closed:
            del self._forming[opened]
        self._taken_until = max(until, self._taken_until or until)
        return candles

    def forming(self) -> Candles:
        """Return the candles not yet taken as they stand, oldest first."""
        return self._candles(sorted(self._forming))

    def _was_taken(self, open_time: int, name: object) -> bool:
        if self._taken_last is None:
            return False
        opened, names = self._taken_last
        return opened == open_time and name in names

    def _candles(self, opens: list[int]) -> Candles:
        parts = [self._forming[opened] for opened in opens]
        return Candles(
            self.exchange,
            self.symbol,
            self.timeframe,
            np.array(opens, np.int64),
            np.array([part.open for part in parts], np.float64),
            np.array([part.high for part in parts], np.float64),
            np.array([part.low for part in parts], np.float64),
            np.array([part.close for part in parts], np.float64),
            np.array([part.volume.value() for part in parts], np.float64),
        )


class _Forming:
    """A candle not yet taken."""

    __slots__ = ("close", "first", "high", "last", "low", "names", "open", "volume")

    def __init__(self) -> None:
        self.names: set[object] = set()
        self.volume = ExactSum()
        self.first: tuple[int, int, str] | None = None
        self.last: tuple[int, int, str] | None = None
        self.open = self.close = math.nan
        self.high, self.low = -math.inf, math.inf

    def add(self, place: tuple[int, int, str], price: float, amount: float) -> None:
        """Take in a trade whose place in the order is given."""
        if self.first is None or place < self.first:
            self.first, self.open = place, price
        # of trades in one place, the one given last closes
        if self.last is None or place >= self.last:
            self.last, self.close = place, price
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.volume.add(amount)
