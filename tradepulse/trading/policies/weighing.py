"""How a close is weighed: by its policy, or by inverse volatility where that cannot.

The live service and the backtest both ask `weigh`, with the same history of returns.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.trading.policies.by_covariance import ByCovariance
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.weights import (
    LOOKBACK,
    InverseVolatility,
    ReturnHistory,
    WeightPolicy,
    checked_budget,
    instruments_of,
)

FALLBACKS = {
    "timeframe": "an instrument has no series of the timeframe that the policy sees",
    "history": "no instrument has enough returns yet",
    "instrument": "the model named other instruments than those that are traded",
    "not_finite": "a weight of the model was no number",
    "range": "a weight of the model was below 0 or above 1",
    "sum": "the model's weights summed to more than the budget",
    "no_model": "no model of the portfolio is active",
    "artifact": "the active model was changed or damaged in the database",
}
"""Why a close is decided by inverse volatility in place of the policy."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided at a close.

    Attributes:
        policy: the name of what decided.
        weights: by instrument.
        budget: what they sum to at most.
        model_id: of the model that is followed.
        fallback: why the policy's own weights were not used, one of `FALLBACKS`.
        unknown: instruments that a model does not know yet, for want of returns; they have none.
        clipped: figures at their bound that the model saw.
    """

    policy: str
    weights: dict[str, float]
    budget: float = 1.0
    model_id: str | None = None
    fallback: str | None = None
    unknown: tuple[str, ...] = ()
    clipped: int = 0


class Unserved:
    """Stands in for a model that is not there or cannot be used; inverse volatility decides.

    Args:
        reason: one of `FALLBACKS`.
        budget: what the weights sum to at most.
        model_id: of the model that would be followed.
    """

    name = "unserved"
    lookback = LOOKBACK

    def __init__(self, reason: str, budget: float = 1.0, model_id: str | None = None) -> None:
        self.reason = reason
        self.budget = checked_budget(budget)
        self.model_id = model_id

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return what inverse volatility says."""
        return InverseVolatility(self.lookback, self.budget).weights(returns)


def history_for(policy: WeightPolicy) -> int:
    """Return how many returns of each series must be kept for a policy and its fallback."""
    if isinstance(policy, LearnedPolicy | ByCovariance):
        return max(policy.lookback, InverseVolatility().lookback)
    return policy.lookback


def weigh(policy: WeightPolicy, history: ReturnHistory, series: Collection[str]) -> Decision:
    """Decide the weights of a close.

    Args:
        policy: what is followed.
        history: with this close in it; at least `history_for(policy)` returns of each series.
        series: those that are traded after the close.
    """
    if isinstance(policy, LearnedPolicy):
        return _by_model(policy, history, series)
    if isinstance(policy, Unserved):
        return _by_fallback(policy.reason, policy, history, series)
    if isinstance(policy, ByCovariance):
        own = finest_common(series)
        if own is None:
            return _by_fallback("timeframe", policy, history, series)
        series = own
    weights = policy.weights(history.returns(series, policy.lookback))
    return Decision(policy.name, weights, policy.budget)


def finest_common(series: Collection[str]) -> list[str] | None:
    """Return the series of the shortest timeframe that every instrument has; None if none is."""
    by_timeframe: dict[str, list[str]] = {}
    for one in series:
        by_timeframe.setdefault(one.rpartition(":")[2], []).append(one)
    for timeframe in sorted(by_timeframe, key=timeframe_ms):
        if instruments_of(by_timeframe[timeframe]) == instruments_of(series):
            return by_timeframe[timeframe]
    return None if series else []


def _by_model(policy: LearnedPolicy, history: ReturnHistory, series: Collection[str]) -> Decision:
    own = [one for one in series if one.rpartition(":")[2] == policy.timeframe]
    if instruments_of(own) != instruments_of(series):
        return _by_fallback("timeframe", policy, history, series)
    seen = policy.observe(history.arrays(own, policy.lookback))
    unknown = tuple(
        name
        for name, known in zip(seen.instruments, seen.mask[0].tolist(), strict=True)
        if not known
    )
    if series and len(unknown) == len(seen.instruments):
        return _by_fallback("history", policy, history, series, unknown)
    weights = policy.weights_of(seen)
    if fault := fault_in(weights, instruments_of(series), policy.budget):
        return _by_fallback(fault, policy, history, series, unknown)
    return Decision(
        policy.name, weights, policy.budget, policy.model_id, None, unknown, policy.clipped(seen)
    )


def _by_fallback(
    reason: str,
    policy: LearnedPolicy | ByCovariance | Unserved,
    history: ReturnHistory,
    series: Iterable[str],
    unknown: tuple[str, ...] = (),
) -> Decision:
    fallback = InverseVolatility(budget=policy.budget)
    weights = fallback.weights(history.returns(series, fallback.lookback))
    model_id = None if isinstance(policy, ByCovariance) else policy.model_id
    return Decision(fallback.name, weights, policy.budget, model_id, reason, unknown)


def fault_in(
    weights: Mapping[str, float], instruments: Collection[str], budget: float
) -> str | None:
    """Return why a vector cannot be used, one of `FALLBACKS`, or None where it can."""
    if weights.keys() != set(instruments):
        return "instrument"
    if not all(math.isfinite(weight) for weight in weights.values()):
        return "not_finite"
    if not all(0 <= weight <= 1 for weight in weights.values()):
        return "range"
    return "sum" if math.fsum(weights.values()) > budget + _ROUNDING else None
