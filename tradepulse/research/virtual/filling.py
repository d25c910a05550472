"""Steps that take virtual accounts over a close up to its decisions.

Same rules and same order within a close as `trading/account.py`; a test compares their equity at
every close. An account only looks up what becomes of an entry (`trades.py`), so it costs some ten
nanoseconds a configuration and close.
"""

import math

from tradepulse.research.positions import END_OF_DATA, SIGNAL, TIME
from tradepulse.research.virtual.books import (
    EXACT,
    HOLDS,
    WAITS,
    Books,
    Costs,
    drop,
    equity_of,
    quantity_for,
)
from tradepulse.research.virtual.market import Market
from tradepulse.research.virtual.ticks import paid_on_tick, tick_beside
from tradepulse.research.virtual.trades import LAPSES, MARKET, RESTS
from tradepulse.strategies.compiled import row_by_row, step
from tradepulse.trading.fills import (
    LONG,
    SHORT,
    STOP,
    TAKE_PROFIT,
    entry_price,
    market_price,
    within_limit,
)


@step
def _met_price(
    raw: float,
    is_buy: bool,  # noqa: FBT001 - numba takes no keyword-only arguments
    bound: float,
    quantity: float,
    volume: float,
    tick: float,
    costs: Costs,
) -> float:
    """Return the price of an order that meets the market, no worse than a bound that is no NaN."""
    worse = market_price(raw, is_buy, costs.slippage, costs.impact, quantity, volume)
    if math.isnan(bound):
        return paid_on_tick(worse, raw, tick)
    at = paid_on_tick(within_limit(worse, is_buy, bound), raw, tick)
    return within_limit(at, is_buy, bound)


@step
def _enter(
    books: Books, a: int, c: int, quantity: float, price: float, rate: float, market: Market
) -> None:
    trade = market.trades[books.trade[a, c]]
    paid = trade.side * quantity * price + quantity * price * rate
    books.cash[a] -= paid
    books.paid[a, c], books.quantity[a, c] = paid, quantity
    books.state[a, c], books.due[a, c] = HOLDS, trade.leaves
    books.shorts[a] += trade.side == SHORT


@step
def _leave(books: Books, a: int, c: int, price: float, rate: float, market: Market) -> None:
    trade, quantity = market.trades[books.trade[a, c]], books.quantity[a, c]
    gained = trade.side * quantity * price - quantity * price * rate
    books.cash[a] += gained
    books.shorts[a] -= trade.side == SHORT
    if len(books.profits) > 0:
        books.profits[books.trade[a, c]] = gained - books.paid[a, c]
    drop(books, a, c)


@step
def _fill_market_entry(books: Books, a: int, c: int, market: Market, costs: Costs) -> None:
    trade, is_buy = market.trades[books.trade[a, c]], False
    spend = books.spend[a, c]
    if trade.side == LONG:
        is_buy, spend = True, min(spend, books.cash[a])
    worse = entry_price(
        max(spend, 0.0), trade.raw_entry, is_buy, costs.fee, costs.slippage, costs.impact,
        trade.entry_volume,
    )  # fmt: skip
    price = paid_on_tick(worse, trade.raw_entry, trade.entry_tick)
    quantity = quantity_for(spend, price, costs.fee, market, market.instrument[c])
    if quantity > 0.0:
        _enter(books, a, c, quantity, price, costs.fee, market)
    else:
        drop(books, a, c)


@step
def _fill_limit_entry(books: Books, a: int, c: int, market: Market, costs: Costs) -> None:
    trade, quantity = market.trades[books.trade[a, c]], books.quantity[a, c]
    is_buy, price, rate = trade.side == LONG, trade.raw_entry, costs.maker_fee
    if trade.entry != RESTS:
        rate = costs.fee
        price = _met_price(
            price, is_buy, trade.limit, quantity, trade.entry_volume, trade.entry_tick, costs
        )
    cost = quantity * price * (1.0 + rate)
    if is_buy and cost > books.cash[a] + EXACT * books.equity[a]:
        drop(books, a, c)
    else:
        _enter(books, a, c, quantity, price, rate, market)


@step
def _fill_exit(books: Books, a: int, c: int, market: Market, costs: Costs) -> None:
    trade = market.trades[books.trade[a, c]]
    price, rate = trade.raw_exit, costs.fee
    if trade.exit == TAKE_PROFIT and math.isnan(trade.bound):
        rate = costs.maker_fee
    elif trade.exit != END_OF_DATA:
        price = _met_price(
            price, trade.side == SHORT, trade.bound, books.quantity[a, c], trade.exit_volume,
            trade.exit_tick, costs,
        )  # fmt: skip
    if trade.exit == STOP:
        books.rests[a, c] = market.close_time[trade.leaves] + market.cooldown_ms[c]
    _leave(books, a, c, price, rate, market)


@step
def _fill_opens(books: Books, a: int, t: int, market: Market, costs: Costs) -> None:
    """Fill what waits for the opens: entries and exits at market."""
    for c in range(books.state.shape[1]):
        if books.due[a, c] != t:
            continue
        trade = market.trades[books.trade[a, c]]
        if books.state[a, c] == WAITS:
            if trade.entry == MARKET:
                _fill_market_entry(books, a, c, market, costs)
            elif trade.entry == LAPSES:
                drop(books, a, c)
        elif trade.exit == SIGNAL or trade.exit == TIME:  # noqa: PLR1714 - numba
            _fill_exit(books, a, c, market, costs)


@step
def _fill_inside(books: Books, a: int, t: int, market: Market, costs: Costs) -> None:
    """Fill limit entries, then stops and targets."""
    for c in range(books.state.shape[1]):
        if books.due[a, c] == t and books.state[a, c] == WAITS:
            _fill_limit_entry(books, a, c, market, costs)
    for c in range(books.state.shape[1]):
        if books.due[a, c] == t:
            trade = market.trades[books.trade[a, c]]
            if trade.exit == STOP or trade.exit == TAKE_PROFIT:  # noqa: PLR1714 - numba
                _fill_exit(books, a, c, market, costs)


@step
def _liquidate(books: Books, a: int, t: int, market: Market, costs: Costs) -> None:
    for c in range(books.state.shape[1]):
        if books.state[a, c] == HOLDS:
            i = market.instrument[c]
            close = market.marks[t, i]
            is_buy = market.trades[books.trade[a, c]].side == SHORT
            tick = tick_beside(close, market.tick[i], market.tick_is_of_now[i])
            price = paid_on_tick(market_price(close, is_buy, costs.slippage), close, tick)
            _leave(books, a, c, price, costs.fee, market)
        drop(books, a, c)


@row_by_row
def settle_fills(books: Books, a: int, t: int, market: Market, costs: Costs) -> None:
    """Take an account over a close up to its decisions: fills, marks, ruin, ends of series."""
    configurations, is_due = books.state.shape[1], False
    for c in range(configurations):
        is_due |= books.due[a, c] == t
    if is_due:
        _fill_opens(books, a, t, market, costs)
        _fill_inside(books, a, t, market, costs)
    # without a short nothing is owed
    owes = books.shorts[a] > 0 or books.cash[a] <= 0.0
    if owes and equity_of(books, a, t, market) <= 0.0:
        _liquidate(books, a, t, market, costs)
    if is_due:
        for c in range(configurations):
            if books.due[a, c] == t:
                _fill_exit(books, a, c, market, costs)
