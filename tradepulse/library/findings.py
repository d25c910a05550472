"""Does a strategy know the future, or never forget? `look_ahead`, and what it found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tradepulse.candles.arrays import Candles
from tradepulse.strategies import Strategy, get_strategy
from tradepulse.strategies.detectors import Detection, recursive
from tradepulse.strategies.detectors import look_ahead as looks_ahead
from tradepulse.strategies.files import load_strategy_file
from tradepulse.strategies.made_candles import TIMEFRAME, random_walks

MADE_UP = 5_000
"""Candles of a random walk that strategies are checked on where none are given."""
WARM_UPS = 8
"""Lookbacks that a check wants candles for."""
DETECTORS = (looks_ahead, recursive)


@dataclass(frozen=True, slots=True)
class Finding:
    """What the detectors say of the strategies of a file, as `tradepulse strategies check` does.

    Attributes:
        detections: of each strategy by its name, look-ahead first, then recursive.
    """

    detections: Mapping[str, Sequence[Detection]]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return all(one.passed for found in self.detections.values() for one in found)

    @property
    def lines(self) -> list[str]:
        """A line for each strategy and detector, as the command writes it."""
        return [
            f"{'ok' if one.passed else 'FOUND':<6}{said(name, one)}"
            for name, found in self.detections.items()
            for one in found
        ]

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        from tradepulse.research.report_page.markup import el  # noqa: PLC0415 - for notebooks

        return el("pre", repr(self))


def look_ahead(
    strategy: str | Path | Strategy,
    candles: Candles | None = None,
    params: Mapping[str, float] | None = None,
) -> Finding:
    """Look whether strategies know the future, or need more history than they say.

    What a strategy says of a candle must not change when later candles are cut off, nor with more
    candles before it. One that never ends hangs, for compiled code cannot be interrupted:
    `tradepulse strategies check` has a time limit.

    Args:
        strategy: the path of a file with strategies, a name, or a strategy itself.
        candles: a series; None for a random walk.
        params: the rest are defaults.

    Raises:
        ValueError: the file cannot be used, parameters are wrong, or there are too few candles.
        StrategyError: a strategy failed.
    """
    given = params or {}
    return Finding(
        {
            one.name: [look(one, given, examined(candles, one, given)) for look in DETECTORS]
            for one in _strategies(strategy)
        }
    )


def said(name: str, found: Detection) -> str:
    """Return what a detector found of a strategy, in one line."""
    return f"{name}: {found.name}: {found.sentence}"


def examined(candles: Candles | None, strategy: Strategy, params: Mapping[str, float]) -> Candles:
    """Return what was given, or random walks; not longer than a check needs."""
    timeframe = TIMEFRAME if candles is None else candles.timeframe
    count = max(MADE_UP, WARM_UPS * strategy.lookback(params, timeframe))
    return random_walks(count, strategy) if candles is None else candles.rows(0, count)


def _strategies(strategy: str | Path | Strategy) -> list[Strategy]:
    if isinstance(strategy, Strategy):
        return [strategy]
    if isinstance(strategy, str) and not strategy.endswith(".py"):
        return [get_strategy(strategy)]
    return [get_strategy(name) for name in load_strategy_file(strategy, changed=True)]
