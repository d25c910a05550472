"""PPO of stable-baselines3 whose rollouts and updates are compiled: the same algorithm, faster.

`save`, `load` and `predict` are stable-baselines3's: torch's parameters and Adam's moments are
views of the arrays that the compiled code works on.
"""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from scipy.linalg import cython_blas  # noqa: F401 - loads the BLAS of the compiled code, so that it can be limited
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv
from threadpoolctl import ThreadpoolController

from rl_svc.training import kernels, scorer
from rl_svc.training.policy import PortfolioPolicy
from rl_svc.training.shared import Shared

log = logging.getLogger(__name__)
threads = ThreadpoolController()


class CompiledPPO(PPO):
    """PPO that collects and updates in compiled code where it knows how, else as its parent does.

    It knows `PortfolioPolicy` with Adam on the processor; `why_not_compiled` tells what else keeps
    it from that. An environment may have `discounts`, (environments,): what the value after the
    last step counts, in place of `gamma`.
    """

    policy: PortfolioPolicy  # or another: see `why_not_compiled`
    action_space: spaces.Box
    _shared: Shared | None = None
    _told: str | None = None

    def why_not_compiled(self) -> str | None:
        """Return why stable-baselines3's own methods are used; None if they are not."""
        policy, adam, buffer = self.policy, self.policy.optimizer, self.rollout_buffer
        if type(policy) is not PortfolioPolicy:
            return f"the policy is {type(policy).__name__}, not PortfolioPolicy"
        group = adam.param_groups[0]
        boxes = {self.observation_space.dtype, self.action_space.dtype}
        dtypes = {tensor.dtype for tensor in policy.parameters()}
        steps = {float(one["step"]) for one in adam.state.values()}
        reasons = {
            f"the policy is on {policy.device}": policy.device.type != "cpu",
            "the policy has an extractor of features": (
                type(policy.features_extractor) is not FlattenExtractor
            ),
            f"the buffer is {type(buffer).__name__}": type(buffer) is not RolloutBuffer,
            "clip_range_vf is set": self.clip_range_vf is not None,
            f"the optimizer is {type(adam).__name__}": type(adam) is not torch.optim.Adam,
            "Adam has groups": len(adam.param_groups) > 1,
            "Adam has weight_decay, amsgrad or maximize": any(
                group.get(name) for name in ("weight_decay", "amsgrad", "maximize")
            ),
            "not everything is float32": (
                boxes != {np.dtype(np.float32)} or dtypes != {torch.float32}
            ),
            "Adam moved some parameters more often than others": len(steps) > 1,
        }
        return next((reason for reason, holds in reasons.items() if holds), None)

    def _shares(self) -> Shared | None:
        """Return the arrays to work on; None, and a line in the log, where it has to be torch."""
        reason = self.why_not_compiled()
        if reason is not None:
            if reason != self._told:
                log.warning("training by stable-baselines3's own methods: %s", reason)
            self._told = reason
            return None
        if self._shared is None or not self._shared.are_of(self.policy):
            self._shared = Shared(self.policy, self.action_space.shape[0])
        return self._shared

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_shared", "_told"]

    def updates(self, total: int) -> Iterator[None]:
        """Learn as `learn` does, up to `total` steps since the very first, pausing at each update.

        A model that was loaded with `force_reset=False` goes on where it stood.
        """
        is_new = self._last_obs is None
        until, callback = self._setup_learn(
            total - self.num_timesteps, None, reset_num_timesteps=is_new
        )
        env = self.get_env()
        if env is None:
            raise ValueError("there is no environment to learn from")
        while self.num_timesteps < until:
            self.collect_rollouts(env, callback, self.rollout_buffer, self.n_steps)
            self._update_current_progress_remaining(self.num_timesteps, until)
            self.train()
            yield

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the buffer; False if the callback ended it.

        Raises:
            ValueError: the environment has discounts of its own, and torch would ignore them; or
                something that it gave is not finite.
        """
        shared = self._shares()
        if shared is None or n_rollout_steps != rollout_buffer.buffer_size:
            if getattr(env, "discounts", None) is not None:
                raise ValueError(
                    "this environment discounts each step by itself, which stable-baselines3's "
                    f"rollouts would ignore: {self.why_not_compiled() or 'n_steps was changed'}"
                )
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        with threads.limit(limits=1, user_api="blas"):
            ended = not self._collect(shared, env, callback, rollout_buffer)
        if ended:
            return False
        callback.update_locals({"rollout_buffer": rollout_buffer})
        callback.on_rollout_end()
        return True

    def _collect(
        self, shared: Shared, env: VecEnv, callback: BaseCallback, buffer: RolloutBuffer
    ) -> bool:
        """Take the steps and estimate what they were worth; False if the callback ended it."""
        steps, count = buffer.buffer_size, env.num_envs
        values = np.empty((steps + 1, count), np.float32)
        discounts = np.empty((steps, count), np.float32)
        obs: Any = self._last_obs
        for t in range(steps):
            buffer.observations[t] = obs  # before the step, which may write where it lies
            means, values[t] = self._decide(shared, buffer.observations[t])
            noise = np.asarray(np.random.standard_normal(means.shape), np.float32)  # noqa: NPY002 - what stable-baselines3 seeds
            log_width = shared.learner.log_std[0] + np.float32(kernels.LOG_SCALE)
            actions = means + np.exp(log_width) * noise
            low, high = self.action_space.low, self.action_space.high
            new_obs, rewards, dones, infos = env.step(np.clip(actions, low, high))
            self.num_timesteps += count
            callback.update_locals(
                {
                    "actions": actions, "values": values[t], "new_obs": new_obs, "rewards": rewards,
                    "dones": dones, "infos": infos, "n_steps": t, "rollout_buffer": buffer,
                    "self": self, "env": env,
                }
            )  # fmt: skip
            if not callback.on_step():
                return False
            self._update_info_buffer(infos, dones)
            own = getattr(env, "discounts", None)
            discounts[t] = self.gamma if own is None else own
            buffer.actions[t] = actions
            buffer.log_probs[t] = _log_prob(buffer.observations[t], noise, log_width)
            buffer.values[t] = values[t]
            buffer.episode_starts[t] = self._last_episode_starts
            buffer.rewards[t] = rewards
            buffer.rewards[t] += self._after_the_end(shared, dones, infos) * discounts[t]
            discounts[t, dones] = 0
            obs = new_obs
            self._last_obs = obs
            self._last_episode_starts = dones
        buffer.pos, buffer.full = steps, True
        _, values[steps] = self._decide(shared, obs)
        # discounts first: they are in the rewards where an episode was cut off
        given = {"discounts": discounts, "observations": buffer.observations}
        for name, figures in {**given, "rewards": buffer.rewards}.items():
            if not np.isfinite(figures).all():
                raise ValueError(f"the environment gave {name} that are not finite numbers")
        kernels.estimate(buffer.advantages, buffer.rewards, values, discounts, self.gae_lambda)
        buffer.returns[...] = buffer.advantages + buffer.values
        return True

    def _decide(self, shared: Shared, obs: scorer.Array) -> tuple[scorer.Array, scorer.Array]:
        """Return mean logits and values."""
        means = np.empty((len(obs), self.action_space.shape[0]), np.float32)
        values = np.empty(len(obs), np.float32)
        seen = np.ascontiguousarray(obs, np.float32)
        scorer.forward(shared.learner, shared.scratch, seen, (means, values))
        return means, values

    def _after_the_end(
        self, shared: Shared, dones: scorer.Array, infos: list[dict[str, Any]]
    ) -> scorer.Array:
        """Return the value of what would have followed, where an episode was only cut off."""
        made = np.zeros(len(dones), np.float32)
        cut = [
            i
            for i in np.flatnonzero(dones)
            if infos[i].get("TimeLimit.truncated", False)
            and infos[i].get("terminal_observation") is not None
        ]
        if cut:
            last = np.stack([infos[i]["terminal_observation"] for i in cut])
            made[cut] = self._decide(shared, last)[1]
        return made

    def train(self) -> None:
        """Update the parameters by what was collected, as `PPO.train`.

        Raises:
            FloatingPointError: a parameter became infinite or no number.
        """
        shared = self._shares()
        if shared is None:
            super().train()
            return
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        rules, rollout = self._rules(), _rows(self.rollout_buffer)
        size = len(rollout.returns)
        batches = -(-size // rules.batch_size)
        reports = []
        for _ in range(self.n_epochs):
            # drawn for each pass as the buffer does, so that an early end draws no more than its
            order = _as_stored(self.rollout_buffer, np.random.permutation(size))  # noqa: NPY002 - as above
            report = np.zeros((batches, kernels.LOSS + 1))
            before = shared.steps(self.policy)
            with threads.limit(limits=1, user_api="blas"):
                done = kernels.epoch(
                    shared.learner, shared.scratch, rollout, order, rules, report, before
                )
            shared.take_steps(self.policy, done)
            reports.append(report[: done + 1])
            self._n_updates += 1
            if not np.isfinite(shared.learner.parameters).all():
                raise FloatingPointError(
                    f"the parameters are no finite numbers any more after {self.num_timesteps} "
                    "steps: a smaller learning rate, or rewards of a smaller scale, may help"
                )
            if done < batches:
                break
        self._record(reports, rules)

    def _rules(self) -> kernels.Rules:
        group = self.policy.optimizer.param_groups[0]
        return kernels.Rules(
            batch_size=self.batch_size,
            learning_rate=float(group["lr"]),
            clip_range=float(self.clip_range(self._current_progress_remaining)),  # type: ignore[operator]  # a schedule by now
            ent_coef=float(self.ent_coef),
            vf_coef=float(self.vf_coef),
            max_grad_norm=float(self.max_grad_norm),
            target_kl=np.inf if self.target_kl is None else float(self.target_kl),
            normalize_advantage=bool(self.normalize_advantage),
            beta1=float(group["betas"][0]),
            beta2=float(group["betas"][1]),
            eps=float(group["eps"]),
        )

    def _record(self, reports: list[scorer.Array], rules: kernels.Rules) -> None:
        """Log what `PPO.train` logs, under the same names."""
        every, last = np.concatenate(reports), reports[-1]
        buffer = self.rollout_buffer
        for name, figure in {
            "entropy_loss": every[:, kernels.ENTROPY_LOSS].mean(),
            "policy_gradient_loss": every[:, kernels.PG_LOSS].mean(),
            "value_loss": every[:, kernels.VALUE_LOSS].mean(),
            "approx_kl": last[:, kernels.KL].mean(),
            "clip_fraction": every[:, kernels.CLIPPED].mean(),
            "loss": last[-1, kernels.LOSS],
            "explained_variance": explained_variance(
                buffer.values.flatten(), buffer.returns.flatten()
            ),
            "std": self.policy.log_std.exp().mean().item(),
            "clip_range": rules.clip_range,
        }.items():
            self.logger.record(f"train/{name}", figure)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")


def _log_prob(obs: scorer.Array, noise: scorer.Array, log_width: np.float32) -> scorer.Array:
    """Return the log-likelihood of mean logits plus this noise times the deviation."""
    unmasked = (obs.reshape(*noise.shape, -1) != 0).any(axis=2)
    made: scorer.Array = ((-0.5 * noise**2 - log_width - kernels.LOG_ROOT_2_PI) * unmasked).sum(
        axis=1
    )
    return made


def _rows(buffer: RolloutBuffer) -> kernels.Rollout:
    """Return what the buffer holds, one row for each step of each environment."""
    size = buffer.buffer_size * buffer.n_envs
    return kernels.Rollout(
        buffer.observations.reshape(size, -1),
        buffer.actions.reshape(size, -1),
        buffer.log_probs.reshape(size),
        buffer.advantages.reshape(size),
        buffer.returns.reshape(size),
    )


def _as_stored(buffer: RolloutBuffer, order: scorer.Array) -> scorer.Array:
    """Return where the buffer holds its samples, numbered environment by environment.

    They are stored step by step until its own `get` was asked for them.
    """
    if buffer.generator_ready:
        return order
    made: scorer.Array = order % buffer.buffer_size * buffer.n_envs + order // buffer.buffer_size
    return made
