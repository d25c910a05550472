"""A market's tick in floats: the rules of `InstrumentRules`, for compiled code.

A tick of 0 is none. A price divided by its tick has its last bits rounded away (`to_digits`), so
that a multiple is a whole number and half a tick is half.
"""

import numpy as np

from tradepulse.trading.fills import scalar, to_digits


@scalar
def on_tick(price: float, tick: float) -> float:
    """Round a price to the tick, half to even; NaN stays NaN."""
    if not tick > 0.0:
        return to_digits(price)
    return to_digits(np.rint(to_digits(to_digits(price) / tick)) * tick)


@scalar
def can_write(price: float, tick: float) -> bool:
    """Tell whether a price of the market is a multiple of the tick, as it must be."""
    if not tick > 0.0:
        return True
    ticks = to_digits(to_digits(price) / tick)
    return bool(ticks == np.rint(ticks))


@scalar
def tick_beside(price: float, tick: float, is_of_now: bool) -> float:  # noqa: FBT001 - numba
    """Return the tick of when the market traded at a price: one of now may be younger."""
    return 0.0 if is_of_now and not can_write(price, tick) else tick


@scalar
def paid_on_tick(worse: float, price: float, tick: float) -> float:
    """Round what a market order pays to the tick, unless that leaves nothing of the slippage."""
    at = on_tick(worse, tick)
    return to_digits(worse) if at == to_digits(price) else at
