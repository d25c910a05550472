"""Timeframes and their grid. All times are epoch milliseconds UTC."""

TIMEFRAMES_MS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
}
"""Length of each known timeframe; every grid starts at the epoch."""


def timeframe_ms(timeframe: str) -> int:
    """Return the length of a timeframe in milliseconds.

    Raises:
        ValueError: the timeframe is not known.
    """
    try:
        return TIMEFRAMES_MS[timeframe]
    except KeyError:
        known = ", ".join(TIMEFRAMES_MS)
        raise ValueError(f"unknown timeframe {timeframe!r}; known are {known}") from None
