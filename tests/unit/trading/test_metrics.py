"""Figures against examples worked by hand and against independent calculations."""

import math
from dataclasses import fields
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest

from tradepulse.trading.metrics import Metrics, daily_returns, ledger_metrics, metrics
from tradepulse.trading.orders import EquityPoint, Trade

DAY = 86_400_000
HALF = DAY // 2
EMPTY = np.empty(0)


def figures(
    equity: list[float],
    *,
    initial: float = 100.0,
    step: int = DAY,
    start: int = DAY,
    exposure: list[float] | None = None,
    net: list[float] | None = None,
    gross: list[float] | None = None,
) -> Metrics:
    return metrics(
        initial_equity=initial,
        close_time=start + step * np.arange(len(equity), dtype=np.int64),
        equity=np.array(equity),
        exposure=np.zeros(len(equity)) if exposure is None else np.array(exposure),
        net=np.array(net or []),
        gross=np.array(gross or net or []),
    )


def test_a_record_worked_by_hand() -> None:
    found = figures(
        [110, 99, 99, 118.8],
        exposure=[55, 0, 99, 0],
        net=[10, -11, 19.8, -1],
        gross=[11, -10, 20, 0.5],
    )
    # daily returns: +10 %, -10 %, 0 %, +20 %
    mean = 0.05
    deviation = math.sqrt((0.05**2 + 0.15**2 + 0.05**2 + 0.15**2) / 4)
    year = math.sqrt(365)
    assert found.net_profit_pct == pytest.approx(18.8)
    assert found.volatility == pytest.approx(deviation * year)
    assert found.sharpe == pytest.approx(mean / deviation * year)
    assert found.sortino == pytest.approx(mean / math.sqrt(0.01 / 4) * year)
    assert found.max_drawdown_pct == pytest.approx(10)
    assert found.gross_win_rate == 0.75
    assert found.profit_factor == pytest.approx(29.8 / 12)
    assert found.expectancy == pytest.approx(17.8 / 4)
    assert found.exposure == pytest.approx((0.5 + 0 + 1 + 0) / 4)
    assert found.trades == 4


def test_daily_ratios_equal_an_independent_calculation() -> None:
    rng = np.random.default_rng(4)
    times = 1_500_000_000_000 // DAY * DAY + 1_800_000 * np.arange(1, 48 * 40 + 1)
    equity = 1000 * np.exp(np.cumsum(rng.normal(1e-4, 0.002, len(times))))
    found = metrics(
        initial_equity=1000.0, close_time=times, equity=equity,
        exposure=np.zeros(len(times)), net=EMPTY, gross=EMPTY,
    )  # fmt: skip
    ends = equity[47::48]
    returns = [b / a - 1 for a, b in zip([1000.0, *ends[:-1]], ends, strict=True)]
    mean = math.fsum(returns) / len(returns)
    variance = math.fsum((r - mean) ** 2 for r in returns) / len(returns)
    assert len(returns) == 40
    assert found.volatility == pytest.approx(math.sqrt(365 * variance))
    assert found.sharpe == pytest.approx(math.sqrt(365) * mean / math.sqrt(variance))
    downside = math.fsum(min(r, 0) ** 2 for r in returns) / len(returns)
    assert found.sortino == pytest.approx(math.sqrt(365) * mean / math.sqrt(downside))
    falls = [1 - e / max([1000.0, *equity[: i + 1]]) for i, e in enumerate(equity)]
    assert found.max_drawdown_pct == pytest.approx(100 * max(falls))


def test_a_close_at_midnight_ends_its_day() -> None:
    times = np.array([HALF, DAY, DAY + HALF, 2 * DAY, 2 * DAY + 1])
    equity = np.array([1.0, 110, 1, 121, 242])
    returns = daily_returns(100.0, times, equity)
    assert returns is not None
    assert returns.tolist() == pytest.approx([0.1, 0.1, 1.0])


def test_days_without_candles_return_nothing() -> None:
    returns = daily_returns(100.0, np.array([DAY, 4 * DAY]), np.array([110.0, 121.0]))
    assert returns is not None
    assert returns.tolist() == pytest.approx([0.1, 0.0, 0.0, 0.1])


