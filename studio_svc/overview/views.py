"""The account at a glance, as the API answers it."""

from typing import Literal

from studio_svc.shared.configurations import ConfigurationView
from studio_svc.web_app.views import EquityRow, Money, View


class EquityView(View):
    """The equity curve, oldest first; `stored` rows were thinned to `points`."""

    account: str
    stored: int
    points: list[EquityRow]


class OverviewView(View):
    """The account at its last settled close, and what it has done so far."""

    account: str
    mode: Literal["PAPER"] = "PAPER"
    """What orders are filled by; a paper exchange alone, so far."""
    initial_cash: Money | None
    cash: Money | None
    equity: Money | None
    exposure: Money | None
    open_positions: int
    settled_time: int | None
    """The last close that the ledger has settled."""
    event_time: int | None
    """The last close that the page may know of."""
    source: str | None
    """Where the last candle came from: replay, live, ..."""
    net_profit_pct: float | None
    drawdown_pct: float | None
    """Distance of equity from its peak, percent, 0 or more."""
    max_drawdown_pct: float | None
    trades: int
    win_rate: float | None
    """Fraction of the trades with a profit after fees; null without trades."""
    fees: Money
    active_configurations: int
    refused_orders: int
    configurations: list[ConfigurationView]
    """The active ones, in-sample beside out-of-sample."""
