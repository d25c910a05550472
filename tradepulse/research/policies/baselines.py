"""The simple policies that a learned one must beat, on the same signals and at the same costs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.policies.replays import (
    Records,
    Scene,
    bought_and_held,
    growth_of,
    in_cash,
    in_parts,
)
from tradepulse.research.virtual.market import decided_weights
from tradepulse.trading.backtest import Prepared
from tradepulse.trading.policies.hrp import HierarchicalRiskParity
from tradepulse.trading.policies.min_variance import MinimumVariance
from tradepulse.trading.policies.softmax import bounded, floored
from tradepulse.trading.weights import EqualWeights, InverseVolatility, WeightPolicy

FloatArray = NDArray[np.float64]

EQUAL, SCALED, HELD = "equal", "equal_scaled", "buy_and_hold"
TITLES: Mapping[str, str] = {
    "cash": "cash",
    EQUAL: "equal weights",
    SCALED: "equal weights, scaled",
    "inverse_volatility": "inverse volatility",
    "hrp": "hierarchical risk parity",
    "min_variance": "minimum variance",
    "best_constant": "best constant weights of train",
    HELD: "buy and hold",
}
SCALES = tuple(n / 20 for n in range(1, 21))
"""What equal weights are multiplied by; the best of them on validation is kept."""
DRAWS = 300
"""Constant vectors that are tried on train."""
SPREADS = (1.0, 0.3)
"""Of the Dirichlet distributions that they are drawn from: anywhere, and near the corners."""


@dataclass(frozen=True, slots=True, eq=False)
class Baselines:
    """The simple policies.

    Attributes:
        records: by the names of `TITLES`.
        tables: float64 `(T, N)`, of those that are weights.
        scale: of `equal_scaled`.
        constant: of `best_constant`, by instrument.
    """

    records: Mapping[str, Records]
    tables: Mapping[str, FloatArray]
    scale: float
    constant: Mapping[str, float]


def baselines_of(scene: Scene, ready: Prepared, *, seed: int, draws: int = DRAWS) -> Baselines:
    """Trade all simple policies.

    Args:
        scene: on what; its market is that of `ready`.
        ready: candles, and what the strategies say of them.
        seed: of the constant vectors.
        draws: how many of these are tried.
    """
    policies: list[WeightPolicy] = [
        EqualWeights(scene.budget),
        InverseVolatility(budget=scene.budget),
        HierarchicalRiskParity(budget=scene.budget),
        MinimumVariance(budget=scene.budget),
    ]
    tables = {policy.name: decided_weights(ready, policy) for policy in policies}
    scale = best_scale(scene, tables[EQUAL])
    vector = best_constant(scene, seed, draws)
    tables[SCALED] = floored(scale * tables[EQUAL])
    tables["best_constant"] = constant_table(scene, vector)
    return Baselines(
        records_of(scene, tables, scale),
        tables,
        scale,
        dict(zip(scene.market.instruments, vector.tolist(), strict=True)),
    )


def records_of(scene: Scene, tables: Mapping[str, FloatArray], scale: float) -> dict[str, Records]:
    """Trade the simple policies, in the order of `TITLES`."""
    found: dict[str, Records] = {"cash": in_cash(scene), HELD: bought_and_held(scene)}
    for name, table in tables.items():
        found[name] = in_parts(scene, table, scene.budget * (scale if name == SCALED else 1))
    return {name: found[name] for name in TITLES if name in found}


def best_scale(scene: Scene, equal: FloatArray) -> float:
    """Return by how much less than the budget equal weights grow most on validation."""
    part = scene.split.validation
    grown = [growth_of(scene, floored(c * equal), part, c * scene.budget) for c in SCALES]
    # of scales that do the same the one that changes nothing
    return max(zip(grown, SCALES, strict=True))[1]


def best_constant(scene: Scene, seed: int, draws: int = DRAWS) -> FloatArray:
    """Return the constant weights `(N,)` that grow most in train, of those that are tried.

    Tried are each instrument alone, equal weights, and vectors drawn at random, cash among them.
    """
    random = np.random.default_rng(seed)
    count = len(scene.market.instruments)
    drawn = [random.dirichlet(np.full(count + 1, spread), draws) for spread in SPREADS]
    shares = np.concatenate([each[: (draws + n) // 2, 1:] for n, each in enumerate(drawn)])
    tried = np.concatenate((np.eye(count), np.full((1, count), 1 / count), shares))
    vectors = floored(bounded(scene.budget * tried, scene.largest))
    grown = [growth_of(scene, constant_table(scene, one), scene.split.train) for one in vectors]
    return np.asarray(vectors[int(np.argmax(grown))])


def constant_table(scene: Scene, vector: FloatArray) -> FloatArray:
    """Return constant weights at each close, 0 for who is not traded."""
    return np.where(scene.market.arrays.traded, vector, 0.0)
