"""The seam between the world's candles and the rest: a replay today, an exchange tomorrow."""

from collections.abc import AsyncIterator
from typing import Protocol

from contracts.events import CandleClosed, FeedAnnounced


class Feed(Protocol):
    """A source of finished candles in event-time order."""

    def announcement(self) -> FeedAnnounced:
        """Return the feed's name and every series it will give."""
        ...

    def batches(self, after: int) -> AsyncIterator[list[CandleClosed]]:
        """Yield every candle that closes after `after` (epoch ms), in order of close time.

        All candles of one close time come in the same batch. Ends where the feed ends; given the
        same `after`, a replay yields the same candles again.
        """
        ...

    def lateness_s(self, close_time: int) -> float:
        """Return how many seconds ago a candle of this close time was due, now."""
        ...
