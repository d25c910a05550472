"""How parameter sets are measured: quickly for the search, by the account for what is kept.

Pure; this is what runs in the process pool.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import numpy as np

from contracts.events import NAMESPACE
from optimizer_svc.research import Range
from tradepulse.runtime.jobs import JobSpec
from tradepulse.trading.backtest import backtest
from tradepulse.trading.candles import Candles
from tradepulse.trading.evaluate import Configuration
from tradepulse.trading.metrics import Metrics, ledger_metrics, metrics
from tradepulse.trading.simulate import SimulationRules, Simulator
from tradepulse.trading.sizing import AccountRules, Market
from tradepulse.trading.strategies import Params, get_strategy, strategy_names
from tradepulse.trading.weights import EqualWeights

Figures = dict[str, float | int | None]

CASH = Decimal(100_000)


def account_rules(spec: JobSpec, symbol: str) -> AccountRules:
    """Return the rules by which a job's kept configurations are judged."""
    return AccountRules(
        fee=Decimal(str(spec.fee)),
        slippage=spec.slippage,
        markets={f"{spec.exchange}:{symbol}": Market(allows_margin=spec.allows_margin)},
    )


def simulation_rules(rules: AccountRules, symbol: str) -> SimulationRules:
    """Return what these rules amount to for one configuration that has the account to itself."""
    market = rules.market(symbol)
    cost = 1 + float(rules.fee) + rules.slippage
    fraction = min(
        float(rules.limits.max_symbol_notional), float(rules.limits.max_total_notional) / cost
    )
    return SimulationRules(
        initial_cash=float(CASH),
        fee=float(rules.fee),
        slippage=rules.slippage,
        fraction=fraction,
        min_notional=float(market.min_notional),
        allows_margin=market.allows_margin,
    )


@lru_cache(maxsize=4)
def _simulator(rules: SimulationRules) -> Simulator:
    return Simulator(rules)


def run_trials(
    candles: Candles, start: int, strategy: str, tried: Sequence[Params], rules: SimulationRules
) -> list[Figures]:
    """Measure parameter sets on the in-sample candles.

    Args:
        candles: warm-up and in-sample candles only: what comes later is not even here.
        start: open time from which is traded, epoch ms.
        strategy: its name.
        tried: parameter sets.
        rules: costs and size.

    Returns:
        `Metrics.as_dict()` of each set.
    """
    found = get_strategy(strategy)
    simulator = _simulator(rules)
    first = int(np.searchsorted(candles.open_time, start))
    close_time = candles.close_time[first:]
    figures = []
    for params in tried:
        result = simulator.run(candles, found.run(candles, params), first)
        figures.append(
            metrics(
                initial_equity=rules.initial_cash,
                close_time=close_time,
                equity=result.equity,
                exposure=result.exposure,
                net=result.net,
                gross=result.gross,
            ).as_dict()
        )
    return figures


def judge(
    candles: Candles, used: Range, strategy: str, params: Params, rules: AccountRules
) -> dict[str, Figures | None]:
    """Measure a kept parameter set with the account engine, in and out of sample.

    Args:
        candles: all of the job's candles of the series.
        used: how they are divided.
        strategy: its name.
        params: complete.
        rules: of the account.

    Returns:
        `in_sample` and `out_of_sample` figures, the latter None where nothing was held back.
    """

    def figures(start: int, end: int) -> Figures:
        return _backtest(candles, strategy, params, rules, start, end).as_dict()

    return {
        "in_sample": figures(used.start, used.split),
        "out_of_sample": figures(used.split, used.end) if used.split < used.end else None,
    }


def _backtest(
    candles: Candles, strategy: str, params: Params, rules: AccountRules, start: int, end: int
) -> Metrics:
    one = Configuration(
        NAMESPACE, strategy, candles.exchange, candles.symbol, candles.timeframe, params
    )
    result = backtest(
        [candles], [one], rules, EqualWeights(), cash=CASH, trade_from=start, trade_to=end
    )
    return ledger_metrics(float(CASH), result.equity, result.trades)


def warm_up() -> None:
    """Compile or load every kernel, so that the first job does not wait for it."""
    n = 1_000
    prices = 100 + np.sin(np.arange(n) / 5)
    times = np.arange(n, dtype=np.int64) * 3_600_000
    candles = Candles("x", "A/B", "1h", times, prices, prices + 1, prices - 1, prices, prices)
    for name in strategy_names():
        run_trials(candles, 0, name, [{}], SimulationRules())
