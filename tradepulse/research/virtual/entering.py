"""Steps that decide the entries of virtual accounts at a close, as `sizing.py` does."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.arrays import FloatArray
from tradepulse.research.virtual.books import (
    EXACT,
    FLAT,
    HOLDS,
    WAITS,
    Books,
    Costs,
    Limits,
    below,
    quantity_for,
)
from tradepulse.research.virtual.market import Market
from tradepulse.research.virtual.trades import TradeArray
from tradepulse.strategies.compiled import row_by_row, step


class Judged(NamedTuple):
    """What an account holds when an entry is judged, see `Exposure`."""

    equity: float
    total: float
    held: int


@step
def _judged(books: Books, a: int, t: int, market: Market) -> Judged:
    equity, total, count = books.cash[a], 0.0, 0
    books.room[:] = 0.0
    for c in range(books.state.shape[1]):
        if books.state[a, c] == FLAT:
            continue
        i, notional = market.instrument[c], books.spend[a, c]
        if books.state[a, c] == HOLDS:
            notional = books.quantity[a, c] * market.marks[t, i]
            equity += market.trades[books.trade[a, c]].side * notional
        books.room[i] += notional
        total += notional
        count += 1
    return Judged(equity, total, count)


@step
def _notional(
    judged: Judged, weight: float, c: int, held: float, limits: Limits, trade: TradeArray,
    market: Market,
) -> float:  # fmt: skip
    """Return what an entry may spend, 0 if it is refused for its weight or a limit."""
    equity = judged.equity
    if not (equity > 0.0 and weight > 0.0) or judged.held >= limits.max_open_positions:
        return 0.0
    symbol_room = limits.max_symbol_notional * equity - held
    total_room = limits.max_total_notional * equity - judged.total
    if min(symbol_room, total_room) <= EXACT * equity:
        return 0.0
    wanted = equity * weight * market.share[c] * trade.confidence
    distance = abs(trade.expected - trade.stop)
    # false for NaN
    if distance > 0.0:
        wanted = min(wanted, limits.risk_per_trade * equity / distance * trade.expected)
    return float(min(wanted, symbol_room, total_room))


@step
def may_enter(books: Books, a: int, c: int, t: int, market: Market) -> bool:
    """Tell whether a configuration is flat and does not rest after a stop."""
    return bool(books.state[a, c] == FLAT and market.close_time[t] >= books.rests[a, c])


@row_by_row
def settle_entries(
    books: Books,
    a: int,
    t: int,
    market: Market,
    costs: Costs,
    limits: Limits,
    weights: tuple[FloatArray, int, float],
    active: NDArray[np.bool_],
) -> None:
    """Decide an account's entries at a close.

    Args:
        books: of all accounts.
        a: the account.
        t: the close.
        market: what is traded.
        costs: of the account.
        limits: of the account.
        weights: float64 `(rows, N)`, the row that binds, and the equal weight that binds where
            that row is too old.
        active: bool `(n, C)`, the configurations whose signals each account follows.
    """
    table, row, equal = weights
    is_judged, judged = False, Judged(0.0, 0.0, 0)
    for k in range(market.first[t], market.first[t + 1]):
        trade = market.trades[k]
        c = trade.configuration
        if not active[a, c] or not may_enter(books, a, c, t, market):
            continue
        if not is_judged:
            is_judged, judged = True, _judged(books, a, t, market)
            books.equity[a] = judged.equity
        i = market.instrument[c]
        weight = table[row, i]
        if market.gap[t] > max(limits.max_weight_age_ms, 2 * market.candle_ms[c]):
            weight = equal
        notional = _notional(judged, weight, c, books.room[i], limits, trade, market)
        quantity = 0.0
        if math.isnan(trade.limit):
            if below(notional, market.min_notional[i] * (1.0 + costs.fee)):
                continue
        else:
            fee = max(costs.fee, costs.maker_fee)
            quantity = quantity_for(notional, trade.limit, fee, market, i)
            if not quantity > 0.0:
                continue
        if not notional > 0.0:
            continue
        books.state[a, c], books.trade[a, c], books.due[a, c] = WAITS, k, trade.enters
        books.spend[a, c], books.quantity[a, c] = notional, quantity
        books.room[i] += notional
        judged = Judged(judged.equity, judged.total + notional, judged.held + 1)


@step
def is_asked(books: Books, a: int, t: int, market: Market, active: NDArray[np.bool_]) -> bool:
    """Tell whether a configuration that may enter has an entry signal at a close."""
    for k in range(market.first[t], market.first[t + 1]):
        c = market.trades[k].configuration
        if active[a, c] and may_enter(books, a, c, t, market):
            return True
    return False
