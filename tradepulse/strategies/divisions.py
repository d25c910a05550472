"""Does a strategy divide by zero? Compiled code goes on with infinity or NaN, without a word."""

from dataclasses import dataclass

from tradepulse.candles.arrays import Candles
from tradepulse.strategies._feature import padded
from tradepulse.strategies._params import Params
from tradepulse.strategies._strategy import Strategy
from tradepulse.strategies.compiled import division_checked
from tradepulse.strategies.market import columns_of
from tradepulse.strategies.sources import Sources

ROWS = 2_000
"""Up to so many rows are looked at, the last ones."""
TRUSTED = "tradepulse."
"""Features of the package itself, which say what they mean where they divide by zero."""


@dataclass(frozen=True, slots=True)
class Divisions:
    """Where a strategy divides by zero.

    Attributes:
        features: how many of its own features do so somewhere.
        rows: in how many rows its rule does.
        of: rows that were looked at.
        first: the first of those rows, None where there is none.
    """

    features: int
    rows: int
    of: int
    first: int | None


def divisions(strategy: Strategy, params: Params, candles: Candles) -> Divisions:
    """Run a strategy's own functions so that they raise where they divide by zero.

    Raises:
        ValueError: wrong parameters.
    """
    vector = strategy.vector(params)
    market, sources = columns_of(candles), Sources(candles)
    features = 0
    for feature in strategy.features:
        own = not feature.function.python.__module__.startswith(TRUSTED)
        if own and strategy.is_on(feature, vector):
            asked, values = strategy.chosen(feature, vector)
            try:
                division_checked(feature.function)(*sources.market(asked)[:5], padded(values))
            except ZeroDivisionError:
                features += 1
    columns = strategy.columns(candles, vector)
    decide = division_checked(strategy.decide)
    rows = range(
        max(strategy.lookback_of(vector, candles.timeframe) - 1, len(candles) - ROWS), len(candles)
    )
    found = []
    for row in rows:
        try:
            decide(row, market, columns, vector)
        except ZeroDivisionError:
            found.append(row)
    return Divisions(features, len(found), len(rows), found[0] if found else None)
