"""From a strategy's arrays to signals: the same for the backtest and for signal_svc."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from contracts.events import Action, Signal, signal_id
from tradepulse.candles.arrays import Candles
from tradepulse.candles.series import OnSeries
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.strategies import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    MOVE,
    NONE,
    REFUSALS,
    Evaluations,
    get_strategy,
    step_ms,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_ACTIONS: dict[int, Action] = {
    ENTER_LONG: "enter_long",
    ENTER_SHORT: "enter_short",
    EXIT: "exit",
    MOVE: "move_stop",
}

FOR_HELD = (EXIT, MOVE)
"""Actions that concern what is held."""


@dataclass(frozen=True, slots=True)
class Configuration(OnSeries):
    """A strategy with its parameters on one series.

    Attributes:
        share: of the instrument's portfolio weight that its entries may use, above 0, at most 1.
        exits_only: switched off, but what it holds is still left by its own rules.
    """

    configuration_id: UUID
    strategy: str
    exchange: str
    symbol: str
    timeframe: str
    params: Mapping[str, float]
    share: float = 1.0
    exits_only: bool = False

    @property
    def lookback(self) -> int:
        """How many candles an evaluation needs, the last one included."""
        return _prepared(self).lookback

    @property
    def near(self) -> int:
        """How many it needs where closed higher candles are given."""
        return _prepared(self).near

    @property
    def higher(self) -> frozenset[str]:
        """The higher timeframes that it looks at of its series."""
        return get_strategy(self.strategy).higher(self.timeframe)

    @property
    def has_sources(self) -> bool:
        """Whether it looks at other candles than those of its series, see `sources.py`."""
        return get_strategy(self.strategy).has_sources

    @property
    def references(self) -> tuple[str, ...]:
        """The instruments, `exchange:symbol`, that it looks at beside its own."""
        return get_strategy(self.strategy).references(self)


class _Prepared(NamedTuple):
    """What live would be worked out anew for every candle."""

    lookback: int
    vector: FloatArray
    max_candles: int
    cooldown: int
    near: int


def _prepared(configuration: Configuration) -> _Prepared:
    return _prepare(
        configuration.strategy, tuple(configuration.params.items()), configuration.timeframe
    )


@lru_cache(maxsize=16_384)
def _prepare(strategy: str, params: tuple[tuple[str, float], ...], timeframe: str) -> _Prepared:
    found = get_strategy(strategy)
    vector = found.vector(dict(params))
    max_candles, cooldown = (int(vector[found.index[name]]) for name in ("max_candles", "cooldown"))
    lookback, near = found.lookback_of(vector, timeframe), found.near_of(vector, timeframe)
    return _Prepared(lookback, vector, max_candles, cooldown, near)


def signals_of(
    configuration: Configuration, candles: Candles, first: int = 0
) -> Iterator[tuple[int, Signal]]:
    """Yield (row, signal) for every candle from row `first` on that has one.

    Rows before `first` are warm-up: `configuration.lookback - 1` of them make the first row's
    output what it is in a longer series.

    Raises:
        ValueError: the strategy is unknown or its parameters are wrong, or it failed
            (`StrategyError`).
    """
    found = evaluations_of(configuration, candles, first)
    return signals_in(found, configuration, candles, first)


def evaluations_of(configuration: Configuration, candles: Candles, first: int = 0) -> Evaluations:
    """Return what a configuration's strategy says, from row `first` on.

    Raises:
        ValueError: as `signals_of`.
    """
    vector = _prepared(configuration).vector
    return get_strategy(configuration.strategy).evaluate(candles, vector, first)


class Said(NamedTuple):
    """What a strategy says at the close of one candle, as a row of `Evaluations`.

    The action may be a key of `REFUSALS`, too: an entry that is not made for its levels.
    """

    action: int
    stop: float
    take_profit: float
    limit: float
    trail: float
    max_candles: int
    confidence: float = math.nan
    targets: Sequence[float] = ()
    cooldown: int = 0


def last_of(
    configuration: Configuration, market: FloatArray, open_time: IntArray, end: int
) -> Said | None:
    """Return what `evaluations_of` would say of one candle, None where it says nothing.

    Args:
        configuration: which is asked; one without sources.
        market: open, high, low, close and volume, float64 `(5, n)`, to be read only.
        open_time: of the candles, int64 `(n,)`, epoch ms, to be read only.
        end: one past the candle.

    Raises:
        Exception: whatever the strategy raises; `evaluations_of` says it in one line.
    """
    lookback, vector, max_candles, cooldown, _ = _prepared(configuration)
    found = get_strategy(configuration.strategy)
    answer = found.last(market, open_time, end, lookback, vector)
    if answer[0] == NONE:
        return None
    action, stop, take_profit, limit, trail = answer[:5]
    # confidence and steps are there for all who give one of the two
    confidence, *targets = answer[5:] or (math.nan,)
    return Said(
        int(action), stop, take_profit, limit, trail, max_candles,
        confidence, targets if found.has_steps else (), cooldown,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries that a strategy asked for, whatever came of them.

    Attributes:
        asked: those refused for their levels included.
        refused: by reason, how many were refused for their levels.
        first_refused: open time of the first of these, epoch ms; None where there is none.
        without_stop: not refused, without a stop, be it left out or not a number.
        without_target: the same without a target.
    """

    asked: int
    refused: Mapping[str, int]
    first_refused: int | None
    without_stop: int
    without_target: int


