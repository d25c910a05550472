"""One configuration alone on one series, fast: what a search runs thousands of times.

Same rules and same order within a candle as `account.py`, in floats and without a ledger:
waiting orders fill at the open, then stops and targets, then the mark at the close, then
decisions. A test compares the two trade by trade.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.trading.candles import Candles
from tradepulse.trading.compiled import compiled
from tradepulse.trading.fills import LONG, NO_EXIT, SHORT, exit_fill, market_price
from tradepulse.trading.strategies import ENTER_LONG, ENTER_SHORT, EXIT, Evaluations

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

STOP = 1
TAKE_PROFIT = 2
SIGNAL = 3
END_OF_DATA = 4
REASONS = {STOP: "stop", TAKE_PROFIT: "take_profit", SIGNAL: "signal", END_OF_DATA: "end_of_data"}
"""Names of the exit reasons, as in the events."""


@dataclass(frozen=True, slots=True)
class SimulationRules:
    """What an order costs and how large an entry is.

    Attributes:
        initial_cash: quote currency.
        fee: fraction of the notional, on both sides.
        slippage: fraction by which a market order's open is worsened.
        fraction: an entry's notional as a fraction of the equity at the signal's close.
        min_notional: a smaller entry is refused, quote currency.
        allows_margin: whether the market may be sold short.
    """

    initial_cash: float = 100_000.0
    fee: float = 0.001
    slippage: float = 0.0005
    fraction: float = 0.5
    min_notional: float = 10.0
    allows_margin: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """What a configuration did. Views of the simulator's buffers: the next run overwrites them.

    Attributes:
        equity: float64 `(n,)`, cash plus position at each close, from the first traded candle.
        exposure: float64 `(n,)`, absolute notional of the position at each close.
        entry: int64 `(m,)`, row (of the whole series) at whose open each trade was entered.
        exit: int64 `(m,)`, row at whose open (`SIGNAL`), or in or at whose end, it was left.
        side: int64 `(m,)`, `LONG` or `SHORT`.
        entry_price: float64 `(m,)`, after slippage; so is `exit_price`.
        exit_price: see `entry_price`.
        reason: int64 `(m,)`, a key of `REASONS`.
        net: float64 `(m,)`, profit after fees, quote currency.
        gross: float64 `(m,)`, profit before fees.
    """

    equity: FloatArray
    exposure: FloatArray
    entry: IntArray
    exit: IntArray
    side: IntArray
    entry_price: FloatArray
    exit_price: FloatArray
    reason: IntArray
    net: FloatArray
    gross: FloatArray


@compiled
def _leave(
    side: int,
    stop: float,
    target: float,
    candle: tuple[float, float, float, float],
    is_last: bool,  # noqa: FBT001 - numba takes no keyword-only arguments
) -> tuple[int, float]:
    """Tell whether and at what price a candle ends a position that no order closes."""
    open_, high, low, close = candle
    outcome, price = exit_fill(side, stop, target, open_, high, low)
    if outcome == NO_EXIT and is_last:
        return END_OF_DATA, close
    return outcome, price


@compiled
def _entry_side(action: int, allows_margin: float) -> int:
    """Return the side that a flat account enters, 0 for none."""
    if action == ENTER_LONG:
        return LONG
    if action == ENTER_SHORT and allows_margin > 0.0:
        return SHORT
    return 0


@compiled
def _record(
    whole: IntArray,
    real: FloatArray,
    trade: int,
    row: int,
    reason: int,
    price: float,
    quantity: float,
    fees: float,
) -> None:
    """Complete the record of a trade that was begun at its entry."""
    whole[1, trade] = row
    whole[3, trade] = reason
    real[1, trade] = price
    gross = whole[2, trade] * quantity * (price - real[0, trade])
    real[2, trade] = gross - fees
    real[3, trade] = gross


@compiled
def _run(
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    action: NDArray[np.int8],
    stops: FloatArray,
    targets: FloatArray,
    first: int,
    rules: tuple[float, float, float, float, float, float],
    equity: FloatArray,
    exposure: FloatArray,
    whole: IntArray,
    real: FloatArray,
) -> int:
    """Fill the buffers and return the number of trades; see `Simulation` for what they hold."""
    cash, fee, slippage, fraction, min_notional, allows_margin = rules
    last = len(close) - 1
    trades = waiting_entry = side = entered = 0
    waiting_exit = False
    quantity = entry_fee = 0.0
    for i in range(first, last + 1):
        reason = 0
        price = 0.0
        # waiting orders fill at the open
        if waiting_entry != 0:
            price = market_price(open_[i], waiting_entry == LONG, slippage)
            entry_fee = quantity * price * fee
            # without leverage, a gap up may have made the entry unaffordable
            if waiting_entry == SHORT or quantity * price + entry_fee <= cash:
                side = waiting_entry
                cash -= side * quantity * price + entry_fee
                whole[0, trades] = i
                whole[2, trades] = side
                real[0, trades] = price
            waiting_entry = 0
        elif waiting_exit:
            reason = SIGNAL
            price = market_price(open_[i], side == SHORT, slippage)
            waiting_exit = False
        # stops and targets, of a position entered at this very open too
        if side != 0 and reason == 0:
            candle = (open_[i], high[i], low[i], close[i])
            reason, price = _leave(side, stops[entered], targets[entered], candle, i == last)
        if reason != 0:
            exit_fee = quantity * price * fee
            cash += side * quantity * price - exit_fee
            _record(whole, real, trades, i, reason, price, quantity, entry_fee + exit_fee)
            trades += 1
            side = 0
        held = abs(side) * quantity * close[i]
        equity[i - first] = cash + side * held
        exposure[i - first] = held
        # decisions at the close
        if side != 0:
            waiting_exit = action[i] == EXIT
        elif i < last and fraction * equity[i - first] >= min_notional:
            waiting_entry = _entry_side(action[i], allows_margin)
            if waiting_entry != 0:
                quantity = fraction * equity[i - first] / close[i]
                entered = i
    return trades


class Simulator:
    """Runs configurations in the same buffers: fresh ones would double a search's time.

    Not for two threads at once.
    """

    def __init__(self, rules: SimulationRules) -> None:
        self.rules = rules
        self._figures = (
            float(rules.initial_cash),
            float(rules.fee),
            float(rules.slippage),
            float(rules.fraction),
            float(rules.min_notional),
            float(rules.allows_margin),
        )
        self._reserve(0)

    def _reserve(self, rows: int) -> None:
        self._equity = np.empty(rows)
        self._exposure = np.empty(rows)
        self._whole = np.empty((4, rows), dtype=np.int64)
        self._real = np.empty((4, rows))

    def run(self, candles: Candles, evaluations: Evaluations, first: int = 0) -> Simulation:
        """Trade the candles from row `first` on; those before only fed the strategy.

        An open position is closed at the last close.

        Args:
            candles: the series.
            evaluations: the strategy's, of the same rows.
            first: first row at whose close a signal counts.

        Raises:
            ValueError: the evaluations belong to other candles, or `first` is no row.
        """
        n = len(candles)
        if len(evaluations.action) != n:
            raise ValueError(f"{len(evaluations.action)} evaluations for {n} candles")
        if not 0 <= first < max(n, 1):
            raise ValueError(f"first row {first} is outside of {n} candles")
        if n > len(self._equity):
            self._reserve(n)
        trades = _run(
            np.ascontiguousarray(candles.open),
            np.ascontiguousarray(candles.high),
            np.ascontiguousarray(candles.low),
            np.ascontiguousarray(candles.close),
            evaluations.action,
            evaluations.stop,
            evaluations.take_profit,
            first,
            self._figures,
            self._equity,
            self._exposure,
            self._whole,
            self._real,
        )
        whole, real = self._whole[:, :trades], self._real[:, :trades]
        return Simulation(
            equity=self._equity[: n - first],
            exposure=self._exposure[: n - first],
            entry=whole[0],
            exit=whole[1],
            side=whole[2],
            entry_price=real[0],
            exit_price=real[1],
            reason=whole[3],
            net=real[2],
            gross=real[3],
        )
