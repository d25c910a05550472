"""Short codes of the reasons why orders are refused: a ledger keeps reasons, a metric codes."""

LEFT = "position left by "
"""Begins the reason of a waiting exit whose position was already gone; how it was left follows."""
CODES = {
    "the account is ruined": "ruined",
    "stale signal": "stale",
    "a spot market cannot be sold short": "no_short",
    "a price cannot be written with the market's tick": "tick",
    "maximum open positions reached": "max_positions",
    "portfolio weight is zero": "zero_weight",
    "maximum notional of the symbol reached": "max_symbol_notional",
    "maximum total notional reached": "max_total_notional",
    "below the market's minimum notional": "min_notional",
    "less than the market's quantity step": "quantity_step",
    "below the market's least quantity": "min_quantity",
    "the series ended": "series_ended",
    "cooling down after a stop": "cooldown",
    "not enough cash at the fill": "no_cash",
    "the series ended before it could fill": "ended_unfilled",
    LEFT: "position_left",
}
"""Code of each reason; of `LEFT`, whatever follows."""
OTHER = "other"
"""Nothing has this code, as a test holds; but no ledger may stand still for want of one."""


def code_of(reason: str) -> str:
    """Return the code of a refused order's reason; `OTHER` where it has none."""
    return CODES.get(LEFT if reason.startswith(LEFT) else reason, OTHER)
