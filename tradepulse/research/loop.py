"""The loop that trades configurations over all candles. Compiled once for each strategy.

Same rules and same order within a candle as `account.py`, in floats and without a ledger: waiting
orders fill, then stops and targets, then the mark at the close, then decisions. A test compares
the two trade by trade. The candles are traded in tiles, each by all configurations before the
next, so that candles and features are read from memory once. The rows at which a strategy says
something are found first, for a whole tile (`said.py`); from one such row, touch of a level or end
of time to the next, nothing happens to an account but that its closes are counted (`hold`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.accounts import (
    STEPS,
    Account,
    Held,
    close_account,
    closed,
    decided,
    entered,
    held_from,
    held_through,
    keep,
    open_account,
    rested,
    resumed,
)
from tradepulse.research.arrays import FinerArrays
from tradepulse.research.entries import enter
from tradepulse.research.levels import fallen, falling, moved, trailed
from tradepulse.research.positions import (
    STAYS,
    Exit,
    Position,
    Rules,
    exit_in,
    market_exit,
    quiet_end,
)
from tradepulse.research.results import Results
from tradepulse.research.said import TILE_ROWS, Bits, Columns, Said, next_row, tiles_of
from tradepulse.strategies import Answer
from tradepulse.strategies.compiled import step
from tradepulse.strategies.market import Market
from tradepulse.trading.fills import NO_EXIT

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SHIFT = 0
"""Rows before i that the signal reads. Said in the loops, it spares every access the question
whether its row is below zero and so counts from the end."""
FALLS = False
"""Whether the strategy's targets may fall with time; those of no other are looked after."""


class Trial(NamedTuple):
    """One configuration.

    Attributes:
        f: columns that the signal reads.
        p: parameters that the signal reads.
        asked: first row whose signal counts, at least the first that is traded.
        held_ms: how long after its first close a position may be held, below 0 for no such end.
        cooldown_ms: how long after the close that stopped it nothing is entered.
    """

    f: Columns
    p: FloatArray
    asked: int
    held_ms: int
    cooldown_ms: int


class Trials(NamedTuple):
    """Configurations of one strategy.

    Attributes:
        table: columns of features, float64 `(capacity, n)`.
        slots: int64 `(t, 8)`, where in the table the columns of a trial are.
        vectors: float64 `(t, p)`, parameters.
        asked: see `Trial`, int64 `(t,)`; so are the next two.
        held_ms: see `asked`.
        cooldown_ms: see `asked`.
        kept: float64 `(t, KEPT)`, where each account is kept between two tiles.
    """

    table: FloatArray
    slots: IntArray
    vectors: FloatArray
    asked: IntArray
    held_ms: IntArray
    cooldown_ms: IntArray
    kept: FloatArray


def _signal(i: int, c: Market, f: Columns, p: FloatArray) -> Answer:
    raise NotImplementedError


@step
def _passed(
    position: Position,
    held: Held,
    account: Account,
    candles: Market,
    finer: FinerArrays,
    rows: tuple[int, int],
    rules: Rules,
) -> tuple[int, Exit, Position]:
    """Return up to which row a position is held, how it is left in the first, and what it is then.

    Args:
        position: what is held, as it is in the first row.
        held: when it was entered, and whether its exit waits for the next open.
        account: beside the position.
        candles: the series.
        finer: lower-timeframe candles.
        rows: the first, and the one at which something may happen if nothing does before.
        rules: costs.
    """
    row, until = rows
    if held.waiting != NO_EXIT:
        # an exit decided at a close comes before the stop of the candle that fills it
        open_, volume = candles.open[row], candles.volume[row]
        return row, market_exit(held.waiting, position, open_, volume, rules), position
    calm = quiet_end(position, account.cash, candles, row, until)
    if calm > row:
        return calm, STAYS, position
    left = exit_in(position, account.cash, candles, finer, row, rules)
    return row + 1, left, trailed(position, candles, row)


