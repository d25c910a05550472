"""Figures of a trading record. A figure that is undefined is None, never 0 or infinity.

Returns are daily: the equity at the end of each UTC day (a close at midnight belongs to the day
it ends) over that of the day before; the first day begins with the initial equity, the first and
the last day may be partial, a day without candles returns 0. A year has 365 days. Deviations are
of the population (`ddof` 0). Drawdown is taken at every close, not only at the day's.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradepulse.trading.orders import EquityPoint, Trade

FloatArray = NDArray[np.float64]

DAY_MS = 86_400_000
DAYS_PER_YEAR = 365
LEAST_DAYS_OF_A_RATE = 30
"""The growth of fewer days, compounded to a year, tells nothing: 5 % in two days are 736,000 %."""
ROUNDING = 1e-12
"""A deviation below this, relative to the returns, is rounding: the variance is zero."""
FIGURES = (
    "net_profit_pct",
    "sharpe",
    "sortino",
    "calmar",
    "volatility",
    "max_drawdown_pct",
    "profit_factor",
    "expectancy",
    "gross_win_rate",
    "exposure",
    "trades",
)
"""The figures of `Metrics` in the order in which a sweep gives them."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a record of trades and equity amounts to.

    Attributes:
        net_profit_pct: last equity over the initial, in percent, after all costs.
        gross_win_rate: fraction of the trades with a profit before fees; slippage is in their
            prices. None without trades.
        sharpe: mean daily return over its deviation, times sqrt(365). None with fewer than two
            days or no variance.
        sortino: the same over the root mean square of the negative returns, counted over all
            days. None with fewer than two days or no loss.
        calmar: yearly growth, compounded, over the deepest fall. None with fewer than 30 days or
            no fall. Source: T. W. Young, "Calmar Ratio", Futures (1991), over all of the time.
        volatility: deviation of the daily returns, times sqrt(365). None with fewer than two days.
        max_drawdown_pct: deepest fall below an earlier peak, in percent of the peak, positive.
        profit_factor: net gains over net losses of the trades. None without a loss.
        expectancy: mean net profit of a trade, quote currency. None without trades.
        exposure: mean over the closes of the positions' absolute notional over the equity.
        trades: closed trades.
    """

    net_profit_pct: float | None
    gross_win_rate: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    volatility: float | None
    max_drawdown_pct: float | None
    profit_factor: float | None
    expectancy: float | None
    exposure: float | None
    trades: int

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the figures by name, as JSON takes them."""
        return asdict(self)


@np.errstate(over="ignore", invalid="ignore")
def metrics(
    *,
    initial_equity: float,
    close_time: NDArray[np.int64],
    equity: FloatArray,
    exposure: FloatArray,
    net: FloatArray,
    gross: FloatArray,
) -> Metrics:
    """Compute all figures.

    Args:
        initial_equity: before the first close, quote currency, positive.
        close_time: int64 `(n,)`, epoch ms, strictly increasing.
        equity: float64 `(n,)`, at each close.
        exposure: float64 `(n,)`, sum of the positions' absolute notionals at each close.
        net: float64 `(m,)`, profit of each trade after fees.
        gross: float64 `(m,)`, profit of each trade before fees.

    Raises:
        ValueError: the initial equity is not positive, or lengths differ.
    """
    if not initial_equity > 0:
        raise ValueError(f"initial equity is {initial_equity:g}, not positive")
    if not len(close_time) == len(equity) == len(exposure) or len(net) != len(gross):
        raise ValueError("the columns of equity or of trades differ in length")
    returns = daily_returns(initial_equity, close_time, equity)
    volatility, sharpe, sortino = _ratios(returns)
    drawdown = _max_drawdown_pct(initial_equity, equity)
    lost = -float(net[net < 0].sum())
    found = Metrics(
        net_profit_pct=(
            100 * (float(equity[-1]) / initial_equity - 1) if len(equity) > 0 else None
        ),
        gross_win_rate=float((gross > 0).mean()) if len(gross) > 0 else None,
        sharpe=sharpe,
        sortino=sortino,
        calmar=_calmar(returns, drawdown),
        volatility=volatility,
        max_drawdown_pct=drawdown,
        profit_factor=float(net[net > 0].sum()) / lost if lost > 0 else None,
        expectancy=float(net.mean()) if len(net) > 0 else None,
        exposure=(
            float((exposure / equity).mean()) if len(equity) > 0 and equity.min() > 0 else None
        ),
        trades=len(net),
    )
    # what does not fit into a float is undefined, too
    beyond: dict[str, Any] = {
        name: None
        for name, value in asdict(found).items()
        if value is not None and not math.isfinite(value)
    }
    return replace(found, **beyond)


def ledger_metrics(
    initial_equity: float, equity: Sequence[EquityPoint], trades: Sequence[Trade]
) -> Metrics:
    """Compute all figures of an account's record.

    Args:
        initial_equity: before the first close, quote currency.
        equity: in time order.
        trades: in any order.

    Raises:
        ValueError: as `metrics`.
    """
    return metrics(
        initial_equity=initial_equity,
        close_time=np.array([point.close_time for point in equity], dtype=np.int64),
        equity=np.array([float(point.equity) for point in equity]),
        exposure=np.array([float(point.exposure) for point in equity]),
        net=np.array([float(trade.profit) for trade in trades]),
        gross=np.array([float(trade.profit + trade.fees) for trade in trades]),
    )


def daily_returns(
    initial_equity: float, close_time: NDArray[np.int64], equity: FloatArray
) -> FloatArray | None:
    """Return the return of each UTC day, float64 `(days,)`.

    None where an equity at the end of a day is not positive: nothing can be a fraction of it.
    """
    if len(equity) == 0:
        return np.empty(0)
    # a close at midnight ends its day
    first_day = (int(close_time[0]) - 1) // DAY_MS
    last_day = (int(close_time[-1]) - 1) // DAY_MS
    midnights = (np.arange(first_day, last_day + 1) + 1) * DAY_MS
    rows = np.searchsorted(close_time, midnights, side="right") - 1
    levels = np.concatenate(([initial_equity], equity[rows]))
    if levels.min() <= 0:
        return None
    return np.asarray(levels[1:] / levels[:-1] - 1)


def _ratios(
    returns: FloatArray | None,
) -> tuple[float | None, float | None, float | None]:
    """Return volatility, Sharpe and Sortino."""
    if returns is None or len(returns) < 2:  # noqa: PLR2004 - one return has no deviation
        return None, None, None
    year = math.sqrt(DAYS_PER_YEAR)
    mean = float(returns.mean())
    deviation = float(returns.std())
    downside = math.sqrt(float((np.minimum(returns, 0) ** 2).mean()))
    if deviation <= ROUNDING * float(np.abs(returns).max()):
        deviation = 0.0
    return (
        deviation * year,
        mean / deviation * year if deviation > 0 else None,
        mean / downside * year if downside > 0 else None,
    )


def _calmar(returns: FloatArray | None, max_drawdown_pct: float | None) -> float | None:
    if returns is None or len(returns) < LEAST_DAYS_OF_A_RATE or not max_drawdown_pct:
        return None
    growth = np.float_power(np.prod(1 + returns), DAYS_PER_YEAR / len(returns)) - 1
    return 100 * float(growth) / max_drawdown_pct


def _max_drawdown_pct(initial_equity: float, equity: FloatArray) -> float | None:
    if len(equity) == 0:
        return None
    peak = np.maximum(np.maximum.accumulate(equity), initial_equity)
    return 100 * float((1 - equity / peak).max())
