"""Which partitions a consumer of event time leaves alone for a while, to bound its memory.

What leads is paused until what lags has caught up. Nothing is lost: it stays in Kafka.
"""

from collections.abc import Iterable

from contracts.topics import CANDLES
from tradepulse.runtime.publisher import partition_of

FAR_AHEAD = 2_000
"""Closes gathered beyond the one that is waited for, at which the partitions that lead pause."""


def partition_of_series(series: str) -> int:
    """Return the partition of a series on the candles' and the evaluations' topic."""
    return partition_of(series.rpartition(":")[0].encode(), CANDLES.partitions)


def to_hold_back(
    ahead: int, blocking: Iterable[str], leaders: Iterable[str]
) -> dict[str, set[int]]:
    """Return the partitions to pause, by topic.

    Args:
        ahead: closes that are gathered and not settled.
        blocking: series that the next close waits for; their partitions are never paused.
        leaders: partitions that have run ahead, as `topic/partition`.
    """
    held: dict[str, set[int]] = {}
    if ahead <= FAR_AHEAD:
        return held
    needed = {partition_of_series(series) for series in blocking}
    for name in leaders:
        topic, _, partition = name.rpartition("/")
        if int(partition) not in needed:
            held.setdefault(topic, set()).add(int(partition))
    return held
