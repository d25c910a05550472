"""How a search measures parameter sets, many at once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid5

import numpy as np
from numpy.typing import NDArray

from contracts.events import NAMESPACE
from tradepulse.candles.arrays import Candles
from tradepulse.research.reality_check import drawn_days, largest_t
from tradepulse.research.simulate import SimulationRules
from tradepulse.research.sweep import Sweep
from tradepulse.strategies import get_strategy
from tradepulse.trading.metrics import FIGURES

FloatArray = NDArray[np.float64]

ROWS_PER_BATCH = 20_000_000
"""Candles times trials of one batch at most."""
MOST_PER_BATCH = 1_024
BATCH_S = 2.0
"""What a batch is to take: the progress of a job, and its turn, end with one."""
GROWTH = 4
"""How much larger or smaller a batch is than the one before at most: the first one compiles."""


@dataclass(frozen=True, slots=True)
class TrialSetup:
    """What the trials of one search are measured on.

    Attributes:
        strategy: its name.
        start: open time from which is traded, epoch ms; candles before it only warm up.
        rules: costs and size.
        seed: of the days that are drawn again, to know what luck could have found.
        min_trades: a set with fewer trades is not chosen, so no luck either.
    """

    strategy: str
    start: int
    rules: SimulationRules
    seed: int = 0
    min_trades: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What trials came to.

    Attributes:
        figures: float64 `(t, len(FIGURES))`, NaN where undefined.
        largest: float64 `(DRAWS,)`, their largest t in each draw of the days, without an edge.
    """

    figures: FloatArray
    largest: FloatArray


def joined(parts: Sequence[Measured]) -> Measured:
    """Return what trials came to that were measured in parts."""
    return Measured(
        np.concatenate([one.figures for one in parts]),
        np.maximum.reduce([one.largest for one in parts]),
    )


def batch_size(rows: int) -> int:
    """Return how many trials to run in one go on so many candles."""
    return max(1, min(MOST_PER_BATCH, ROWS_PER_BATCH // max(rows, 1)))


def next_size(size: int, took_s: float, least: int, most: int) -> int:
    """Return how many trials to run in one go after so many took so long.

    Args:
        size: of the batch before.
        took_s: seconds, with the time that it waited for those of other searches.
        least: trials that run side by side: fewer would take as long.
        most: of `batch_size`.
    """
    wanted = int(size * BATCH_S / max(took_s, 1e-3))
    nearer = min(max(wanted, size // GROWTH), size * GROWTH)
    return max(1, min(max(nearer, least), most))


def vectors(sets: list[dict[str, float]]) -> FloatArray:
    """Return parameter sets as rows, float64 `(t, p)`."""
    return np.array([list(params.values()) for params in sets], dtype=np.float64)


def luck_seed(seed: int, series: str, strategy: str) -> int:
    """Return the seed of the days that are drawn again for a search.

    The same search made again draws the same days; others draw others.
    """
    return uuid5(NAMESPACE, f"luck:{seed}:{series}:{strategy}").int % 2**63


def sweep_of(candles: Candles, setup: TrialSetup, threads: int) -> Sweep:
    """Prepare to measure parameter sets.

    Args:
        candles: warm-up and in-sample candles only: what comes later is not even here.
        setup: what to measure on.
        threads: how many share the work; the figures do not depend on it.

    Raises:
        ValueError: the strategy is unknown.
    """
    first = int(np.searchsorted(candles.open_time, setup.start))
    strategy = get_strategy(setup.strategy)
    return Sweep(candles, strategy, setup.rules, first=first, threads=threads)


def measure(sweep: Sweep, tried: FloatArray, setup: TrialSetup) -> Measured:
    """Measure parameter sets, float64 `(t, p)`, on a sweep of this setup.

    Raises:
        StrategyError: the strategy failed.
    """
    result = sweep.run(tried, daily=True)
    if result.daily is None:
        raise RuntimeError("the sweep gave no daily returns")
    # a set that traded on few days only has a t that is easily large, and is not chosen for it
    choosable = result.figures[:, FIGURES.index("trades")] >= setup.min_trades
    drawn = drawn_days(sweep.days, setup.seed)
    return Measured(result.figures, largest_t(result.daily[choosable], drawn, sweep.threads))
