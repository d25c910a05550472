"""How parameter sets are measured: quickly for a search, by the account for what is kept.

Pure; this is what runs in the trial process. How a search measures: `tradepulse.research.search`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.events import NAMESPACE
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.instrument_rules import KeptRules, market_rules
from tradepulse.research.reality_check import Luck
from tradepulse.research.search.ranges import Range
from tradepulse.strategies import Params
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading import defaults
from tradepulse.trading.backtest import BacktestResult, backtest
from tradepulse.trading.defaults import CASH
from tradepulse.trading.metrics import ledger_metrics
from tradepulse.trading.orders import Trade
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import EqualWeights

FloatArray = NDArray[np.float64]
Figures = dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs and market of a configuration's backtests; `market` as `KeptRules` writes it."""

    fee: float = float(defaults.FEE)
    maker_fee: float | None = None
    slippage: float = defaults.SLIPPAGE
    impact: float = defaults.IMPACT
    allows_margin: bool = False
    market: Mapping[str, Any] | None = None

    def account_rules(self, instrument: str) -> AccountRules:
        """Return the rules by which a configuration on `exchange:symbol` is judged."""
        kept = {} if self.market is None else {instrument: KeptRules.from_json(self.market)}
        by_hand = {instrument: {"allows_margin": self.allows_margin}}
        return AccountRules(
            fee=Decimal(str(self.fee)),
            maker_fee=None if self.maker_fee is None else Decimal(str(self.maker_fee)),
            slippage=self.slippage,
            impact=self.impact,
            markets=market_rules([instrument], kept, by_hand),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the account engine says of one parameter set.

    Attributes:
        figures: by `in_sample` and `out_of_sample`; None where nothing was held back.
        returns: of the trades, by the same names: profit after costs over entry notional.
    """

    figures: dict[str, Figures | None]
    returns: dict[str, list[float]]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What a validation judges.

    Attributes:
        metrics: of the configuration: costs, and how it was searched.
        trials: how many were ever made on its market.
        tried: float64 `(t, p)`, parameter vectors of its own search; none where it had none.
        searches: all that were ever made on its market.
        threads: how many may share the work; no figure depends on it.
    """

    strategy: str
    params: Params
    share: float
    metrics: Mapping[str, Any]
    trials: int
    tried: FloatArray
    searches: Sequence[Luck] = ()
    threads: int = 1


Gates = Callable[[Candles, Range, Subject], dict[str, Any]]
"""Takes all candles and how they are divided, returns the report as JSON."""


@dataclass(frozen=True, slots=True)
class Validated:
    """The gates' report, and what the account engine says on the same candles."""

    report: dict[str, Any]
    verdict: Verdict


def judge(
    candles: Candles, used: Range, sets: Sequence[tuple[str, Params]], costs: Costs
) -> list[Verdict]:
    """Measure kept parameter sets with the account engine, in and out of sample.

    Args:
        candles: all of the job's candles of the series.
        used: how they are divided.
        sets: strategies with complete parameters.
        costs: of the account.
    """
    verdicts = []
    for strategy, params in sets:
        figures: dict[str, Figures | None] = {}
        returns: dict[str, list[float]] = {}
        for side, start, end in (
            ("in_sample", used.start, used.split),
            ("out_of_sample", used.split, used.end),
        ):
            figures[side], returns[side] = None, []
            if start < end:
                result = _backtest(candles, strategy, params, costs, start, end)
                found = ledger_metrics(float(CASH), result.equity, result.trades)
                figures[side], returns[side] = found.as_dict(), returns_of(result.trades)
        verdicts.append(Verdict(figures, returns))
    return verdicts


def validated(candles: Candles, used: Range, subject: Subject, gates: Gates) -> Validated:
    """Put a configuration before the gates.

    Args:
        candles: all of its series that there are to judge it by.
        used: how they are divided.
        subject: the configuration.
        gates: judge it.
    """
    tried = [(subject.strategy, subject.params)]
    (verdict,) = judge(candles, used, tried, costs_from(subject.metrics))
    return Validated(gates(candles, used, subject), verdict)


def returns_of(trades: Sequence[Trade]) -> list[float]:
    """Return profit after costs over entry notional, without trades that the data's end closed."""
    return [
        float(trade.profit / (trade.quantity * trade.entry_price))
        for trade in trades
        if trade.exit_reason != "end_of_data"
    ]


def _backtest(
    candles: Candles, strategy: str, params: Params, costs: Costs, start: int, end: int
) -> BacktestResult:
    one = Configuration(
        NAMESPACE, strategy, candles.exchange, candles.symbol, candles.timeframe, params
    )
    return backtest(
        [candles],
        [one],
        costs.account_rules(candles.instrument),
        EqualWeights(),
        cash=CASH,
        between=(start, end),
    )


def costs_from(metrics: Mapping[str, Any]) -> Costs:
    """Return the costs and rules that a configuration was searched with, from its metrics."""
    return Costs(**metrics.get("costs", {}), market=metrics.get("market"))