def advance(
    candles: Market,
    finer: FinerArrays,
    rules: Rules,
    trial: Trial,
    results: Results,
    kept: FloatArray,
    said: Said,
) -> None:
    """Trade one configuration over a tile. A template: `_signal` stands for the strategy's.

    Args:
        candles: the series.
        finer: lower-timeframe candles, empty if there are none.
        rules: costs and sizes.
        trial: the configuration.
        results: written to.
        kept: the account as the tile before left it; written to.
        said: what is said in the tile.
    """
    close, open_time = candles.close, candles.open_time
    row, account, held = resumed(kept, results.span)
    last, end = len(close) - 1, said.end
    speaks, leaves = next_row(said.enters, row, said), next_row(said.exits, row, said)
    while SHIFT <= row < end:
        position = held.position
        if position.quantity <= 0.0:
            if speaks >= end:
                row = end
                break
            answer = _signal(speaks, candles, trial.f, trial.p)
            row = speaks + 1
            speaks = next_row(said.enters, row, said)
            position = enter(answer, candles, row, account.cash, rules)
            if position.quantity > 0.0 and row > held.expires:
                account = entered(account, position, row, results)
                if FALLS:
                    position = falling(position, answer.targets, kept[STEPS:], open_time, row)
                held = held_from(position, row, open_time, trial.held_ms)
                leaves = next_row(said.exits, row, said) if leaves < row else leaves
            continue
        calm = min(min(speaks, leaves, held.expires) + 1, last, end)
        if FALLS:
            position = fallen(position, kept[STEPS:], open_time, held.entered, row)
            calm = min(calm, position.changes)
        calm, left, position = _passed(position, held, account, candles, finer, (row, calm), rules)
        if left.reason == NO_EXIT:
            account = held_through(account, position, close, (row, calm), results)
            row = calm
            if row > speaks:
                # nothing is entered, but an answer that is none must not pass in silence
                answer = _signal(speaks, candles, trial.f, trial.p)
                position = moved(position, answer, close[speaks])
                speaks = next_row(said.enters, row, said)
            held = decided(held, position, row - 1, leaves)
        else:
            account = closed(account, held, left, row, results)
            held = rested(left, row, open_time, trial.cooldown_ms)
    keep(kept, row, account, held)


def _mark(*_: object) -> Said:
    raise NotImplementedError


def _advance(*_: object) -> None:
    raise NotImplementedError


def trade(
    candles: Market,
    finer: FinerArrays,
    rules: Rules,
    trial: Trial,
    results: Results,
    kept: FloatArray,
    words: Bits,
) -> int:
    """Trade one configuration, fill its results and return the number of trades.

    A template: `_mark` and `_advance` stand for the strategy's `mark_said` and `advance`.

    Args:
        candles: as of `advance`; so are the others up to `results`.
        finer: see `candles`.
        rules: see `candles`.
        trial: see `candles`.
        results: see `candles`.
        kept: room for the account, float64 `(KEPT,)`.
        words: room for what is said in a tile, uint64 `(2, TILE)`.
    """
    open_account(kept, trial.asked, results.span, rules)
    for tile in range(results.span.first // TILE_ROWS, tiles_of(len(candles.close))):
        said = _mark(candles, trial.f, trial.p, trial.asked, tile, words)
        _advance(candles, finer, rules, trial, results, kept, said)
    return close_account(kept, len(candles.close), rules, results)


def trade_all(
    candles: Market,
    finer: FinerArrays,
    rules: Rules,
    trials: Trials,
    results: Results,
    words: Bits,
) -> None:
    """Trade many configurations, each tile by all before the next. A template, as `trade`.

    Args:
        candles: the series.
        finer: lower-timeframe candles, empty if there are none.
        rules: costs and sizes.
        trials: the configurations.
        results: daily returns and figures with one row for each.
        words: as of `trade`.
    """
    table, kept = trials.table, trials.kept
    for t in range(len(kept)):
        open_account(kept[t], trials.asked[t], results.span, rules)
    for tile in range(results.span.first // TILE_ROWS, tiles_of(len(candles.close))):
        for t in range(len(kept)):
            s = trials.slots[t]
            f = (
                table[s[0]], table[s[1]], table[s[2]], table[s[3]],
                table[s[4]], table[s[5]], table[s[6]], table[s[7]],
            )  # fmt: skip
            trial = Trial(
                f, trials.vectors[t], trials.asked[t], trials.held_ms[t], trials.cooldown_ms[t]
            )
            said = _mark(candles, trial.f, trial.p, trial.asked, tile, words)
            own = Results(results.daily[t], results.figures[t], results.record, results.span)
            _advance(candles, finer, rules, trial, own, kept[t], said)
    for t in range(len(kept)):
        own = Results(results.daily[t], results.figures[t], results.record, results.span)
        close_account(kept[t], len(candles.close), rules, own)
