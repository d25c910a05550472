"""Strategies: compiled functions that the search, the backtest and live trading share.

A new strategy is a module here, imported below; docs/guides/strategies.md shows how to write one.
"""

from tradepulse.strategies import (
    bollinger_squeeze,
    donchian_breakout,
    liquidity_sweep,
    rsi_reversion,
    sma_cross,
    supertrend,
)
from tradepulse.strategies._evaluations import MAX_STEPS, REFUSALS, Evaluations, step_ms
from tradepulse.strategies._kernels import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    MOVE,
    NONE,
    Columns,
    Decision,
)
from tradepulse.strategies._registry import get_strategy, strategy, strategy_names
from tradepulse.strategies._strategy import (
    COMMON,
    Param,
    Params,
    Strategy,
)
from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.faults import StrategyError
from tradepulse.strategies.features import Feature

__all__ = [
    "COMMON",
    "ENTER_LONG",
    "ENTER_SHORT",
    "EXIT",
    "MAX_STEPS",
    "MOVE",
    "NONE",
    "REFUSALS",
    "Columns",
    "Decision",
    "Evaluations",
    "Feature",
    "FloatArray",
    "Param",
    "Params",
    "Strategy",
    "StrategyError",
    "bollinger_squeeze",
    "compiled",
    "donchian_breakout",
    "get_strategy",
    "liquidity_sweep",
    "rsi_reversion",
    "sma_cross",
    "step_ms",
    "strategy",
    "strategy_names",
    "supertrend",
]
