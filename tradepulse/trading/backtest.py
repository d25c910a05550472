"""Backtest configurations on one account, close by close, exactly as they trade live.

The loop below is the live path without its wires: candles become signals (`evaluate`), closes
become moments (as `event_time` gathers them), weights decided at one close bind from the next,
and the same `Account` settles each moment.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import numpy as np

from contracts.events import Signal
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.strategies import Evaluations
from tradepulse.strategies.evaluate import (
    Configuration,
    Entries,
    entries_in,
    evaluations_of,
    signals_in,
)
from tradepulse.strategies.sources import referring
from tradepulse.trading.account import Account
from tradepulse.trading.defaults import CASH
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


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What one configuration says of its series.

    Attributes:
        configuration: the configuration.
        evaluations: of the rows of its series, warm-up included.
        first: row from which on it counts.
    """

    configuration: Configuration
    evaluations: Evaluations
    first: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a backtest trades, before any account has seen it. By series, where a mapping.

    Attributes:
        warm: candles up to the end of the range, those that only warm up included.
        traded: candles of the range, of the series that have any.
        finer: lower-timeframe candles.
        evaluated: by configuration.
    """

    warm: Mapping[str, Candles]
    traded: Mapping[str, Candles]
    finer: Mapping[str, Candles]
    evaluated: Sequence[Evaluated]

    @property
    def spans(self) -> dict[str, Span]:
        """When each series is traded."""
        return {name: _span(one) for name, one in self.traded.items()}


def backtest(
    candles: Sequence[Candles],
    configurations: Sequence[Configuration],
    rules: AccountRules,
    policy: WeightPolicy,
    *,
    cash: Decimal = CASH,
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
    ready = prepared(candles, configurations, between=between, finer=finer)
    return backtest_of(ready, rules, policy, cash=cash, progress=progress)


def backtest_of(
    ready: Prepared,
    rules: AccountRules,
    policy: WeightPolicy,
    *,
    cash: Decimal = CASH,
    progress: Callable[[int, int], None] | None = None,
) -> BacktestResult:
    """Trade what was prepared; the other arguments are those of `backtest`."""
    result = BacktestResult()
    for one in ready.evaluated:
        configuration = one.configuration
        counted = entries_in(one.evaluations, ready.warm[configuration.series], one.first)
        result.entries[configuration.configuration_id] = counted
    account, decisions = Account(cash, rules), Decisions(ready, policy)
    result.fallbacks = decisions.fallbacks
    weights: Weights | None = None
    moments = moments_of(ready)
    for number, moment in enumerate(moments):
        traded = decisions.instruments(moment.close_time)
        result.add(account.settle(moment, weights, traded))
        weights = decisions.after(moment)
        if progress is not None and number % 256 == 0:
            progress(number, len(moments))
    if progress is not None:
        progress(len(moments), len(moments))
    return result


def prepared(
    candles: Sequence[Candles],
    configurations: Sequence[Configuration],
    *,
    between: tuple[int | None, int | None] = (None, None),
    finer: Sequence[Candles] = (),
) -> Prepared:
    """Ask the strategies of all configurations; arguments and errors of `backtest`."""
    begin, end = between
    warm = {one.series: one.between(None, end) for one in candles}
    traded = _traded(warm, configurations, begin)
    evaluated = []
    for configuration in configurations:
        series = referring(warm[configuration.series], configuration.references, candles)
        first = 0 if begin is None else int(np.searchsorted(series.open_time, begin))
        found = evaluations_of(configuration, series, first)
        evaluated.append(Evaluated(configuration, found, first))
    return Prepared(warm, traded, _finer(traded, finer), evaluated)


class Decisions:
    """The weights of a policy, close after close; they do not depend on the account.

    Attributes:
        fallbacks: closes that inverse volatility decided in place of the policy, by the reason.
    """

    def __init__(self, ready: Prepared, policy: WeightPolicy) -> None:
        self.fallbacks: Counter[str] = Counter()
        self._policy = policy
        self._spans = ready.spans
        lookback = history_for(policy)
        self._history = ReturnHistory(lookback)
        for name, one in ready.traded.items():
            before = len(ready.warm[name]) - len(one)
            known = ready.warm[name].rows(max(0, before - lookback - 1), before)
            closes = zip(known.close_time.tolist(), known.close.tolist(), strict=True)
            self._history.begin(name, closes)

    def instruments(self, close_time: int) -> frozenset[str]:
        """Return the instruments that are traded after a close."""
        return instruments_of(traded_at(self._spans, close_time))

    def after(self, moment: Moment) -> Weights:
        """Return what is decided at a close; closes are to be given in their order."""
        for name, prices in moment.candles.items():
            self._history.add(name, moment.close_time, prices.close)
        now_traded = traded_at(self._spans, moment.close_time)
        decided = weigh(self._policy, self._history, now_traded)
        if decided.fallback is not None:
            self.fallbacks[decided.fallback] += 1
        return Weights(moment.close_time, decided.weights, decided.budget)


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


def moments_of(ready: Prepared) -> list[Moment]:
    """Return the closes of all traded series in their order, with what was said at them."""
    candles: dict[int, dict[str, Prices]] = {}
    for name, one in ready.traded.items():
        for close_time, prices in zip(one.close_time.tolist(), _prices(one), strict=True):
            candles.setdefault(close_time, {})[name] = prices
    signals = _signals(ready)
    last = {name: span.last_close_time for name, span in ready.spans.items()}
    return [
        Moment(
            time,
            candles[time],
            signals.get(time, ()),
            frozenset(name for name in candles[time] if last[name] == time),
            finer=ready.finer,
        )
        for time in sorted(candles)
    ]


def _signals(ready: Prepared) -> dict[int, list[tuple[str, Signal]]]:
    by_close: dict[int, list[tuple[str, Signal]]] = {}
    for one in ready.evaluated:
        configuration = one.configuration
        series = ready.warm[configuration.series]
        close_times = series.close_time
        for row, signal in signals_in(one.evaluations, configuration, series, one.first):
            by_close.setdefault(int(close_times[row]), []).append((configuration.series, signal))
    return by_close


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
