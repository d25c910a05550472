"""The compiled update against a plain one in float64: losses, gradients, Adam, advantages."""

from typing import Any

import numpy as np
import pytest

from rl_svc.training.kernels import (
    CLIPPED,
    ENTROPY_LOSS,
    KL,
    LOSS,
    PG_LOSS,
    VALUE_LOSS,
    Rollout,
    Rules,
    descend,
    epoch,
    estimate,
    minibatch,
)
from rl_svc.training.scorer import Learner, Scratch, forward, learner, scratch, squash

FEATURES, INSTRUMENTS, SAMPLES = 3, 4, 22
RULES = Rules(
    batch_size=8, learning_rate=3e-3, clip_range=0.2, ent_coef=0.01, vf_coef=0.5,
    max_grad_norm=0.5, target_kl=np.inf, normalize_advantage=True, beta1=0.9, beta2=0.999, eps=1e-5,
)  # fmt: skip
chance = np.random.default_rng(3)


def learning(kind: type = np.float64) -> tuple[Learner, Scratch]:
    """Return a learner with unlike widths, and room for less than a batch."""
    made = learner(FEATURES, (5, 6), (7, 4), kind)
    made.parameters[:] = np.random.default_rng(1).normal(0, 0.4, made.parameters.size)
    made.log_std[0] = -1.7
    return made, scratch(made, INSTRUMENTS, 5)


def collected(kind: type = np.float64) -> Rollout:
    seen = chance.normal(size=(SAMPLES, INSTRUMENTS, FEATURES))
    seen[3, 1:3] = seen[7, 0] = seen[9] = 0  # the last has nothing to decide at all
    return Rollout(
        seen.reshape(SAMPLES, -1).astype(kind),
        chance.normal(0, 2, (SAMPLES, INSTRUMENTS)).astype(kind),
        chance.normal(-14, 2, SAMPLES).astype(kind),
        chance.normal(1, 3, SAMPLES).astype(kind),
        chance.normal(size=SAMPLES).astype(kind),
    )


def plain(of: Learner, seen: Any) -> tuple[Any, Any, Any]:
    """Return logits (samples, instruments), values and which instruments are unmasked."""
    x = seen.reshape(len(seen), INSTRUMENTS, FEATURES)
    unmasked = (x != 0).any(axis=2)
    scores = []
    for tower in (of.pi, of.vf):
        h = np.tanh(np.tanh(x @ tower.w1.T + tower.b1) @ tower.w2.T + tower.b2)
        scores.append((h @ tower.w3.T + tower.b3)[..., 0] * unmasked)
    return 4 * scores[0], scores[1].sum(1) / np.maximum(unmasked.sum(1), 1), unmasked


def plain_losses(of: Learner, rollout: Rollout, picked: Any, rules: Rules) -> Any:
    """Return a row of the report as stable-baselines3's PPO words it."""
    logits, values, unmasked = plain(of, rollout.observations[picked])
    log_std = of.log_std[0] + np.log(4)
    z = (rollout.actions[picked] - logits) / np.exp(log_std)
    log_prob = ((-0.5 * z**2 - log_std - 0.5 * np.log(2 * np.pi)) * unmasked).sum(1)
    entropy = ((0.5 + 0.5 * np.log(2 * np.pi) + log_std) * unmasked).sum(1)
    advantages = rollout.advantages[picked]
    advantages = (advantages - advantages.mean()) / (advantages.std(ddof=1) + 1e-8)
    log_ratio = log_prob - rollout.log_probs[picked]
    ratio = np.exp(log_ratio)
    clipped = np.clip(ratio, 1 - rules.clip_range, 1 + rules.clip_range)
    made = np.zeros(6)
    made[PG_LOSS] = -np.minimum(advantages * ratio, advantages * clipped).mean()
    made[VALUE_LOSS] = ((values - rollout.returns[picked]) ** 2).mean()
    made[ENTROPY_LOSS] = -entropy.mean()
    made[CLIPPED] = (np.abs(ratio - 1) > rules.clip_range).mean()
    made[KL] = (ratio - 1 - log_ratio).mean()
    made[LOSS] = (
        made[PG_LOSS] + rules.ent_coef * made[ENTROPY_LOSS] + rules.vf_coef * made[VALUE_LOSS]
    )
    return made


@pytest.mark.parametrize(("kind", "allowed"), [(np.float32, 6e-7), (np.float64, 4e-7)])
def test_tanh_is_lamberts_convergent(kind: type, allowed: float) -> None:
    x = np.linspace(-40, 40, 400_001).astype(kind).reshape(-1, 1)
    found = x.copy()
    squash(found, np.zeros(1, kind), learning(kind)[1].tanh)
    assert np.abs(found - np.tanh(x.astype(np.float64))).max() < allowed
    assert np.abs(found).max() <= 1
    assert (np.diff(found[:, 0]) >= -allowed).all()


