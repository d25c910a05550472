"""Steps of the loop that keep what a trial comes to: drawdown, days, trades, figures, records."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.positions import NEVER, Exit, Position
from tradepulse.strategies.compiled import compiled, step
from tradepulse.trading.metrics import DAYS_PER_YEAR, ROUNDING

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
    """

    daily: FloatArray
    figures: FloatArray
    record: Record


class Drawdown(NamedTuple):
    """The deepest fall so far, as a fraction; the highest equity, and where a deeper one begins."""

    depth: float
    peak: float
    floor: float


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
    depth, peak, floor = drawdown
    if equity > peak:
        peak = equity
        floor = peak * (1.0 - depth)
    elif equity < floor:
        depth = 1.0 - equity / peak
        floor = equity
    return Drawdown(depth, peak, floor)


@step
def next_day(ended: int, days: IntArray) -> Days:
    """Return the count before the first row."""
    return Days(ended, days[ended] if ended < len(days) else NEVER)


@step
def end_days(counted: Days, row: int, equity: float, days: IntArray, daily: FloatArray) -> Days:
    """Write the equity of the days that end up to a row."""
    day, next_end = counted
    while row >= next_end:
        daily[day] = equity
        day += 1
        next_end = days[day] if day < len(days) else NEVER
    return Days(day, next_end)


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
def record_cash(record: Record, begin: int, end: int, cash: float) -> None:
    """Record an account that is all cash, for some rows of the record."""
    if len(record.equity) > 0:
        record.equity[begin:end] = cash
        record.exposure[begin:end] = 0.0


@step
def record_mark(record: Record, row: int, equity: float, held: float) -> None:
    """Record a position that is held at a close."""
    if len(record.equity) > 0:
        record.equity[row] = equity
        record.exposure[row] = held


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
