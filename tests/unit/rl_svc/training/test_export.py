"""A model says what its torch networks say, to be served without torch."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from rl_svc.training.env import EnvSettings
from rl_svc.training.export import Layers, layers_of, model_of
from rl_svc.training.policy import PortfolioPolicy
from rl_svc.training.vec_env import SignalVecEnv
from tests.made_courses import planted_course, planted_ready
from tradepulse.trading.policies.features import NAMES, observe_rows
from tradepulse.trading.policies.figure_bins import bins_of
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model import Model, ModelError
from tradepulse.trading.policies.softmax import allocate

F = len(NAMES)


def made(seed: int, instruments: int = 2, pi: tuple[int, int] = (32, 16)) -> PortfolioPolicy:
    torch.manual_seed(seed)
    policy = PortfolioPolicy(
        spaces.Box(-np.inf, np.inf, (instruments * F,), np.float32),
        spaces.Box(-10, 10, (instruments,), np.float32),
        lambda _: 1e-3,
        net_arch={"pi": list(pi), "vf": [8, 8]},
    )
    with torch.no_grad():
        # as large as after long training
        policy.action_net.weight.normal_(0, 0.5)
        for parameter in policy.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return policy


def exported(networks: list[Layers], max_weight: float = 0.6) -> Model:
    rng = np.random.default_rng(5)
    mean = rng.normal(size=F).astype(np.float32)
    scale = rng.uniform(0.5, 2, F).astype(np.float32)
    return model_of(
        networks, (mean, scale), "1h",
        max_weight=max_weight, instruments=["x:A/USD", "x:B/USD"], made_by={"job": "a test"},
    )  # fmt: skip


def test_logits_are_those_of_torch() -> None:
    policies = [made(seed, 4) for seed in (1, 2, 3)]
    served = LearnedPolicy(exported([layers_of(one) for one in policies]))
    seen = np.random.default_rng(6).normal(0, 2, (2_500, 4, F)).clip(-5, 5).astype(np.float32)
    logits = np.stack([served.logits(row) for row in seen], axis=1)
    assert np.abs(logits).max() > 5
    for found, policy in zip(logits, policies, strict=True):
        with torch.no_grad():
            flat = torch.from_numpy(seen.reshape(len(seen), -1))
            expected = policy.get_distribution(flat).mode().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_weights_are_those_with_which_the_environment_trades() -> None:
    course = planted_course(env=EnvSettings(days=(2, 5), drops_instrument=0.3))
    policy = made(4)
    model = exported([layers_of(policy)], course.max_weight)
    served = LearnedPolicy(model)
    env: SignalVecEnv = course.vec_env(64, 1)
    seen = env.reset().reshape(64, 2, F)
    mask = (seen != 0).any(axis=2)
    assert 0 < mask.sum() < mask.size
    order = env.env.state()["order"]
    logits = np.concatenate([served.logits(row) for row in seen])
    env.step(logits)  # type: ignore[arg-type]  # more precise than torch's
    traded = np.take_along_axis(env.env._fleet.weights[:64], order, 1)
    np.testing.assert_array_equal(traded, allocate(logits, mask, course.max_weight))
    # and of what torch itself says, but for the last of the six digits
    torch_logits = policy.predict(seen.reshape(64, -1), deterministic=True)[0]
    by_torch = allocate(torch_logits.astype(np.float64), mask, course.max_weight)
    np.testing.assert_allclose(traded, by_torch, rtol=0, atol=2.1e-6)


def test_a_course_says_where_its_figures_lie_in_the_training_range_alone() -> None:
    course = planted_course()
    begin, end = course.train
    bins = course.figure_bins
    trained = bins.counted(course.observations[begin:end], course.mask[begin:end])
    assert max(bins.shifts(trained).values()) < 0.01
    for counts, shares in zip(trained, bins.shares, strict=True):
        np.testing.assert_allclose(counts / counts.sum(), shares, atol=1e-4)
    whole = bins_of(course.observations, course.mask, course.market.arrays.close_time)
    assert bins != whole


def test_served_weights_are_the_mean_of_the_seeds() -> None:
    course = planted_course()
    networks = [layers_of(made(seed)) for seed in (1, 2)]
    model = model_of(
        networks, course.scale, "1h",
        max_weight=course.max_weight, instruments=course.market.instruments, made_by={},
    )  # fmt: skip
    served = LearnedPolicy(model)
    row, ready = 400, planted_ready()
    seen = observe_rows(list(ready.warm.values()), course.market.arrays.close_time)
    mask = course.mask[row]
    assert mask.all()
    logits = served.logits(course.observations[row])
    each = allocate(logits, np.tile(mask, (2, 1)), course.max_weight)
    found = served.row(seen.figures[row], mask)
    np.testing.assert_allclose(found, each.mean(axis=0), rtol=0, atol=1e-6)
    assert np.abs(each[0] - each[1]).max() > 0.01


def test_a_later_update_does_not_change_what_was_exported() -> None:
    policy = made(1)
    kept = layers_of(policy)
    before = {name: array.copy() for name, array in kept.items()}
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(1)
    for name, array in kept.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("networks", "said"),
    [([], "no seed was trained"), ([layers_of(made(1)), layers_of(made(1, pi=(8, 8)))], "several")],
)
def test_what_makes_no_model_is_refused(networks: list[Layers], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        exported(networks)


def test_where_a_model_comes_from_is_in_its_manifest() -> None:
    manifest = exported([layers_of(made(1))]).manifest
    assert manifest.layers == (F, 32, 16, 1)
    assert manifest.made_by["job"] == "a test"
    assert set(manifest.made_by["libraries"]) == {"torch", "stable-baselines3", "numpy"}
    assert manifest.instruments == ("x:A/USD", "x:B/USD")