def test_the_scorer_is_shared_and_leaves_out_what_is_masked() -> None:
    of, room = learning()
    seen = collected().observations
    logits, values = np.empty((SAMPLES, INSTRUMENTS)), np.empty(SAMPLES)
    forward(of, room, seen, (logits, values))
    expected = plain(of, seen)
    np.testing.assert_allclose(logits, expected[0], atol=1e-5)
    np.testing.assert_allclose(values, expected[1], atol=1e-5)
    assert (logits[~expected[2]] == 0).all()
    assert values[9] == 0
    order = np.array([2, 0, 3, 1])
    swapped = seen.reshape(-1, INSTRUMENTS, FEATURES)[:, order].reshape(SAMPLES, -1).copy()
    again = np.empty_like(logits), np.empty_like(values)
    forward(of, room, swapped, again)
    np.testing.assert_allclose(again[0], logits[:, order], atol=1e-12)
    np.testing.assert_allclose(again[1], values, atol=1e-12)


def test_the_losses_are_those_of_ppo_and_the_gradients_those_of_the_losses() -> None:
    of, room = learning()
    rollout = collected()
    picked = np.arange(1, SAMPLES)
    logits, _, unmasked = plain(of, rollout.observations)
    width = 4 * np.exp(of.log_std[0])
    z = (rollout.actions - logits) / width
    now = ((-0.5 * z**2 - np.log(width) - 0.5 * np.log(2 * np.pi)) * unmasked).sum(1)
    rollout.log_probs[:] = now + chance.normal(0, 0.3, SAMPLES)  # some are clipped, some not
    made = np.zeros(6)
    minibatch(of, room, rollout, picked, RULES, made)
    np.testing.assert_allclose(made, plain_losses(of, rollout, picked, RULES), rtol=1e-5)
    assert 0.2 < made[CLIPPED] < 0.8

    found, step = np.zeros(of.parameters.size), 1e-5
    for i, at in enumerate(of.parameters.copy()):
        sides = []
        for move in (step, -step):
            of.parameters[i] = at + move
            sides.append(plain_losses(of, rollout, picked, RULES)[LOSS])
        of.parameters[i] = at
        found[i] = (sides[0] - sides[1]) / (2 * step)
    assert np.abs(found).min() > 1e-7  # every parameter matters here
    np.testing.assert_allclose(of.gradients, found, rtol=1e-3, atol=1e-5)


def test_the_gradients_are_clipped_and_adam_takes_the_step() -> None:
    of, _ = learning()
    slope = chance.normal(size=of.gradients.size)
    p, m, v = of.parameters.copy(), np.zeros_like(slope), np.zeros_like(slope)
    for step in (1, 2, 3):
        of.gradients[:] = slope * step
        g = of.gradients * min(1, 0.5 / (np.linalg.norm(of.gradients) + 1e-6))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        p -= 3e-3 * m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-5)
        descend(of, RULES, step)
    np.testing.assert_allclose(of.parameters, p, rtol=1e-9)
    small, _ = learning()
    small.gradients[:] = 1e-3 * slope
    descend(small, RULES._replace(max_grad_norm=1e3), 1)
    np.testing.assert_allclose(small.first, 1e-4 * slope, rtol=1e-9)


def test_a_pass_takes_every_sample_once_and_ends_before_it_diverges() -> None:
    rollout, order = collected(), chance.permutation(SAMPLES)
    of, room = learning()
    report = np.zeros((3, 6))
    rollout.log_probs[:] = -4
    assert epoch(of, room, rollout, order, RULES, report, 0) == 3
    by_hand, room = learning()
    last = np.zeros(6)
    for k in range(3):  # 8, 8 and the 6 that are left
        minibatch(by_hand, room, rollout, order[8 * k : 8 * k + 8], RULES, last)
        descend(by_hand, RULES, k + 1)
        np.testing.assert_array_equal(report[k], last)
    np.testing.assert_array_equal(of.parameters, by_hand.parameters)

    stopped, room = learning()
    limit = RULES._replace(target_kl=report[0, KL] / 1.5 * 0.99)
    before = stopped.parameters.copy()
    assert epoch(stopped, room, rollout, order, limit, report, 0) == 0
    np.testing.assert_array_equal(stopped.parameters, before)


def test_float32_learns_as_float64_does() -> None:
    rollout, order = collected(), np.arange(SAMPLES)
    found = []
    for kind in (np.float32, np.float64):
        of, room = learning(kind)
        told = Rollout(*(np.asarray(one, kind) for one in rollout))
        for step in range(0, 60, 3):
            epoch(of, room, told, order, RULES, np.zeros((3, 6)), step)
        found.append(of.parameters)
    assert found[0].dtype == np.float32
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)
    assert np.abs(found[1] - learning()[0].parameters).max() > 0.02


def test_advantages_take_each_steps_own_discount() -> None:
    steps, environments, gae_lambda = 6, 3, 0.9
    rewards, discounts = chance.normal(size=(2, steps, environments))
    discounts = np.abs(discounts) / 4
    discounts[2, 1] = 0
    values = chance.normal(size=(steps + 1, environments))
    found = np.empty_like(rewards)
    estimate(found, rewards, values, discounts, gae_lambda)
    errors = rewards + discounts * values[1:] - values[:-1]
    expected = np.zeros_like(found)
    for t in range(steps):
        weight = np.ones(environments)
        for later in range(t, steps):
            expected[t] += weight * errors[later]
            weight = weight * discounts[later] * gae_lambda
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
