"""What a validation is asked, and how a configuration traded in a range of its data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import first_problem
from tradepulse.research.objectives import Goal
from tradepulse.research.reality_check import Luck
from tradepulse.research.simulate import SimulationRules
from tradepulse.research.validation.gates import Thresholds
from tradepulse.research.validation.resampling import returns_of_trades
from tradepulse.strategies import Params, get_strategy
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import backtest
from tradepulse.trading.metrics import DAY_MS, Metrics, daily_returns, ledger_metrics
from tradepulse.trading.orders import Trade
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import EqualWeights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DATA_FREE = frozenset({"grid", "random", "quasi_random"})
"""Methods whose trials do not depend on the figures of earlier ones."""
MOST_TRIED = 5_000
"""Trials that are looked at; of more a random choice is."""
SHORTEST_DAYS = 2
ANONYMOUS = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Ranges:
    """How the candles are divided, open times in epoch ms; those before `start` only warm up.

    Attributes:
        start: first in sample.
        split: first out of sample.
        end: the data ends before it.
    """

    start: int
    split: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class ValidationRequest:
    """A configuration, and how it was found.

    Attributes:
        strategy: its name.
        params: its parameters.
        ranges: the search saw the candles before `ranges.split` only.
        account: rules by which it is judged.
        simulation: the same rules for the fast simulator.
        share: of the instrument's weight, above 0, at most 1.
        objective: what the search looked for, a key of `OBJECTIVES`.
        min_trades: constraint of the search; so is `max_drawdown_pct`.
        trials: every trial ever made on the market, not only this search's.
        searches: all searches of the market; trials that they do not hold count as independent.
        tried: float64 `(t, p)`, parameter vectors of this search; none where it was made by hand.
        seed: of the search; also of all that is drawn here.
        method: of the search, a key of its samplers.
        thresholds: of the gates.
        threads: how many share the work; no figure depends on it.
    """

    strategy: str
    params: Params
    ranges: Ranges
    account: AccountRules
    simulation: SimulationRules
    share: float = 1.0
    objective: str = "sharpe"
    min_trades: int = 0
    max_drawdown_pct: float | None = None
    trials: int = 1
    searches: Sequence[Luck] = ()
    tried: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    seed: int = 0
    method: str = ""
    thresholds: Thresholds = field(default_factory=Thresholds)
    threads: int = 1

    @property
    def all_trials(self) -> int:
        """How many trials the choice was made among, at the least."""
        return max(self.trials, sum(one.trials for one in self.searches), len(self.tried), 1)

    def goal(self, part: float = 1.0) -> Goal:
        """Return what the search looked for, in a part of its days: as many trades a day."""
        least = max(1, round(self.min_trades * min(part, 1.0)))
        return Goal(self.objective, least, self.max_drawdown_pct)

    def sample(self) -> FloatArray:
        """Return at most `MOST_TRIED` of the vectors that were tried, in their order."""
        if len(self.tried) <= MOST_TRIED:
            return self.tried
        random = np.random.default_rng(self.seed)
        rows = random.choice(len(self.tried), MOST_TRIED, replace=False)
        return self.tried[np.sort(rows)]

    def varied(self) -> tuple[str, ...]:
        """Return the parameters that the search moved, as its trials show."""
        space = get_strategy(self.strategy).space
        moved = [param.searched for param in space]
        if len(self.tried) > 1:
            moved = list((self.tried != self.tried[0]).any(axis=0) & moved)
        return tuple(param.name for param, is_moved in zip(space, moved, strict=True) if is_moved)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """How a configuration traded in one range, by the account engine.

    Attributes:
        figures: over the range.
        close_time: int64 `(n,)`, of each candle in it.
        equity: float64 `(n,)`, at each close.
        daily: float64 `(days,)`, returns; None where the equity fell to zero.
        trades: in the order in which they closed.
        returns: float64 `(trades,)`, profit over the equity before each.
        cash: with which it began.
    """

    figures: Metrics
    close_time: IntArray
    equity: FloatArray
    daily: FloatArray | None
    trades: Sequence[Trade]
    returns: FloatArray
    cash: float


def record(
    request: ValidationRequest, candles: Candles, start: int, end: int, rules: AccountRules
) -> Record:
    """Trade the configuration alone on an account, from flat, `start <= open_time < end`.

    Raises:
        ValueError: no candle lies in the range.
    """
    one = Configuration(
        ANONYMOUS,
        request.strategy,
        candles.exchange,
        candles.symbol,
        candles.timeframe,
        request.params,
        request.share,
    )
    cash = Decimal(repr(request.simulation.initial_cash))
    result = backtest([candles], [one], rules, EqualWeights(), cash=cash, between=(start, end))
    close_time = np.array([point.close_time for point in result.equity], dtype=np.int64)
    equity = np.array([float(point.equity) for point in result.equity])
    profits = np.array([float(trade.profit) for trade in result.trades])
    return Record(
        figures=ledger_metrics(float(cash), result.equity, result.trades),
        close_time=close_time,
        equity=equity,
        daily=daily_returns(float(cash), close_time, equity),
        trades=result.trades,
        returns=returns_of_trades(float(cash), profits),
        cash=float(cash),
    )


def check(request: ValidationRequest, candles: Candles) -> None:
    """Refuse what cannot be judged at all.

    Raises:
        ValueError: the candles are impossible or too few, the strategy is unknown, its parameters
            are wrong, or the trials are another strategy's.
    """
    strategy = get_strategy(request.strategy)
    strategy.complete(request.params)
    request.goal()
    if not 0 < request.share <= 1:
        raise ValueError(f"the share is {request.share:g}; it must be above 0 and at most 1")
    if request.trials < 0:
        raise ValueError(f"{request.trials} trials; give how many were made on the market")
    if len(request.tried) and request.tried.shape[1:] != (len(strategy.space),):
        raise ValueError(
            f"the trials have {request.tried.shape[1]} parameters, {strategy.name} has "
            f"{len(strategy.space)}; give the trials of the same strategy"
        )
    problem = first_problem(candles)
    if problem is not None:
        raise ValueError(
            f"candle {problem.row + 1} of {len(candles)} of {candles.series} cannot be used: "
            f"{problem.reason}; import it again"
        )
    ranges = request.ranges
    for name, start, end in (
        ("in sample", ranges.start, ranges.split),
        ("out of sample", ranges.split, ranges.end),
    ):
        times = candles.between(start, end).open_time
        days = 0 if len(times) == 0 else (int(times[-1]) - int(times[0])) / DAY_MS
        if days < SHORTEST_DAYS:
            raise ValueError(
                f"{len(times)} candles of {candles.series} {name} span {days:.1f} days; at least "
                f"{SHORTEST_DAYS} are needed to judge a configuration: import more candles"
            )
