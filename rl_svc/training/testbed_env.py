"""The testbed's markets as an environment of stable-baselines3, and what is trained in it."""

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from rl_svc.training.policy import PortfolioPolicy
from rl_svc.training.testbed import MAX_LOGIT, Features, Market, Policy, simple, weights_of

POINTS = 1000
"""Rewards are log growth times this."""
ACCOUNTS, BATCH = 256, 4096
STEPS = 250_000
"""More harm: the policy goes on fitting noise."""
FIRST_RATE, LAST_RATE = 5e-3, 1e-4


class TestbedEnv(VecEnv):
    """Many accounts in one market, each in a state and with returns of its own; they never end.

    The reward is the log growth of the weights, less that of equal weights with cash.

    Args:
        market: what is traded.
        accounts: how many.
        seed: of all that is drawn.
    """

    __test__ = False  # no test, whatever its name says

    def __init__(self, market: Market, accounts: int, seed: int) -> None:
        self.market = market
        self.chance = np.random.default_rng(seed)
        seen = market.assets * market.features
        super().__init__(
            accounts,
            spaces.Box(-np.inf, np.inf, (seen,), np.float32),
            spaces.Box(-MAX_LOGIT, MAX_LOGIT, (market.assets,), np.float32),
        )
        self.states = self._drawn_states()

    def _drawn_states(self) -> Any:
        times = self.market.share_of_time
        return self.chance.choice(len(times), self.num_envs, p=times)

    def _observed(self) -> Features:
        """Draw the returns that come, and return what is seen before them."""
        normals = self.chance.standard_normal((self.num_envs, self.market.assets))
        self.following = self.market.log_returns(normals, self.states)
        seen = self._drawn_states() if self.market.sees == "shuffled" else self.states
        return self.market.observations(seen, self.following)

    def reset(self) -> Features:
        """Return the first observations."""
        self.states = self._drawn_states()
        return self._observed()

    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        """Take the logits."""
        self.actions = actions

    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        """Return what follows, the rewards, and that nothing ended."""
        became = simple(self.following)
        growth = np.log((became * weights_of(self.actions)).sum(axis=1))
        rewards = POINTS * (growth - np.log(became.mean(axis=1)))
        if len(self.market.stays) > 1:
            leaves = self.chance.random(self.num_envs) >= np.array(self.market.stays)[self.states]
            self.states = np.where(leaves, 1 - self.states, self.states)
        ended = np.zeros(self.num_envs, bool)
        return self._observed(), rewards.astype(np.float32), ended, [{} for _ in ended]

    def close(self) -> None:
        """There is nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute, once for each account that is asked for."""
        return [getattr(self, attr_name, None) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: the accounts share everything."""
        raise NotImplementedError("accounts of the testbed have no attributes of their own")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refuse: as `set_attr`."""
        raise NotImplementedError("accounts of the testbed have no methods of their own")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """Return that none is."""
        del wrapper_class
        return [False for _ in self._get_indices(indices)]


def trained(
    kind: type[PPO],
    market: Market,
    seed: int,
    *,
    steps: int = STEPS,
    callback: BaseCallback | None = None,
) -> PPO:
    """Return a policy that learned a market by the settings that were found to do.

    Args:
        kind: stable-baselines3's PPO, or ours.
        market: what is traded.
        seed: of the market's draws and of the policy's.
        steps: how many, of all accounts together.
        callback: is called as they are taken.
    """
    model = kind(
        PortfolioPolicy,
        TestbedEnv(market, ACCOUNTS, seed),
        learning_rate=lambda left: LAST_RATE + (FIRST_RATE - LAST_RATE) * left,
        n_steps=32,
        batch_size=BATCH,
        n_epochs=10,
        gamma=0.0,  # what is held now changes nothing later
        seed=seed,
        device="cpu",
    )
    model.learn(steps, callback)
    return model


def deterministic(model: PPO) -> Policy:
    """Return what a model does without noise."""
    return lambda seen: np.asarray(model.predict(seen, deterministic=True)[0])
