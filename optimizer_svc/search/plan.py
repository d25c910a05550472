"""What a search job tries, on which candles, and which parameter sets it keeps. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from contracts.events import NAMESPACE
from tradepulse.candles.arrays import Candles
from tradepulse.research.jobs import JobSpec
from tradepulse.research.objectives import OBJECTIVES, Goal
from tradepulse.research.search.ranges import Range, lookback_of_space
from tradepulse.strategies import Params, get_strategy
from tradepulse.trading.metrics import FIGURES

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Search:
    """One strategy on one symbol; `number` within the job."""

    number: int
    strategy: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """A parameter set that a search keeps.

    Attributes:
        trial: its number within the search.
        trials: how many the search tried.
    """

    search: Search
    trial: int
    trials: int
    params: dict[str, float]


def plan(spec: JobSpec) -> list[Search]:
    """Return every search of a job."""
    pairs = ((strategy, symbol) for strategy in spec.strategies for symbol in spec.symbols)
    return [Search(number, *pair) for number, pair in enumerate(pairs)]


def goal_of(spec: JobSpec) -> Goal:
    """Return what the job looks for."""
    return Goal(spec.objective, spec.min_trades, spec.max_drawdown_pct)


def longest_lookback(spec: JobSpec) -> int:
    """Return the most candles that parameter sets of a job need.

    Raises:
        ValueError: a search space is empty.
    """
    return max(
        lookback_of_space(get_strategy(name), spec.fixed.get(name, {}), spec.timeframe)
        for name in spec.strategies
    )


def check_unchanged(stored: Range, candles: Candles) -> None:
    """Refuse to go on with candles that are not those of the stored trials.

    Raises:
        ValueError: candles were added to or removed from the range since the job began.
    """
    if len(candles) != stored.rows:
        raise ValueError(
            f"{candles.series} had {stored.rows} candles when the job began and has "
            f"{len(candles)} now; its trials cannot be continued: submit the job again"
        )


def choose(
    spec: JobSpec, search: Search, names: list[str], params: FloatArray, figures: FloatArray
) -> list[Chosen]:
    """Return the best parameter sets of a search, best first; the earlier trial wins a tie.

    Args:
        spec: its objective, constraints and `keep` count here.
        search: whose trials.
        names: of the columns of `params`.
        params: float64 `(t, p)`, in the order of the trials.
        figures: float64 `(t, len(FIGURES))`, in sample.
    """
    return [
        Chosen(
            search,
            int(row),
            len(params),
            dict(zip(names, params[row].tolist(), strict=True)),
        )
        for row in goal_of(spec).rank(figures)[: spec.keep]
    ]


def why_nothing(spec: JobSpec, search: Search, figures: FloatArray) -> str:
    """Say why a search keeps nothing."""
    return f"{search.strategy} on {search.symbol}: {goal_of(spec).why_none(figures)}"


def never_traded(figures: FloatArray) -> bool:
    """Tell whether no trial made a single trade."""
    return not figures[:, FIGURES.index("trades")].any()


def configuration_id(job_id: UUID, series: str, strategy: str, params: Params) -> UUID:
    """Derive a configuration's id: the job run again finds the same configuration."""
    written = json.dumps(dict(params), sort_keys=True)
    return uuid5(NAMESPACE, f"{job_id}:{series}:{strategy}:{written}")


def side_by_side(spec: JobSpec, metrics: Mapping[str, Any]) -> str:
    """Write the objective in sample and out of sample, for a reason or a log line."""
    parts = []
    for name, _ in OBJECTIVES[spec.objective]:
        inside, outside = ((metrics[side] or {}).get(name) for side in SIDES)
        parts.append(f"{name} in sample {_written(inside)}, out of sample {_written(outside)}")
    return "; ".join(parts) + f"; best of {metrics['trials']:,} trials"


SIDES = ("in_sample", "out_of_sample")
COSTS = ("fee", "maker_fee", "slippage", "impact", "allows_margin")


def _written(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def costs_of(spec: JobSpec) -> dict[str, Any]:
    """Return what a configuration's later backtests must be told."""
    return {name: getattr(spec, name) for name in COSTS}


def evidence(
    spec: JobSpec, used: Range, chosen: Chosen, figures: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is stored as a configuration's metrics."""
    return {
        **figures,
        "in_sample_range": [used.start, used.split],
        "out_of_sample_range": [used.split, used.end],
        "objective": spec.objective,
        "method": spec.method,
        "seed": spec.seed,
        "min_trades": spec.min_trades,
        "max_drawdown_pct": spec.max_drawdown_pct,
        "costs": costs_of(spec),
        "trials": chosen.trials,
        "trial": chosen.trial,
    }
