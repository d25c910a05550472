"""The environment as stable-baselines3 takes it: logits in, infos out."""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from rl_svc.training.env import SignalEnv
from tradepulse.trading.policies.softmax import LOGIT_BOUND, allocate


class SignalVecEnv(VecEnv):
    """Accounts that follow signals, sized by logits.

    `discounts` has, float32 `(n,)`, by what the value of what follows the last step counts: time
    passes unevenly between decisions. stable-baselines3's own rollouts know one gamma only.

    Args:
        env: the accounts.
        max_weight: of one instrument; logits become weights as those of a served policy do.
    """

    def __init__(self, env: SignalEnv, max_weight: float) -> None:
        self.env = env
        self.max_weight = max_weight
        instruments, features = env.shape
        super().__init__(
            env.accounts,
            spaces.Box(-np.inf, np.inf, (instruments * features,), np.float32),
            spaces.Box(-LOGIT_BOUND, LOGIT_BOUND, (instruments,), np.float32),
        )
        self.discounts = np.ones(env.accounts, dtype=np.float32)
        self._returns = np.zeros(env.accounts)
        self._lengths = np.zeros(env.accounts, dtype=np.int64)

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode of every account."""
        observations, self._mask = self.env.reset()
        self._returns[:], self._lengths[:] = 0, 0
        return observations.reshape(self.num_envs, -1)

    def step_async(self, actions: NDArray[np.float32]) -> None:
        """Take the logits."""
        logits = np.asarray(actions, dtype=np.float64)
        self._weights = allocate(logits, self._mask, self.max_weight, self.env.settings.budget)

    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        """Return observations, rewards, what ended, and infos."""
        step = self.env.step(self._weights)
        self._mask, self.discounts = step.mask, step.discounts
        self._returns += step.rewards
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(step.ended).tolist():
            infos[i] = {
                "terminal_observation": step.last[i].ravel(),
                "TimeLimit.truncated": bool(step.cut[i]),
                "episode": {"r": float(self._returns[i]), "l": int(self._lengths[i])},
            }
            self._returns[i], self._lengths[i] = 0, 0
        observations = step.observations.reshape(self.num_envs, -1)
        return observations, step.rewards, step.ended, infos

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that changes, see `SignalEnv.state`."""
        own = {"mask": self._mask, "returns": self._returns, "lengths": self._lengths}
        return {
            **{f"env_{name}": array for name, array in self.env.state().items()},
            **{name: array.copy() for name, array in own.items()},
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on where another one with the same arguments stood, after its last step."""
        inner = {name[4:]: array for name, array in state.items() if name.startswith("env_")}
        self.env.restore(inner)
        self._mask = state["mask"].copy()
        self._returns, self._lengths = state["returns"].copy(), state["lengths"].copy()

    def close(self) -> None:
        """There is nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute, once for each account that is asked for."""
        return [getattr(self, attr_name, None) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: the accounts share everything."""
        raise NotImplementedError("accounts have no attributes of their own")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refuse: as `set_attr`."""
        raise NotImplementedError("accounts have no methods of their own")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """Return that none is."""
        del wrapper_class
        return [False for _ in self._get_indices(indices)]
