"""Steps of the loop that keep what a trial comes to: drawdown, days, trades, figures, records."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.arrays import Span
from tradepulse.research.positions import NEVER, Exit, Position
from tradepulse.strategies.compiled import compiled, step
from tradepulse.trading.metrics import DAYS_PER_YEAR, LEAST_DAYS_OF_A_RATE, ROUNDING

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Record(NamedTuple):
    """All that a run did; empty where none is kept.

    Attributes:
        equity: cash plus position at each close, from the first row that is traded.
        exposure: absolute notional of the position at each close.
        rows: int64 `(4, m)`: of each trade the rows of entry and exit, side and reason.
        prices: float64 `(4, m)`: of each trade the prices of entry and exit, net and gross.
    """

    equity: FloatArray
    exposure: FloatArray
    rows: IntArray
    prices: FloatArray


class Results(NamedTuple):
    """What the loop fills.

    Attributes:
        daily: the daily returns; NaN if the equity did not stay positive.
        figures: `metrics.FIGURES`; NaN for those undefined.
        record: equity, exposure and trades.
        span: what is traded.
    """

    daily: FloatArray
    figures: FloatArray
    record: Record
    span: Span


class Drawdown(NamedTuple):
    """The deepest fall before the highest equity, as a fraction; that equity, the least since."""

    depth: float
    peak: float
    least: float


class Holding(NamedTuple):
    """A position as its closes are counted: the cash beside it, its side and its quantity."""

    cash: float
    side: int
    quantity: float


class Days(NamedTuple):
    """How many days have ended, and the last row of the next one, `NEVER` after the last."""

    ended: int
    next_end: int


class Tally(NamedTuple):
    """The trades so far: how many, how many won before fees, sums of gains and losses after."""

    trades: int
    won: int
    gains: float
    losses: float


@step
def deeper(drawdown: Drawdown, equity: float) -> Drawdown:
    """Take in the equity at a moment."""
    if equity > drawdown.peak:
        return Drawdown(deepest(drawdown), equity, equity)
    least = min(drawdown.least, equity)
    return Drawdown(drawdown.depth, drawdown.peak, least)


@step
def deepest(drawdown: Drawdown) -> float:
    """Return the deepest fall so far, as a fraction."""
    return max(drawdown.depth, 1.0 - drawdown.least / drawdown.peak)


@step
def hold(
    holding: Holding, close: FloatArray, rows: tuple[int, int], drawdown: Drawdown
) -> tuple[float, Drawdown]:
    """Take in the closes of rows with a position, from the first to before the second.

    Two rows at a time: their two shares have one division, which costs more than all the rest.

    Returns:
        The sum of the shares of the equity that were held, and the drawdown.
    """
    cash, side, quantity = holding
    begin, end = rows
    shares, highest, lowest = 0.0, -math.inf, math.inf
    row = begin
    while 0 <= row < end - 1:
        first, second = close[row], close[row + 1]
        held, later = quantity * first, quantity * second
        equity, after = cash + side * held, cash + side * later
        shares += (held * after + later * equity) / (equity * after)
        upper, lower = (first, second) if first > second else (second, first)
        highest = max(highest, upper)
        lowest = min(lowest, lower)
        row += 2
    if 0 <= row < end:
        only = close[row]
        held = quantity * only
        shares += held / (cash + side * held)
        highest = max(highest, only)
        lowest = min(lowest, only)
    best = cash + side * (quantity * (highest if side > 0 else lowest))
    if best > drawdown.peak:
        row = begin
        while 0 <= row < end:
            drawdown = deeper(drawdown, cash + side * (quantity * close[row]))
            row += 1
    else:
        worst = cash + side * (quantity * (lowest if side > 0 else highest))
        drawdown = deeper(drawdown, worst)
    return shares, drawdown


@step
def end_days(days: Days, row: int, equity: float, results: Results) -> Days:
    """Write the equity of the days that end up to a row."""
    ended, next_end = days
    span = results.span
    while row >= next_end:
        results.daily[ended] = equity
        ended += 1
        next_end = span.days[ended] if ended < len(span.days) else NEVER
    return Days(ended, next_end)


@step
def next_day(ended: int, span: Span) -> Days:
    """Return the days after so many have ended."""
    return Days(ended, span.days[ended] if ended < len(span.days) else NEVER)


@step
def stand(ended: int, begin: int, end: int, cash: float, results: Results) -> Days:
    """Write an account that is all cash from the close of row `begin` to that before row `end`.

    Args:
        ended: days that have ended so far.
        begin: first row that is not yet recorded.
        end: row that follows the last one.
        cash: what the account has.
        results: written to.
    """
    record, span = results.record, results.span
    if len(record.equity) > 0:
        record.equity[begin - span.first : end - span.first] = cash
        record.exposure[begin - span.first : end - span.first] = 0.0
    return end_days(next_day(ended, span), end - 1, cash, results)


@step
def mark(
    days: Days, holding: Holding, close: FloatArray, rows: tuple[int, int], results: Results
) -> Days:
    """Write an account that holds a position at the closes of rows, from the first to the second.

    The second is not among them.
    """
    cash, side, quantity = holding
    begin, end = rows
    record, span = results.record, results.span
    if len(record.equity) > 0:
        for row in range(begin, end):
            held = quantity * close[row]
            record.equity[row - span.first] = cash + side * held
            record.exposure[row - span.first] = held
    while begin <= days.next_end < end:
        equity = cash + side * (quantity * close[days.next_end])
        days = end_days(days, days.next_end, equity, results)
    return days


@step
def counted(tally: Tally, gross: float, net: float) -> Tally:
    """Count a trade, by its profit before and after fees."""
    trades, won, gains, losses = tally
    if net > 0.0:
        gains += net
    else:
        losses -= net
    if gross > 0.0:
        won += 1
    return Tally(trades + 1, won, gains, losses)


@step
def record_trade(
    record: Record,
    trade: int,
    rows: tuple[int, int],
    position: Position,
    left: Exit,
    profit: tuple[float, float],
) -> None:
    """Record a trade with the rows of entry and exit, and with its profit, net and gross."""
    if len(record.equity) > 0:
        record.rows[0, trade], record.rows[1, trade] = rows
        record.rows[2, trade], record.rows[3, trade] = position.side, left.reason
        record.prices[0, trade], record.prices[1, trade] = position.price, left.price
        record.prices[2, trade], record.prices[3, trade] = profit


@step
def close_trade(
    cash: float,
    position: Position,
    left: Exit,
    rows: tuple[int, int],
    tally: Tally,
    record: Record,
) -> tuple[float, Tally]:
    """Count and record the trade of a position that is left; return the cash after it as well."""
    fee = position.quantity * left.price * left.rate
    cash += position.side * position.quantity * left.price - fee
    gross = position.side * position.quantity * (left.price - position.price)
    net = gross - (position.fee + fee)
    record_trade(record, tally.trades, rows, position, left, (net, gross))
    return cash, counted(tally, gross, net)


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
    if drawdown > 0.0 and days >= LEAST_DAYS_OF_A_RATE:
        figures[3] = ((final / initial) ** (DAYS_PER_YEAR / days) - 1.0) / drawdown
    figures[4] = deviation * year


@compiled
def fill_figures(
    results: Results,
    tally: Tally,
    drawdown: float,
    initial: float,
    final: float,
    exposed: float,
    closes: int,
) -> None:
    """Fill the figures, and make the days' equities returns.

    Args:
        results: filled; has the equity at the end of each day.
        tally: the trades.
        drawdown: the deepest, as a fraction.
        initial: cash at the begin.
        final: cash at the end.
        exposed: sum over the closes of the share of the equity that was held.
        closes: how many closes there were.
    """
    figures = results.figures
    figures[:] = math.nan
    if closes > 0:
        figures[0] = 100.0 * (final / initial - 1.0)
        figures[5] = 100.0 * drawdown
        figures[9] = exposed / closes if drawdown < 1.0 else math.nan
    _ratios(initial, results.daily, drawdown, figures)
    if tally.losses > 0.0:
        figures[6] = tally.gains / tally.losses
    if tally.trades > 0:
        figures[7] = (tally.gains - tally.losses) / tally.trades
        figures[8] = tally.won / tally.trades
    figures[10] = tally.trades
    for k in range(len(figures)):
        if not math.isfinite(figures[k]):
            figures[k] = math.nan
