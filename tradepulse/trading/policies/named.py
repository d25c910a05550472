"""Weight policies by their names."""

from collections.abc import Mapping

from tradepulse.trading.policies.hrp import HierarchicalRiskParity
from tradepulse.trading.policies.min_variance import MinimumVariance
from tradepulse.trading.weights import (
    LOOKBACK,
    EqualWeights,
    FixedWeights,
    InverseVolatility,
    WeightPolicy,
)


def policy_named(
    name: str,
    *,
    lookback: int = LOOKBACK,
    fixed: Mapping[str, float] | None = None,
    budget: float = 1.0,
) -> WeightPolicy:
    """Return the policy of a name.

    Raises:
        ValueError: there is no such policy, `fixed` has no weights or wrong ones, or there can be
            no such budget.
    """
    if name == EqualWeights.name:
        return EqualWeights(budget)
    if name == InverseVolatility.name:
        return InverseVolatility(lookback, budget)
    for one in (HierarchicalRiskParity, MinimumVariance):
        if name == one.name:
            return one(lookback, budget)
    if name == FixedWeights.name:
        if not fixed:
            raise ValueError("the fixed policy needs weights")
        return FixedWeights(fixed, budget)
    known = "equal, inverse_volatility, hrp, min_variance, fixed, model:FILE"
    raise ValueError(f"unknown weight policy {name!r}; known are {known}")
