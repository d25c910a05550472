"""Prices at which orders fill, by one candle. The only copy of these rules.

Plain scalar Python that numba compiles as it is: the search's simulator calls `njit(exit_fill)`,
the account engine calls `exit_fill`. The rules are stated in docs/semantics.md.
"""

import math

LONG = 1
SHORT = -1
NO_EXIT = 0
STOP = 1
TAKE_PROFIT = 2


def market_price(open_: float, is_buy: bool, slippage: float) -> float:  # noqa: FBT001 - numba takes no keyword-only arguments
    """Return the price of a market order that fills at a candle's open.

    Args:
        open_: open of the candle after the decision.
        is_buy: a buy pays more by the slippage, a sell gets less.
        slippage: fraction of the price, as in 0.0005 for 5 basis points.
    """
    if is_buy:
        return open_ * (1.0 + slippage)
    return open_ * (1.0 - slippage)


def exit_fill(
    side: int, stop: float, take_profit: float, open_: float, high: float, low: float
) -> tuple[int, float]:
    """Tell whether a candle takes a position out, and at what price before slippage.

    A stop or target that the open is already beyond fills at the open. Where one candle touches
    both, the stop wins: the candle cannot tell which came first.

    Args:
        side: `LONG` or `SHORT`.
        stop: stop price, NaN for none.
        take_profit: target price, NaN for none.
        open_: the candle's open.
        high: the candle's high.
        low: the candle's low.

    Returns:
        `(STOP | TAKE_PROFIT, price)`, or `(NO_EXIT, nan)`.
    """
    if side == LONG:
        # comparisons with NaN are false, so a missing level never triggers
        if low <= stop:
            return STOP, min(stop, open_)
        if high >= take_profit:
            return TAKE_PROFIT, max(take_profit, open_)
    else:
        if high >= stop:
            return STOP, max(stop, open_)
        if low <= take_profit:
            return TAKE_PROFIT, min(take_profit, open_)
    return NO_EXIT, math.nan
