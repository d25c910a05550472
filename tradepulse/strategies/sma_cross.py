"""Trend following by two moving averages."""

import math

from tradepulse.strategies._kernels import ENTER_LONG, EXIT, NONE, Columns, Decision
from tradepulse.strategies._registry import strategy
from tradepulse.strategies._strategy import Param, Params
from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.features import atr, sma

ROUNDING = 1e-12
"""Averages closer than this, relative, are equal: a flat market must not cross by rounding."""


def _fast_is_faster(params: Params) -> str | None:
    if params["fast"] < params["slow"]:
        return None
    return f"fast ({params['fast']:g}) must be less than slow ({params['slow']:g})"


@compiled
def _side(fast: float, slow: float) -> int:
    if abs(fast - slow) <= ROUNDING * slow:
        return 0
    return 1 if fast > slow else -1


@strategy(
    name="sma_cross",
    space=(
        Param("fast", 2, 200, integer=True, log=True),
        Param("slow", 5, 400, integer=True, log=True),
        Param("stop_atr", 0, 20),
        Param("target_atr", 0, 40),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
    ),
    defaults={"fast": 20, "slow": 50, "stop_atr": 0, "target_atr": 0, "atr_window": 14},
    features=(sma("fast"), sma("slow"), atr("atr_window", only_if=("stop_atr", "target_atr"))),
    constraint=_fast_is_faster,
)
@compiled
def sma_cross(
    i: int,
    open_: FloatArray,  # noqa: ARG001 - every strategy has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    f: Columns,
    p: FloatArray,
) -> Decision:
    """Buy when the fast simple average of closes crosses above the slow one, leave when below.

    Idea: prices trend, so a recent average above an older one tends to stay there long enough to
    pay for the false starts. Source: the moving-average rules of W. Brock, J. Lakonishok and
    B. LeBaron, "Simple Technical Trading Rules and the Stochastic Properties of Stock Returns",
    Journal of Finance 47 (1992), here with an optional stop and target in multiples of the
    average true range below and above the close of the signal's candle (0: none).
    """
    fast, slow, ranges = f[0], f[1], f[2]
    stop_atr, target_atr = p[2], p[3]
    now = _side(fast[i], slow[i])
    before = _side(fast[i - 1], slow[i - 1])
    if now < 0 and before >= 0:
        return EXIT, math.nan, math.nan
    if now > 0 and before <= 0:
        stop = close[i] - stop_atr * ranges[i] if stop_atr > 0.0 else math.nan
        target = close[i] + target_atr * ranges[i] if target_atr > 0.0 else math.nan
        return ENTER_LONG, stop, target
    return NONE, math.nan, math.nan
