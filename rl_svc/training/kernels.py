"""PPO's update in compiled code: losses, gradients, clipping, Adam, and what advantages are.

The rules are stable-baselines3's to the letter; `tests/unit/rl_svc/training` compares the two.
Needs numba and SciPy (its BLAS), no torch.
"""

from typing import NamedTuple

import numpy as np

from rl_svc.training.scorer import (
    LOGIT_SCALE,
    Array,
    Learner,
    Rows,
    Scratch,
    gather,
    score,
    score_back,
)
from tradepulse.strategies.compiled import reordered

LOG_ROOT_2_PI = 0.9189385332046727
LOG_SCALE = 1.3862943611198906
"""Of `LOGIT_SCALE`: a logit deviates by it times exp(log_std)."""


class Rollout(NamedTuple):
    """What was collected, a row for each step of each environment."""

    observations: Array
    actions: Array
    log_probs: Array
    advantages: Array
    returns: Array


class Rules(NamedTuple):
    """PPO's settings, in stable-baselines3's words. `target_kl` is infinite where there is none."""

    batch_size: int
    learning_rate: float
    clip_range: float
    ent_coef: float
    vf_coef: float
    max_grad_norm: float
    target_kl: float
    normalize_advantage: bool
    beta1: float
    beta2: float
    eps: float


PG_LOSS, VALUE_LOSS, ENTROPY_LOSS, CLIPPED, KL, LOSS = range(6)
"""Columns of the report: a row for each minibatch."""


@reordered
def spread(values: Array) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1), as torch does."""
    mean = 0.0
    for value in values:
        mean += value
    mean /= len(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) ** 2
    return mean, np.sqrt(squares / (len(values) - 1))


@reordered
def likelihoods(learner: Learner, scratch: Scratch, actions: Array, samples: Array, n: int) -> None:
    """Fill each sample's log-likelihood and value from the `n` rows that were scored."""
    rows = scratch.rows
    log_width = learner.log_std[0] + LOG_SCALE
    width = np.exp(log_width)
    for b in range(len(samples)):
        rows.log_prob[b] = -rows.unmasked[b] * (log_width + LOG_ROOT_2_PI)
        rows.value[b] = 0
    for i in range(n):
        b = rows.sample[i]
        mean = LOGIT_SCALE * scratch.pi.out[i]
        rows.deviation[i] = (actions[samples[b], rows.instrument[i]] - mean) / width
        rows.log_prob[b] -= 0.5 * rows.deviation[i] ** 2
        rows.value[b] += scratch.vf.out[i] / rows.unmasked[b]


@reordered
def losses(
    learner: Learner,
    rows: Rows,
    rollout: Rollout,
    samples: Array,
    batch: tuple[int, float, float],
    rules: Rules,
    totals: Array,
) -> None:
    """Add each sample's losses to the totals, fill `push` and `pull`.

    Args:
        learner: its log_std's gradient takes what entropy gives.
        rows: with the samples' likelihoods and values.
        rollout: what was collected.
        samples: its rows that are in this chunk.
        batch: samples of the whole minibatch; what advantages are shifted by, and divided by.
        rules: PPO's settings.
        totals: the columns of the report.
    """
    size, shift, width = batch
    entropy = 0.5 + LOG_ROOT_2_PI + LOG_SCALE + learner.log_std[0]
    for b in range(len(samples)):
        at = samples[b]
        log_ratio = rows.log_prob[b] - rollout.log_probs[at]
        ratio = np.exp(log_ratio)
        advantage = (rollout.advantages[at] - shift) / width
        free = advantage * ratio
        bound = advantage * min(max(ratio, 1 - rules.clip_range), 1 + rules.clip_range)
        error = rows.value[b] - rollout.returns[at]
        rows.push[b] = 0.0 if bound < free else -free / size
        rows.pull[b] = rules.vf_coef * 2 * error / size
        learner.log_std_slope[0] -= rules.ent_coef * rows.unmasked[b] / size
        totals[PG_LOSS] -= min(free, bound) / size
        totals[VALUE_LOSS] += error * error / size
        totals[ENTROPY_LOSS] -= rows.unmasked[b] * entropy / size
        totals[CLIPPED] += (abs(ratio - 1) > rules.clip_range) / size
        totals[KL] += (ratio - 1 - log_ratio) / size


@reordered
def slopes(learner: Learner, scratch: Scratch, n: int) -> None:
    """Fill the loss by what each scorer made of the `n` rows; add to log_std's gradient."""
    rows = scratch.rows
    width = np.exp(learner.log_std[0] + LOG_SCALE)
    for i in range(n):
        b = rows.sample[i]
        scratch.pi.slope[i] = rows.push[b] * rows.deviation[i] / width * LOGIT_SCALE
        scratch.vf.slope[i] = rows.pull[b] / rows.unmasked[b]
        learner.log_std_slope[0] += rows.push[b] * (rows.deviation[i] ** 2 - 1)


