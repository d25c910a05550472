"""Prices at which orders fill, by one candle. The only copy of these rules.

Python calls these functions as they are written (the account engine), compiled code calls them
compiled (the simulator). The rules are stated in docs/reference/semantics.md. Every
price and level returned is a multiple of 1e-8, the smallest tick, so that the account's decimals
and the simulator's floats compare equal numbers with a candle.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from tradepulse.strategies.compiled import Compiled

P = ParamSpec("P")
R = TypeVar("R")
FloatArray = NDArray[np.float64]
LONG = 1
SHORT = -1
NO_EXIT = 0
STOP = 1
TAKE_PROFIT = 2
EXPIRED = 0
AT_OPEN = 1
AT_LIMIT = 2
_WIDE = 5e7
"""Above, a float's own spacing is wider than the tick."""


class Prices(NamedTuple):
    """The figures of one candle, as the market gave them."""

    open: float
    high: float
    low: float
    close: float
    volume: float


class FinerPrices(NamedTuple):
    """Columns of lower-timeframe candles, float64 `(n,)` each, in time order."""

    open: FloatArray
    high: FloatArray
    low: FloatArray


class Scalar(Compiled[P, R]):
    """A rule of scalars: compiled code calls it compiled, Python calls it as it is written.

    Crossing over would cost a caller in Python more than it gains.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function as it is written."""
        return self.python(*args, **kwargs)


def scalar(function: Callable[P, R]) -> Scalar[P, R]:
    """Make a function callable from Python and from compiled code; it may call its like."""
    return Scalar(function, row_by_row=True)


@scalar
def to_tick(price: float) -> float:
    """Round a price or level to 1e-8, half to even; NaN stays NaN."""
    if not abs(price) < _WIDE:
        return price
    return round(price * 1e8) / 1e8


@scalar
def market_price(
    price: float,
    is_buy: bool,  # noqa: FBT001 - numba takes no keyword-only arguments
    slippage: float,
    impact: float = 0.0,
    quantity: float = 0.0,
    volume: float = 0.0,
) -> float:
    """Return what a market order pays (or gets) that meets the market at a price.

    Slippage is a fixed fraction of the price and one that grows with the square of the order's
    share of the candle's volume. Source: `VolumeShareSlippage` of zipline, without its limit of
    the volume that may be taken.

    Args:
        price: the open of the candle after the decision, or what `candle_exit` gives for a stop.
        is_buy: a buy pays more by the slippage, a sell gets less.
        slippage: fixed fraction, as in 0.0005 for 5 basis points.
        impact: fraction added for an order as large as the candle's whole volume, or larger.
        quantity: of the order, base currency.
        volume: of the candle in which it fills, base currency; 0 counts as a share of 1.
    """
    share = min(1.0, quantity / volume) if volume > 0.0 else 1.0
    fraction = slippage + impact * share * share
    return to_tick(price * (1.0 + fraction) if is_buy else price * (1.0 - fraction))


@scalar
def limit_fill(side: int, limit: float, open_: float, high: float, low: float) -> tuple[int, float]:
    """Tell whether a candle fills an entry by a limit order, and at what price.

    Touching the limit is not enough: others were there first. No slippage in either case; a fill
    at the open takes (taker fee), one at the limit makes (maker fee).

    Args:
        side: of the position to be, `LONG` or `SHORT`.
        limit: limit price.
        open_: the candle's open.
        high: the candle's high.
        low: the candle's low.

    Returns:
        `(AT_OPEN | AT_LIMIT, price)`, or `(EXPIRED, nan)`: it rests for one candle only.
    """
    if side == LONG:
        if open_ <= limit:
            return AT_OPEN, to_tick(open_)
        if low < limit:
            return AT_LIMIT, to_tick(limit)
    else:
        if open_ >= limit:
            return AT_OPEN, to_tick(open_)
        if high > limit:
            return AT_LIMIT, to_tick(limit)
    return EXPIRED, math.nan


