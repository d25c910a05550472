"""What the executor is told by its environment."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tradepulse.market_data.instrument_rules import market_rules
from tradepulse.runtime.settings import RuntimeSettings
from tradepulse.trading.defaults import CASH
from tradepulse.trading.event_time import GRACE_MS, TOLERANCE_MS
from tradepulse.trading.sizing import AccountRules, InstrumentRules, RiskLimits


class MarketSettings(BaseModel):
    """One instrument's market; see `tradepulse.trading.sizing.InstrumentRules`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    price_tick: Decimal | None = Field(default=None, gt=0)
    quantity_step: Decimal | None = Field(default=None, gt=0)
    min_quantity: Decimal = Field(default=InstrumentRules().min_quantity, ge=0)
    min_notional: Decimal = Field(default=InstrumentRules().min_notional, ge=0)
    allows_margin: bool = False


class ExecutorSettings(RuntimeSettings):
    """Account, clock, costs and limits."""

    account: str = Field(default="main", pattern=r"^[^\s:]{1,64}$")
    initial_cash: Decimal = Field(default=CASH, gt=0)
    clock: Literal["wall", "replay"] = "wall"
    """`replay` judges age by event time and waits for every series without limit."""
    grace_ms: int = Field(default=GRACE_MS, gt=0)
    """How long a close waits for stragglers, by the wall clock."""
    clock_tolerance_s: int = Field(default=TOLERANCE_MS // 1000, ge=0)
    """Live, what is further ahead of the wall clock is put aside."""
    portfolio: str = Field(default="main", pattern=r"^[^\s:]{0,64}$")
    """Whose weights size the entries; `none` for equal weights, waiting for nobody."""
    fee: Decimal = Field(default=AccountRules().fee, ge=0, lt=1)
    maker_fee: Decimal | None = Field(default=None, ge=0, lt=1)
    """Of limit orders that rested and of targets; none for the same as `fee`."""
    slippage: float = Field(default=AccountRules().slippage, ge=0, lt=1)
    impact: float = Field(default=AccountRules().impact, ge=0, lt=1)
    """Added to the slippage of an order as large as its candle's volume."""
    max_symbol_notional: Decimal = Field(default=RiskLimits().max_symbol_notional, gt=0)
    max_total_notional: Decimal = Field(default=RiskLimits().max_total_notional, gt=0)
    max_open_positions: int = Field(default=RiskLimits().max_open_positions, gt=0)
    risk_per_trade: Decimal | None = Field(default=None, gt=0, lt=1)
    max_weight_age_s: int = Field(default=AccountRules().max_weight_age_ms // 1000, gt=0)
    markets: dict[str, MarketSettings] = Field(default_factory=dict)
    """By instrument, as in `{"binanceus:BTC/USD": {"price_tick": "0.01"}}`; above what is kept."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.max_total_notional > 1:
            raise ValueError("MAX_TOTAL_NOTIONAL above 1 would need leverage, which is not offered")
        if self.slippage + self.impact >= 1:
            raise ValueError("SLIPPAGE and IMPACT together must be below 1")
        return self

    @property
    def waits_ms(self) -> int | None:
        """How long a close waits for stragglers; None without limit."""
        return None if self.clock == "replay" else self.grace_ms

    def by_hand(self) -> dict[str, dict[str, Any]]:
        """Return what `MARKETS` says, by instrument and field."""
        return {name: one.model_dump(exclude_unset=True) for name, one in self.markets.items()}

    def rules(self, markets: Mapping[str, InstrumentRules] | None = None) -> AccountRules:
        """Return the account's rules.

        Args:
            markets: those that it trades; by default as `MARKETS` says, and nothing else.
        """
        return AccountRules(
            fee=self.fee,
            maker_fee=self.maker_fee,
            slippage=self.slippage,
            impact=self.impact,
            limits=RiskLimits(
                self.max_symbol_notional,
                self.max_total_notional,
                self.max_open_positions,
                self.risk_per_trade,
            ),
            max_weight_age_ms=self.max_weight_age_s * 1000,
            markets=market_rules(self.markets, {}, self.by_hand()) if markets is None else markets,
        )
