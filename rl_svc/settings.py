"""What rl_svc is told by its environment."""

from typing import Annotated, Literal

from pydantic import Field

from tradepulse.research.model_files import PREFIX, learned_policy
from tradepulse.runtime.settings import RuntimeSettings
from tradepulse.trading.event_time import GRACE_MS, TOLERANCE_MS
from tradepulse.trading.policies.named import policy_named
from tradepulse.trading.weights import LOOKBACK, MAX_BUDGET, InverseVolatility, WeightPolicy

_POLICIES = r"^(equal|inverse_volatility|hrp|min_variance|fixed|model:.+)$"


class PortfolioSettings(RuntimeSettings):
    """Portfolio, policy and clock."""

    portfolio: str = Field(default="main", pattern=r"^[^\s:]{1,64}$")
    clock: Literal["wall", "replay"] = "wall"
    """`replay` waits for every instrument without limit."""
    grace_ms: int = Field(default=GRACE_MS, gt=0)
    """How long a close waits for stragglers, by the wall clock."""
    clock_tolerance_s: int = Field(default=TOLERANCE_MS // 1000, ge=0)
    """Live, what is further ahead of the wall clock is put aside."""
    policy: Annotated[str, Field(pattern=_POLICIES)] = InverseVolatility.name
    """`model:FILE` for a trained model."""
    policy_lookback: int = Field(default=LOOKBACK, ge=2, le=100_000)
    """Returns of each instrument that the policy looks at."""
    fixed_weights: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """Weight by instrument (`exchange:symbol`), for the fixed policy."""
    budget: float = Field(default=1.0, gt=0, le=MAX_BUDGET)
    """What the weights sum to at most."""

    @property
    def waits_ms(self) -> int | None:
        """How long a close waits for stragglers; None without limit."""
        return None if self.clock == "replay" else self.grace_ms

    def weight_policy(self) -> WeightPolicy:
        """Return the policy.

        Raises:
            ValueError: the fixed weights are wrong or missing, or the model cannot be used.
        """
        if self.policy.startswith(PREFIX):
            return learned_policy(self.policy, self.budget)
        return policy_named(
            self.policy,
            lookback=self.policy_lookback,
            fixed=self.fixed_weights,
            budget=self.budget,
        )
