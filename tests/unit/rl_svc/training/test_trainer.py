"""Seeds in processes of their own, and what a trained model makes of a planted market."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_svc.training.one_seed import train_seed
from rl_svc.training.told import Hooks, Point, PpoSettings, Trained
from rl_svc.training.trainer import TrainingError, _Asks, _Teaching, ensemble, train
from tests.made_courses import RULES, planted_course, planted_ready
from tests.unit.rl_svc.training.test_one_seed import COURSE, TINY, same, same_standing
from tradepulse.trading.backtest import backtest_of
from tradepulse.trading.policies.features import observe_rows
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model import ModelError
from tradepulse.trading.weights import EqualWeights

SHORT = PpoSettings(steps=50_000, accounts=64, rollout=16, batch_size=1_024, patience=30)
"""49 updates."""


def test_a_trained_model_follows_what_gains(tmp_path: Path) -> None:
    course, ready = planted_course(), planted_ready()
    points: list[Point] = []
    kept: dict[int, str] = {}

    def goes_on() -> bool:
        return not points or (points[-1].seed, points[-1].update) != (1, 44)

    ended: list[Trained] = []
    hooks = Hooks(points.append, kept.__setitem__, goes_on, ended.append)
    trained = train(course, SHORT, (0, 1), tmp_path, hooks, at_once=1)
    ends = [(one.seed, one.ended, one.updates) for one in trained]
    assert ends == [(0, "steps", 49), (1, "stopped", 45)]
    assert len(points) == 49 + 45
    assert [one.seed for one in ended] == [0, 1]
    assert kept.keys() == {0, 1}
    assert all(one.validation_excess > 0 for one in trained)
    model = ensemble(course, trained, {"job": "a test"})
    assert [one["seed"] for one in model.manifest.made_by["seeds"]] == [0, 1]
    assert model.manifest.seen == course.figure_bins
    policy = LearnedPolicy(model)
    # at closes that were not trained on
    seen = observe_rows(list(ready.warm.values()), course.market.arrays.close_time)
    unseen = range(course.train[1], course.validation[1] - 1)
    weights = np.array([policy.row(seen.figures[row], seen.mask[row]) for row in unseen])
    gains, loses = weights.mean(axis=0)
    assert gains >= 5 * loses
    assert gains > 0.5
    learned, equal = (backtest_of(ready, RULES, one) for one in (policy, EqualWeights()))
    assert learned.equity[-1].equity > 200_000 > equal.equity[-1].equity
    assert learned.fallbacks.keys() <= {"history"}


def test_a_killed_seed_goes_on_to_the_same_parameters(tmp_path: Path) -> None:
    kept: list[str] = []

    def keep(seed: int, checksum: str) -> None:
        assert seed == 3
        kept.append(checksum)

    def kill(point: Point) -> None:
        if point.update == 7:
            for process in multiprocessing.active_children():
                if process.name == "seed 3":
                    os.kill(process.pid or 0, signal.SIGKILL)

    with pytest.raises(TrainingError, match=r"seed 3 ended without a word \(exit code -9\)"):
        train(COURSE, TINY, (3,), tmp_path / "killed", Hooks(kill, keep))
    assert len(kept) == 3
    points: list[Point] = []
    hooks = Hooks(points.append, keep)
    resumed = train_seed(COURSE, TINY, 3, tmp_path / "killed", hooks, kept[-1])
    assert [one.update for one in points] == [7, 8, 9, 10]
    of_resumed = kept[-1]
    whole = train_seed(COURSE, TINY, 3, tmp_path / "whole", hooks)
    assert same(whole, resumed)
    # not the best alone: networks, accounts, chance and all else stand where they would have stood
    assert same_standing(tmp_path / "whole", kept[-1], tmp_path / "killed", of_resumed)
    # and what has ended does not begin again
    assert same(resumed, train_seed(COURSE, TINY, 3, tmp_path / "killed", None, of_resumed))
    assert not multiprocessing.active_children()


def test_one_that_fails_ends_the_others(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="seed 7 was not trained: no checkpoint of seed 7"):
        train(COURSE, TINY, (7, 8), tmp_path, at_once=2, checksums={7: "0" * 64})
    assert not multiprocessing.active_children()


class Waiting:
    """A process that ends only when it is killed."""

    is_killed = False

    def kill(self) -> None:
        self.is_killed = True

    def join(self) -> None:
        assert self.is_killed


@pytest.mark.parametrize(
    "said", [Point(3, 1, 160, None, None, 1.0, 1.0, 0.0, 0.0, None, 1.0), _Asks()]
)
def test_what_a_hook_raises_is_not_taken_for_a_dead_process(said: object) -> None:
    ours, theirs = multiprocessing.Pipe()
    theirs.send(said)
    asked: list[int] = []

    def fail(*_: object) -> bool:
        asked.append(1)
        if len(asked) > isinstance(said, _Asks):
            raise ConnectionResetError("the database went away")
        return True

    hooks = Hooks(told=fail, goes_on=fail if isinstance(said, _Asks) else lambda: True)
    process: Any = Waiting()
    with pytest.raises(ConnectionResetError, match="the database went away"):
        _Teaching(lambda _: (process, ours), [3], 1, hooks).run()
    assert process.is_killed


def test_none_begins_that_is_too_late(tmp_path: Path) -> None:
    assert train(COURSE, TINY, (0, 1), tmp_path, Hooks(goes_on=lambda: False)) == []
    with pytest.raises(ModelError, match="no seed was trained"):
        ensemble(COURSE, [], {})


def test_seeds_are_named_once(tmp_path: Path) -> None:
    for seeds in ((), (1, 1)):
        with pytest.raises(ValueError, match="each once"):
            train(COURSE, replace(TINY, steps=1), seeds, tmp_path)
