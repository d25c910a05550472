"""What rl_svc is told by its environment."""

from typing import Annotated, Literal

from pydantic import Field

from tradepulse.runtime.settings import RuntimeSettings
from tradepulse.trading.event_time import GRACE_MS, TOLERANCE_MS
from tradepulse.trading.weights import WeightPolicy, policy_named


class PortfolioSettings(RuntimeSettings):
    """Portfolio, policy and clock."""

    portfolio: str = Field(default="main", pattern=r"^[^\s:]{1,64}$")
    clock: Literal["wall", "replay"] = "wall"
    """`replay` waits for every instrument without limit."""
    grace_ms: int = Field(default=GRACE_MS, gt=0)
    """How long a close waits for stragglers, by the wall clock."""
    clock_tolerance_s: int = Field(default=TOLERANCE_MS // 1000, ge=0)
    """Live, what is further ahead of the wall clock is put aside."""
    policy: Literal["equal", "inverse_volatility", "fixed"] = "inverse_volatility"
    policy_lookback: int = Field(default=96, ge=2, le=100_000)
    """Returns of each instrument that the policy looks at."""
    fixed_weights: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """Weight by instrument (`exchange:symbol`), for the fixed policy."""

    @property
    def waits_ms(self) -> int | None:
        """How long a close waits for stragglers; None without limit."""
        return None if self.clock == "replay" else self.grace_ms

    def weight_policy(self) -> WeightPolicy:
        """Return the policy.

        Raises:
            ValueError: the fixed weights are wrong or missing.
        """
        return policy_named(self.policy, lookback=self.policy_lookback, fixed=self.fixed_weights)
