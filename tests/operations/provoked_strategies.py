"""Strategies of a user's own for `provoke.py`: one that trades, two with a fault."""

import math

from tradepulse.strategies import ENTER_LONG, Param, compiled, strategy
from tradepulse.strategies.features import sma

SPACE = (Param("window", 2, 3, integer=True, searched=False),)
DEFAULTS = {"window": 2}


@strategy(name="eager", space=SPACE, defaults=DEFAULTS, features=(sma("window"),))
@compiled
def eager(i, open_, high, low, close, volume, f, p):
    """Buy at every candle."""
    return ENTER_LONG, math.nan, math.nan


@strategy(name="upside_down", space=SPACE, defaults=DEFAULTS, features=(sma("window"),))
@compiled
def upside_down(i, open_, high, low, close, volume, f, p):
    """Buy with a stop above the price."""
    return ENTER_LONG, 2.0 * close[i], math.nan


@strategy(name="breaks", space=SPACE, defaults=DEFAULTS, features=(sma("window"),))
@compiled
def breaks(i, open_, high, low, close, volume, f, p):
    """Return an action that there is not."""
    return 7, math.nan, math.nan
