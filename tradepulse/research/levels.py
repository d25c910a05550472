"""Steps of the loop that change a position's levels while it is held: its stop follows or is moved.

Same rules as the account (`trading/account.py`), in floats.
"""

import math

from tradepulse.research.arrays import CandleArrays
from tradepulse.research.positions import Position, quiet_prices
from tradepulse.strategies import MOVE
from tradepulse.strategies.compiled import step
from tradepulse.trading.fills import trailed_stop
from tradepulse.trading.levels import moved_stop


@step
def _with_stop(position: Position, stop: float) -> Position:
    """Return a position that was held to a close, with its stop elsewhere."""
    below, above = quiet_prices(position.side, stop, position.target, position.trail)
    return Position(
        position.side,
        position.quantity,
        position.price,
        position.fee,
        stop,
        position.target,
        position.trail,
        math.nan,
        below,
        above,
    )


@step
def trailed(position: Position, candles: CandleArrays, i: int) -> Position:
    """Return a position that was held to the close of candle i: its stop has followed the price."""
    stop, below, above = position.stop, position.below, position.above
    if position.trail > 0.0:
        # in the candle of an entry inside it, high and low may be from before the entry
        is_inside = not math.isnan(position.limit)
        top = candles.close[i] if is_inside else candles.high[i]
        bottom = candles.close[i] if is_inside else candles.low[i]
        stop = trailed_stop(position.side, stop, position.trail, top, bottom)
        below, above = quiet_prices(position.side, stop, position.target, position.trail)
    return Position(
        position.side,
        position.quantity,
        position.price,
        position.fee,
        stop,
        position.target,
        position.trail,
        math.nan,
        below,
        above,
    )


@step
def moved(
    position: Position, said: tuple[int, float, float, float, float], close: float
) -> Position:
    """Return a position whose stop the strategy has moved at a close, if that is what it said."""
    if said[0] != MOVE:
        return position
    return _with_stop(position, moved_stop(position.side, position.stop, said[1], close))
