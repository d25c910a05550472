"""The market's clock: it stands still until a test moves it."""


class Clock:
    """Market time in epoch milliseconds. Only the exchange that owns it moves it."""

    def __init__(self, now: int) -> None:
        self._now = now

    @property
    def now(self) -> int:
        """Market time in epoch milliseconds."""
        return self._now

    def move_to(self, now: int) -> None:
        """Move forward; ValueError when that would be backward."""
        if now < self._now:
            raise ValueError(f"the market's clock is at {self._now} and cannot go back to {now}")
        self._now = now