@scalar
def exit_fill(
    side: int, stop: float, take_profit: float, open_: float, high: float, low: float
) -> tuple[int, float]:
    """Tell whether a candle takes a position out, and at what price before slippage.

    A stop or target that the open is already beyond fills at the open. Where one candle touches
    both, the stop wins: the candle cannot tell which came first. A stop is a market order, so
    `market_price` still worsens it; a target is a resting limit and gets its price.

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
            return STOP, to_tick(min(stop, open_))
        if high >= take_profit:
            return TAKE_PROFIT, to_tick(max(take_profit, open_))
    else:
        if high >= stop:
            return STOP, to_tick(max(stop, open_))
        if low <= take_profit:
            return TAKE_PROFIT, to_tick(min(take_profit, open_))
    return NO_EXIT, math.nan


@scalar
def _finer_exit(
    side: int,
    stop: float,
    take_profit: float,
    limit: float,
    finer: FinerPrices,
    begin: int,
    end: int,
) -> tuple[int, float]:
    """Walk finer candles in time order, with the same rule for each; arguments of `candle_exit`.

    From the one on that fills an entry at its limit the stop counts, from the next one the target.
    """
    is_inside = not math.isnan(limit)
    for k in range(begin, end):
        high, low = finer.high[k], finer.low[k]
        if is_inside:
            if low < limit if side == LONG else high > limit:
                is_inside = False
                found, at = exit_fill(side, stop, math.nan, limit, high, low)
                if found != NO_EXIT:
                    return found, at
        else:
            found, at = exit_fill(side, stop, take_profit, finer.open[k], high, low)
            if found != NO_EXIT:
                return found, at
    return NO_EXIT, math.nan


@scalar
def candle_exit(
    side: int,
    stop: float,
    take_profit: float,
    limit: float,
    candle: Prices,
    finer: FinerPrices,
    begin: int,
    end: int,
) -> tuple[int, float]:
    """Tell whether a candle takes a position out, with finer candles where it cannot tell itself.

    A candle cannot tell if it touches stop and target, or if the position was entered inside it at
    a limit: the stop lies beyond the limit, so it came after; the target may have come before, so
    it does not count. Finer candles settle both, see `_finer_exit`.

    Args:
        side: `LONG` or `SHORT`.
        stop: stop price, NaN for none.
        take_profit: target price, NaN for none.
        limit: where this very candle filled the entry inside it (`AT_LIMIT`), else NaN.
        candle: the candle.
        finer: lower-timeframe candles.
        begin: the first of them that lies in this candle.
        end: one past the last; `begin` if there are none.

    Returns:
        `(STOP | TAKE_PROFIT, price)` as of `exit_fill`, or `(NO_EXIT, nan)`.
    """
    high, low = candle.high, candle.low
    if math.isnan(limit):
        outcome, price = exit_fill(side, stop, take_profit, candle.open, high, low)
    else:
        outcome, price = exit_fill(side, stop, math.nan, limit, high, low)
    reached = high >= take_profit if side == LONG else low <= take_profit
    if begin >= end or not reached or (outcome == TAKE_PROFIT):
        return outcome, price
    found, at = _finer_exit(side, stop, take_profit, limit, finer, begin, end)
    # if they contradict their candle, the candle's own answer stands
    return (outcome, price) if found == NO_EXIT else (found, at)


@scalar
def trailed_stop(side: int, stop: float, trail: float, high: float, low: float) -> float:
    """Return where a trailing stop stands after a candle; it never moves back.

    At the signal: `trailed_stop(side, stop, trail, close, close)` gives the first stop. Then once
    at the close of each candle that the position was held to, binding from the next one. In the
    candle that filled the entry at its limit, high and low may be from before the entry: give its
    close for both.

    Args:
        side: `LONG` or `SHORT`.
        stop: stop price so far, NaN for none.
        trail: distance in price, NaN for a stop that stays.
        high: highest price that counts; used by a long.
        low: lowest price that counts; used by a short.
    """
    if math.isnan(trail):
        return to_tick(stop)
    if side == LONG:
        moved = high - trail
        return to_tick(moved if math.isnan(stop) else max(stop, moved))
    moved = low + trail
    return to_tick(moved if math.isnan(stop) else min(stop, moved))


@scalar
def entry_cost(fee: float, slippage: float) -> float:
    """Return what a buy pays for each unit of its notional, fee and slippage included.

    A millionth more keeps the rounding of prices and fees from asking for more than the cash.

    Args:
        fee: taker fee, fraction of the notional.
        slippage: fixed fraction of the price.
    """
    return (1.0 + fee) * (1.0 + slippage) * (1.0 + 1e-6)


@scalar
def entry_quantity(
    equity: float,
    price: float,
    stop: float,
    fraction: float,
    risk_per_trade: float,
    cost: float,
    min_notional: float,
) -> float:
    """Return the quantity of an entry of a configuration that is alone on its account, 0 for none.

    `sizing.size_entry` is the same for several on one account, in decimals.

    Args:
        equity: at the signal's close.
        price: the signal's close, or the limit of a limit order.
        stop: the first stop (`trailed_stop` at the signal), NaN for none.
        fraction: notional as a fraction of the equity.
        risk_per_trade: most that an entry stopped out may lose, fraction of equity; 0 for no cap.
        cost: of `entry_cost`.
        min_notional: a smaller entry is not made, quote currency.
    """
    notional = fraction * equity
    distance = abs(price - stop)
    # false for NaN
    if risk_per_trade > 0.0 and distance > 0.0:
        notional = min(notional, risk_per_trade * equity / distance * price)
    quantity = min(notional, equity / cost) / price
    if 0.0 < quantity < _WIDE:
        quantity = math.floor(quantity * 1e8) / 1e8
    return quantity if quantity > 0.0 and quantity * price >= min_notional else 0.0


@scalar
def is_affordable(quantity: float, price: float, fee: float, cash: float) -> bool:
    """Tell whether cash pays for a buy and its fee; there is no leverage.

    The account compares decimals. A float's last digits must not refuse what they accept.
    """
    return quantity * price * (1.0 + fee) <= cash * (1.0 + 1e-12)
