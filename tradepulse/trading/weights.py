"""Portfolio weight policies: how much of the equity each instrument may use.

A policy is a pure function of each instrument's last returns. The live service and the backtest
feed it the same numbers, so they get the same weights, to the last digit.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

DAY_MS = 86_400_000

LOOKBACK = 96
"""Returns of each series that inverse volatility looks at, by default."""

WEIGHT_DIGITS = 1_000_000
"""Weights are rounded down to this many parts, so that they never sum to more than the budget."""

MAX_BUDGET = 1_000.0
"""Of a portfolio; weights are at most 1 each, so that it is as many instruments."""


class WeightPolicy(Protocol):
    """Turns returns into weights.

    Attributes:
        name: as it appears on every published vector.
        lookback: how many returns of each instrument it wants.
        budget: what its weights sum to at most; above 1 the account's own limits are what caps.
    """

    name: str
    lookback: int
    budget: float

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return a weight by instrument, each 0 to 1, summing to at most the budget.

        Args:
            returns: by instrument, its last log returns, each over the square root of its days:
                `lookback` or fewer of each of its series.
        """


class EqualWeights:
    """The budget over N, by default 1/N: the baseline that everything must beat."""

    name = "equal"
    lookback = 0

    def __init__(self, budget: float = 1.0) -> None:
        self.budget = checked_budget(budget)

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return the same weight for every instrument."""
        return {one: rounded(equal_share(self.budget, len(returns))) for one in sorted(returns)}


class FixedWeights:
    """Weights that a person chose."""

    name = "fixed"
    lookback = 0

    def __init__(self, by_instrument: Mapping[str, float], budget: float = 1.0) -> None:
        self.budget = checked_budget(budget)
        if any(not 0 <= weight <= 1 for weight in by_instrument.values()):
            raise ValueError("fixed weights must be between 0 and 1")
        if sum(by_instrument.values()) > budget + 1e-9:
            raise ValueError(f"fixed weights sum to more than {_budget_text(budget)}")
        self._by_instrument = dict(by_instrument)

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return the chosen weights of these instruments; 0 for one that was not named."""
        return {instrument: self._by_instrument.get(instrument, 0.0) for instrument in returns}


