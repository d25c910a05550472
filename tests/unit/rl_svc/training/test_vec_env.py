"""The environment as stable-baselines3 takes it."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from rl_svc.training.compiled_ppo import CompiledPPO
from rl_svc.training.env import EnvSettings, SignalEnv
from rl_svc.training.policy import PortfolioPolicy
from rl_svc.training.vec_env import SignalVecEnv
from tests.made_markets import planted
from tradepulse.research.virtual.market import market_of
from tradepulse.trading.policies.softmax import allocate
from tradepulse.trading.sizing import AccountRules, RiskLimits

FREE = AccountRules(limits=RiskLimits(max_symbol_notional=Decimal(1)), slippage=0)


def vec_env(accounts: int, seed: int, **chosen: Any) -> SignalVecEnv:
    market = market_of(planted(600, np.random.default_rng(1)), {})
    shape = market.arrays.marks.shape
    observations = np.zeros((*shape, 2), dtype=np.float32)
    observations[:, 0, 0] = observations[:, 1, 1] = 1
    settings = EnvSettings(days=(2, 5), drops_configuration=0.0, **chosen)
    mask = np.ones(shape, dtype=np.bool_)
    env = SignalEnv(market, observations, mask, FREE, accounts, seed, settings)
    return SignalVecEnv(env, max_weight=0.9)


def test_an_episode_is_cut_off_with_what_was_seen_last() -> None:
    env = vec_env(8, 1)
    seen = env.reset()
    assert seen.shape == (8, 4)
    returns, lengths, ends = np.zeros(8), np.zeros(8), 0
    for _ in range(60):
        seen, rewards, dones, infos = env.step(np.zeros((8, 2), dtype=np.float32))
        returns, lengths = returns + rewards, lengths + 1
        assert (env.discounts < 1).all()
        for i, info in enumerate(infos):
            assert dones[i] == bool(info)
            if info:
                ends += 1
                assert info["TimeLimit.truncated"] is True
                assert info["terminal_observation"].shape == (4,)
                assert info["episode"]["l"] == lengths[i]
                assert info["episode"]["r"] == pytest.approx(returns[i], rel=1e-4, abs=1e-3)
                returns[i] = lengths[i] = 0
    assert ends > 8


def test_logits_size_as_those_of_a_served_policy_do() -> None:
    env = vec_env(8, 1, budget=1.5, drops_instrument=0.4)
    env.reset()
    logits = np.random.default_rng(3).normal(0, 8, (8, 2)).astype(np.float32)
    before = env.env.state()
    expected = allocate(logits.astype(np.float64), env._mask, 0.9, 1.5)
    mask = env._mask
    assert 0 < mask.sum() < mask.size
    env.step(logits)
    np.testing.assert_array_equal(
        np.take_along_axis(env.env._fleet.weights[:8], before["order"], 1), expected
    )


def test_it_goes_on_where_another_stood() -> None:
    one, two = vec_env(8, 1), vec_env(8, 1)
    rng = np.random.default_rng(2)
    actions = rng.normal(size=(40, 8, 2)).astype(np.float32)
    one.reset()
    for action in actions[:20]:
        one.step(action)
    two.restore(one.state())
    for action in actions[20:]:
        for a, b in zip(one.step(action)[:3], two.step(action)[:3], strict=True):
            np.testing.assert_array_equal(a, b)


def test_ppo_learns_which_configuration_gains() -> None:
    env = vec_env(64, 1, drops_instrument=0.0)
    model = CompiledPPO(
        PortfolioPolicy, env, n_steps=16, batch_size=1_024, n_epochs=10, learning_rate=5e-3,
        policy_kwargs={"log_std_init": 0.0}, seed=1, device="cpu",
    )  # fmt: skip
    assert model.why_not_compiled() is None
    model.learn(40_000)
    seen = env.reset()
    logits = model.predict(seen, deterministic=True)[0].astype(np.float64)
    weights = allocate(logits, env._mask, 0.9)
    shown = seen.reshape(len(seen), 2, 2).argmax(axis=2)
    gains, loses = np.take_along_axis(weights, shown.argsort(axis=1), 1).mean(axis=0)
    assert gains > 0.5
    assert gains > 5 * loses
