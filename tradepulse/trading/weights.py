"""Portfolio weight policies: how much of the equity each instrument may use.

A policy is a pure function of each instrument's last returns. The live service and the backtest
feed it the same numbers, so they get the same weights, to the last digit.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

WEIGHT_DIGITS = 1_000_000
"""Weights are rounded down to this many parts, so that they never sum to more than 1."""


class WeightPolicy(Protocol):
    """Turns returns into weights.

    Attributes:
        name: as it appears on every published vector.
        lookback: how many returns of each instrument it wants.
    """

    name: str
    lookback: int

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return a weight by instrument, each 0 to 1, summing to at most 1.

        Args:
            returns: by instrument, the last `lookback` log returns or fewer, oldest first.
        """


class EqualWeights:
    """1/N, the baseline that everything must beat."""

    name = "equal"
    lookback = 0

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return the same weight for every instrument."""
        return {instrument: _rounded(1 / len(returns)) for instrument in sorted(returns)}


class FixedWeights:
    """Weights that a person chose."""

    name = "fixed"
    lookback = 0

    def __init__(self, by_instrument: Mapping[str, float]) -> None:
        if any(not 0 <= weight <= 1 for weight in by_instrument.values()):
            raise ValueError("fixed weights must be between 0 and 1")
        if sum(by_instrument.values()) > 1 + 1e-9:
            raise ValueError("fixed weights sum to more than 1")
        self._by_instrument = dict(by_instrument)

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return the chosen weights of these instruments; 0 for one that was not named."""
        return {instrument: self._by_instrument.get(instrument, 0.0) for instrument in returns}


class InverseVolatility:
    """Weights in inverse proportion to each instrument's volatility ("naive risk parity").

    The volatility is the root mean square of the last `lookback` log returns. An instrument with
    fewer than half of them, or with none but zero, is given the median of the others'; where
    nobody has enough, the weights are equal.
    """

    name = "inverse_volatility"

    def __init__(self, lookback: int = 96) -> None:
        self.lookback = lookback

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return weights that sum to 1, rounded down."""
        known = {}
        for instrument, values in returns.items():
            # fsum is exact, so the order and the number of the terms leave no trace
            mean_square = math.fsum(r * r for r in values) / len(values) if values else 0.0
            if 2 * len(values) >= self.lookback and mean_square > 0:
                known[instrument] = math.sqrt(mean_square)
        if not known:
            return EqualWeights().weights(returns)
        ordered = sorted(known.values())
        median = ordered[len(ordered) // 2]
        inverse = {i: 1 / known.get(i, median) for i in sorted(returns)}
        total = math.fsum(inverse.values())
        return {instrument: _rounded(value / total) for instrument, value in inverse.items()}


class ReturnHistory:
    """The last log returns of each instrument, between the candles that there are."""

    def __init__(self, lookback: int) -> None:
        self._lookback = lookback
        self._closes: dict[str, float] = {}
        self.returns: dict[str, deque[float]] = {}

    def expect(self, instrument: str) -> None:
        """Count an instrument in, before its first candle."""
        if instrument not in self.returns:
            self.returns[instrument] = deque(maxlen=self._lookback)

    def add(self, instrument: str, close: float) -> None:
        """Take in the next close of an instrument."""
        self.expect(instrument)
        previous = self._closes.get(instrument)
        values = self.returns[instrument]
        if previous is not None:
            values.append(math.log(close / previous))
        self._closes[instrument] = close


def policy_named(
    name: str, *, lookback: int = 96, fixed: Mapping[str, float] | None = None
) -> WeightPolicy:
    """Return the policy of a name.

    Raises:
        ValueError: there is no such policy, or `fixed` has no weights or wrong ones.
    """
    if name == EqualWeights.name:
        return EqualWeights()
    if name == InverseVolatility.name:
        return InverseVolatility(lookback)
    if name == FixedWeights.name:
        if not fixed:
            raise ValueError("the fixed policy needs weights")
        return FixedWeights(fixed)
    raise ValueError(f"unknown weight policy {name!r}; known are equal, inverse_volatility, fixed")


def _rounded(weight: float) -> float:
    return math.floor(weight * WEIGHT_DIGITS) / WEIGHT_DIGITS
