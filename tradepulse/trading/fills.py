"""Prices at which orders fill, by one candle. The only copy of these rules.

Python calls these functions as they are written (the account engine), compiled code calls them
compiled (the simulator). The rules are stated in docs/reference/semantics.md. Prices and
levels are compared and returned with the digits that a float is sure to hold (`to_digits`), so that
a market does the same at any scale, and the account's decimals and the simulator's floats compare
equal numbers with a candle.
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
_WIDE = 1e15
"""Above, a float has no more digits than the 15 that it is sure to hold."""
_MOST = 1e22
"""The last power of ten that a float holds exactly."""
_USUAL = 1e10
"""By what most prices have 15 digits before the point, or nearly."""
_ROUNDING = 1.5 * 2.0**52
"""Added and taken away again, it leaves a whole number, half to even: where it is, a float has no
fraction."""
_NEAR = 1e-11
"""More than `to_digits` moves a price, as a fraction of it."""


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
def to_digits(price: float) -> float:
    """Round a price or level to 15 significant digits and 22 decimals; NaN stays NaN.

    What a market writes has no more digits and stays as it is. What is computed loses the last
    bits, in which 0.95 x 0.29 is not the 0.2755 of a candle.
    """
    size = abs(price)
    if not 0.0 < size < _WIDE:
        return price
    # powers of ten that a float holds exactly: a whole number divided by one is the float nearest
    # to its decimal
    power = _USUAL
    while size * power >= _WIDE:
        power /= 10.0
    # four digits at a time as long as that is never too many
    while size * power < _WIDE / 1e5 and power <= _MOST / 1e4:
        power *= 1e4
    while size * power < _WIDE / 10.0 and power < _MOST:
        power *= 10.0
    return ((price * power + _ROUNDING) - _ROUNDING) / power


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
    fraction = slippage
    if impact != 0.0:
        share = min(1.0, quantity / volume) if volume > 0.0 else 1.0
        fraction += impact * share * share
    return to_digits(price * (1.0 + fraction) if is_buy else price * (1.0 - fraction))


@scalar
def entry_price(
    spend: float,
    price: float,
    is_buy: bool,  # noqa: FBT001 - as above
    fee: float,
    slippage: float,
    impact: float,
    volume: float,
) -> float:
    """Return what a market entry pays (or gets) that spends an amount, its costs included.

    The impact is that of the quantity which it would be without impact, so a little too large for
    a buy.

    Args:
        spend: quote currency, with slippage and fee.
        price: the open of the candle after the decision.
        is_buy: as of `market_price`; so are `slippage`, `impact` and `volume`.
        fee: taker fee, fraction of the notional.
        slippage: see `is_buy`.
        impact: see `is_buy`.
        volume: see `is_buy`.
    """
    worse = market_price(price, is_buy, slippage)
    if impact > 0.0:
        quantity = spend / (worse * (1.0 + fee))
        worse = market_price(price, is_buy, slippage, impact, quantity, volume)
    return worse


@scalar
def within_limit(price: float, is_buy: bool, limit: float) -> float:  # noqa: FBT001 - as above
    """Return the price of a limit order that takes: worsened as a market order, up to its limit."""
    return min(price, limit) if is_buy else max(price, limit)


@scalar
def limit_fill(side: int, limit: float, open_: float, high: float, low: float) -> tuple[int, float]:
    """Tell whether a candle fills an entry by a limit order, and at what price.

    Touching the limit is not enough: others were there first. An order that the open is already
    beyond takes: `market_price` and `within_limit` worsen that fill. One that rested makes.

    Args:
        side: of the position to be, `LONG` or `SHORT`.
        limit: limit price.
        open_: the candle's open.
        high: the candle's high.
        low: the candle's low.

    Returns:
        `(AT_OPEN | AT_LIMIT, price)`, or `(EXPIRED, nan)`: it rests for one candle only.
    """
    limit, open_ = to_digits(limit), to_digits(open_)
    if side == LONG:
        if open_ <= limit:
            return AT_OPEN, open_
        if to_digits(low) < limit:
            return AT_LIMIT, limit
    else:
        if open_ >= limit:
            return AT_OPEN, open_
        if to_digits(high) > limit:
            return AT_LIMIT, limit
    return EXPIRED, math.nan


@scalar
def exit_fill(
    side: int, stop: float, take_profit: float, open_: float, high: float, low: float
) -> tuple[int, float]:
    """Tell whether a candle takes a position out, and at what price before slippage.

    A stop or target that the open is already beyond fills at the open. Where one candle touches
    both, the stop wins: the candle cannot tell which came first. A stop is a market order, so
    `market_price` still worsens it. A target is a limit order: one that rested gets its price,
    one that the open is beyond (the price is not the target) takes, as an entry does.

    Args:
        side: `LONG` or `SHORT`.
        stop: stop price of `to_digits`, NaN for none.
        take_profit: target price of `to_digits`, NaN for none.
        open_: the candle's open.
        high: the candle's high.
        low: the candle's low.

    Returns:
        `(STOP | TAKE_PROFIT, price)`, or `(NO_EXIT, nan)`.
    """
    if side == LONG:
        # comparisons with NaN are false, so a missing level never triggers
        if to_digits(low) <= stop:
            return STOP, min(stop, to_digits(open_))
        if to_digits(high) >= take_profit:
            return TAKE_PROFIT, max(take_profit, to_digits(open_))
    else:
        if to_digits(high) >= stop:
            return STOP, max(stop, to_digits(open_))
        if to_digits(low) <= take_profit:
            return TAKE_PROFIT, min(take_profit, to_digits(open_))
    return NO_EXIT, math.nan


@scalar
def quiet_range(side: int, stop: float, take_profit: float) -> tuple[float, float]:
    """Return `(below, above)`: a candle that lies between finds no exit in `exit_fill`."""
    below, above = (stop, take_profit) if side == LONG else (take_profit, stop)
    return below * (1.0 + _NEAR), above * (1.0 - _NEAR)


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
            if to_digits(low) < limit if side == LONG else to_digits(high) > limit:
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
    if begin >= end or outcome == TAKE_PROFIT:
        return outcome, price
    reached = to_digits(high) >= take_profit if side == LONG else to_digits(low) <= take_profit
    if not reached:
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
        return to_digits(stop)
    if side == LONG:
        moved = high - trail
        return to_digits(moved if math.isnan(stop) else max(stop, moved))
    moved = low + trail
    return to_digits(moved if math.isnan(stop) else min(stop, moved))
