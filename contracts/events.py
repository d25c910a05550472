"""Every event that crosses a service border.

Events are facts, frozen, and identified by what they are about, never by chance: the same fact
has the same id in every delivery, so every consumer can drop a repeat. A schema may only grow,
by fields that have a default (`tests/unit/contracts/test_contracts.py` holds that).

Times are epoch milliseconds UTC. Prices and volumes from the market are floats; money that the
ledger owns (quantities, fees, cash) is `Decimal`, written as a JSON string.
"""

import math
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.prices import Price, Targets, Volume
from contracts.times import TIMEFRAME_MS, Time, Timeframe, check_time

NAMESPACE = UUID("6f1f3f5e-6c0b-5b0e-9d5e-5a0f7f2a9c11")
"""Root of every derived id of this project."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\s:]+$")]
"""An exchange, a symbol, a portfolio or a feed; the colon separates the parts of a key."""
Source = Literal["live", "backfill", "replay", "import", "repaired", "synthetic"]
_ROUNDING = 1e-6
Action = Literal["enter_long", "enter_short", "exit", "move_stop"]
Stage = Literal["DISCOVERY", "VALIDATION", "PAPER", "MATURE", "DECAY"]
Side = Literal["buy", "sell"]
OrderType = Literal["market", "stop", "take_profit", "limit"]
OrderStatus = Literal["OPEN", "FILLED", "REFUSED", "EXPIRED"]
ExitReason = Literal["signal", "stop", "take_profit", "end_of_data", "time", "liquidation"]


class Event(BaseModel):
    """Base of all events; unknown fields of a newer producer are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class SeriesEvent(Event):
    """An event about one candle of one series."""

    exchange: Name
    symbol: Name
    timeframe: Timeframe
    open_time: Time
    close_time: Time

    @model_validator(mode="after")
    def _on_the_grid(self) -> Self:
        check_time(self.open_time, "open_time", self.timeframe)
        if self.close_time != self.open_time + TIMEFRAME_MS[self.timeframe]:
            raise ValueError(f"close_time is not {self.timeframe} after open_time")
        check_time(self.close_time, "close_time")
        return self

    @property
    def instrument(self) -> str:
        """`exchange:symbol`, the key of every topic that is ordered by instrument."""
        return f"{self.exchange}:{self.symbol}"

    @property
    def series(self) -> str:
        """`exchange:symbol:timeframe`."""
        return f"{self.exchange}:{self.symbol}:{self.timeframe}"


class CandleClosed(SeriesEvent):
    """One finished candle, `[open_time, close_time)`. Published by market_ingest."""

    open: Price
    high: Price
    low: Price
    close: Price
    volume: Volume
    source: Source

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.high < self.open or self.high < self.close:
            raise ValueError("high is below open or close")
        if self.low > self.open or self.low > self.close:
            raise ValueError("low is above open or close")
        return self

    @property
    def id(self) -> str:
        """`exchange:symbol:timeframe:open_time`."""
        return f"{self.series}:{self.open_time}"


class Signal(Event):
    """What one configuration says at the close of one candle. Travels inside an evaluation."""

    id: UUID
    configuration_id: UUID
    strategy: str
    action: Action
    reference_price: Price
    stop_price: Price | None = None
    """The first stop of an entry; where `move_stop` moves the stop of what is held."""
    take_profit_price: Price | None = None
    confidence: Annotated[float, Field(gt=0, le=1)] = 1.0
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The configuration's share of its symbol's portfolio weight."""
    expires_at: int
    """The executor refuses an entry whose close time is past this, epoch ms."""
    limit_price: Price | None = None
    """Enter by a limit order that rests for one candle; None to enter at market."""
    trail: Price | None = None
    """Distance in price at which the stop follows; None for a stop that stays."""
    max_holding_ms: Annotated[int, Field(gt=0)] | None = None
    """The position is left at the first close that is so long after its entry's open, or longer."""
    cooldown_ms: Annotated[int, Field(gt=0)] | None = None
    """An entry is refused at a close that is less after the configuration's last stop."""
    targets: Targets = ()
    """Minutes since the entry's open, and what is the target of candles that open so late."""


def signal_id(configuration_id: UUID, series: str, open_time: int) -> UUID:
    """Derive a signal's id from its configuration and its candle."""
    return uuid5(NAMESPACE, f"{configuration_id}:{series}:{open_time}")


def trace_id(series: str, close_time: int) -> str:
    """Derive what everything that follows from one candle's close is found by, in all services.

    `exchange:symbol:timeframe:close_time`. An event that is of a series and a close needs no field
    for it, and an order is decided at a close.
    """
    return f"{series}:{close_time}"


class CandleEvaluated(SeriesEvent):
    """All signals of one candle, mostly none. Published by signal_svc, once per candle."""

    configurations: int = 0
    """How many active configurations were asked."""
    signals: tuple[Signal, ...] = ()

    @property
    def id(self) -> str:
        """`evaluation:` and the candle's id."""
        return f"evaluation:{self.series}:{self.open_time}"


