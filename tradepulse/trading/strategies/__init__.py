"""Strategies: numba kernels that the backtest and live trading share.

A new strategy is a module here, imported below; docs/strategies.md shows how to write one.
"""

from tradepulse.trading.strategies import liquidity_sweep, sma_cross
from tradepulse.trading.strategies._registry import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    NONE,
    Evaluations,
    Param,
    Params,
    Strategy,
    get_strategy,
    strategy,
    strategy_names,
)

__all__ = [
    "ENTER_LONG",
    "ENTER_SHORT",
    "EXIT",
    "NONE",
    "Evaluations",
    "Param",
    "Params",
    "Strategy",
    "get_strategy",
    "liquidity_sweep",
    "sma_cross",
    "strategy",
    "strategy_names",
]
