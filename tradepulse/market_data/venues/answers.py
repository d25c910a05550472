"""What an answer of a venue says, and how far it can be trusted. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import rules as candle_rules
from tradepulse.candles.from_trades import Trades
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.venues.errors import VenueDownError
from tradepulse.market_data.venues.rules import VenueRules

SETTLE_MS = 60_000
"""What closed so long ago will not come to a venue any more, where there is nothing yet."""
_WIDTH = 6
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RefusedCandle:
    """A candle of a venue that is not taken: off the grid, or impossible."""

    open_time: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class CandlePage:
    """One answer about candles.

    Attributes:
        candles: the closed ones that open in the range asked for.
        covered: `[start, end)`, the part of the range that the answer is about, in whole intervals;
            empty where it is about none. Go on asking where it ends. It may begin later than the
            range: what lies before was not answered.
        asked: the part of it that is settled: a candle that is not in the answer will never be
            there. It ends `SETTLE_MS` before now.
        end_of_data: whether nothing after `covered` has closed yet.
        refused: candles that were not taken.
    """

    candles: Candles
    covered: Span
    asked: Span
    end_of_data: bool = False
    refused: tuple[RefusedCandle, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TradePage:
    """One answer about trades.

    Attributes:
        trades: those in `asked`, in any order, perhaps with repeats.
        asked: `[start, end)`, the part of the range in which all trades are known. It begins where
            the range begins, or ends where it ends (Coinbase answers with the newest).
    """

    trades: Trades
    asked: Span


def no_trades(exchange: str, symbol: str) -> Trades:
    """Return none."""
    nothing = np.empty(0)
    return Trades(exchange, symbol, np.empty(0, np.int64), np.empty(0, np.str_), nothing, nothing)


def no_candles(exchange: str, symbol: str, timeframe: str) -> Candles:
    """Return none."""
    return Candles(exchange, symbol, timeframe, np.empty(0, np.int64), *[np.empty(0)] * 5)


def settled(span: Span, now: int, step: int = 1) -> Span:
    """Return the part of a range for which an answer given now will stay true.

    Args:
        span: `[start, end)`, epoch ms.
        now: epoch ms.
        step: the part ends at a multiple of it, ms.
    """
    start, end = span
    return start, max(start, min(end, (now - SETTLE_MS) // step * step))


def raw_rows(rules: VenueRules, answer: Any) -> Sequence[Any]:
    """Return the rows of an answer about candles as the venue sent them.

    Raises:
        VenueDownError: it has none where they belong, so it says nothing about candles.
    """
    rows = answer
    if rules.name == "coinbase":
        rows = _at(answer, "candles")
    elif rules.name == "bitstamp":
        rows = _at(_at(answer, "data"), "ohlc")
    elif rules.name == "kraken":
        rows = next((v for v in _values(_at(answer, "result")) if isinstance(v, list)), None)
    if not isinstance(rows, list):
        raise VenueDownError(f"{rules.name} sent an answer without candles in it")
    return rows


def committed(rules: VenueRules, answer: Any) -> int | None:
    """Return the open time of the last candle that the answer itself calls closed, epoch ms.

    Only Kraken says it.
    """
    last = _at(_at(answer, "result"), "last") if rules.name == "kraken" else None
    return int(last) * 1000 if isinstance(last, int) else None


def _at(answer: Any, key: str) -> Any:
    return answer.get(key) if isinstance(answer, Mapping) else None


def _values(answer: Any) -> list[Any]:
    return list(answer.values()) if isinstance(answer, Mapping) else []


def candles_of(
    name: str, symbol: str, timeframe: str, rows: Sequence[Sequence[Any]]
) -> tuple[Candles, tuple[RefusedCandle, ...]]:
    """Return the candles of ccxt's rows that can be stored, in time order, and the others.

    Raises:
        VenueDownError: a row is none.
    """
    if not rows:
        return no_candles(name, symbol, timeframe), ()
    try:
        times = np.array([int(row[0]) for row in rows], np.int64)
        figures = np.array([row[1:_WIDTH] for row in rows], np.float64)
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise VenueDownError(f"{name} sent candles that cannot be read: {error}") from error
    if figures.shape != (len(rows), _WIDTH - 1):
        raise VenueDownError(f"{name} sent candles without all their figures")
    order = np.argsort(times, kind="stable")
    return _checked(
        Candles(name, symbol, timeframe, times[order], *(column[order] for column in figures.T))
    )


def _checked(candles: Candles) -> tuple[Candles, tuple[RefusedCandle, ...]]:
    bad = np.zeros(len(candles), np.bool_)
    refused: list[RefusedCandle] = []
    for rule in candle_rules(candles):
        refused += [
            RefusedCandle(int(candles.open_time[row]), rule.reason(row))
            for row in np.flatnonzero(rule.broken & ~bad).tolist()
        ]
        bad |= rule.broken
    if not refused:
        return candles, ()
    return kept(candles, ~bad), tuple(sorted(refused, key=lambda one: one.open_time))


def kept(candles: Candles, which: NDArray[np.bool_]) -> Candles:
    """Return the candles of a mask."""
    c = candles
    return Candles(
        c.exchange,
        c.symbol,
        c.timeframe,
        c.open_time[which],
        *(v[which] for v in (c.open, c.high, c.low, c.close, c.volume)),
    )


def coverage(
    rules: VenueRules, timeframe: str, rows: Sequence[Sequence[Any]], raw_count: int, window: Span
) -> Span:
    """Return the part of a window that an answer about candles is about.

    Args:
        rules: the venue's.
        timeframe: of the candles.
        rows: ccxt's, sorted by time.
        raw_count: how many rows the venue sent.
        window: `[start, end)` that was asked for.

    Raises:
        VenueDownError: the answer is about other times than those asked for.
    """
    start, end = window
    step = timeframe_ms(timeframe)
    oldest, newest = (int(rows[0][0]), int(rows[-1][0])) if rows else (start, end)
    if not rules.honours_since:
        if raw_count < rules.candles_per_call:
            return window
        # as many as it ever sends: what is older was cut off, whatever was asked for
        return min(max(start, -(-oldest // step) * step), end), end
    if oldest < start - step or newest >= end + step:
        raise VenueDownError(f"{rules.name} sent candles of other times than it was asked for")
    if raw_count >= rules.candles_per_call:
        return start, max(start, min(end, newest // step * step + step))
    return window


def trades_of(name: str, symbol: str, rows: Sequence[Mapping[str, Any]], span: Span) -> Trades:
    """Return those of ccxt's trades that lie in a range.

    Raises:
        VenueDownError: one cannot be read.
    """
    try:
        chosen = [row for row in rows if span[0] <= row["timestamp"] < span[1]]
        return Trades(
            name,
            symbol,
            np.array([row["timestamp"] for row in chosen], np.int64),
            np.array([row["id"] or "" for row in chosen], np.str_),
            np.array([row["price"] for row in chosen], np.float64),
            np.array([row["amount"] for row in chosen], np.float64),
        )
    except (TypeError, ValueError, KeyError) as error:
        raise VenueDownError(f"{name} sent trades that cannot be read: {error}") from error


def joined(parts: Sequence[Trades]) -> Trades:
    """Return the trades of several answers about one instrument; at least one."""
    first = parts[0]
    return Trades(
        first.exchange,
        first.symbol,
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.id for part in parts]),
        np.concatenate([part.price for part in parts]),
        np.concatenate([part.amount for part in parts]),
    )
