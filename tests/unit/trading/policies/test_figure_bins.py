"""Where figures lay in training, and how far live ones are from there."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from tests.made_models import made_model
from tradepulse.trading.policies.features import NAMES
from tradepulse.trading.policies.figure_bins import (
    SHIFTED,
    WINDOW_DAYS,
    FigureBins,
    bins_of,
    stability,
)
from tradepulse.trading.policies.model import Model
from tradepulse.trading.policies.model_bytes import bytes_of, model_of
from tradepulse.trading.weights import DAY_MS

HOURS, F = 24 * 120, len(NAMES)
TIMES = np.arange(1, HOURS + 1) * DAY_MS // 24


def figures(seed: int, rows: int = HOURS) -> tuple[np.ndarray, np.ndarray]:
    """Draw figures of three instruments; the last one never changes."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(rows, 3, F)).clip(-5, 5)
    drawn[..., -1] = 0.0
    return drawn, rng.random((rows, 3)) < 0.9


def test_the_index_is_that_of_the_formula() -> None:
    found = stability(np.array([30, 50, 20]), [0.2, 0.5, 0.3])
    assert found == pytest.approx(0.1 * math.log(0.3 / 0.2) - 0.1 * math.log(0.2 / 0.3))
    assert stability(np.array([20, 50, 30]), [0.2, 0.5, 0.3]) == pytest.approx(0)
    # an empty bin counts as a thousandth
    assert stability(np.array([5, 5, 0]), [0.5, 0.499, 0.001]) < 1e-5


def test_bins_hold_a_tenth_each_and_say_when_figures_shift() -> None:
    drawn, mask = figures(1)
    bins = bins_of(drawn, mask, TIMES)
    assert bins.shares[0] == pytest.approx([0.1] * 10, abs=1e-3)
    assert (bins.edges[-1], bins.shares[-1], bins.limits[-1]) == ((), (1.0,), SHIFTED)
    same, known = figures(2, 24 * WINDOW_DAYS)
    shifts = bins.shifts(bins.counted(same, known))
    assert max(shifts.values()) < 0.1
    assert bins.beyond(shifts) == []
    same[..., 3] += 1.5
    assert bins.beyond(bins.shifts(bins.counted(same, known))) == [NAMES[3]]
    # what is not known is not counted
    assert bins.shifts(bins.counted(same, np.zeros_like(known))) == {}
    assert sum(bins.counted(same, known)[0]) == known.sum()


def test_no_fortnight_of_the_training_itself_is_beyond_its_limit() -> None:
    rng = np.random.default_rng(3)
    drawn, mask = figures(3)
    # one that moves so slowly that a fortnight is always another market
    drawn[..., 5] = np.cumsum(rng.normal(0, 0.05, HOURS))[:, None].clip(-5, 5)
    bins = bins_of(drawn, mask, TIMES)
    assert bins.limits[5] > 1
    days = (TIMES - 1) // DAY_MS
    for first in (0, 31, 120 - WINDOW_DAYS):
        rows = (days >= first) & (days < first + WINDOW_DAYS - 1)
        rows &= TIMES % DAY_MS != 0
        shifts = bins.shifts(bins.counted(drawn[rows], mask[rows]))
        assert bins.beyond({name: value * 0.95 for name, value in shifts.items()}) == []
    assert bins_of(drawn[:200], mask[:200], TIMES[:200]).limits == (SHIFTED,) * F


def test_bins_travel_in_a_model_and_a_model_without_keeps_its_checksum() -> None:
    plain = made_model(3)
    assert "seen" not in plain.manifest.as_json()
    bins = bins_of(*figures(1), TIMES)
    manifest = plain.manifest.model_copy(update={"seen": bins})
    model = Model.of(manifest, plain.arrays)
    again = model_of(bytes_of(model))
    assert again.manifest.seen == bins
    assert again.model_id == model.model_id != plain.model_id
    assert len(bytes_of(model)) - len(bytes_of(plain)) < 5_000


def test_bins_that_fit_no_figures_are_refused() -> None:
    told = bins_of(*figures(1), TIMES).model_dump(mode="json")
    for name, wrong in (
        ("edges", told["edges"][1:]),
        ("edges", [[2.0, 1.0], *told["edges"][1:]]),
        ("shares", [[1.0], *told["shares"][1:]]),
        ("limits", [float("inf"), *told["limits"][1:]]),
    ):
        with pytest.raises(ValidationError):
            FigureBins.model_validate(told | {name: wrong})
