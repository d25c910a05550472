"""CompiledPPO is PPO: the same parameters from the same steps, and the same files."""

import copy
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from rl_svc.training.compiled_ppo import CompiledPPO
from rl_svc.training.policy import PortfolioPolicy
from rl_svc.training.testbed import LEAK, REGIMES
from rl_svc.training.testbed_env import TestbedEnv

torch.set_num_threads(1)  # workers of pytest share the cores


class Episodes(TestbedEnv):
    """Accounts whose episodes end after 5 steps, by being cut off or else; some are masked."""

    def __init__(self, accounts: int, seed: int, discounts: Any = None) -> None:
        super().__init__(REGIMES, accounts, seed)
        self.left = np.arange(accounts) % 5 + 1
        self.discounts = discounts
        self.spoilt = ""

    def _observed(self) -> Any:
        seen = super()._observed().reshape(self.num_envs, 5, -1)
        seen[self.chance.random((self.num_envs, 5)) < 0.3] = 0
        return seen.reshape(self.num_envs, -1)

    def step_wait(self) -> Any:
        last = self._observed()
        seen, rewards, ended, infos = super().step_wait()
        self.left -= 1
        for i in np.flatnonzero(self.left == 0):
            ended[i], self.left[i] = True, 5
            infos[i] = {"terminal_observation": last[i], "TimeLimit.truncated": bool(i % 2)}
        if self.spoilt == "rewards":
            rewards[0] = np.nan
        if self.spoilt == "observations":
            seen[0, 0] = np.inf
        if self.spoilt == "discounts":
            self.discounts = np.full(self.num_envs, np.nan)
        return seen, rewards, ended, infos


def made(kind: type[PPO], env: Any = None, **settings: Any) -> Any:
    settings = {
        "n_steps": 16, "batch_size": 64, "n_epochs": 4, "gamma": 0.9, "ent_coef": 0.01,
        "learning_rate": 3e-3, "seed": 5, "device": "cpu", **settings,
    }  # fmt: skip
    return kind(PortfolioPolicy, env or Episodes(16, 1), **settings)


def draw_from(seed: int) -> None:
    """Seed what stable-baselines3 draws its orders from."""
    np.random.seed(seed)  # noqa: NPY002 - that is it


def flat(model: PPO) -> Any:
    return torch.nn.utils.parameters_to_vector(model.policy.parameters()).detach().numpy().copy()


def collect(model: PPO) -> None:
    """Fill the model's buffer, as `learn` does."""
    _, callback = model._setup_learn(1000)
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)


def logged(model: PPO) -> dict[str, float]:
    return {k: v for k, v in model.logger.name_to_value.items() if k.startswith("train/")}


def from_one_buffer(**settings: Any) -> tuple[Any, Any]:
    """Return both kinds, trained on the same rollout from the same parameters."""
    theirs, ours = (made(kind, **settings) for kind in (PPO, CompiledPPO))
    np.testing.assert_array_equal(flat(theirs), flat(ours))
    collect(theirs)
    collect(ours)
    ours.rollout_buffer = copy.deepcopy(theirs.rollout_buffer)
    for model in (theirs, ours):
        draw_from(9)
        model.train()
    return theirs, ours


@pytest.mark.parametrize(
    "settings",
    [
        {"n_epochs": 80},  # 320 minibatches
        {"n_epochs": 16, "batch_size": 60, "normalize_advantage": False, "max_grad_norm": 0.1},
        {"n_epochs": 16, "policy_kwargs": {"net_arch": {"pi": [8, 16], "vf": [24, 4]}}},
        {"n_epochs": 30, "target_kl": 0.01},
    ],
)
@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size:UserWarning")
def test_the_same_steps_give_the_same_parameters(settings: dict[str, Any]) -> None:
    theirs, ours = from_one_buffer(**settings)
    assert ours.why_not_compiled() is None
    assert np.abs(flat(ours) - flat(made(PPO, **settings))).max() > 0.01  # it learned
    assert np.abs(flat(ours) - flat(theirs)).max() < 1e-4
    assert logged(ours).keys() == logged(theirs).keys()
    for name, figure in logged(theirs).items():
        assert logged(ours)[name] == pytest.approx(figure, rel=1e-2, abs=2e-4), name
    passes = (theirs._n_updates, ours._n_updates)
    assert passes[0] == passes[1]
    assert (passes[0] < settings["n_epochs"]) == ("target_kl" in settings)
    assert torch.equal(
        *(m.policy.optimizer.state[m.policy.log_std]["step"] for m in (theirs, ours))
    )


