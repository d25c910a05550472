"""What training may see: nothing of what comes after it."""

from dataclasses import replace

import numpy as np
import pytest

from rl_svc.training.course import Course, Span, course_of
from tests.made_courses import MAX_WEIGHT, RULES, planted_course, planted_ready
from tradepulse.trading.backtest import Prepared
from tradepulse.trading.policies.features import observe_rows, scale_of

SPANS = ((0, 900), (1_000, 1_600))


def made(ready: Prepared, spans: tuple[Span, Span] = SPANS, timeframe: str = "1h") -> Course:
    return course_of(ready, {}, RULES, spans, timeframe, max_weight=MAX_WEIGHT)  # type: ignore[arg-type]


def test_observations_are_scaled_by_the_training_range_alone() -> None:
    ready = planted_ready()
    course = made(ready)
    seen = observe_rows(list(ready.warm.values()), course.market.arrays.close_time)
    mean, deviation = scale_of(seen.figures[:900], seen.mask[:900])
    np.testing.assert_array_equal(course.scale[0], mean)
    np.testing.assert_array_equal(course.scale[1], deviation)
    known = course.observations[:900][course.mask[:900]]
    assert np.abs(known).max() <= 5
    assert course.env.span == (0, 900)
    # other prices after the training leave it as it was
    for name, one in ready.warm.items():
        later = np.where(np.arange(len(one)) < 900, 1.0, 1.0 + 0.1 * np.sin(np.arange(len(one))))
        columns = {key: getattr(one, key) * later for key in ("open", "high", "low", "close")}
        changed = replace(one, **columns)
        new = {**ready.warm, name: changed}
        ready = replace(ready, warm=new, traded=new)
    other = made(ready)
    np.testing.assert_array_equal(other.observations[:900], course.observations[:900])
    assert not np.array_equal(other.observations[1_000:], course.observations[1_000:])
    assert other.checksum != course.checksum


def test_the_same_course_has_the_same_checksum() -> None:
    one = planted_course(200)
    assert one.checksum == planted_course(200).checksum
    assert one.checksum != replace(one, max_weight=0.5).checksum
    assert one.checksum != replace(one, validation=(700, 790)).checksum


@pytest.mark.parametrize(
    "spans",
    [
        ((0, 900), (899, 1_600)),
        ((0, 900), (900, 1_601)),
        ((5, 5), (900, 1_600)),
        ((-1, 9), (9, 99)),
    ],
)
def test_validation_follows_training_within_the_candles(spans: tuple[Span, Span]) -> None:
    with pytest.raises(ValueError, match="validation must follow training"):
        made(planted_ready(), spans)


def test_an_instrument_without_the_timeframe_is_named() -> None:
    with pytest.raises(ValueError, match="x:A/USD has no series of 30m"):
        made(planted_ready(), timeframe="30m")


def test_too_short_a_training_range_is_refused() -> None:
    with pytest.raises(ValueError, match="widen it"):
        made(planted_ready(), ((0, 150), (200, 1_600)))