@reordered
def minibatch(
    learner: Learner, scratch: Scratch, rollout: Rollout, order: Array, rules: Rules, totals: Array
) -> None:
    """Fill the gradients of one minibatch, and its row of the report.

    Works on as many samples at once as the scratch has room for, so that their activations stay in
    the processor's cache.
    """
    rows = scratch.rows
    learner.gradients[:] = 0
    totals[:] = 0
    shift, width = 0.0, 1.0
    if rules.normalize_advantage and len(order) > 1:
        shift, width = spread(rollout.advantages[order])
        width += 1e-8
    for begin in range(0, len(order), len(rows.unmasked)):
        samples = order[begin : begin + len(rows.unmasked)]
        n = gather(rows, rollout.observations, rollout.actions.shape[1], samples)
        x = rows.x[:n]
        score(learner.pi, scratch.pi, x, scratch.tanh)
        score(learner.vf, scratch.vf, x, scratch.tanh)
        likelihoods(learner, scratch, rollout.actions, samples, n)
        losses(learner, rows, rollout, samples, (len(order), shift, width), rules, totals)
        slopes(learner, scratch, n)
        score_back(learner.pi, learner.pi_slope, scratch.pi, x)
        score_back(learner.vf, learner.vf_slope, scratch.vf, x)
    totals[LOSS] = (
        totals[PG_LOSS] + rules.ent_coef * totals[ENTROPY_LOSS] + rules.vf_coef * totals[VALUE_LOSS]
    )


@reordered
def descend(learner: Learner, rules: Rules, step: int) -> None:
    """Clip the gradients by their norm, then move the parameters as torch's Adam does.

    Args:
        learner: what is moved.
        rules: PPO's settings.
        step: how many steps there were, this one counted.
    """
    p, g, m, v = learner.parameters, learner.gradients, learner.first, learner.second
    norm = 0.0
    for i in range(len(g)):
        norm += np.float64(g[i]) * g[i]
    kind = p.dtype.type
    fit = kind(min(1.0, rules.max_grad_norm / (np.sqrt(norm) + 1e-6)))
    new1, new2, old2 = kind(1 - rules.beta1), kind(1 - rules.beta2), kind(rules.beta2)
    rate = kind(rules.learning_rate / (1 - rules.beta1**step))
    root, eps = kind(np.sqrt(1 - rules.beta2**step)), kind(rules.eps)
    for i in range(len(g)):
        slope = g[i] * fit
        m[i] += new1 * (slope - m[i])
        v[i] = v[i] * old2 + new2 * slope * slope
        p[i] -= rate * m[i] / (np.sqrt(v[i]) / root + eps)


@reordered
def epoch(
    learner: Learner,
    scratch: Scratch,
    rollout: Rollout,
    order: Array,
    rules: Rules,
    report: Array,
    step: int,
) -> int:
    """Pass once over what was collected, in minibatches; return how many moved the parameters.

    It ends before a step where the minibatch's divergence is above 1.5 times `target_kl`.

    Args:
        learner: what learns.
        scratch: room to work in.
        rollout: what was collected.
        order: all its rows, in the order in which they are taken.
        rules: PPO's settings.
        report: a row for each minibatch, filled.
        step: steps of Adam before this pass.
    """
    for k in range(len(report)):
        taken = order[k * rules.batch_size : (k + 1) * rules.batch_size]
        minibatch(learner, scratch, rollout, taken, rules, report[k])
        if report[k, KL] > 1.5 * rules.target_kl:
            return k
        descend(learner, rules, step + k + 1)
    return len(report)


@reordered
def estimate(
    advantages: Array, rewards: Array, values: Array, discounts: Array, gae_lambda: float
) -> None:
    """Fill generalised advantages (steps, environments) by a discount of each step's own.

    Args:
        advantages: filled.
        rewards: of the steps, with the value of what was cut off where an episode was.
        values: (steps + 1, environments); the last row is of what follows.
        discounts: gamma of each step, 0 where the episode ended with it.
        gae_lambda: weight of later steps.
    """
    steps, environments = rewards.shape
    for e in range(environments):
        later = 0.0
        for t in range(steps - 1, -1, -1):
            error = rewards[t, e] + discounts[t, e] * values[t + 1, e] - values[t, e]
            later = error + discounts[t, e] * gae_lambda * later
            advantages[t, e] = later