def test_drawdown_counts_every_close_and_the_initial_equity() -> None:
    assert figures([90, 120, 60, 120], step=HALF).max_drawdown_pct == pytest.approx(50)
    assert figures([80, 90]).max_drawdown_pct == pytest.approx(20)
    assert figures([101, 102]).max_drawdown_pct == 0


def test_nothing_traded() -> None:
    found = figures([100, 100, 100])
    assert found == Metrics(0, None, None, None, None, 0, 0, None, None, 0, 0)


def test_no_candles() -> None:
    found = figures([])
    assert {f.name: getattr(found, f.name) for f in fields(found) if f.name != "trades"} == (
        dict.fromkeys(found.as_dict().keys() - {"trades"})
    )


def test_one_close_has_the_figures_that_need_no_second() -> None:
    found = figures([0.5], initial=0.25, exposure=[0.125], net=[0.25], gross=[0.5])
    assert (found.net_profit_pct, found.exposure, found.max_drawdown_pct) == (100, 0.25, 0)
    assert (found.expectancy, found.gross_win_rate, found.trades) == (0.25, 1, 1)
    assert (found.calmar, found.sharpe) == (None, None)


def test_one_day_has_no_deviation() -> None:
    found = figures([101, 102], step=HALF, start=HALF)
    assert (found.sharpe, found.sortino, found.volatility) == (None, None, None)
    assert found.net_profit_pct == pytest.approx(2)


def test_equal_returns_have_no_sharpe_in_spite_of_rounding() -> None:
    found = figures([100 * 1.1**day for day in range(1, 30)])
    assert found.sharpe is None
    assert found.sortino is None
    assert found.volatility == 0


def test_no_loss_means_no_profit_factor() -> None:
    assert figures([110, 115], net=[10, 5]).profit_factor is None
    assert figures([90, 85], net=[-10, -5]).profit_factor == 0


def test_a_ruined_account_has_no_ratios() -> None:
    found = figures([50, -10, 20])
    assert (found.sharpe, found.sortino, found.volatility, found.exposure) == (None,) * 4
    assert found.max_drawdown_pct == pytest.approx(110)
    assert found.net_profit_pct == pytest.approx(-80)


def test_a_year_s_growth_is_told_from_thirty_days_on() -> None:
    days = [100.0, 90.0, *(100.0 + day for day in range(28))]
    found = figures(days)
    assert len(days) == 30
    assert found.calmar == pytest.approx(100 * (1.27 ** (365 / 30) - 1) / 10)
    assert figures(days[:-1]).calmar is None


@pytest.mark.parametrize(
    ("equity", "kept"),
    [
        ([90, *[1e30] * 30], {"net_profit_pct", "max_drawdown_pct"}),
        ([1e-300, *[1e300] * 30], {"max_drawdown_pct"}),
    ],
    ids=["its power", "its returns"],
)
def test_a_figure_that_no_float_holds_is_undefined(equity: list[float], kept: set[str]) -> None:
    found = figures(equity, net=[1e308, 1e308, -5e-324]).as_dict()
    assert found["calmar"] is None
    assert found["profit_factor"] is None
    assert found["expectancy"] is None
    assert all(value is None or math.isfinite(value) for value in found.values())
    assert all(found[name] is not None for name in kept)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="initial equity is 0, not positive"):
        figures([1.0], initial=0)
    with pytest.raises(ValueError, match="differ in length"):
        figures([1.0], exposure=[])
    with pytest.raises(ValueError, match="differ in length"):
        figures([1.0], net=[1.0], gross=[1.0, 2.0])


def test_a_ledger_gives_the_same_figures() -> None:
    points = [
        EquityPoint(DAY, Decimal(55), Decimal(110), Decimal(55), 1),
        EquityPoint(2 * DAY, Decimal(99), Decimal(99), Decimal(0), 0),
    ]
    trade = Trade(
        UUID(int=1), UUID(int=2), "x", "A/USD", "1d", "long", Decimal(1), 0, Decimal(100),
        2 * DAY, Decimal(100), "signal", fees=Decimal(1), profit=Decimal(-1),
    )  # fmt: skip
    assert ledger_metrics(100.0, points, [trade]) == figures(
        [110, 99], exposure=[55, 0], net=[-1.0], gross=[0.0]
    )