class PortfolioWeightsDecided(Event):
    """One weight vector, decided at a close, binding from the next. Published by rl_svc."""

    portfolio: Name
    close_time: Time
    policy: str
    weights: dict[str, Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]]
    """Weight by instrument (`exchange:symbol`); they sum to at most the budget."""
    missing: tuple[str, ...] = ()
    """Instruments that had no candle at this close, or that a model does not know yet."""
    budget: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)] = 1.0
    """What the weights sum to at most; above 1 the account's limits are what caps."""
    model_id: str | None = None
    """Of the trained model that the portfolio follows; None where it follows none."""
    fallback: str | None = None
    """Why the portfolio's own policy did not decide this close: `policy` did in its place."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_time(self.close_time, "close_time")
        if math.fsum(self.weights.values()) > self.budget + _ROUNDING:
            raise ValueError(f"weights sum to more than {self.budget:g}")
        return self

    @property
    def id(self) -> str:
        """`weights:portfolio:close_time`."""
        return f"weights:{self.portfolio}:{self.close_time}"


class ConfigurationChanged(Event):
    """The present state of one trained configuration. Published by optimizer_svc, compacted."""

    configuration_id: UUID
    revision: int
    strategy: str
    exchange: Name
    symbol: Name
    timeframe: Timeframe
    params: dict[str, float]
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    stage: Stage
    is_active: bool
    has_traded: bool = False
    """Whether it was ever active: what it may still hold is left by its own rules."""

    @property
    def id(self) -> str:
        """`configuration:configuration_id:revision`."""
        return f"configuration:{self.configuration_id}:{self.revision}"

    @property
    def series(self) -> str:
        """`exchange:symbol:timeframe`."""
        return f"{self.exchange}:{self.symbol}:{self.timeframe}"


class FeedSeries(Event):
    """One series that a feed publishes."""

    exchange: Name
    symbol: Name
    timeframe: Timeframe
    first_open_time: Time
    last_close_time: Time | None = None
    """Where the series ends, known in a replay only; open positions are closed there.

    One millisecond after a close: the series is followed no longer, and nothing is closed."""

    @model_validator(mode="after")
    def _on_the_grid(self) -> Self:
        check_time(self.first_open_time, "first_open_time", self.timeframe)
        if (last := self.last_close_time) is not None:
            is_removed = last % TIMEFRAME_MS[self.timeframe] == 1
            check_time(last - is_removed, "last_close_time", self.timeframe)
            if last < self.first_open_time:
                raise ValueError("last_close_time is before first_open_time")
        return self

    @property
    def series(self) -> str:
        """`exchange:symbol:timeframe`."""
        return f"{self.exchange}:{self.symbol}:{self.timeframe}"


class FeedAnnounced(Event):
    """Every series of a feed, said before its first candle. By market_ingest, compacted.

    Who decides in event time must know whom to wait for before the first candle is judged.
    """

    feed: Name
    series: tuple[FeedSeries, ...]

    @property
    def id(self) -> str:
        """`feed:name`."""
        return f"feed:{self.feed}"


class OrderDecided(Event):
    """An order was accepted into the ledger, refused, or expired. By executor_svc."""

    type: Literal["order"] = "order"
    account: Name
    order_id: UUID
    """The client order id: derived from the signal, so a repeat cannot trade twice."""
    signal_id: UUID | None
    configuration_id: UUID
    exchange: Name
    symbol: Name
    timeframe: Timeframe
    side: Side
    order_type: OrderType
    quantity: Decimal
    """0 where it is not known: of an entry at market until its fill, and of a refused one."""
    reference_price: float
    status: OrderStatus
    reason: str = ""
    decided_at: int
    limit_price: Decimal | None = None
    notional: Decimal | None = None
    """What an entry may spend, slippage and fee included, in the quote currency."""

    @property
    def id(self) -> str:
        """`order:order_id:status`."""
        return f"order:{self.order_id}:{self.status}"


class OrderFilled(Event):
    """An order was filled. By executor_svc."""

    type: Literal["fill"] = "fill"
    account: Name
    fill_id: UUID
    order_id: UUID
    configuration_id: UUID
    exchange: Name
    symbol: Name
    timeframe: Timeframe
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    """In the quote currency."""
    filled_at: int

    @property
    def id(self) -> str:
        """`fill:fill_id`."""
        return f"fill:{self.fill_id}"


class PositionClosed(Event):
    """A position went flat: one trade of the ledger. By executor_svc."""

    type: Literal["trade"] = "trade"
    account: Name
    position_id: UUID
    configuration_id: UUID
    exchange: Name
    symbol: Name
    timeframe: Timeframe
    side: Literal["long", "short"]
    quantity: Decimal
    entry_time: int
    entry_price: Decimal
    exit_time: int
    exit_price: Decimal
    exit_reason: ExitReason
    fees: Decimal
    profit: Decimal
    """After fees, in the quote currency."""

    @property
    def id(self) -> str:
        """`trade:position_id`."""
        return f"trade:{self.position_id}"


class EquityMarked(Event):
    """The account at one settled close. By executor_svc."""

    type: Literal["equity"] = "equity"
    account: Name
    close_time: int
    cash: Decimal
    equity: Decimal
    exposure: Decimal
    """Sum of the positions' absolute notionals at the last closes."""
    open_positions: int

    @property
    def id(self) -> str:
        """`equity:account:close_time`."""
        return f"equity:{self.account}:{self.close_time}"


AccountEvent = Annotated[
    OrderDecided | OrderFilled | PositionClosed | EquityMarked, Field(discriminator="type")
]
