"""Weight policies as a person says them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tradepulse.candles.arrays import Candles
from tradepulse.research.model_files import PREFIX, learned_policy
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.named import policy_named
from tradepulse.trading.weights import WeightPolicy

Weights = str | Mapping[str, float] | WeightPolicy
"""A policy's name, `model:FILE`, `model:ID` of the registry, fixed weights, or a policy itself."""


def policy_of(
    weights: Weights, series: Sequence[Candles], budget: float = 1.0, state: Path | None = None
) -> WeightPolicy:
    """Return the policy that weights these series.

    Args:
        weights: see `Weights`; fixed ones go by symbol or by `exchange:symbol`.
        series: what is traded.
        budget: what the weights sum to at most.
        state: state folder of a running system, for its registry; None for the usual one.

    Raises:
        ValueError: there is no such policy, or it cannot weight these.
        DatabaseUnavailableError: the registry's database does not answer.
    """
    if isinstance(weights, Mapping):
        return policy_named("fixed", fixed=_by_instrument(weights, series), budget=budget)
    if not isinstance(weights, str):
        return weights
    if not weights.startswith(PREFIX):
        return policy_named(weights, budget=budget)
    policy = _learned(weights, budget, state)
    seen = {one.instrument for one in series if one.timeframe == policy.timeframe}
    if unseen := [one for one in series if one.instrument not in seen]:
        raise ValueError(
            f"the model sees candles of {policy.timeframe}, and there are none of "
            f"{unseen[0].instrument}: give them, or a model of {unseen[0].timeframe}"
        )
    return policy


def _by_instrument(weights: Mapping[str, float], series: Sequence[Candles]) -> dict[str, float]:
    fixed: dict[str, float] = {}
    for name, weight in weights.items():
        meant = {one.instrument for one in series if name in (one.symbol, one.instrument)}
        if not meant:
            there = ", ".join(dict.fromkeys(one.symbol for one in series))
            raise ValueError(f"there are no candles of {name}; there are {there}")
        fixed.update(dict.fromkeys(meant, weight))
    return fixed


def _learned(name: str, budget: float, state: Path | None) -> LearnedPolicy:
    # asyncpg and a database are for those who ask the registry
    from tradepulse.research.model_registry import names_registered  # noqa: PLC0415

    if not names_registered(name):
        return learned_policy(name, budget)
    from tradepulse.embedded.addresses import STATE, database_url  # noqa: PLC0415
    from tradepulse.library.database import read_policy  # noqa: PLC0415
    from tradepulse.library.waiting import waited  # noqa: PLC0415

    url = database_url(state or STATE)
    return waited(lambda: read_policy(url, name, budget))
