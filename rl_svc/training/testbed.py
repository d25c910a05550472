"""Markets whose best weights are known: here learning is proved, for a real market proves nothing.

Five risky assets and cash, log-normal, with volatilities of 5 to 10 % and correlations of 0.5 a
step: the noise of a step is 15 to 20 times its signal, as in markets. The best weights come from
Cover's multiplicative update on common antithetic draws. Needs NumPy only.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Features: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Policy: TypeAlias = Callable[[Features], Features]
"""Makes logits (rows, instruments) of observations (rows, instruments x features)."""

MAX_LOGIT = 10.0
CLOSE_ENOUGH = 1e-6
"""Growth a step by which the best weights may fall short of better ones."""
DRAWS = 60_000
"""Fewer err by points: 6,000 by two."""


@dataclass(frozen=True, kw_only=True)
class Market:
    """Log-normal assets, whose drifts hang on a state that comes and goes.

    Attributes:
        drifts: expected simple return of each asset in a step, (states, assets).
        stays: probability that a state is followed by itself. All others are equally likely.
        sees: what an observation tells beside which asset it is of: the `state`; one `shuffled`, of
            some other time; or the state and the `leak`, the asset's next log return.
        volatilities: of the log returns.
        correlation: of all pairs.
    """

    drifts: Array
    stays: tuple[float, ...] = (1.0,)
    sees: Literal["state", "shuffled", "leak"] = "state"
    volatilities: tuple[float, ...] = (0.05, 0.0625, 0.075, 0.0875, 0.1)
    correlation: float = 0.5

    @property
    def assets(self) -> int:
        """How many assets there are, without cash."""
        return len(self.volatilities)

    @property
    def features(self) -> int:
        """How many features an asset's row has."""
        return self.assets + len(self.stays) + (self.sees == "leak")

    @property
    def share_of_time(self) -> Array:
        """How much of the time the market is in each state; there are one or two."""
        leaves = 1 - np.array(self.stays)
        return np.ones(1) if len(self.stays) == 1 else leaves[::-1] / leaves.sum()

    def log_returns(self, normals: Array, states: Any) -> Array:
        """Return log returns (rows, assets) from standard normals and the state of each row."""
        width = np.array(self.volatilities)
        pairs = np.full((self.assets, self.assets), self.correlation)
        np.fill_diagonal(pairs, 1)
        moves = normals @ np.linalg.cholesky(pairs).T * width
        made: Array = moves + (self.drifts - width**2 / 2)[states]
        return made

    def observations(self, states: Any, following: Array) -> Features:
        """Return observations (rows, assets x features) of states and the log returns that come."""
        rows = np.zeros((len(states), self.assets, self.features), np.float32)
        rows[:, range(self.assets), range(self.assets)] = 1
        rows[np.arange(len(states)), :, self.assets + np.asarray(states)] = 1
        if self.sees == "leak":
            rows[:, :, -1] = following / self.volatilities
        return rows.reshape(len(states), -1)

    def draws(self, count: int = DRAWS, seed: int = 0) -> list[Array]:
        """Return antithetic log returns (count, assets) in each state, from the same normals."""
        half = np.random.default_rng(seed).standard_normal((count // 2, self.assets))
        normals = np.concatenate([half, -half])
        return [self.log_returns(normals, state) for state in range(len(self.stays))]


STILL = Market(drifts=np.array([[0.0042, 0.0044, 0.0048, 0.0005, 0.0005]]))
"""The same in every step: the best is (0.54, 0.26, 0.20, 0, 0), 0.32 % a step."""
REGIMES = Market(
    drifts=np.array(
        [[0.006, 0.001, 0.001, -0.002, -0.004], [-0.004, 0.0045, -0.002, 0.003, 0.0095]]
    ),
    stays=(0.97, 0.95),
)
"""Two states, seen: all in the first asset, then the fifth and the second; 0.48 % a step."""
SHUFFLED = replace(REGIMES, sees="shuffled")
LEAK = replace(STILL, sees="leak")
NO_DRIFT = replace(REGIMES, drifts=np.zeros((2, 5)))
"""Two states that mean nothing, and no asset that is worth its risk: the best is cash."""


def simple(log_returns: Array) -> Array:
    """Return what one of cash and of each asset became, (rows, 1 + assets)."""
    return np.concatenate([np.ones((len(log_returns), 1)), np.exp(log_returns)], axis=1)


def best_weights(became: Array) -> Array:
    """Return the constant weights of the highest mean log growth, by Cover's multiplicative update.

    A weight is multiplied by its asset's mean share in the growth, raised to a power, for the
    plain update takes thousands of rounds.

    Args:
        became: what one of each asset became, (rows, assets).
    """
    weights = np.full(became.shape[1], 1 / became.shape[1])
    for _ in range(10_000):
        ratios = (1 / (became @ weights)) @ became / len(became)
        if ratios.max() - 1 < CLOSE_ENOUGH:
            return weights
        weights = weights * ratios**100
        weights /= weights.sum()
    raise ArithmeticError("the best weights were not found in 10,000 rounds")


def weights_of(logits: Features) -> Array:
    """Return weights (rows, 1 + assets): the softmax, with the logit 0 for cash."""
    bound = np.clip(logits, -MAX_LOGIT, MAX_LOGIT).astype(np.float64)
    raised = np.exp(np.concatenate([np.zeros((len(bound), 1)), bound], axis=1))
    made: Array = raised / raised.sum(axis=1, keepdims=True)
    return made


@dataclass(frozen=True)
class Result:
    """Mean log growth a step: of a policy, of the best one, of equal weights with cash."""

    growth: float
    best: float
    equal: float

    @property
    def share(self) -> float:
        """How much of the best growth the policy reached."""
        return self.growth / self.best


def measure(market: Market, policy: Policy, draws: list[Array] | None = None) -> Result:
    """Measure a policy against the best that what it sees allows, on common draws.

    Args:
        market: the market.
        policy: makes logits of observations.
        draws: of `market.draws()`, where they are measured more than once.
    """
    draws = market.draws() if draws is None else draws
    times = market.share_of_time
    became = [simple(one) for one in draws]
    equal = times @ [np.log(one.mean(axis=1)).mean() for one in became]
    if market.sees == "leak":
        # whoever knows the next return holds what rises most
        states = [np.full(len(one), state) for state, one in enumerate(draws)]
        held = [
            weights_of(policy(market.observations(state, one)))
            for state, one in zip(states, draws, strict=True)
        ]
        growth = times @ [_growth(w, b) for w, b in zip(held, became, strict=True)]
        best = times @ [np.log(one.max(axis=1)).mean() for one in became]
        return Result(float(growth), float(best), float(equal))
    every = np.arange(len(draws))
    shown = weights_of(policy(market.observations(every, np.zeros((len(every), market.assets)))))
    if market.sees == "state":
        growth = times @ [_growth(w, b) for w, b in zip(shown, became, strict=True)]
        best = times @ [_growth(best_weights(one), one) for one in became]
        return Result(float(growth), float(best), float(equal))
    mixed = _mixed(became, times)
    growth = times @ [_growth(w, mixed) for w in shown]
    return Result(float(growth), _growth(best_weights(mixed), mixed), float(equal))


def _growth(weights: Array, became: Array) -> float:
    """Return the mean log growth under weights, one set or one for each row."""
    return float(np.log((became * weights).sum(axis=-1)).mean())


def _mixed(became: list[Array], times: Array) -> Array:
    """Return rows of all states, as many of each as it has of the time."""
    return np.concatenate(
        [
            one[: round(len(one) * time / times.max())]
            for one, time in zip(became, times, strict=True)
        ]
    )


def interquartile_mean(figures: Array) -> Array:
    """Return the mean of the middle half, over the first axis."""
    cut = len(figures) // 4
    made: Array = np.sort(figures, axis=0)[cut : len(figures) - cut].mean(axis=0)
    return made


def interval(figures: Array, level: float = 0.95, draws: int = 2000, seed: int = 0) -> Array:
    """Return bootstrap bounds (2, …) of the interquartile mean over seeds, the first axis."""
    chance = np.random.default_rng(seed)
    again = [
        interquartile_mean(figures[chance.integers(0, len(figures), len(figures))])
        for _ in range(draws)
    ]
    made: Array = np.quantile(again, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return made
