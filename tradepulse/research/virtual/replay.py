"""One virtual account over all closes: what weights would have made of the same signals."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.arrays import FloatArray, IntArray
from tradepulse.research.virtual.books import (
    HOLDS,
    Books,
    Costs,
    Limits,
    books_of,
    open_books,
)
from tradepulse.research.virtual.entering import settle_entries
from tradepulse.research.virtual.filling import settle_fills
from tradepulse.research.virtual.market import Market, VirtualMarket
from tradepulse.strategies.compiled import row_by_row
from tradepulse.trading.defaults import CASH
from tradepulse.trading.sizing import AccountRules


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What an account did, `(T,)` each but for the profits.

    Attributes:
        close_time: int64, epoch ms.
        equity: float64, quote currency, as of `EquityPoint`; so are the next three.
        cash: see `equity`.
        exposure: see `equity`.
        open_positions: int64.
        profits: float64 `(K,)`, of each trade of the table after costs, NaN where it was not made.
    """

    close_time: IntArray
    equity: FloatArray
    cash: FloatArray
    exposure: FloatArray
    open_positions: IntArray
    profits: FloatArray


def costs_of(rules: AccountRules) -> Costs:
    """Return the costs of an account as compiled code takes them."""
    fee = float(rules.fee)
    return Costs(
        fee,
        float(rules.fee_of(is_maker=True)),
        float(rules.slippage),
        float(rules.impact),
    )


def limits_of(rules: AccountRules) -> Limits:
    """Return the limits of an account as compiled code takes them."""
    limits = rules.limits
    risk = limits.risk_per_trade
    return Limits(
        float(limits.max_symbol_notional),
        float(limits.max_total_notional),
        limits.max_open_positions,
        math.inf if risk is None else float(risk),
        rules.max_weight_age_ms,
    )


def replay(
    market: VirtualMarket,
    weights: FloatArray,
    rules: AccountRules,
    cash: float = float(CASH),
    span: tuple[int, int] | None = None,
    budget: float = 1.0,
) -> Replay:
    """Trade all signals with the weights of each close, which bind from the next one.

    Args:
        market: what is traded; its own rules of markets are used, not those of `rules`.
        weights: float64 `(T, N)`, see `decided_weights`.
        rules: costs and limits.
        cash: at the beginning, quote currency.
        span: first close that is settled and the one before which the replay ends; all closes by
            default. What is held then is marked at its last close. From a first close that is not
            the market's own, the weights of the close before it bind.
        budget: of the weights, which is shared out equally where they are too old.

    Raises:
        ValueError: the weights are of another shape or not finite, or the span is empty.
    """
    arrays = market.arrays
    begin, end = span or (0, len(arrays.close_time))
    if weights.shape != arrays.marks.shape or not np.isfinite(weights).all():
        raise ValueError(
            f"weights of shape {weights.shape} for {arrays.marks.shape} closes and instruments, "
            "or some that are not finite"
        )
    if not 0 <= begin < end <= len(arrays.close_time):
        raise ValueError(f"no closes from {begin} to {end} of {len(arrays.close_time)}")
    books = books_of(1, arrays, keeps_profits=True)
    open_account(books, cash)
    marked, count = np.empty((3, end - begin)), np.empty(end - begin, dtype=np.int64)
    active = np.ones((1, len(arrays.instrument)), dtype=np.bool_)
    sharing = np.maximum(arrays.traded.sum(axis=1), 1)
    equal = np.minimum(budget / sharing, 1.0)
    # before the first weights no budget is known
    equal[0] = 1.0 / sharing[0]
    table = np.ascontiguousarray(weights, dtype=np.float64)
    _replayed(
        books, arrays, (table, equal, active), costs_of(rules), limits_of(rules), begin,
        (marked, count),
    )  # fmt: skip
    equity, left, exposure = marked
    return Replay(arrays.close_time[begin:end], equity, left, exposure, count, books.profits)


@row_by_row
def open_account(books: Books, cash: float) -> None:
    """Give the first account its cash."""
    open_books(books, 0, cash)


@row_by_row
def _replayed(
    books: Books,
    market: Market,
    decided: tuple[FloatArray, FloatArray, NDArray[np.bool_]],
    costs: Costs,
    limits: Limits,
    begin: int,
    marked: tuple[FloatArray, IntArray],
) -> None:
    table, equal, active = decided
    figures, count = marked
    for n in range(len(count)):
        t = begin + n
        settle_fills(books, 0, t, market, costs)
        binding = (table, max(t - 1, 0), equal[t])
        settle_entries(books, 0, t, market, costs, limits, binding, active)
        value, exposure, held = 0.0, 0.0, 0
        for c in range(books.state.shape[1]):
            if books.state[0, c] == HOLDS:
                notional = books.quantity[0, c] * market.marks[t, market.instrument[c]]
                value += market.trades[books.trade[0, c]].side * notional
                exposure += notional
                held += 1
        figures[0, n] = books.cash[0] + value
        figures[1, n], figures[2, n], count[n] = books.cash[0], exposure, held
