"""Trend following by two moving averages."""

from tradepulse.strategies._names import Features, Values
from tradepulse.strategies._params import Param, Params
from tradepulse.strategies._registry import strategy
from tradepulse.strategies.answers import Answer, enter_long, hold, leave, times
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.features import atr, sma
from tradepulse.strategies.market import Market

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
    space=(
        Param("fast", 2, 200, integer=True, log=True),
        Param("slow", 5, 400, integer=True, log=True),
        Param("stop_atr", 0, 20),
        Param("target_atr", 0, 40),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
    ),
    defaults={"fast": 20, "slow": 50, "stop_atr": 0, "target_atr": 0, "atr_window": 14},
    features={
        "fast": sma("fast"),
        "slow": sma("slow"),
        "unit": atr("atr_window", only_if=("stop_atr", "target_atr")),
    },
    constraint=_fast_is_faster,
)
def sma_cross(i: int, c: Market, f: Features, p: Values) -> Answer:
    """Buy when the fast simple average of closes crosses above the slow one, leave when below.

    Idea: prices trend, so a recent average above an older one tends to stay there long enough to
    pay for the false starts. Source: the moving-average rules of W. Brock, J. Lakonishok and
    B. LeBaron, "Simple Technical Trading Rules and the Stochastic Properties of Stock Returns",
    Journal of Finance 47 (1992), here with an optional stop and target in multiples of the
    average true range below and above the close of the signal's candle (0: none).
    """
    now = _side(f.fast[i], f.slow[i])
    before = _side(f.fast[i - 1], f.slow[i - 1])
    if now < 0 and before >= 0:
        return leave()
    if now > 0 and before <= 0:
        return enter_long(
            stop=c.close[i] - times(p.stop_atr, f.unit[i]),
            target=c.close[i] + times(p.target_atr, f.unit[i]),
        )
    return hold()
