"""Indicators as they are usually defined, over whole series and candle by candle.

They and the features of strategies (`strategies/features.py`) are one library. What looks at a
window only is one function in both, the same to the bit. Averages such as EMA and Wilder's remember
everything since the first row here, as TA-Lib's do, and begin early; a feature of the same name is
cut to a finite memory and differs by less than 1e-8 once both are warm (`_recursions.py`).

Over all rows an indicator is the batch form, over one row, going on from a state, the incremental
form, so the two agree to the last bit:

    rsi(14).of(candles)          # a tuple of float64 (n,) columns, one for each of its fields
    live = rsi(14).live()
    (value,) = live.update(candle)
"""

from tradepulse.strategies.indicators._averages import ema, rolling_vwap, session_vwap, sma
from tradepulse.strategies.indicators._channels import bollinger, donchian, highest, lowest
from tradepulse.strategies.indicators._indicator import Indicator, Live
from tradepulse.strategies.indicators._oscillators import macd, rsi
from tradepulse.strategies.indicators._ranges import adx, atr, atr_wilder, supertrend

__all__ = [
    "Indicator",
    "Live",
    "adx",
    "atr",
    "atr_wilder",
    "bollinger",
    "donchian",
    "ema",
    "highest",
    "lowest",
    "macd",
    "rolling_vwap",
    "rsi",
    "session_vwap",
    "sma",
    "supertrend",
]
