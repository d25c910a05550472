"""The loop that trades one configuration over all candles. Compiled once for each strategy.

Same rules and same order within a candle as `account.py`, in floats and without a ledger: waiting
orders fill, then stops and targets, then the mark at the close, then decisions. A test compares
the two trade by trade. While nothing is held only the strategy is asked; all figures are taken on
the way, so that a trial of a search writes nothing but them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.arrays import CandleArrays, FinerArrays, Span
from tradepulse.research.positions import (
    NEVER,
    Rules,
    decided_exit,
    entry_order,
    entry_side,
    exit_at_close,
    fill_entry,
    market_exit,
    may_leave,
    prices_at,
    protective_exit,
    trailed,
)
from tradepulse.research.results import (
    Drawdown,
    Results,
    Tally,
    close_trade,
    deeper,
    fill_figures,
    mark,
    stand,
)
from tradepulse.trading.fills import NO_EXIT

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Columns = tuple[NDArray[np.int8] | FloatArray, ...]

SHIFT = 0
"""Rows before i that the signal reads. Said in the loops, it spares every access the question
whether its row is below zero and so counts from the end."""


class Trial(NamedTuple):
    """One configuration.

    Attributes:
        f: columns that the signal reads.
        p: parameters that the signal reads.
        asked: first row whose signal counts, at least the first that is traded.
        max_ms: how long a position may be held, 0 for no such end.
    """

    f: Columns
    p: FloatArray
    asked: int
    max_ms: int


class Trials(NamedTuple):
    """Configurations of one strategy.

    Attributes:
        table: columns of features, float64 `(capacity, n)`.
        slots: int64 `(t, 8)`, where in the table the columns of a trial are.
        vectors: float64 `(t, p)`, parameters.
        asked: see `Trial`, int64 `(t,)`; so is `max_ms`.
        max_ms: see `asked`.
    """

    table: FloatArray
    slots: IntArray
    vectors: FloatArray
    asked: IntArray
    max_ms: IntArray


def _signal(
    i: int,
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    f: Columns,
    p: FloatArray,
) -> tuple[int, float, float, float, float]:
    raise NotImplementedError


def trade(
    candles: CandleArrays,
    finer: FinerArrays,
    span: Span,
    rules: Rules,
    trial: Trial,
    results: Results,
) -> int:
    """Trade one configuration, fill its results and return the number of trades.

    A template: `_signal` stands for the strategy's.
    """
    open_, high, low, close, volume, open_time = candles
    last, cash, exposed = len(close) - 1, rules.initial_cash, 0.0
    drawdown, day, tally = Drawdown(0.0, cash, cash), 0, Tally(0, 0, 0.0, 0.0)
    recorded, i = span.first, trial.asked
    while SHIFT <= i < last:
        # flat: nothing changes until an entry is filled
        said = _signal(i, open_, high, low, close, volume, trial.f, trial.p)
        side = entry_side(said[0], rules)
        i += 1
        if side == 0:
            continue
        order = entry_order(side, said, close[i - 1])
        position = fill_entry(order, prices_at(candles, i), cash, rules)
        if position.quantity <= 0.0:
            continue
        # held: from the candle of the entry to that of the exit
        days = stand(day, recorded, i, cash, span, results)
        cash -= position.side * position.quantity * position.price + position.fee
        entered, waiting = i, NO_EXIT
        deadline = open_time[i] + trial.max_ms - span.candle_ms if trial.max_ms > 0 else NEVER
        while i >= SHIFT:
            if waiting != NO_EXIT:
                # an exit decided at a close comes before the stop of the candle that fills it
                left = market_exit(waiting, position, open_[i], volume[i], rules)
                break
            if may_leave(position, high[i], low[i]):
                left = protective_exit(position, candles, finer, i, rules)
                if left.reason != NO_EXIT:
                    break
            held = position.quantity * close[i]
            equity = cash + position.side * held
            if equity <= 0.0 or i == last:
                left = exit_at_close(position, close[i], equity, rules)
                break
            exposed += held / equity
            drawdown = deeper(drawdown, equity)
            days = mark(days, i, equity, held, span, results)
            position = trailed(position, candles, i)
            said = _signal(i, open_, high, low, close, volume, trial.f, trial.p)
            waiting = decided_exit(said[0], open_time[i], deadline)
            i += 1
        cash, tally = close_trade(cash, position, left, (entered, i), tally, results.record)
        drawdown = deeper(drawdown, cash)
        day, recorded = days.ended, i
    stand(day, recorded, last + 1, cash, span, results)
    closes = last + 1 - span.first
    fill_figures(results, tally, drawdown.depth, rules.initial_cash, cash, exposed, closes)
    return tally.trades


def _trade(*_: object) -> int:
    raise NotImplementedError


def trade_all(
    candles: CandleArrays,
    finer: FinerArrays,
    span: Span,
    rules: Rules,
    trials: Trials,
    results: Results,
) -> None:
    """Trade one configuration after the other. A template: `_trade` stands for the strategy's loop.

    Args:
        candles: the series.
        finer: lower-timeframe candles, empty if there are none.
        span: what is traded of the candles.
        rules: costs and sizes.
        trials: the configurations.
        results: figures with one row for each, daily returns with one for each or for all.
    """
    table = trials.table
    for t in range(len(trials.vectors)):
        s = trials.slots[t]
        f = (
            table[s[0]], table[s[1]], table[s[2]], table[s[3]],
            table[s[4]], table[s[5]], table[s[6]], table[s[7]],
        )  # fmt: skip
        _trade(
            candles,
            finer,
            span,
            rules,
            Trial(f, trials.vectors[t], trials.asked[t], trials.max_ms[t]),
            Results(results.daily[t % len(results.daily)], results.figures[t], results.record),
        )
