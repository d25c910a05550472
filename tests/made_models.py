"""Hand-made models for tests: untrained networks that tell instruments apart."""

from typing import Any

import numpy as np

from tradepulse.trading.policies.features import NAMES
from tradepulse.trading.policies.model import Manifest, Model


def made_model(seed: int = 0, *, spread: float = 0.3, **told: Any) -> Model:
    """Return a model of random arrays; `told` is of its manifest."""
    chance = np.random.default_rng(seed)
    given = {"timeframe": "30m", "layers": (len(NAMES), 16, 1), "seeds": 2} | told
    manifest = Manifest(**given)
    arrays = {
        name: chance.normal(0, spread, shape).astype(np.float32)
        for name, shape in manifest.shapes().items()
    }
    arrays["scale"] = np.abs(arrays["scale"]) + np.float32(0.5)
    return Model.of(manifest, arrays)
