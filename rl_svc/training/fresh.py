"""What a process that has never heard of a training makes of its model. Knows no torch."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.trading.policies.features import LOOKBACK, NAMES
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model import Model
from tradepulse.trading.policies.model_bytes import bytes_of, model_of

ROWS, DECISIONS = 1_000, 2_000
FIRST = 50
"""Decisions that only warm up."""


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """What was decided.

    Attributes:
        logits: float64 `(ROWS, seeds, N)`.
        weights: float64 `(DECISIONS, N)`.
        p99_ms: 99 of 100 decisions took no longer, of the thread's processor.
    """

    logits: NDArray[np.float64]
    weights: NDArray[np.float64]
    p99_ms: float


def decided(artifact: bytes, count: int) -> Decided:
    """Decide for made observations and made returns of some instruments; the same each time."""
    policy = LearnedPolicy(model_of(artifact))
    rng = np.random.default_rng(0)
    seen = rng.normal(0, 2, (ROWS, count, len(NAMES))).clip(-5, 5).astype(np.float32)
    logits = np.stack([policy.logits(row) for row in seen])
    moves = rng.normal(0, 0.02, (count, LOOKBACK + FIRST + DECISIONS))
    weights, took = [], []
    for n in range(FIRST + DECISIONS):
        returns = {f"{i:03}": moves[i, n : n + LOOKBACK].tolist() for i in range(count)}
        began = time.thread_time_ns()
        found = policy.weights(returns)
        took.append((time.thread_time_ns() - began) / 1e6)
        weights.append(list(found.values()))
    p99 = float(np.percentile(took[FIRST:], 99))
    return Decided(logits, np.array(weights[FIRST:]), p99)


def checked(model: Model, count: int) -> tuple[bool, float]:
    """Return whether a fresh process decides as this one, and its 99th percentile in ms."""
    artifact = bytes_of(model)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        call = pool.submit(decided, artifact, count)
        here, there = decided(artifact, count), call.result()
    same = np.array_equal(here.logits, there.logits) and np.array_equal(here.weights, there.weights)
    return same, there.p99_ms
