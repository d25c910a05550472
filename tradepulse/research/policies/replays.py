"""What weights would have made of the same signals in each part of time, after the same costs.

Every part begins flat and with the same cash; what is held at its end counts at its last close.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.arrays import IntArray
from tradepulse.research.policies.report import Figures
from tradepulse.research.policies.time_split import Part, PartName, TimeSplit, rows_of
from tradepulse.research.validation.robustness import stressed
from tradepulse.research.virtual.market import VirtualMarket
from tradepulse.research.virtual.replay import replay
from tradepulse.trading.defaults import CASH
from tradepulse.trading.metrics import daily_returns, metrics
from tradepulse.trading.sizing import AccountRules

FloatArray = NDArray[np.float64]

LEAST = 0.01
"""An account below this share of its cash counts as this: no growth is infinite."""
BITCOIN = frozenset({"BTC", "XBT"})


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """On what policies are compared.

    Attributes:
        market: what is traded, its signals among it.
        rules: costs and limits.
        split: of time.
        budget: what weights sum to at most, of every policy alike.
        cash: with which each part begins, quote currency.
    """

    market: VirtualMarket
    rules: AccountRules
    split: TimeSplit
    budget: float = 1.0
    cash: float = float(CASH)

    def at_costs(self, factor: float) -> "Scene":
        """Return the scene with fees, slippage and impact so many times as high."""
        return replace(self, rules=stressed(self.rules, factor))

    @property
    def largest(self) -> float:
        """The largest weight of one instrument that the account's limits leave."""
        return min(float(self.rules.limits.max_symbol_notional), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """How an account did in a part of time.

    Attributes:
        figures: as reports have them.
        daily: float64 `(days,)`, log growth of each UTC day.
    """

    figures: Figures
    daily: FloatArray


Records = Mapping[PartName, Record]


def follow(scene: Scene, weights: FloatArray, part: Part, budget: float | None = None) -> Record:
    """Trade a part of time with weights.

    Args:
        scene: on what.
        weights: float64 `(T, N)`; row t binds at close t + 1.
        part: which closes.
        budget: that is shared out equally where weights are too old; the scene's by default.

    Raises:
        ValueError: as `replay`, or no candle closes in the part.
    """
    span = rows_of(part, scene.market.arrays.close_time)
    budget = scene.budget if budget is None else budget
    done = replay(scene.market, weights, scene.rules, scene.cash, span, budget)
    free = replay(scene.market, weights, scene.at_costs(0).rules, scene.cash, span, budget)
    net = done.profits[np.isfinite(done.profits)]
    return _record(
        scene.cash, done.close_time, done.equity, float(free.equity[-1]), done.exposure, net
    )


def growth_of(scene: Scene, weights: FloatArray, part: Part, budget: float | None = None) -> float:
    """Return the log growth of a part, traded with weights: that of `follow`, and quicker."""
    span = rows_of(part, scene.market.arrays.close_time)
    budget = scene.budget if budget is None else budget
    last = replay(scene.market, weights, scene.rules, scene.cash, span, budget).equity[-1]
    return float(np.log(max(last / scene.cash, LEAST)))


def in_parts(scene: Scene, weights: FloatArray, budget: float | None = None) -> Records:
    """Trade all parts with weights."""
    return {
        name: follow(scene, weights, part, budget) for name, part in scene.split.parts().items()
    }


def in_cash(scene: Scene) -> Records:
    """Return what cash did: nothing."""
    found = {}
    for name, part in scene.split.parts().items():
        begin, end = rows_of(part, scene.market.arrays.close_time)
        equity = np.full(end - begin, scene.cash)
        none = np.zeros(0)
        close_time = scene.market.arrays.close_time[begin:end]
        found[name] = _record(
            scene.cash, close_time, equity, scene.cash, np.zeros(len(equity)), none
        )
    return found


def held_instruments(instruments: Sequence[str]) -> tuple[str, ...]:
    """Return what is bought and held: the first bitcoin, or a like part of all where none is."""
    bitcoins = [one for one in instruments if one.partition(":")[2].partition("/")[0] in BITCOIN]
    return tuple(bitcoins[:1] or instruments)


def bought_and_held(scene: Scene) -> Records:
    """Buy at the first close of each part with all cash, and hold.

    What is bought pays fee and slippage once. What has no price yet is bought at its first one.
    """
    held = held_instruments(scene.market.instruments)
    columns = [scene.market.instruments.index(one) for one in held]
    cost = (1 + float(scene.rules.slippage)) * (1 + float(scene.rules.fee))
    found = {}
    for name, part in scene.split.parts().items():
        begin, end = rows_of(part, scene.market.arrays.close_time)
        marks = scene.market.arrays.marks[begin:end, columns]
        known = np.isfinite(marks)
        first = np.where(known.any(axis=0), known.argmax(axis=0), 0)
        entry = marks[first, np.arange(len(columns))]
        each = scene.cash / len(columns)
        worth = np.where(known, each / entry * np.where(known, marks, 0.0), 0.0)
        waits = np.where(known, 0.0, each).sum(axis=1)
        exposure = worth.sum(axis=1) / cost
        found[name] = _record(
            scene.cash,
            scene.market.arrays.close_time[begin:end],
            exposure + waits,
            float(worth[-1].sum() + waits[-1]),
            exposure,
            np.zeros(0),
        )
    return found


def _record(
    cash: float,
    close_time: IntArray,
    equity: FloatArray,
    without_costs: float,
    exposure: FloatArray,
    net: FloatArray,
) -> Record:
    found = metrics(
        initial_equity=cash, close_time=close_time, equity=equity, exposure=exposure, net=net,
        gross=net,
    )  # fmt: skip
    figures = Figures(
        growth_pct=100 * float(equity[-1] / cash - 1),
        sharpe=found.sharpe,
        max_drawdown_pct=found.max_drawdown_pct,
        exposure=found.exposure,
        costs_pct=100 * (without_costs - float(equity[-1])) / cash,
        trades=found.trades,
    )
    returns = daily_returns(cash, close_time, np.maximum(equity, LEAST * cash))
    # no equity is below the least
    daily = np.zeros(0) if returns is None else np.log1p(returns)
    return Record(figures, daily)
