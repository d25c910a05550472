"""What the API answers and the stream pushes. Money is a decimal string, times are epoch ms UTC."""

from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.events import (
    CandleClosed,
    CandleEvaluated,
    OrderDecided,
    OrderFilled,
    PositionClosed,
)

CandleRow = tuple[int, float, float, float, float, float]
"""open_time, open, high, low, close, volume."""
EquityRow = tuple[int, float, float, float, int]
"""close_time, equity, cash, exposure, open positions; for drawing only, hence floats."""


class View(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class SeriesView(View):
    """One series that has stored candles, up to the visible event time."""

    series: str
    exchange: str
    symbol: str
    timeframe: str
    timeframe_ms: int
    last: CandleRow
    source: str


class CandlesView(View):
    """Candles of one series, oldest first."""

    series: str
    timeframe_ms: int
    rows: list[CandleRow]


class EquityView(View):
    """The equity curve, oldest first; `stored` rows were thinned to `points`."""

    account: str
    stored: int
    points: list[EquityRow]


class PositionView(View):
    """One open position, valued at the last close that the ledger has settled."""

    position_id: UUID
    configuration_id: UUID
    strategy: str | None
    series: str
    symbol: str
    side: Literal["long", "short"]
    quantity: Decimal
    entry_time: int
    entry_price: Decimal
    stop_price: Decimal | None
    take_profit_price: Decimal | None
    fees: Decimal
    last_price: float | None
    unrealised: float | None
    """Profit at the last close after the entry fees, quote currency."""
    unrealised_pct: float | None
    """The same in percent of the entry notional."""


class TradeView(View):
    """One closed position."""

    position_id: UUID
    configuration_id: UUID
    series: str
    symbol: str
    side: Literal["long", "short"]
    quantity: Decimal
    entry_time: int
    entry_price: Decimal
    exit_time: int
    exit_price: Decimal
    exit_reason: str
    fees: Decimal
    profit: Decimal


class SignalView(View):
    """One signal of one configuration at the close of one candle."""

    signal_id: UUID
    configuration_id: UUID
    strategy: str
    series: str
    symbol: str
    action: str
    reference_price: float
    stop_price: float | None
    take_profit_price: float | None
    confidence: float
    decided_at: int


class OrderView(View):
    """One order with its fill, or with the reason of its refusal."""

    order_id: UUID
    configuration_id: UUID
    series: str
    symbol: str
    side: str
    order_type: str
    quantity: Decimal
    reference_price: float
    status: str
    reason: str
    decided_at: int
    fill_price: Decimal | None = None
    fee: Decimal | None = None
    filled_at: int | None = None


class FillView(View):
    """The fill of an order that was told of before."""

    order_id: UUID
    fill_price: Decimal
    fee: Decimal
    filled_at: int


class WeightsView(View):
    """The last weight vector; what is missing to 1 stays cash."""

    portfolio: str
    close_time: int
    policy: str
    weights: dict[str, float]
    missing: list[str]


class ConfigurationView(View):
    """One trained configuration: in-sample beside out-of-sample, and how many were tried."""

    configuration_id: UUID
    revision: int
    strategy: str
    series: str
    symbol: str
    params: dict[str, Any]
    share: float
    stage: str
    is_active: bool
    retired: bool
    """Out of service for good."""
    edited_from: UUID | None
    """The configuration that this one was made from by a person."""
    in_sample: dict[str, float | None] | None
    out_of_sample: dict[str, float | None] | None
    trials: int | None
    """How many parameter sets the search tried to find this one; null when it was not searched."""
    validated_at: int | None
    """When the gates last judged it; null before the first time, so are the next three."""
    passed: bool | None
    gates: int | None
    gates_passed: int | None
    paper_trades: int
    """Closed trades of this configuration on the account."""
    paper_profit: Decimal
    """Their profit after fees, quote currency."""


class ConfigurationEventView(View):
    """One line of a configuration's history: a change, or a verdict that changed nothing."""

    at: int
    from_stage: str | None
    to_stage: str
    is_active: bool
    reason: str
    evidence: dict[str, Any]
    by_person: bool


class ConfigurationDetailView(ConfigurationView):
    """One configuration with its history, oldest first."""

    events: list[ConfigurationEventView]


class JobView(View):
    """One job: `done` of `total` are trials of a search, percent of a validation."""

    job_id: UUID
    kind: Literal["search", "validation"]
    status: str
    done: int
    total: int
    cancel_requested: bool
    spec: dict[str, Any]
    error: str | None
    created_at: int
    started_at: int | None
    finished_at: int | None


class HealthView(View):
    """One service as its /readyz says."""

    service: str
    up: bool
    ready: bool
    detail: str


class OverviewView(View):
    """The account at its last settled close, and what it has done so far."""

    account: str
    initial_cash: Decimal | None
    cash: Decimal | None
    equity: Decimal | None
    exposure: Decimal | None
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
    fees: Decimal
    active_configurations: int
    refused_orders: int
    configurations: list[ConfigurationView]
    """The active ones, in-sample beside out-of-sample."""


def candle_row(candle: CandleClosed) -> CandleRow:
    """Return a candle event as a row."""
    return (
        candle.open_time, candle.open, candle.high, candle.low, candle.close, candle.volume,
    )  # fmt: skip


def signals_of(evaluation: CandleEvaluated) -> list[SignalView]:
    """Return the signals of an evaluation event."""
    return [
        SignalView(
            signal_id=signal.id,
            configuration_id=signal.configuration_id,
            strategy=signal.strategy,
            series=evaluation.series,
            symbol=evaluation.symbol,
            action=signal.action,
            reference_price=signal.reference_price,
            stop_price=signal.stop_price,
            take_profit_price=signal.take_profit_price,
            confidence=signal.confidence,
            decided_at=evaluation.close_time,
        )
        for signal in evaluation.signals
    ]


def _series(event: OrderDecided | PositionClosed) -> str:
    return f"{event.exchange}:{event.symbol}:{event.timeframe}"


def order_of(event: OrderDecided) -> OrderView:
    """Return an order event as the API shows it."""
    fields = event.model_dump(include=set(OrderView.model_fields))
    return OrderView(series=_series(event), **fields)


def fill_of(event: OrderFilled) -> FillView:
    """Return a fill event as the API shows it."""
    return FillView(
        order_id=event.order_id, fill_price=event.price, fee=event.fee, filled_at=event.filled_at
    )


def trade_of(event: PositionClosed) -> TradeView:
    """Return a closed position as the API shows it."""
    fields = event.model_dump(include=set(TradeView.model_fields))
    return TradeView(series=_series(event), **fields)
