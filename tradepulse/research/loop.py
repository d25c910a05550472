"""The loop that trades one configuration over all candles. Compiled once for each strategy.

Same rules and same order within a candle as `account.py`, in floats and without a ledger: waiting
orders fill, then stops and targets, then the mark at the close, then decisions. A test compares
the two trade by trade. While nothing is held only the strategy is asked; all figures are taken on
the way, so that a trial of a search writes nothing but them.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tradepulse.strategies import ENTER_LONG, ENTER_SHORT, EXIT
from tradepulse.strategies.compiled import compiled
from tradepulse.trading.fills import (
    AT_LIMIT,
    EXPIRED,
    LONG,
    NO_EXIT,
    SHORT,
    STOP,
    TAKE_PROFIT,
    candle_exit,
    entry_cost,
    entry_quantity,
    is_affordable,
    limit_fill,
    market_price,
    to_tick,
    trailed_stop,
)
from tradepulse.trading.metrics import DAYS_PER_YEAR, ROUNDING

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
CandleArrays = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, IntArray]
"""open, high, low, close, volume, open time."""
Finer = tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray]
"""open, high, low of lower-timeframe candles; for each candle the first of them and the end."""
Rules = tuple[float, float, float, float, float, float, float, float, float]
"""initial cash, taker fee, maker fee, slippage, impact, fraction, risk, least notional, margin."""
Record = tuple[FloatArray, FloatArray, IntArray, FloatArray]
"""equity and exposure by candle, whole and real figures by trade; empty where none is kept."""

SIGNAL = 3
TIME = 4
END_OF_DATA = 5
REASONS = {
    STOP: "stop",
    TAKE_PROFIT: "take_profit",
    SIGNAL: "signal",
    TIME: "time",
    END_OF_DATA: "end_of_data",
}
"""Names of the exit reasons, as in the events."""
NEVER = np.iinfo(np.int64).max


SHIFT = 0
"""Rows before i that the signal reads. Said in the loops, it spares every access the question
whether its row is below zero and so counts from the end."""


def _signal(
    i: int,
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    f: tuple[FloatArray, ...],
    p: FloatArray,
) -> tuple[int, float, float, float, float]:
    raise NotImplementedError


@compiled
def _entry_side(action: int, rules: Rules) -> int:
    """Return the side that a flat account enters, 0 for none."""
    if action == ENTER_LONG:
        return LONG
    if action == ENTER_SHORT and rules[8] > 0.0:
        return SHORT
    return 0


@compiled
def _quantity(equity: float, price: float, stop: float, rules: Rules) -> float:
    cost = entry_cost(rules[1], rules[3])
    return entry_quantity(equity, price, stop, rules[5], rules[6], cost, rules[7])


@compiled
def _entry_fill(
    side: int,
    limit: float,
    quantity: float,
    cash: float,
    candle: tuple[float, float, float, float],
    rules: Rules,
) -> tuple[float, float, float]:
    """Return price, fee rate and, if it was inside the candle, limit of an entry; NaN for none."""
    open_, high, low, volume = candle
    _, fee, maker_fee, slippage, impact = rules[:5]
    if math.isnan(limit):
        price = market_price(open_, side == LONG, slippage, impact, quantity, volume)
        rate = fee
    else:
        outcome, price = limit_fill(side, limit, open_, high, low)
        rate = fee
        if outcome == AT_LIMIT:
            rate = maker_fee
        else:
            limit = math.nan
        if outcome == EXPIRED:
            return math.nan, rate, limit
    # without leverage, a gap up may have made the entry unaffordable
    if side == LONG and not is_affordable(quantity, price, rate, cash):
        return math.nan, rate, limit
    return price, rate, limit


@compiled
def _stand(row: int, cash: float, day: int, days: IntArray, daily: FloatArray) -> int:
    """Write the equity of the days that end before a row, all cash; return the next day."""
    while day < len(days) and days[day] < row:
        daily[day] = cash
        day += 1
    return day


@compiled
def _ratios(initial: float, daily: FloatArray, drawdown: float, figures: FloatArray) -> None:
    """Make the days' equities returns, in place, and take the figures from them.

    The same as `metrics.py` does: see there for the definitions.
    """
    days = len(daily)
    final = daily[-1] if days > 0 else initial
    before = initial
    least = initial
    total = 0.0
    most = 0.0
    for day in range(days):
        least = min(least, daily[day])
        level = daily[day]
        daily[day] = level / before - 1.0
        before = level
        total += daily[day]
        most = max(most, abs(daily[day]))
    if least <= 0.0:
        daily[:] = math.nan
    if least <= 0.0 or days < 2:  # noqa: PLR2004 - one return has no deviation
        return
    mean = total / days
    squares = 0.0
    losses = 0.0
    for day in range(days):
        squares += (daily[day] - mean) ** 2
        losses += min(daily[day], 0.0) ** 2
    year = math.sqrt(DAYS_PER_YEAR)
    deviation = math.sqrt(squares / days)
    downside = math.sqrt(losses / days)
    if deviation <= ROUNDING * most:
        deviation = 0.0
    if deviation > 0.0:
        figures[1] = mean / deviation * year
    if downside > 0.0:
        figures[2] = mean / downside * year
    if drawdown > 0.0:
        figures[3] = ((final / initial) ** (DAYS_PER_YEAR / days) - 1.0) / drawdown
    figures[4] = deviation * year


def trade(  # noqa: C901, PLR0912, PLR0915 - one loop: calls would cost more than the work
    market: CandleArrays,
    finer: Finer,
    f: tuple[FloatArray, ...],
    p: FloatArray,
    first: int,
    asked: int,
    max_ms: int,
    candle_ms: int,
    rules: Rules,
    days: IntArray,
    daily: FloatArray,
    figures: FloatArray,
    record: Record,
) -> int:
    """Trade one configuration. A template: `_signal` stands for the strategy's.

    Args:
        market: columns of the candles.
        finer: lower-timeframe candles, empty if there are none.
        f: columns that the signal reads.
        p: parameters that the signal reads.
        first: first row that is traded: the equity begins here.
        asked: first row whose signal counts, at least `first`.
        max_ms: how long a position may be held, 0 for no such end.
        candle_ms: length of a candle.
        rules: costs and sizes.
        days: last row of each day.
        daily: filled with the daily returns; NaN if the equity did not stay positive.
        figures: filled with `metrics.FIGURES`; NaN for those undefined.
        record: filled with equity, exposure and trades, see `Record`.

    Returns:
        The number of trades.
    """
    open_, high, low, close, volume, open_time = market
    finer_open, finer_high, finer_low, finer_begin, finer_end = finer
    equity, exposure, whole, real = record
    initial, fee, maker_fee, slippage, impact = rules[:5]
    last = len(close) - 1
    cash = peak = floor = initial
    drawdown = exposed = gains = lost = 0.0
    trades = won = day = 0
    recorded = first
    i = asked
    while SHIFT <= i < last:
        # flat: nothing changes until a signal of a size comes
        action, stop, target, limit, trail = _signal(i, open_, high, low, close, volume, f, p)
        side = _entry_side(action, rules)
        quantity = 0.0
        if side != 0:
            stop = trailed_stop(side, stop, trail, close[i], close[i])
            target = to_tick(target)
            limit = to_tick(limit)
            expected = close[i] if math.isnan(limit) else limit
            quantity = _quantity(cash, expected, stop, rules)
        i += 1
        if quantity <= 0.0:
            continue
        candle = (open_[i], high[i], low[i], volume[i])
        price, rate, limit = _entry_fill(side, limit, quantity, cash, candle, rules)
        if math.isnan(price):
            continue
        # held: from the candle of the entry to that of the exit
        day = _stand(i, cash, day, days, daily)
        if len(equity) > 0:
            equity[recorded - first : i - first] = cash
            exposure[recorded - first : i - first] = 0.0
        entered = i
        entry_price = price
        fees = quantity * price * rate
        cash -= side * quantity * price + fees
        deadline = open_time[i] + max_ms - candle_ms if max_ms > 0 else NEVER
        ends = days[day] if day < len(days) else NEVER
        reason = waiting = NO_EXIT
        while i >= SHIFT:
            if waiting != NO_EXIT:
                # an exit decided at a close comes before the stop of the candle that fills it
                reason = waiting
                price = market_price(open_[i], side == SHORT, slippage, impact, quantity, volume[i])
                rate = fee
                break
            below, above = (stop, target) if side == LONG else (target, stop)
            if low[i] <= below or high[i] >= above:
                begin, end = (finer_begin[i], finer_end[i]) if len(finer_begin) > 0 else (0, 0)
                reason, price = candle_exit(
                    side, stop, target, limit, open_[i], high[i], low[i],
                    finer_open, finer_high, finer_low, begin, end,
                )  # fmt: skip
                if reason == STOP:
                    price = market_price(
                        price, side == SHORT, slippage, impact, quantity, volume[i]
                    )
                    rate = fee
                    break
                if reason == TAKE_PROFIT:
                    rate = maker_fee
                    break
            if i == last:
                reason = END_OF_DATA
                price = to_tick(close[i])
                rate = fee
                break
            held = quantity * close[i]
            worth = cash + side * held
            exposed += held / worth
            if worth > peak:
                peak = worth
                floor = peak * (1.0 - drawdown)
            elif worth < floor:
                drawdown = 1.0 - worth / peak
                floor = worth
            while i >= ends:
                daily[day] = worth
                day += 1
                ends = days[day] if day < len(days) else NEVER
            if len(equity) > 0:
                equity[i - first] = worth
                exposure[i - first] = held
            if trail > 0.0:
                # in the candle of an entry inside it, high and low may be from before the entry
                is_inside = not math.isnan(limit)
                top = close[i] if is_inside else high[i]
                bottom = close[i] if is_inside else low[i]
                stop = trailed_stop(side, stop, trail, top, bottom)
            limit = math.nan
            if _signal(i, open_, high, low, close, volume, f, p)[0] == EXIT:
                waiting = SIGNAL
            elif open_time[i] >= deadline:
                waiting = TIME
            i += 1
        cash += side * quantity * price - quantity * price * rate
        fees += quantity * price * rate
        gross = side * quantity * (price - entry_price)
        net = gross - fees
        if net > 0.0:
            gains += net
        else:
            lost -= net
        if gross > 0.0:
            won += 1
        if cash > peak:
            peak = cash
            floor = peak * (1.0 - drawdown)
        elif cash < floor:
            drawdown = 1.0 - cash / peak
            floor = cash
        if len(equity) > 0:
            whole[0, trades], whole[1, trades] = entered, i
            whole[2, trades], whole[3, trades] = side, reason
            real[0, trades], real[1, trades] = entry_price, price
            real[2, trades], real[3, trades] = net, gross
        recorded = i
        trades += 1
    _stand(last + 1, cash, day, days, daily)
    if len(equity) > 0:
        equity[recorded - first :] = cash
        exposure[recorded - first :] = 0.0
    figures[:] = math.nan
    closes = last + 1 - first
    if closes > 0:
        figures[0] = 100.0 * (cash / initial - 1.0)
        figures[5] = 100.0 * drawdown
        figures[9] = exposed / closes if drawdown < 1.0 else math.nan
    _ratios(initial, daily, drawdown, figures)
    if lost > 0.0:
        figures[6] = gains / lost
    if trades > 0:
        figures[7] = (gains - lost) / trades
        figures[8] = won / trades
    figures[10] = trades
    return trades