def entries_in(found: Evaluations, candles: Candles, first: int = 0) -> Entries:
    """Count the entries that a strategy asked for, from row `first` on."""
    enters = np.abs(found.action) == ENTER_LONG
    enters[:first] = False
    of_range = found.refused >= first
    rows, reasons = found.refused[of_range], found.refused_for[of_range].tolist()
    return Entries(
        asked=int(np.count_nonzero(enters)) + len(rows),
        refused=Counter(REFUSALS[reason] for reason in reasons),
        first_refused=int(candles.open_time[rows[0]]) if len(rows) else None,
        without_stop=int(np.count_nonzero(enters & np.isnan(found.stop) & np.isnan(found.trail))),
        without_target=int(np.count_nonzero(enters & _without_target(found))),
    )


def _without_target(found: Evaluations) -> NDArray[np.bool_]:
    missing = np.isnan(found.take_profit)
    return missing if found.targets is None else missing & ~(found.targets[1::2] > 0).any(axis=0)


def signals_in(
    found: Evaluations, configuration: Configuration, candles: Candles, first: int = 0
) -> Iterator[tuple[int, Signal]]:
    """Yield (row, signal) of what a configuration's strategy says, from row `first` on."""
    actions = found.action[first:]
    wanted = np.isin(actions, FOR_HELD) if configuration.exits_only else actions != NONE
    for row in (np.nonzero(wanted)[0] + first).tolist():
        said = Said(
            int(found.action[row]),
            float(found.stop[row]),
            float(found.take_profit[row]),
            float(found.limit[row]),
            float(found.trail[row]),
            found.max_candles,
            math.nan if found.confidence is None else float(found.confidence[row]),
            () if found.targets is None else found.targets[:, row].tolist(),
            found.cooldown,
        )
        signal = signal_of(
            configuration, said, int(candles.open_time[row]), float(candles.close[row])
        )
        if signal is not None:
            yield row, signal


def signal_of(
    configuration: Configuration, said: Said, open_time: int, close: float
) -> Signal | None:
    """Return the signal of what a strategy says of one candle, None where there is none.

    Args:
        configuration: of the strategy.
        said: no refused entry.
        open_time: of the candle, epoch ms.
        close: of the candle.
    """
    # an entry at a limit of zero or less can never fill
    if said.limit <= 0 or (configuration.exits_only and said.action not in FOR_HELD):
        return None
    if said.action == MOVE and _level(said.stop) is None:
        return None
    length = timeframe_ms(configuration.timeframe)
    return Signal(
        id=signal_id(configuration.configuration_id, configuration.series, open_time),
        configuration_id=configuration.configuration_id,
        strategy=configuration.strategy,
        action=_ACTIONS[said.action],
        reference_price=close,
        stop_price=_level(said.stop),
        take_profit_price=_level(said.take_profit),
        confidence=1.0 if math.isnan(said.confidence) else said.confidence,
        share=configuration.share,
        # an entry that is one whole candle late is another trade
        expires_at=open_time + 2 * length,
        limit_price=_level(said.limit),
        trail=_level(said.trail),
        max_holding_ms=said.max_candles * length or None,
        targets=_targets(said.targets),
        cooldown_ms=None if said.action in FOR_HELD else said.cooldown * length or None,
    )


def _targets(steps: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """Return minutes and price of the steps that there are, in the order of their times."""
    found = {}
    for minutes, price in zip(steps[::2], steps[1::2], strict=True):
        if (begins := step_ms.python(minutes, price)) >= 0:
            # of two at one time the later one counts
            found[begins // 60_000] = price
    return tuple(sorted(found.items()))


def _level(price: float) -> float | None:
    # a target or stop at or below zero can never be touched
    return None if math.isnan(price) or price <= 0 else price
