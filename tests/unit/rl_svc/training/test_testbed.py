"""PPO learns what is to be learned, where the best is known, and nothing where there is nothing."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from rl_svc.training.compiled_ppo import CompiledPPO
from rl_svc.training.testbed import (
    LEAK,
    NO_DRIFT,
    REGIMES,
    SHUFFLED,
    STILL,
    Market,
    Policy,
    best_weights,
    interquartile_mean,
    interval,
    measure,
    simple,
    weights_of,
)
from rl_svc.training.testbed_env import POINTS, TestbedEnv, deterministic, trained

torch.set_num_threads(1)  # workers of pytest share the cores
SEEDS = (1, 2, 3)
ROUND = 256 * 32
BEST_OF_STILL = 0.0032


def constant(*logits: list[float]) -> Policy:
    """Return a policy with these logits, a list for each state."""
    return lambda seen: np.array(logits, np.float32)[: len(seen)]


def test_the_best_weights_are_those_of_a_plain_search() -> None:
    for market in (STILL, REGIMES):
        for log_returns in market.draws(4000, seed=3):
            became = simple(log_returns)
            found = minimize(
                lambda w, became=became: -1e4 * np.log(became @ w).mean(),
                np.full(6, 1 / 6),
                bounds=[(0, 1)] * 6,
                constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
                options={"ftol": 1e-12},
            )
            theirs = found.x / found.x.sum()  # its sum is off by some millionths
            weights = best_weights(became)
            assert weights.sum() == pytest.approx(1)
            assert (weights >= 0).all()
            better = np.log(became @ theirs).mean() - np.log(became @ weights).mean()
            assert -2e-6 < better < 1e-6


def test_the_markets_are_what_their_names_say() -> None:
    for market in (STILL, REGIMES, NO_DRIFT):
        for state, log_returns in enumerate(market.draws()):
            became = simple(log_returns)
            drift = became.mean(axis=0)[1:] - 1
            np.testing.assert_allclose(drift, market.drifts[state], atol=3e-4)
            np.testing.assert_allclose(log_returns.std(axis=0), market.volatilities, rtol=0.02)
            pairs = np.corrcoef(log_returns.T)
            np.testing.assert_allclose(pairs[np.triu_indices(5, 1)], 0.5, atol=0.02)
    best = best_weights(simple(STILL.draws()[0]))
    np.testing.assert_allclose(best, [0, 0.54, 0.26, 0.20, 0, 0], atol=0.02)
    assert (
        best_weights(simple(NO_DRIFT.draws()[0]))[0] > 0.95
    )  # cash, for the last percents are worth nothing
    noise = np.log(simple(STILL.draws()[0]) @ best).std() / BEST_OF_STILL
    assert 14 < noise < 21


def test_a_policy_is_measured_by_what_it_sees() -> None:
    cash, first, last = [-10.0] * 5, [10.0, *[-10.0] * 4], [*[-10.0] * 4, 10.0]
    assert measure(STILL, constant(cash)).share == pytest.approx(0, abs=0.01)
    assert measure(REGIMES, constant(first, last)).share == pytest.approx(0.98, abs=0.02)
    assert measure(REGIMES, constant(last, first)).growth < -0.003
    # who holds by another time's state earns a mixture of all four pairs
    shuffled = measure(SHUFFLED, constant(first, last))
    assert shuffled.best == pytest.approx(measure(SHUFFLED, constant(first, first)).best)
    assert shuffled.growth < measure(SHUFFLED, constant(first, first)).growth < shuffled.best

    def knows(seen: Any) -> Any:
        following = seen.reshape(len(seen), 5, -1)[:, :, -1] * LEAK.volatilities
        rises_most = (following == following.max(axis=1, keepdims=True)) & (following > 0)
        return np.where(rises_most, 10, -10)

    leak = measure(LEAK, knows)
    assert 0.999 < leak.share < 1
    assert leak.best > 10 * measure(STILL, constant(cash)).best


def test_the_environment_pays_what_the_market_gives() -> None:
    env = TestbedEnv(REGIMES, 4000, 7)
    seen = env.reset()
    states = seen.reshape(4000, 5, -1)[:, 0, 5:]
    assert states.mean(axis=0) == pytest.approx(REGIMES.share_of_time, abs=0.03)
    actions = np.tile(np.array([1, 0, -1, 2, 30], np.float32), (4000, 1))
    became = simple(env.following)
    again, rewards, ended, _ = env.step(actions)
    raised = np.exp([0, 1, 0, -1, 2, 10])
    growth = np.log(became @ (raised / raised.sum())) - np.log(became @ np.full(6, 1 / 6))
    np.testing.assert_allclose(rewards, POINTS * growth, rtol=1e-3, atol=1e-3)
    assert not ended.any()
    moved = (again.reshape(4000, 5, -1)[:, 0, 5:] != states).any(axis=1)
    assert moved.mean() == pytest.approx(0.625 * 0.03 + 0.375 * 0.05, abs=0.01)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("market", "least"), [(STILL, 0.92), (REGIMES, 0.97)], ids=["still", "regimes"]
)
def test_the_best_growth_is_found(market: Market, least: float, seed: int) -> None:
    model = trained(CompiledPPO, market, seed)
    assert least <= measure(market, deterministic(model)).share <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_from_shuffled_observations_no_timing_is_learned(seed: int) -> None:
    result = measure(SHUFFLED, deterministic(trained(CompiledPPO, SHUFFLED, seed)))
    assert result.equal < result.growth <= result.best


@pytest.mark.parametrize("seed", SEEDS)
def test_without_any_drift_no_edge_is_seen(seed: int) -> None:
    policy = deterministic(trained(CompiledPPO, NO_DRIFT, seed))
    result = measure(NO_DRIFT, policy)
    assert result.equal - 0.05 * BEST_OF_STILL < result.growth < 1e-5
    held = weights_of(policy(NO_DRIFT.observations(np.arange(2), np.zeros((2, 5)))))
    moved = np.abs(held[0] - held[1]).sum() / 2
    assert moved < 0.25  # of the account, by a state that means nothing


@pytest.mark.parametrize("seed", SEEDS)
def test_a_planted_leak_is_found(seed: int) -> None:
    model = trained(CompiledPPO, LEAK, seed, steps=100_000)
    assert 0.9 <= measure(LEAK, deterministic(model)).share <= 1


class Curve(BaseCallback):
    """The share of the best growth after each round."""

    def __init__(self, market: Market) -> None:
        super().__init__()
        self.market, self.draws, self.shares = market, market.draws(4000), []

    def _on_rollout_start(self) -> None:
        self.shares.append(measure(self.market, deterministic(self.model), self.draws).share)

    def _on_step(self) -> bool:
        return True


def test_learning_curves_are_those_of_stable_baselines3() -> None:
    curves = []
    for kind in (PPO, CompiledPPO):
        of_kind = []
        for seed in range(10):
            noted = Curve(LEAK)
            trained(kind, LEAK, seed, steps=4 * ROUND, callback=noted)
            of_kind.append(noted.shares)
        curves.append(np.array(of_kind))
    theirs, ours = (interval(curve) for curve in curves)
    overlap = (theirs[0] <= ours[1]) & (ours[0] <= theirs[1])
    assert overlap.all(), f"{theirs} {ours}"
    means = [interquartile_mean(curve) for curve in curves]
    assert means[0][-1] > means[0][0] + 0.2  # they learn meanwhile
    np.testing.assert_allclose(*means, atol=0.05)


def test_an_interval_is_of_the_middle_half() -> None:
    figures: Any = np.array([[-50.0, 1], [1, 1], [2, 1], [3, 1], [4, 1], [5, 1], [6, 1], [90, 1]])
    np.testing.assert_allclose(interquartile_mean(figures), [3.5, 1])
    low, high = interval(figures)
    assert low[0] < 3.5 < high[0]
    assert low[1] == high[1] == 1
