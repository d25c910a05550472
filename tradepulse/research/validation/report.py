"""A validation's report as data: what a page or another program needs to show it.

`Report.as_json()` gives (times are epoch ms, undefined figures are null):

    {"version": 1,
     "configuration": {"strategy", "params", "exchange", "symbol", "timeframe", "share"},
     "search": {"trials", "method", "objective", "seed"},
     "ranges": {"start", "split", "end"},
     "figures": {"in_sample": {figure: value}, "out_of_sample": {..}},
     "equity": {"close_time": [..], "equity": [..], "drawdown_pct": [..]},
     "price": {"close_time": [..], "close": [..]},
     "trades": [{"entry_time", "exit_time", "side", "entry_price", "exit_price", "profit",
                 "exit_reason"}],
     "heat_map": {"x": {"name", "values"}, "y": {..}, "figure": "sharpe",
                  "in_sample": [[..]], "out_of_sample": [[..]]} or null,
     "walk_forward": {"windows": [{"kind", "train": [a, b], "test": [a, b], "params",
                                   "in_sample": {..}, "out_of_sample": {..}}]},
     "gates": [{"name", "title", "figure", "unit", "threshold", "comparison", "passed",
                "verdict", "details": {}}],
     "passed": bool, "verdict": sentence}

Rows of the heat map are values of y, columns of x. Both ranges are traded from flat and begin with
the same cash, so their figures can be compared; the curve joins them, the second range scaled to
begin where the first ended. A trade's profit is that of its own range's account.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.research.objectives import FIGURES
from tradepulse.research.space import points
from tradepulse.research.validation.gates import Gate, verdict_on
from tradepulse.research.validation.procedure import Walked
from tradepulse.research.validation.request import Record, ValidationRequest
from tradepulse.strategies import Params, Strategy
from tradepulse.trading.orders import Trade

FloatArray = NDArray[np.float64]
Measure = Callable[[FloatArray], FloatArray]
"""Takes parameter vectors, returns their figures."""

VERSION = 1
MOST_POINTS = 2_000
"""Points of a curve."""
AXIS = 13
"""Values of a parameter in the heat map, besides the configuration's own."""
SHARPE = FIGURES.index("sharpe")


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """The outcome of a validation.

    Attributes:
        gates: in the order of `GATES`.
        body: everything else that `as_json` gives, by its names there.
    """

    gates: tuple[Gate, ...]
    body: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def verdict(self) -> str:
        """Say it in a sentence."""
        return verdict_on(self.gates)

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON takes it, see the module."""
        return {
            "version": VERSION,
            **self.body,
            "gates": [gate.as_json() for gate in self.gates],
            "passed": self.passed,
            "verdict": self.verdict,
        }


def body(
    request: ValidationRequest,
    candles: Candles,
    params: Params,
    inside: Record,
    outside: Record,
    windows: Iterable[Walked],
    heat_map: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return everything but the gates."""
    ranges = request.ranges
    return {
        "configuration": {
            "strategy": request.strategy,
            "params": dict(params),
            "exchange": candles.exchange,
            "symbol": candles.symbol,
            "timeframe": candles.timeframe,
            "share": request.share,
        },
        "search": {
            "trials": request.all_trials,
            "method": request.method,
            "objective": request.objective,
            "seed": request.seed,
        },
        "ranges": {"start": ranges.start, "split": ranges.split, "end": ranges.end},
        "figures": {
            "in_sample": inside.figures.as_dict(),
            "out_of_sample": outside.figures.as_dict(),
        },
        **_curves(candles.between(ranges.start, ranges.end), inside, outside),
        "trades": [trade_of(trade) for one in (inside, outside) for trade in one.trades],
        "heat_map": heat_map,
        "walk_forward": {"windows": [_window(one) for one in windows]},
    }


