"""What a venue accepts as an order, out of the markets that ccxt has loaded."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tradepulse.market_data.instrument_rules import KeptRules

DECIMAL_PLACES = 2
SIGNIFICANT_DIGITS = 3
TICK_SIZE = 4
"""ccxt's precision modes. Our venues have the last one; ccxt's own numbers, that is not imported
for them."""


def listed_rules(
    exchange: str, market: Mapping[str, Any], precision_mode: int, now: int
) -> KeptRules:
    """Return the rules of one of ccxt's markets; what it does not tell is not known.

    Args:
        exchange: ccxt's id of the venue.
        market: of `client.markets`.
        precision_mode: of the client: whether its precisions are steps or numbers of decimals.
        now: epoch ms.
    """
    precision, limits = market.get("precision") or {}, market.get("limits") or {}
    return KeptRules(
        exchange,
        market["symbol"],
        _step(precision.get("price"), precision_mode),
        _step(precision.get("amount"), precision_mode),
        _least(limits, "amount"),
        _least(limits, "cost"),
        source="ccxt",
        valid_from=now,
    )


def _step(told: float | str | None, mode: int) -> Decimal | None:
    if told is None or mode not in (DECIMAL_PLACES, TICK_SIZE):
        # a number of digits is no step
        return None
    step = Decimal(str(told))
    if mode == DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(step))
    return step if step > 0 else None


def _least(limits: Mapping[str, Any], name: str) -> Decimal:
    told = (limits.get(name) or {}).get("min")
    return Decimal(0) if told is None else Decimal(str(told))
