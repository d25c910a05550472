"""Strength against Bitcoin."""

from tradepulse.strategies._names import Features, Values
from tradepulse.strategies._params import Param
from tradepulse.strategies._registry import strategy
from tradepulse.strategies.answers import Answer, enter_long, hold, leave, times
from tradepulse.strategies.features import atr, change
from tradepulse.strategies.market import Market


@strategy(
    space=(
        Param("window", 5, 500, integer=True, log=True),
        Param("edge", 0.001, 0.5, log=True),
        Param("stop_atr", 0, 20),
        Param("max_age", 0, 10, integer=True, searched=False),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
    ),
    defaults={"window": 48, "edge": 0.01, "stop_atr": 4, "max_age": 1, "atr_window": 14},
    features={
        "own": change("window"),
        "btc": change("window", of="BTC"),
        "unit": atr("atr_window", only_if=("stop_atr",)),
    },
)
def relative_strength(i: int, c: Market, f: Features, p: Values) -> Answer:
    """Buy what begins to outrun Bitcoin, leave when it falls behind.

    Idea: what has been stronger than the market stays so for a while. Source: R. A. Levy,
    "Relative Strength as a Criterion for Investment Selection", Journal of Finance 22 (1967), and
    for cryptocurrencies Y. Liu, A. Tsyvinski and X. Wu, "Common Risk Factors in Cryptocurrency",
    Journal of Finance 77 (2022); the market is Bitcoin, as it moves the others.

    Its change over `window` candles, less that of Bitcoin on the same venue in the same quote
    currency, must pass `edge` (0.01: one hundredth) from below. It is left when that falls below
    0. Where Bitcoin's last candle is more than `max_age` candles old, nothing is said. The stop
    lies `stop_atr` average true ranges below the close of the entry's candle (0: none).
    """
    if not f.btc_age[i] <= p.max_age:
        return hold()
    ahead, before = f.own[i] - f.btc[i], f.own[i - 1] - f.btc[i - 1]
    if ahead < 0.0 <= before:
        return leave()
    if before < p.edge <= ahead:
        return enter_long(stop=c.close[i] - times(p.stop_atr, f.unit[i]))
    return hold()
