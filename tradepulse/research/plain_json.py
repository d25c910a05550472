"""What was measured, as JSON can say it."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain_json(value: Any) -> Any:
    """Return a value with null where a figure is NaN or infinite, which JSON cannot say.

    Arrays and tuples are lists, figures of NumPy are plain ones.
    A figure that is undefined must not cost the whole result of a training.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(one) for one in value]
    return value
