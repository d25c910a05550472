"""What virtual accounts hold between closes, in floats and without a ledger."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.arrays import FloatArray, IntArray
from tradepulse.research.positions import NEVER
from tradepulse.research.virtual.market import Market
from tradepulse.strategies.compiled import step

FLAT = 0
WAITS = 1
HOLDS = 2
EXACT = 1e-12
"""What rounding leaves of an amount, as a fraction of the equity that it is a part of. Floats tell
two amounts apart beyond this, decimals always."""


class Books(NamedTuple):
    """The state of n accounts between closes.

    Attributes:
        cash: float64 `(n,)`.
        equity: float64 `(n,)`, at the last close at which an entry was judged.
        shorts: int64 `(n,)`, how many shorts are held.
        state: int8 `(n, C)`, `FLAT`, `WAITS` or `HOLDS`.
        trade: int64 `(n, C)`, the trade that waits or is held.
        due: int64 `(n, C)`, close at which something happens to it; `NEVER` while flat.
        rests: int64 `(n, C)`, time of the first close at which it may enter after a stop, epoch ms.
        quantity: float64 `(n, C)`, base currency; of a market entry that waits, 0.
        spend: float64 `(n, C)`, what an entry that waits may spend.
        paid: float64 `(n, C)`, what the entry of a position took from the cash.
        room: float64 `(N,)`, notional by instrument, scratch.
        profits: float64 `(K,)`, of each trade after costs, written where it is not empty.
    """

    cash: FloatArray
    equity: FloatArray
    shorts: IntArray
    state: NDArray[np.int8]
    trade: IntArray
    due: IntArray
    rests: IntArray
    quantity: FloatArray
    spend: FloatArray
    paid: FloatArray
    room: FloatArray
    profits: FloatArray


class Costs(NamedTuple):
    """What an order costs, see `AccountRules`; impact is told as slippage is."""

    fee: float
    maker_fee: float
    slippage: float
    impact: float


class Limits(NamedTuple):
    """Limits of an account, see `RiskLimits`; `risk_per_trade` is infinite for none."""

    max_symbol_notional: float
    max_total_notional: float
    max_open_positions: int
    risk_per_trade: float
    max_weight_age_ms: int


def books_of(accounts: int, market: Market, *, keeps_profits: bool = False) -> Books:
    """Return the books of accounts without cash."""
    shape = (accounts, len(market.instrument))
    return Books(
        np.zeros(accounts),
        np.zeros(accounts),
        np.zeros(accounts, dtype=np.int64),
        np.zeros(shape, dtype=np.int8),
        np.full(shape, -1, dtype=np.int64),
        np.full(shape, NEVER, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(market.marks.shape[1]),
        np.full(len(market.trades) if keeps_profits else 0, math.nan),
    )


@step
def open_books(books: Books, a: int, cash: float) -> None:
    """Begin an account anew."""
    books.cash[a], books.shorts[a] = cash, 0
    for c in range(books.state.shape[1]):
        books.state[a, c], books.due[a, c], books.rests[a, c] = FLAT, NEVER, 0


@step
def equity_of(books: Books, a: int, t: int, market: Market) -> float:
    """Return an account's equity at a close."""
    value = 0.0
    for c in range(books.state.shape[1]):
        if books.state[a, c] == HOLDS:
            side = market.trades[books.trade[a, c]].side
            value += side * books.quantity[a, c] * market.marks[t, market.instrument[c]]
    return float(books.cash[a]) + value


@step
def below(amount: float, least: float) -> bool:
    """Tell whether an amount is below a least one by more than rounding."""
    return amount < least * (1.0 - EXACT)


@step
def quantity_for(spend: float, price: float, fee: float, market: Market, i: int) -> float:
    """Return what an amount buys or sells, 0 where an order cannot be so small."""
    if not price > 0.0:
        return 0.0
    quantity, notional = spend / (price * (1.0 + fee)), spend / (1.0 + fee)
    if market.step[i] > 0.0:
        quantity = math.floor(quantity / market.step[i] * (1.0 + EXACT)) * market.step[i]
        notional = quantity * price
    if below(quantity, market.min_quantity[i]) or below(notional, market.min_notional[i]):
        return 0.0
    return max(quantity, 0.0)


@step
def drop(books: Books, a: int, c: int) -> None:
    """Let a configuration be flat."""
    books.state[a, c], books.due[a, c] = FLAT, NEVER