def _curves(candles: Candles, inside: Record, outside: Record) -> dict[str, Any]:
    joined = inside.equity[-1] / outside.cash
    equity = np.concatenate((inside.equity, joined * outside.equity))
    close_time = np.concatenate((inside.close_time, outside.close_time))
    peak = np.maximum(np.maximum.accumulate(equity), inside.cash)
    drawdown = 100 * (1 - equity / peak)
    kept = thinned(len(equity), (int(drawdown.argmax()), len(inside.equity)))
    prices = thinned(len(candles), ())
    return {
        "equity": {
            "close_time": close_time[kept].tolist(),
            "equity": equity[kept].tolist(),
            "drawdown_pct": drawdown[kept].tolist(),
        },
        "price": {
            "close_time": candles.close_time[prices].tolist(),
            "close": candles.close[prices].tolist(),
        },
    }


def thinned(rows: int, needed: Sequence[int]) -> NDArray[np.int64]:
    """Return at most `MOST_POINTS` rows, evenly spaced but for those that are needed."""
    count = min(rows, MOST_POINTS - len(needed))
    even = np.linspace(0, rows - 1, count).astype(np.int64)
    return np.union1d(even, np.array(needed, dtype=np.int64))


def trade_of(trade: Trade) -> dict[str, Any]:
    """Return a trade as the report has it."""
    return {
        "entry_time": trade.entry_time,
        "exit_time": trade.exit_time,
        "side": trade.side,
        "entry_price": float(trade.entry_price),
        "exit_price": float(trade.exit_price),
        "profit": float(trade.profit),
        "exit_reason": trade.exit_reason,
    }


def _window(one: Walked) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "train": list(one.train),
        "test": list(one.test),
        "params": one.params or {},
        "in_sample": one.inside,
        "out_of_sample": one.outside,
    }


def heat_map(
    strategy: Strategy, params: Params, varied: Sequence[str], inside: Measure, outside: Measure
) -> dict[str, Any] | None:
    """Return Sharpe ratios around a configuration over its two parameters that matter most.

    Those are the two whose own movement, all others kept, changes the Sharpe ratio in sample most.

    Args:
        strategy: whose parameters.
        params: complete; what is not on an axis keeps its value.
        varied: names of the parameters that may be shown.
        inside: figures of parameter vectors in sample.
        outside: the same out of sample.

    Returns:
        None with fewer than two parameters to show.
    """
    own = strategy.complete(params)
    spread = {}
    for name in varied:
        line = _grid(strategy, own, {name: _axis(strategy, own, name)})
        moved = _sharpes(inside, [one for one in line if one is not None])
        spread[name] = float(np.ptp(moved)) if len(moved) > 1 else -1.0
    if len(spread) < 2:  # noqa: PLR2004 - two axes
        return None
    x, y = sorted(spread, key=lambda name: -spread[name])[:2]
    axes = {name: _axis(strategy, own, name) for name in (y, x)}
    found = _grid(strategy, own, axes)
    shape = (len(axes[y]), len(axes[x]))

    def surface(measure: Measure) -> list[list[float | None]]:
        ratios = iter(_ratios(measure, [one for one in found if one is not None]))
        values = [None if one is None else next(ratios) for one in found]
        return [values[row * shape[1] : (row + 1) * shape[1]] for row in range(shape[0])]

    return {
        "x": {"name": x, "values": axes[x]},
        "y": {"name": y, "values": axes[y]},
        "figure": "sharpe",
        "in_sample": surface(inside),
        "out_of_sample": surface(outside),
    }


def _axis(strategy: Strategy, own: Params, name: str) -> list[float]:
    param = strategy.space[strategy.index[name]]
    return sorted({*points(param, AXIS), own[name]})


def _grid(
    strategy: Strategy, own: Params, axes: dict[str, list[float]]
) -> list[dict[str, float] | None]:
    """Return every combination, the last axis fastest; None for what the strategy refuses."""
    sets: list[dict[str, float]] = [dict(own)]
    for name, values in axes.items():
        sets = [{**one, name: value} for one in sets for value in values]
    return [strategy.complete(one) if strategy.valid(one) else None for one in sets]


def _ratios(measure: Measure, sets: Sequence[Params]) -> list[float | None]:
    if not sets:
        return []
    column = measure(np.array([list(one.values()) for one in sets]))[:, SHARPE]
    return [None if np.isnan(value) else float(value) for value in column]


def _sharpes(measure: Measure, sets: Sequence[Params]) -> list[float]:
    return [value for value in _ratios(measure, sets) if value is not None]
