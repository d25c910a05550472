"""Strategies: compiled functions that the search, the backtest and live trading share.

A new strategy is a module here, imported below; docs/guides/strategies.md shows how to write one.
"""

from tradepulse.strategies import (
    bollinger_squeeze,
    donchian_breakout,
    liquidity_sweep,
    relative_strength,
    rsi_reversion,
    session_breakout,
    sma_cross,
    supertrend,
    trend_pullback,
)
from tradepulse.strategies._evaluations import REFUSALS, Evaluations, step_ms
from tradepulse.strategies._feature import Choice, Feature
from tradepulse.strategies._kernels import Columns
from tradepulse.strategies._names import Features, Values
from tradepulse.strategies._params import COMMON, Param, Params
from tradepulse.strategies._registry import get_strategy, strategy, strategy_names
from tradepulse.strategies._strategy import Strategy
from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.answers import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    MAX_STEPS,
    MOVE,
    NONE,
    Answer,
    enter_long,
    enter_short,
    hold,
    leave,
    times,
)
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.faults import StrategyError
from tradepulse.strategies.market import Market

__all__ = [
    "COMMON",
    "ENTER_LONG",
    "ENTER_SHORT",
    "EXIT",
    "MAX_STEPS",
    "MOVE",
    "NONE",
    "REFUSALS",
    "Answer",
    "Choice",
    "Columns",
    "Evaluations",
    "Feature",
    "Features",
    "FloatArray",
    "Market",
    "Param",
    "Params",
    "Strategy",
    "StrategyError",
    "Values",
    "bollinger_squeeze",
    "compiled",
    "donchian_breakout",
    "enter_long",
    "enter_short",
    "get_strategy",
    "hold",
    "leave",
    "liquidity_sweep",
    "relative_strength",
    "rsi_reversion",
    "session_breakout",
    "sma_cross",
    "step_ms",
    "strategy",
    "strategy_names",
    "supertrend",
    "times",
    "trend_pullback",
]
