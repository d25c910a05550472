"""What was measured, as PostgreSQL takes it."""

import json
import math

import numpy as np
import pytest

from tradepulse.research.plain_json import plain_json


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"a": math.nan, "b": [1.5, -math.inf, {"c": (math.inf, "x", None, True)}]},
         {"a": None, "b": [1.5, None, {"c": [None, "x", None, True]}]}),
        ([np.float64("nan"), np.float32(0.5), np.int64(3), np.bool_(True)], [None, 0.5, 3, True]),
        ({3: np.array([[1.0, math.nan]])}, {"3": [[1.0, None]]}),
        ("text", "text"),
    ],
)  # fmt: skip
def test_nothing_is_left_that_json_cannot_say(given: object, plain: object) -> None:
    found = plain_json(given)
    assert found == plain
    assert json.loads(json.dumps(found, allow_nan=False)) == plain