def test_both_draw_one_order_for_each_pass() -> None:
    after = []
    for kind in (PPO, CompiledPPO):
        model = made(kind, n_epochs=30, target_kl=0.01)
        collect(model)
        draw_from(9)
        model.train()
        after.append((model._n_updates, np.random.random()))  # noqa: NPY002 - as above
    expected = np.random.RandomState(9)
    for count, drawn in after:
        expected.seed(9)
        for _ in range(count):
            expected.permutation(256)
        assert drawn == expected.random()


def test_a_buffer_that_was_read_before_is_trained_on_as_well() -> None:
    found = []
    for read in (False, True):
        model = made(CompiledPPO)
        collect(model)
        if read:
            next(model.rollout_buffer.get(8))
        draw_from(9)
        model.train()
        found.append(flat(model))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("discounts", [None, np.linspace(0, 0.95, 16)])
def test_a_rollout_holds_what_stable_baselines3s_would(discounts: Any) -> None:
    ours = made(CompiledPPO, Episodes(16, 1, discounts))
    collect(ours)
    buffer = ours.rollout_buffer
    with torch.no_grad():
        for t in range(16):
            seen, actions = (
                torch.from_numpy(one[t].copy()) for one in (buffer.observations, buffer.actions)
            )
            values, log_probs, _ = ours.policy.evaluate_actions(seen, actions)
            np.testing.assert_allclose(buffer.values[t], values.flatten(), atol=2e-6)
            np.testing.assert_allclose(buffer.log_probs[t], log_probs, atol=2e-5)
    assert 3 < buffer.actions.std() < 5  # four times the deviation that log_std tells
    assert buffer.full

    # the same advantages by the parent's buffer, an account at a time, for it knows one gamma
    for i, gamma in enumerate([0.9] * 16 if discounts is None else discounts):
        again = copy.deepcopy(buffer)
        again.gamma = gamma
        last = ours.policy.predict_values(torch.from_numpy(np.asarray(ours._last_obs)))
        again.compute_returns_and_advantage(last.detach(), ours._last_episode_starts)
        np.testing.assert_allclose(buffer.advantages[:, i], again.advantages[:, i], atol=1e-3)
        np.testing.assert_allclose(buffer.returns[:, i], again.returns[:, i], atol=1e-3)


def test_what_was_cut_off_is_worth_what_would_have_followed() -> None:
    gave: list[Any] = []

    class Noted(Episodes):
        def step_wait(self) -> Any:
            gave.append(super().step_wait())
            return tuple(copy.deepcopy(one) for one in gave[-1])

    discounts = np.linspace(0.1, 0.9, 16)
    model = made(CompiledPPO, Noted(16, 1, discounts))
    collect(model)
    cut = 0
    for t, (_, rewards, ended, infos) in enumerate(gave):
        for i in range(16):
            expected = rewards[i]
            if ended[i] and infos[i]["TimeLimit.truncated"]:
                last = torch.from_numpy(infos[i]["terminal_observation"][None])
                value = float(model.policy.predict_values(last).detach())
                expected += discounts[i] * value
                cut += abs(value) > 0.1
            assert model.rollout_buffer.rewards[t, i] == pytest.approx(expected, abs=1e-4)
    assert cut > 5


def test_the_same_seed_gives_the_same_parameters_to_the_bit() -> None:
    found = []
    for _ in range(2):
        model = made(CompiledPPO, target_kl=0.03)
        model.learn(256 * 6)
        found.append(flat(model))
    assert (found[0] == found[1]).all()
    other = made(CompiledPPO, seed=6, target_kl=0.03)
    other.learn(256 * 6)
    assert not (found[0] == flat(other)).any()


ACT = """
import sys
import numpy as np
from stable_baselines3 import PPO
from rl_svc.training.compiled_ppo import CompiledPPO
kind = {"PPO": PPO, "CompiledPPO": CompiledPPO}[sys.argv[2]]
model = kind.load(sys.argv[1], device="cpu")
seen = np.load(sys.argv[1] + ".npy")
np.save(sys.argv[1] + ".out.npy", model.predict(seen, deterministic=True)[0])
"""


@pytest.mark.parametrize("kind", ["CompiledPPO", "PPO"])
def test_a_file_acts_alike_in_another_process(tmp_path: Path, kind: str) -> None:
    model = made(CompiledPPO)
    model.learn(256 * 2)
    seen = np.concatenate([Episodes(500, 8).reset(), np.zeros((1, 35), np.float32)])
    file = tmp_path / "policy.zip"
    model.save(file)
    np.save(f"{file}.npy", seen)
    subprocess.run([sys.executable, "-c", ACT, str(file), kind], check=True, env=dict(os.environ))
    acts = model.predict(seen, deterministic=True)[0]
    assert (np.load(f"{file}.out.npy") == acts).all()
    assert np.abs(acts).max() > 0.01
    assert (acts[-1] == 0).all()  # all masked
    with zipfile.ZipFile(file) as held:
        assert b"_shared" not in held.read("data")


