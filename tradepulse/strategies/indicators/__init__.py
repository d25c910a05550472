"""Indicators, over whole series and candle by candle.

Each indicator is one compiled pass over rows that goes on from a state. Over all rows it is the
batch form, over one row the incremental form, so the two agree to the last bit:

    rsi(14).of(candles)          # a tuple of float64 (n,) columns, one for each of its fields
    live = rsi(14).live()
    (value,) = live.update(candle)

Averages such as EMA and Wilder's remember everything since the first row. Strategies need columns
of finite memory instead: `strategies/features.py`.
"""

from tradepulse.strategies.indicators._averages import ema, rolling_vwap, session_vwap, sma
from tradepulse.strategies.indicators._channels import bollinger, donchian, highest, lowest
from tradepulse.strategies.indicators._indicator import Indicator, Live
from tradepulse.strategies.indicators._oscillators import macd, rsi
from tradepulse.strategies.indicators._ranges import adx, atr_wilder, supertrend

__all__ = [
    "Indicator",
    "Live",
    "adx",
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
