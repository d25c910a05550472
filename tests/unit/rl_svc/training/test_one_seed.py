"""One seed's training: told, stopped, and taken up again to the bit."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rl_svc.training.checkpoint import CheckpointError, read, written
from rl_svc.training.compiled_ppo import CompiledPPO
from rl_svc.training.export import logits_of
from rl_svc.training.one_seed import train_seed
from rl_svc.training.told import Hooks, Point, PpoSettings, Trained
from tests.made_courses import RULES, planted_course, planted_ready
from tradepulse.research.virtual.market import decided_weights
from tradepulse.research.virtual.replay import replay
from tradepulse.trading.weights import EqualWeights

TINY = PpoSettings(
    steps=1_600,
    accounts=16,
    rollout=10,
    batch_size=80,
    epochs=3,
    every=2,
    patience=30,
    widths=(8, 8),
)
"""Ten updates."""
COURSE = planted_course(200)


def same(one: Trained, two: Trained) -> bool:
    names = ("steps", "updates", "best_update", "validation_excess", "export_difference", "ended")
    if len(one.tried) != len(two.tried):
        return False
    return all(getattr(one, name) == getattr(two, name) for name in names) and all(
        np.array_equal(array, two.layers[name]) for name, array in one.layers.items()
    )


def standing(folder: Path, checksum: str) -> dict[str, Any]:
    """Return all that a checkpoint holds; in its zip are times of day, so that is read."""
    told, arrays = read(folder, 3, checksum)
    policy = CompiledPPO.load(io.BytesIO(arrays.pop("zip").tobytes()), device="cpu").policy
    adam = policy.optimizer.state_dict()["state"]
    return {
        **arrays,
        **{name: tensor.numpy() for name, tensor in policy.state_dict().items()},
        **{f"{n} {name}": one.numpy() for n, of in adam.items() for name, one in of.items()},
        "told": json.dumps(told),
    }


def same_standing(folder: Path, checksum: str, other: Path, of_other: str) -> bool:
    one, two = standing(folder, checksum), standing(other, of_other)
    assert one.keys() == two.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, two[name], err_msg=name)
    return True


def seen() -> NDArray[np.float32]:
    rows = COURSE.seen_in_validation
    return rows.reshape(len(rows), 2, -1)


def test_each_update_is_told(tmp_path: Path) -> None:
    points: list[Point] = []
    checksums: list[str] = []
    hooks = Hooks(told=points.append, kept=lambda _seed, checksum: checksums.append(checksum))
    trained = train_seed(COURSE, TINY, 3, tmp_path, hooks)
    assert [one.update for one in points] == list(range(1, 11))
    assert [one.step for one in points] == list(range(160, 1_601, 160))
    excess = {one.update: one.validation_excess for one in points if one.update % 2 == 0}
    assert all(one.validation_excess is None for one in points if one.update % 2)
    assert trained.validation_excess == max(excess.values()) == excess[trained.best_update]  # type: ignore[type-var]
    assert points[-1].reward is not None
    assert all(np.isfinite([one.entropy, one.std, one.kl]).all() and one.std > 0 for one in points)
    assert all(0 <= one.clip_fraction <= 1 and one.steps_per_s > 0 for one in points)
    assert all(one.explained_variance is None or one.explained_variance <= 1 for one in points)
    assert len(checksums) == 5
    assert trained.ended == "steps"
    # all that the best was chosen from, as a served model would decide it
    assert len(trained.tried) == 5
    assert 0 < trained.export_difference <= 1e-5
    of_tried = [COURSE.validation_excess(logits_of(one, seen())) for one in trained.tried]
    np.testing.assert_allclose(of_tried, list(excess.values()), atol=1e-4)
    best = trained.tried[trained.best_update // TINY.every - 1]
    assert all(np.array_equal(best[name], array) for name, array in trained.layers.items())
    # older ones are gone
    assert [path.name for path in tmp_path.iterdir()] == ["seed-3-000010.npz"]


def test_excess_is_that_of_the_replay_over_equal_weights() -> None:
    ready, market = planted_ready(200), COURSE.market
    equal = decided_weights(ready, EqualWeights())
    growth = np.log(replay(market, equal, RULES, span=COURSE.validation).equity[-1] / 100_000)
    rows = len(COURSE.seen_in_validation)
    assert rows == COURSE.validation[1] - COURSE.validation[0] + 1
    nothing = COURSE.validation_excess(np.full((rows, 2), -10.0))
    assert nothing == pytest.approx(-growth, abs=2e-3)
    gaining = COURSE.validation_excess(np.tile([5.0, -10.0], (rows, 1)))
    assert gaining > 0.1
    assert COURSE.validation_excess(np.tile([-10.0, 5.0], (rows, 1))) < -0.1


def test_no_gain_ends_the_training(tmp_path: Path) -> None:
    # so small a learning rate that validation does not move
    settings = replace(TINY, learning_rate=(1e-12, 1e-12), patience=2, every=1)
    trained = train_seed(COURSE, settings, 3, tmp_path)
    assert trained.ended == "no_gain"
    assert trained.updates < 10
    again = train_seed(COURSE, settings, 3, tmp_path / "again")
    assert same(trained, again)


def test_it_stops_when_told_and_goes_on_as_if_undisturbed(tmp_path: Path) -> None:
    kept: list[str] = []
    hooks = Hooks(kept=lambda _seed, checksum: kept.append(checksum))
    whole = train_seed(COURSE, TINY, 3, tmp_path / "whole", hooks)
    of_whole, left = kept[-1], iter([True, True, False])
    hooks = replace(hooks, goes_on=lambda: next(left))
    stopped = train_seed(COURSE, TINY, 3, tmp_path / "stopped", hooks)
    assert (stopped.ended, stopped.updates) == ("stopped", 3)
    hooks = replace(hooks, goes_on=lambda: True)
    resumed = train_seed(COURSE, TINY, 3, tmp_path / "stopped", hooks, kept[-1])
    assert same(whole, resumed)
    # not the best alone: networks, accounts, chance and all else
    assert same_standing(tmp_path / "whole", of_whole, tmp_path / "stopped", kept[-1])


def test_one_that_is_stopped_at_once_has_a_policy_and_goes_on(tmp_path: Path) -> None:
    kept: list[str] = []
    hooks = Hooks(kept=lambda _seed, checksum: kept.append(checksum), goes_on=lambda: False)
    stopped = train_seed(COURSE, TINY, 3, tmp_path, hooks)
    assert (stopped.ended, stopped.best_update) == ("stopped", 1)
    assert len(stopped.layers) == 6
    resumed = train_seed(COURSE, TINY, 3, tmp_path, checksum=kept[-1])
    assert resumed.updates == 10
    assert resumed.best_update % 2 == 0


def test_a_checkpoint_that_was_changed_is_not_opened(tmp_path: Path) -> None:
    checksum = written(tmp_path, 3, 1, {"a": 1}, {"x": np.arange(3)})
    told, arrays = read(tmp_path, 3, checksum)
    assert (told, arrays["x"].tolist()) == ({"a": 1}, [0, 1, 2])
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="train this seed anew"):
        read(tmp_path, 3, checksum)


def test_a_checkpoint_of_other_work_is_refused(tmp_path: Path) -> None:
    kept: list[str] = []
    hooks = Hooks(kept=lambda _seed, checksum: kept.append(checksum), goes_on=lambda: False)
    train_seed(COURSE, TINY, 3, tmp_path, hooks)
    with pytest.raises(CheckpointError, match="other settings, candles or signals"):
        train_seed(COURSE, replace(TINY, gae_lambda=0.8), 3, tmp_path, checksum=kept[0])
    with pytest.raises(CheckpointError, match="other settings, candles or signals"):
        train_seed(replace(COURSE, max_weight=0.5), TINY, 3, tmp_path, checksum=kept[0])


def test_another_seed_learns_otherwise(tmp_path: Path) -> None:
    settings = replace(TINY, steps=160)
    one, two = (train_seed(COURSE, settings, seed, tmp_path) for seed in (3, 4))
    assert not np.array_equal(one.layers["w0"], two.layers["w0"])


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"batch_size": 200_000}, {"learning_rate": (1e-4, 1e-3)}, {"patience": 0}],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PpoSettings(**wrong)  # type: ignore[arg-type]
