"""Levels that change while a position is held. As `fills.py`, the only copy of these rules."""

from tradepulse.trading.fills import scalar, to_digits, trailed_stop


@scalar
def moved_stop(side: int, stop: float, level: float, close: float) -> float:
    """Return where a stop stands that a strategy moves at a close; it never moves back.

    A level below the close concerns longs, one above it shorts, one at it both.

    Args:
        side: `LONG` or `SHORT`.
        stop: stop price so far, NaN for none.
        level: where it is to stand; NaN, or at or below zero, for nowhere.
        close: of the candle at which it is said.
    """
    # false for NaN
    if level > 0.0 and side * (close - level) >= 0.0:
        return trailed_stop(side, stop, 0.0, level, level)
    return to_digits(stop)