class InverseVolatility:
    """Weights in inverse proportion to each instrument's volatility ("naive risk parity").

    The volatility is the root mean square of the last returns per square root of a day, so those
    of 5 minutes and those of an hour compare. An instrument with fewer than half of `lookback`
    returns, or with none but zero, is given the median of the others'; where nobody has enough,
    the weights are equal.
    """

    name = "inverse_volatility"

    def __init__(self, lookback: int = LOOKBACK, budget: float = 1.0) -> None:
        self.lookback = lookback
        self.budget = checked_budget(budget)

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return weights that sum to the budget, each at most 1, rounded down."""
        known = {}
        for instrument, values in returns.items():
            # fsum is exact, so the order and the number of the terms leave no trace
            mean_square = math.fsum(r * r for r in values) / len(values) if values else 0.0
            if 2 * len(values) >= self.lookback and mean_square > 0:
                known[instrument] = math.sqrt(mean_square)
        if not known:
            return EqualWeights(self.budget).weights(returns)
        ordered = sorted(known.values())
        median = ordered[len(ordered) // 2]
        inverse = {i: 1 / known.get(i, median) for i in sorted(returns)}
        total = math.fsum(inverse.values())
        budget = self.budget
        return {one: rounded(min(budget * value / total, 1.0)) for one, value in inverse.items()}


class _Last:
    """The last numbers of a series, in one piece of memory.

    Args:
        count: how many.
    """

    __slots__ = ("_count", "_end", "_values")

    def __init__(self, count: int) -> None:
        self._count, self._end = count, 0
        # where the end is reached, the last ones move to the front: once in `count` numbers
        self._values = np.empty(2 * count)

    def append(self, value: float) -> None:
        if self._end == len(self._values):
            self._values[: self._count] = self._values[self._end - self._count :]
            self._end = self._count
        if self._count:
            self._values[self._end] = value
            self._end += 1

    def view(self, last: int) -> NDArray[np.float64]:
        """Return at most so many of them, oldest first; what comes later may change them."""
        return self._values[max(0, self._end - min(last, self._count)) : self._end]


class ReturnHistory:
    """The last returns of each series, between the candles that there are.

    Each series is kept by itself: between the closes of two timeframes lies no return. What is
    kept follows from the last `lookback` + 1 closes of a series alone, so whoever begins with
    these knows the same as one who has seen all.
    """

    def __init__(self, lookback: int) -> None:
        self._lookback = lookback
        self._closes: dict[str, deque[tuple[int, float]]] = {}
        self._returns: dict[str, _Last] = {}

    def begin(self, series: str, closes: Iterable[tuple[int, float]] = ()) -> None:
        """Count a series in, with its closes so far: `(close time, close)`, oldest first."""
        self._closes[series] = deque(maxlen=self._lookback + 1)
        self._returns[series] = _Last(self._lookback)
        for close_time, close in closes:
            self.add(series, close_time, close)

    def add(self, series: str, close_time: int, close: float) -> None:
        """Take in the next close of a series; one that is not later than its last is known."""
        closes = self._closes[series]
        if closes:
            since, previous = closes[-1]
            if close_time <= since:
                return
            # of prices, not of their ratio: that can be too large or too small for a float
            change = math.log(close) - math.log(previous)
            self._returns[series].append(change / math.sqrt((close_time - since) / DAY_MS))
        closes.append((close_time, close))

    def correct(self, series: str, close_time: int, close: float) -> None:
        """Take in a close that was wrong or missing, as a reader of all stored candles sees it."""
        closes = dict(self._closes[series])
        self.begin(series, sorted((closes | {close_time: close}).items()))

    def returns(self, series: Iterable[str], last: int | None = None) -> dict[str, list[float]]:
        """Return by instrument the returns of these series, each over the root of its days.

        Args:
            series: `exchange:symbol:timeframe`.
            last: only so many of each series; all that are kept by default.
        """
        found: dict[str, list[float]] = {}
        for instrument, kept in self._kept(series, last):
            found.setdefault(instrument, []).extend(kept.tolist())
        return found

    def arrays(self, series: Iterable[str], last: int) -> dict[str, NDArray[np.float64]]:
        """Return what `returns` does of series of one timeframe, one for each instrument.

        Nothing is copied: look at it before the next close.
        """
        return dict(self._kept(series, last))

    def _kept(
        self, series: Iterable[str], last: int | None
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        count = self._lookback if last is None else last
        for one in series:
            yield one.rpartition(":")[0], self._returns[one].view(count)


class Traded(Protocol):
    """When a series is traded; a `FeedSeries` says so."""

    @property
    def first_open_time(self) -> int:
        """Epoch ms of its first candle."""

    @property
    def last_close_time(self) -> int | None:
        """Epoch ms of its end, None where none is known."""


@dataclass(frozen=True, slots=True)
class Span:
    """The first open and the last close of a series that is traded, epoch ms."""

    first_open_time: int
    last_close_time: int


def traded_at(series: Mapping[str, Traded], close_time: int) -> list[str]:
    """Return the series that are traded after a close: they have begun, and have not ended."""
    return [
        name
        for name, one in series.items()
        if one.first_open_time <= close_time
        and (one.last_close_time is None or close_time < one.last_close_time)
    ]


def instruments_of(series: Iterable[str]) -> frozenset[str]:
    """Return the instruments of series."""
    return frozenset(one.rpartition(":")[0] for one in series)


def checked_budget(budget: float) -> float:
    """Return a budget that can be.

    Raises:
        ValueError: it cannot.
    """
    if not 0 < budget <= MAX_BUDGET:
        raise ValueError(
            f"a budget of {budget:g} cannot be: it is above 0 and at most {MAX_BUDGET:g}; 1 is the "
            "equity"
        )
    return budget


def equal_share(budget: float, instruments: int) -> float:
    """Return the equal weight of each of some instruments, 0 where there are none."""
    return min(budget / instruments, 1.0) if instruments else 0.0


def rounded(weight: float) -> float:
    """Round a weight down to the digits that are published."""
    return math.floor(weight * WEIGHT_DIGITS) / WEIGHT_DIGITS


def _budget_text(budget: float) -> str:
    return "1" if budget == 1 else f"the budget, {budget:g}"
