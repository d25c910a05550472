"""A budget above 1: weights are larger, and the account's own limits are what caps."""

from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest

from tests.candle_series import START
from tradepulse.candles.arrays import Candles
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import BacktestResult, backtest
from tradepulse.trading.decisions import binding_weight
from tradepulse.trading.moments import Weights
from tradepulse.trading.sizing import AccountRules, RiskLimits
from tradepulse.trading.weights import EqualWeights

HOUR = 3_600_000
SERIES = "x:A/USD:1h"
FOUR = frozenset({"x:A/USD", "x:B/USD", "x:C/USD", "x:D/USD"})


@pytest.mark.parametrize(
    ("budget", "share"), [(1.0, 0.25), (0.5, 0.125), (2.0, 0.5), (4.0, 1.0), (9.0, 1.0)]
)
def test_a_vector_that_is_too_old_leaves_its_budget_to_be_shared(budget, share):
    old = Weights(0, {"x:A/USD": 0.9}, budget)
    assert binding_weight(old, SERIES, FOUR, 9 * HOUR, 1) == (share, True)
    assert binding_weight(old, SERIES, FOUR, HOUR, 1) == (0.9, False)


def test_before_the_first_vector_nobody_knows_of_a_budget() -> None:
    assert binding_weight(None, SERIES, FOUR, HOUR, 1) == (0.25, True)
    assert binding_weight(None, SERIES, frozenset(), HOUR, 1) == (0.0, True)


def risen(symbol: str) -> Candles:
    """Flat for 20 hours, then higher: one entry at the same close on every symbol."""
    price = np.concatenate([np.full(20, 100.0), np.full(20, 110.0)])
    times = START + np.arange(40, dtype=np.int64) * HOUR
    return Candles("x", symbol, "1h", times, price, price, price, price, np.full(40, 1e9))


def ran(budget: float, **limits: Decimal) -> BacktestResult:
    series = [risen(f"{name}/USD") for name in "ABCD"]
    configurations = [
        Configuration(UUID(int=i), "sma_cross", "x", one.symbol, "1h", {"fast": 2, "slow": 5}, 1.0)
        for i, one in enumerate(series)
    ]
    rules = AccountRules(fee=Decimal(0), slippage=0.0, limits=RiskLimits(**limits))
    return backtest(series, configurations, rules, EqualWeights(budget))


def spent(result: BacktestResult) -> list[int]:
    return sorted(round(one.quantity * one.entry_price) for one in result.trades)


def test_the_account_s_limits_cap_what_a_budget_asks_for() -> None:
    assert spent(ran(1.0)) == [25_000] * 4
    assert spent(ran(0.5)) == [12_500] * 4
    # half of the equity in each, and no more than all of it
    assert spent(ran(2.0)) == [50_000] * 2
    reasons = [one.reason for one in ran(2.0).refused]
    assert reasons == ["maximum total notional reached"] * 2
    assert spent(ran(2.0, max_symbol_notional=Decimal("0.3"))) == [10_000, *[30_000] * 3]
    assert spent(ran(9.0, max_total_notional=Decimal("0.4"))) == [40_000]
    equity = ran(9.0).equity
    assert max(one.exposure / one.equity for one in equity) <= Decimal("1.0000001")
