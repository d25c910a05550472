"""Seeds in processes of their own, and what a trained model makes of a planted market."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rl_svc.training.one_seed import Hooks, Point, PpoSettings
from rl_svc.training.trainer import TrainingError, ensemble, train
from tests.made_courses import RULES, planted_course, planted_ready
from tests.unit.rl_svc.training.test_one_seed import COURSE, TINY
from tradepulse.trading.backtest import backtest_of
from tradepulse.trading.policies.features import observe_rows
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.weights import EqualWeights

SHORT = PpoSettings(steps=60_000, accounts=64, rollout=16, batch_size=1_024)


def test_a_trained_model_follows_what_gains(tmp_path: Path) -> None:
    course, ready = planted_course(), planted_ready()
    points: list[Point] = []
    kept: dict[int, str] = {}
    hooks = Hooks(points.append, kept.__setitem__)
    trained = train(course, SHORT, (0, 1), tmp_path, hooks, at_once=2)
    assert [one.seed for one in trained] == [0, 1]
    assert {one.seed for one in points} == kept.keys() == {0, 1}
    assert all(one.validation_excess > 0 for one in trained)
    policy = LearnedPolicy(ensemble(course, trained, {"job": "a test"}))
    # each seed alone, and both together, at closes that none of them saw
    seen = observe_rows(list(ready.warm.values()), course.market.arrays.close_time)
    unseen = range(course.train[1], course.validation[1] - 1)
    weights = np.array([policy.row(seen.figures[row], seen.mask[row]) for row in unseen])
    gains, loses = weights.mean(axis=0)
    assert gains >= 5 * loses
    assert gains > 0.5
    learned, equal = (backtest_of(ready, RULES, one) for one in (policy, EqualWeights()))
    assert learned.equity[-1].equity > equal.equity[-1].equity
    assert dict(learned.fallbacks).keys() <= {"history"}


def test_late_seeds_do_not_begin(tmp_path: Path) -> None:
    trained = train(COURSE, TINY, (0, 1), tmp_path, Hooks(goes_on=lambda: False), at_once=1)
    assert [(one.seed, one.ended, one.updates) for one in trained] == [(0, "stopped", 1)]
    assert ensemble(COURSE, trained, {}).manifest.seeds == 1


def test_a_killed_seed_and_one_that_fails_are_named(tmp_path: Path) -> None:
    def kill(point: Point) -> None:
        del point
        for process in multiprocessing.active_children():
            if process.name == "seed 7":
                os.kill(process.pid or 0, signal.SIGKILL)

    with pytest.raises(TrainingError, match=r"seed 7 ended without a word \(exit code -9\)"):
        train(COURSE, TINY, (7,), tmp_path, Hooks(told=kill))
    with pytest.raises(TrainingError, match="seed 7 was not trained: no checkpoint of seed 7"):
        train(COURSE, TINY, (7,), tmp_path, checksums={7: "0" * 64})
    assert not multiprocessing.active_children()


def test_seeds_are_named_once(tmp_path: Path) -> None:
    for seeds in ((), (1, 1)):
        with pytest.raises(ValueError, match="each once"):
            train(COURSE, replace(TINY, steps=1), seeds, tmp_path)
