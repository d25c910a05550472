"""One row of each table of the ledger, as a file, the API and the library give it.

Money is text, so that no digit is lost; times are epoch ms, UTC.
"""

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

PLAIN = r"^-?[0-9]+(\.[0-9]+)?$"
Amount = Annotated[str, Field(pattern=PLAIN)]
"""An amount, a price or a quantity of the ledger, as plain digits."""
EpochMs = Annotated[int, Field(ge=0)]
"""Epoch milliseconds, UTC."""
Kind = Literal["id", "text", "amount", "time", "number", "count", "flag"]
_KINDS: dict[Any, Kind] = {
    UUID: "id",
    str: "text",
    Amount: "amount",
    EpochMs: "time",
    float: "number",
    int: "count",
    bool: "flag",
}


class Row(BaseModel):
    """Base of the rows: the fields are the columns, in their order."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    @classmethod
    def kinds(cls) -> dict[str, Kind]:
        """Return by column what is in it."""
        hints = get_type_hints(cls, include_extras=True)
        return {name: _kind(hints[name]) for name in cls.model_fields}


class TradeRow(Row):
    """One closed position."""

    position_id: UUID
    strategy: str | None
    """Null where the configuration is not stored here."""
    configuration_id: UUID
    exchange: str
    symbol: str
    timeframe: str
    side: Literal["long", "short"]
    quantity: Amount
    entry_time: EpochMs
    """Close of the candle in which it was entered."""
    entry_price: Amount
    exit_time: EpochMs
    exit_price: Amount
    exit_reason: str
    fees: Amount
    """Of entry and exit, quote currency."""
    profit: Amount
    """After fees, quote currency."""


class OrderRow(Row):
    """One order with its fills, or with the reason of its refusal."""

    order_id: UUID
    strategy: str | None
    configuration_id: UUID
    exchange: str
    symbol: str
    timeframe: str
    side: Literal["buy", "sell"]
    order_type: str
    opens_position: bool
    status: str
    reason: str
    """Why it was refused or has expired; empty where it was not."""
    quantity: Amount | None
    """Null where it is not known: of an entry at market before its fill, and of a refused one."""
    notional: Amount | None
    """What an entry may spend, its costs included, quote currency."""
    reference_price: float
    limit_price: Amount | None
    stop_price: Amount | None
    take_profit_price: Amount | None
    decided_at: EpochMs
    fill_price: Amount | None
    fee: Amount | None
    filled_at: EpochMs | None
    exit_reason: str | None
    signal_id: UUID | None


class EquityRow(Row):
    """The account at one settled close, quote currency."""

    close_time: EpochMs
    cash: Amount
    equity: Amount
    exposure: Amount
    """What is held, at the closes."""
    open_positions: int


class WeightRow(Row):
    """The weight of one instrument, decided at one close."""

    close_time: EpochMs
    instrument: str | None
    """`exchange:symbol`; null where a close has no weights."""
    weight: float | None
    """Null where the instrument had no candle, or the model does not know it yet."""
    policy: str
    budget: float
    """What the weights of a close sum to at most."""
    model_id: UUID | None
    fallback: str | None
    """Why the portfolio's own policy did not decide; `policy` did in its place."""


class SignalRow(Row):
    """One signal of one configuration at the close of one candle."""

    signal_id: UUID
    strategy: str
    configuration_id: UUID
    exchange: str
    symbol: str
    timeframe: str
    action: str
    reference_price: float
    limit_price: float | None
    stop_price: float | None
    take_profit_price: float | None
    confidence: float
    decided_at: EpochMs


def _kind(hint: Any) -> Kind:
    if get_origin(hint) in {Union, UnionType}:
        [hint] = [one for one in get_args(hint) if one is not type(None)]
    return "text" if get_origin(hint) is Literal else _KINDS[hint]
