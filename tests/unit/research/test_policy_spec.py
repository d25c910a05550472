"""What a training may be asked for."""

import json
from dataclasses import asdict
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rl_svc.training.job import late_told, settings_of
from rl_svc.training.told import PpoSettings, Trained
from tradepulse.research.policy_checks import searched_of
from tradepulse.research.policy_spec import MOST_SEEDS, PolicySpec, PpoSpec
from tradepulse.research.sized import Sized
from tradepulse.research.trainers import LEAST_FREE, disk_refusal

ID = UUID(int=7)


def test_its_defaults_are_those_of_the_training() -> None:
    spec = PolicySpec()
    assert settings_of(spec) == PpoSettings()
    assert settings_of(PolicySpec(ppo=PpoSpec())) == PpoSettings()
    assert PpoSpec().model_dump().items() <= asdict(PpoSettings()).items()
    own = PolicySpec(steps=5, ppo=PpoSpec(accounts=8, rollout=4, batch_size=16, widths=(4, 4)))
    assert settings_of(own) == PpoSettings(
        steps=5, accounts=8, rollout=4, batch_size=16, widths=(4, 4)
    )


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(["a", "half a year"]),
            "configurations": st.lists(st.uuids().map(str), min_size=1, max_size=3, unique=True),
            "seeds": st.integers(1, MOST_SEEDS),
            "seed": st.integers(0, 2**31 - 1 - MOST_SEEDS),
            "steps": st.integers(1, 10_000_000),
            "minutes": st.none() | st.integers(1, 10_080),
            "max_weight": st.floats(0.01, 1),
            "ppo": st.none() | st.just({"learning_rate": [0.01, 0.001], "widths": [8, 16]}),
        },
    )
)
def test_what_was_stored_is_read_again(asked: dict[str, Any]) -> None:
    spec = PolicySpec(**asked)
    stored = json.loads(json.dumps(spec.model_dump(mode="json")))
    assert PolicySpec.model_validate(stored) == spec
    assert len(spec.numbers) == spec.seeds
    # as PostgreSQL keeps them
    assert spec.numbers[-1] < 2**31


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"seeds": 0}, "seeds"),
        ({"seeds": MOST_SEEDS + 1}, "seeds"),
        ({"seeds": True}, "seeds"),
        ({"seeds": "8"}, "seeds"),
        ({"steps": 10_000_001}, "steps"),
        ({"seed": 2**31}, "seed"),
        ({"minutes": 0}, "minutes"),
        ({"budget": 0}, "budget"),
        ({"max_weight": 1.1}, "max_weight"),
        ({"fee": float("nan")}, "fee"),
        ({"slippage": -0.1}, "slippage"),
        ({"impact": 0.6}, "impact"),
        ({"portfolio": "a b"}, "portfolio"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"allow_overlap": "  "}, "allow_overlap"),
        ({"configurations": []}, "configurations"),
        ({"configurations": ["x"]}, "configurations"),
        ({"configurations": "all"}, "configurations"),
        ({"start": -1}, "start"),
        ({"more": 1}, "more"),
        ({"ppo": {"layers": 3}}, "ppo.layers"),
        ({"ppo": {"epochs": 101}}, "ppo.epochs"),
        ({"ppo": {"widths": [8]}}, "ppo.widths"),
        ({"ppo": {"learning_rate": [0, 0]}}, "ppo.learning_rate"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_its_name(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PolicySpec(**asked)
    places = {".".join(map(str, one["loc"])) for one in caught.value.errors()}
    assert any(place.startswith(says) for place in places), places


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"start": 2, "end": 2}, "start is not before end"),
        ({"configurations": [ID, ID]}, "a configuration is named twice"),
        ({"ppo": {"rollout": 4_096, "accounts": 4_096}}, "at most 1048576 are held"),
        ({"ppo": {"rollout": 2, "accounts": 2}}, "batch_size 8192 is more than the 4 steps"),
        ({"ppo": {"learning_rate": [0.001, 0.01]}}, "learning_rate from 0.001 to 0.01 cannot be"),
    ],
)
def test_what_does_not_fit_together_is_refused(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        PolicySpec(**asked)


def test_configurations_are_kept_as_they_were() -> None:
    known = Sized(ID, 3, "sma_cross", "x", "A/USD", "1h", {"fast": 5.0}, 0.5, (10, 20))
    unknown = Sized(UUID(int=8), 1, "sma_cross", "x", "B/USD", "1h", {}, 1.0, None)
    for one in (known, unknown):
        told = json.loads(json.dumps(one.as_json()))
        assert told["series"] == one.series
        assert Sized.of_json(told) == one
    found, lines = searched_of([known, unknown], 5, 99)
    assert [(one.start, one.end) for one in found] == [(10, 20), (5, 99)]
    (line,) = lines
    assert line == (
        "by which days 1 configuration (first sma_cross on x:B/USD:1h, 00000000) had been chosen "
        "is not known, so all of them count"
    )
    assert searched_of([known], 5, 99)[1] == []


def test_a_training_whose_time_was_up_names_its_seeds() -> None:
    spec = PolicySpec(seeds=4, seed=2, minutes=7)

    def seed(number: int, ended: Any) -> Trained:
        return Trained(number, 10, 1, 1, 0.0, {}, (), 0.0, ended)

    trained = [seed(2, "no_gain"), seed(3, "stopped")]
    assert late_told(spec, trained) == (
        "the training was to end after 7 min: seed 3 stopped with the best so far",
        "the training was to end after 7 min: seeds 4, 5 had not begun",
    )
    done = [seed(number, "steps") for number in spec.numbers]
    assert late_told(spec, done) == ()


def test_a_full_disk_is_told() -> None:
    assert disk_refusal(LEAST_FREE) == ""
    assert disk_refusal(LEAST_FREE - 1, "/x") == (
        "/x has 1.0 GB left, and a training needs 1 GB: free some space, or set TRAINER_FOLDER to "
        "another disk"
    )