def test_what_was_loaded_goes_on_to_the_bit(tmp_path: Path) -> None:
    model = made(CompiledPPO)
    collect(model)
    model.train()
    model.save(tmp_path / "policy.zip")
    again = CompiledPPO.load(tmp_path / "policy.zip", Episodes(16, 1))
    collect(again)
    again.rollout_buffer = copy.deepcopy(model.rollout_buffer)
    # into a model that has trained as well, whose arrays are replaced then
    other = made(CompiledPPO, seed=8)
    other.learn(256)
    other.set_parameters(tmp_path / "policy.zip")
    other.rollout_buffer = copy.deepcopy(model.rollout_buffer)
    for one in (model, again, other):
        draw_from(3)
        one.train()
    assert (flat(model) == flat(again)).all()
    assert (flat(model) == flat(other)).all()


def test_the_parents_own_update_goes_on_with_the_same_arrays() -> None:
    theirs, ours = from_one_buffer()
    for model in (theirs, ours):
        draw_from(4)
        PPO.train(model)
    assert ours._shared.are_of(ours.policy)
    np.testing.assert_array_equal(ours._shared.learner.parameters[-1], ours.policy.log_std.item())
    for model in (theirs, ours):
        draw_from(5)
        model.train()
    assert np.abs(flat(ours) - flat(theirs)).max() < 1e-4


class Ends(BaseCallback):
    def _on_step(self) -> bool:
        return self.num_timesteps < 256 + 64


def test_a_callback_ends_it() -> None:
    steps = []
    for kind in (PPO, CompiledPPO):
        model = made(kind)
        model.learn(2000, callback=Ends())
        steps.append(model.num_timesteps)
    assert steps == [320, 320]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"policy": "MlpPolicy"}, "the policy is ActorCriticPolicy, not PortfolioPolicy"),
        ({"clip_range_vf": 0.2}, "clip_range_vf is set"),
        (
            {"policy_kwargs": {"optimizer_class": torch.optim.SGD}},
            "the optimizer is SGD",
        ),
        (
            {"policy_kwargs": {"optimizer_kwargs": {"weight_decay": 0.1}}},
            "Adam has weight_decay, amsgrad or maximize",
        ),
    ],
)
def test_what_is_not_known_is_left_to_the_parent(
    change: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {
        "n_steps": 16,
        "batch_size": 64,
        "n_epochs": 2,
        "seed": 5,
        "device": "cpu",
        **change,
    }
    policy = settings.pop("policy", PortfolioPolicy)
    found = []
    for kind in (PPO, CompiledPPO):
        model: Any = kind(policy, Episodes(16, 1), **settings)
        model.learn(512)
        found.append(flat(model))
    assert model.why_not_compiled() == reason
    np.testing.assert_array_equal(*found)
    said = f"training by stable-baselines3's own methods: {reason}"
    assert [r.getMessage() for r in caplog.records] == [said]  # once

    model = CompiledPPO(policy, Episodes(16, 1, np.full(16, 0.5)), **settings)
    with pytest.raises(ValueError, match=f"discounts each step by itself.*{reason}"):
        model.learn(512)


@pytest.mark.parametrize("what", ["rewards", "observations", "discounts"])
def test_what_is_not_finite_ends_the_training(what: str) -> None:
    env = Episodes(16, 1)
    env.spoilt = what
    with pytest.raises(ValueError, match=f"the environment gave {what} that are not finite"):
        made(CompiledPPO, env).learn(256)
    model = made(CompiledPPO, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="after 256 steps"):
        model.learn(256 * 3)


def test_observations_must_be_rows_of_the_instruments() -> None:
    numbers, three = (spaces.Box(-1, 1, (n,), np.float32) for n in (35, 3))
    with pytest.raises(ValueError, match="35 observations are no rows of 3 instruments"):
        PortfolioPolicy(numbers, three, lambda _: 1e-3)
    with pytest.raises(ValueError, match="takes no use_sde"):
        PortfolioPolicy(numbers, spaces.Box(-1, 1, (5,), np.float32), lambda _: 1e-3, use_sde=True)


def test_any_number_and_order_of_instruments_is_decided() -> None:
    model = made(CompiledPPO, TestbedEnv(LEAK, 16, 1))
    model.learn(512)
    seen = TestbedEnv(LEAK, 3, 2).reset().reshape(3, 5, -1)
    acts = model.predict(seen.reshape(3, -1), deterministic=True)[0]
    order = [3, 1, 4, 0, 2]
    again = model.predict(seen[:, order].reshape(3, -1), deterministic=True)[0]
    np.testing.assert_allclose(again, acts[:, order], atol=1e-6)
