"""From a strategy's arrays to signals: the same for the backtest and for signal_svc."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
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
    NONE,
    REFUSALS,
    Evaluations,
    get_strategy,
)

FloatArray = NDArray[np.float64]
_ACTIONS: dict[int, Action] = {
    ENTER_LONG: "enter_long",
    ENTER_SHORT: "enter_short",
    EXIT: "exit",
}


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
        return _prepared(self.strategy, tuple(self.params.items()))[0]


@lru_cache(maxsize=4_096)
def _prepared(strategy: str, params: tuple[tuple[str, float], ...]) -> tuple[int, FloatArray]:
    """Return look-back and vector; live, they would be worked out anew for every candle."""
    found = get_strategy(strategy)
    vector = found.vector(dict(params))
    vector.flags.writeable = False
    return found.lookback(dict(params)), vector


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
    _, vector = _prepared(configuration.strategy, tuple(configuration.params.items()))
    return get_strategy(configuration.strategy).evaluate(candles, vector, first)


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
        without_target=int(np.count_nonzero(enters & np.isnan(found.take_profit))),
    )


def signals_in(
    found: Evaluations, configuration: Configuration, candles: Candles, first: int = 0
) -> Iterator[tuple[int, Signal]]:
    """Yield (row, signal) of what a configuration's strategy says, from row `first` on."""
    actions = found.action[first:]
    wanted = actions == EXIT if configuration.exits_only else actions != NONE
    for row in (np.nonzero(wanted)[0] + first).tolist():
        # an entry at a limit of zero or less can never fill
        if not found.limit[row] <= 0:
            yield row, _signal(configuration, candles, found, row)


def _signal(configuration: Configuration, candles: Candles, found: Evaluations, row: int) -> Signal:
    open_time = int(candles.open_time[row])
    length = timeframe_ms(configuration.timeframe)
    return Signal(
        id=signal_id(configuration.configuration_id, configuration.series, open_time),
        configuration_id=configuration.configuration_id,
        strategy=configuration.strategy,
        action=_ACTIONS[int(found.action[row])],
        reference_price=float(candles.close[row]),
        stop_price=_level(float(found.stop[row])),
        take_profit_price=_level(float(found.take_profit[row])),
        share=configuration.share,
        # an entry that is one whole candle late is another trade
        expires_at=open_time + 2 * length,
        limit_price=_level(float(found.limit[row])),
        trail=_level(float(found.trail[row])),
        max_holding_ms=found.max_candles * length or None,
    )


def _level(price: float) -> float | None:
    # a target or stop at or below zero can never be touched
    return None if math.isnan(price) or price <= 0 else price
