"""Backtest configurations on one account, close by close, exactly as they trade live.

The loop below is the live path without its wires: candles become signals (`evaluate`), closes
become moments (as `event_time` gathers them), weights decided at one close bind from the next,
and the same `Account` settles each moment.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import numpy as np

from contracts.events import Signal
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.strategies.evaluate import (
    Configuration,
    Entries,
    entries_in,
    evaluations_of,
    signals_in,
)
from tradepulse.trading.account import Account
from tradepulse.trading.fills import Prices
from tradepulse.trading.moments import Moment, Settlement, Weights
from tradepulse.trading.orders import EquityPoint, Order, Trade
from tradepulse.trading.policies.weighing import history_for, weigh
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import (
    ReturnHistory,
    Span,
    WeightPolicy,
    instruments_of,
    traded_at,
)


@dataclass(slots=True)
class BacktestResult:
    """What a backtest did.

    Attributes:
        trades: in the order in which they closed.
        equity: one point per close time.
        refused: entries that were not made, with their reasons.
        entries: by configuration, the entries that its strategy asked for; those refused for
            their levels never became orders.
        ruined_at: close at which the equity was not above zero, epoch ms; None if it never was.
        fallbacks: closes that inverse volatility decided in place of the policy, by the reason.
    """

    trades: list[Trade] = field(default_factory=list)
    equity: list[EquityPoint] = field(default_factory=list)
    refused: list[Order] = field(default_factory=list)
    entries: dict[UUID, Entries] = field(default_factory=dict)
    ruined_at: int | None = None
    fallbacks: Counter[str] = field(default_factory=Counter)

    def add(self, settlement: Settlement) -> None:
        """Take in one settled close."""
        self.trades += settlement.closed
        self.refused += [o for o in settlement.orders.values() if o.status == "REFUSED"]
        if settlement.ruined:
            self.ruined_at = settlement.close_time
        if settlement.equity is not None:
            self.equity.append(settlement.equity)


def backtest(
    candles: Sequence[Candles],
    configurations: Sequence[Configuration],
    rules: AccountRules,
    policy: WeightPolicy,
    *,
    cash: Decimal = Decimal(100_000),
    between: tuple[int | None, int | None] = (None, None),
    finer: Sequence[Candles] = (),
    progress: Callable[[int, int], None] | None = None,
) -> BacktestResult:
    """Trade configurations on recorded candles.

    Args:
        candles: one entry per series. Those that open before the range only warm up the strategies
            and the weights.
        configurations: any number on any of the series; they share the cash.
        rules: fees, slippage, limits.
        policy: sizes the entries; decided at every close, binding from the next.
        cash: initial cash in the quote currency, which all series must share.
        between: first open time that is traded, and the one before which trading ends, epoch ms.
        finer: lower-timeframe candles, one series for an instrument at most. They settle what a
            candle cannot tell itself: which of stop and target it touched first.
        progress: called now and then with (closes done, closes in all).

    Raises:
        ValueError: a configuration's series is missing, no candle is in the range, a strategy or
            its parameters are wrong, finer candles do not divide those that are traded.
    """
    begin, end = between
    warm = {one.series: one.between(None, end) for one in candles}
    traded = _traded(warm, configurations, begin)
    result = BacktestResult()
    signals = _signals(warm, configurations, begin, result)
    history = _warm_history(warm, traded, policy)
    spans = {name: _span(one) for name, one in traded.items()}
    account = Account(cash, rules)
    weights: Weights | None = None
    moments = _moments(traded, signals, _finer(traded, finer))
    for number, moment in enumerate(moments):
        now_traded = traded_at(spans, moment.close_time)
        result.add(account.settle(moment, weights, instruments_of(now_traded)))
        for name, prices in moment.candles.items():
            history.add(name, moment.close_time, prices.close)
        decided = weigh(policy, history, now_traded)
        result.fallbacks.update([decided.fallback] if decided.fallback else ())
        weights = Weights(moment.close_time, decided.weights, decided.budget)
        if progress is not None and number % 256 == 0:
            progress(number, len(moments))
    if progress is not None:
        progress(len(moments), len(moments))
    return result


def _traded(
    warm: dict[str, Candles], configurations: Sequence[Configuration], begin: int | None
) -> dict[str, Candles]:
    traded = {name: one.between(begin, None) for name, one in warm.items()}
    traded = {name: one for name, one in traded.items() if len(one)}
    if not traded:
        raise ValueError("no candle lies in the range to trade; widen it or give other candles")
    if missing := sorted({c.series for c in configurations} - traded.keys()):
        raise ValueError(
            f"no candles to trade for {missing[0]}; there are {', '.join(sorted(traded))}"
        )
    return traded


def _span(one: Candles) -> Span:
    return Span(int(one.open_time[0]), int(one.close_time[-1]))


def _signals(
    warm: dict[str, Candles],
    configurations: Sequence[Configuration],
    begin: int | None,
    result: BacktestResult,
) -> dict[int, list[tuple[str, Signal]]]:
    by_close: dict[int, list[tuple[str, Signal]]] = {}
    for configuration in configurations:
        series = warm[configuration.series]
        first = 0 if begin is None else int(np.searchsorted(series.open_time, begin))
        close_times = series.close_time
        found = evaluations_of(configuration, series, first)
        result.entries[configuration.configuration_id] = entries_in(found, series, first)
        for row, signal in signals_in(found, configuration, series, first):
            by_close.setdefault(int(close_times[row]), []).append((configuration.series, signal))
    return by_close


def _warm_history(
    warm: dict[str, Candles], traded: dict[str, Candles], policy: WeightPolicy
) -> ReturnHistory:
    lookback = history_for(policy)
    history = ReturnHistory(lookback)
    for name, one in traded.items():
        before = len(warm[name]) - len(one)
        known = warm[name].rows(max(0, before - lookback - 1), before)
        history.begin(name, zip(known.close_time.tolist(), known.close.tolist(), strict=True))
    return history


def _moments(
    traded: dict[str, Candles],
    signals: dict[int, list[tuple[str, Signal]]],
    finer: dict[str, Candles],
) -> list[Moment]:
    candles: dict[int, dict[str, Prices]] = {}
    for name, one in traded.items():
        for close_time, prices in zip(one.close_time.tolist(), _prices(one), strict=True):
            candles.setdefault(close_time, {})[name] = prices
    last = {name: _span(one).last_close_time for name, one in traded.items()}
    return [
        Moment(
            time,
            candles[time],
            signals.get(time, ()),
            frozenset(name for name in candles[time] if last[name] == time),
            finer=finer,
        )
        for time in sorted(candles)
    ]


def _finer(traded: dict[str, Candles], finer: Sequence[Candles]) -> dict[str, Candles]:
    by_instrument: dict[str, Candles] = {}
    for one in finer:
        if one.instrument in by_instrument:
            raise ValueError(f"two series of finer candles for {one.instrument}; give one")
        by_instrument[one.instrument] = one
    found = {
        n: by_instrument[t.instrument] for n, t in traded.items() if t.instrument in by_instrument
    }
    for name, one in found.items():
        whole, part = timeframe_ms(traded[name].timeframe), timeframe_ms(one.timeframe)
        if part >= whole or whole % part:
            raise ValueError(f"candles of {one.timeframe} do not divide those of {name}")
    return found


def _prices(candles: Candles) -> list[Prices]:
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    return [Prices(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]
