"""Two instruments that fall and rise each day: a long at the upturn gains on one only."""

from uuid import UUID

import numpy as np

from tests.made_models import made_model
from tradepulse.candles.arrays import Candles
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.policies.features import NAMES
from tradepulse.trading.policies.model import Model

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_514_764_800_000
"""2018-01-01, the first traded candle."""
WARM_DAYS = 20
UP, DOWN = "test:UP/USD", "test:DOWN/USD"
SWINGS = {UP: (-0.02, 0.03), DOWN: (-0.012, 0.005)}
"""How far each falls in the first half of a day, and rises in the second."""


def wave_candles(days: int, seed: int = 1) -> list[Candles]:
    """Return hours from `WARM_DAYS` before `START` to `days` after."""
    rng = np.random.default_rng(seed)
    found = []
    for name, (fall, rise) in SWINGS.items():
        day = np.concatenate((np.full(12, fall / 12), np.full(12, rise / 12)))
        steps = np.tile(day, days + WARM_DAYS)
        steps = steps * np.repeat(rng.uniform(0.7, 1.3, days + WARM_DAYS), 24)
        close = 1_000 * np.exp(np.cumsum(steps + rng.normal(0, 2e-4, len(steps))))
        opens = np.concatenate((close[:1], close[:-1]))
        times = START - WARM_DAYS * DAY + HOUR * np.arange(len(close), dtype=np.int64)
        high, low = np.maximum(opens, close) * 1.0002, np.minimum(opens, close) * 0.9998
        exchange, symbol = name.split(":")
        volume = np.full(len(close), 1e6)
        found.append(Candles(exchange, symbol, "1h", times, opens, high, low, close, volume))
    return found


def wave_configurations() -> list[Configuration]:
    """Return one configuration on each, long from after the upturn to after the downturn."""
    params = {"fast": 2, "slow": 5}
    return [
        Configuration(UUID(int=n + 1), "sma_cross", *name.split(":"), "1h", params)
        for n, name in enumerate(SWINGS)
    ]


def wave_model(fond_of: str | None, **told: object) -> Model:
    """Return a model that is fond of one of them, or holds both alike."""
    model = made_model(0, timeframe="1h", layers=(len(NAMES), 1), seeds=1, max_weight=0.9, **told)
    arrays = {name: np.zeros_like(one) for name, one in model.arrays.items()}
    arrays["scale"] += 1
    if fond_of is None:
        arrays["b0"] += 2.5
    else:
        arrays["w0"][:, NAMES.index("return_168")] = 2.0 if fond_of == UP else -2.0
    return Model.of(model.manifest, arrays)
