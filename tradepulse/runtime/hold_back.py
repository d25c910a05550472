"""Which partitions a consumer of event time leaves alone for a while, to bound its memory.

What leads is paused until what lags has caught up. Nothing is lost: it stays in Kafka.
"""

from collections.abc import Iterable
from typing import Protocol

from contracts.topics import CANDLES
from tradepulse.runtime.publisher import partition_of
from tradepulse.runtime.reading import AssignedReading

FAR_AHEAD = 2_000
"""Closes gathered beyond the one that is waited for, at which the partitions that lead pause."""


def partition_of_series(series: str) -> int:
    """Return the partition of a series on the candles' and the evaluations' topic."""
    return partition_of(series.rpartition(":")[0].encode(), CANDLES.partitions)


class Gathering(Protocol):
    """What is gathered; see `tradepulse.trading.event_time.EventTime`."""

    def ahead(self) -> int: ...  # noqa: D102 - see class

    def blocking(self) -> list[str]: ...  # noqa: D102 - see class

    def leaders(self) -> list[str]: ...  # noqa: D102 - see class


def hold_back(gathering: Gathering, *readings: AssignedReading) -> int:
    """Pause what has run far ahead, go on with the rest; return how many closes are gathered."""
    ahead = gathering.ahead()
    held: dict[str, set[int]] = {}
    # this is asked at every batch, and what blocks and leads may be long lists
    if ahead > FAR_AHEAD:
        held = to_hold_back(ahead, gathering.blocking(), gathering.leaders())
    for reading in readings:
        reading.pause_only(held.get(reading.topic.name, ()))
    return ahead


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
