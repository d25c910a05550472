"""The machine's clock, for the edges: what decides is given the time."""

import time


def wall_clock() -> int:
    """Return the time now, epoch ms."""
    return time.time_ns() // 1_000_000
