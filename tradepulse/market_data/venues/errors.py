"""What goes wrong with a venue: for now, or for good. Each message is one line."""


class VenueError(RuntimeError):
    """A venue did not give what was asked for."""


class VenueDownError(VenueError):
    """The venue does not answer now, or its answer is cut or unreadable: ask again later."""


class RateLimitedError(VenueDownError):
    """The venue wants fewer requests.

    Attributes:
        retry_after_s: seconds to wait before the next request.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class VenueRefusedError(VenueError):
    """What is asked for can never be had so; the message says what, why, and what to do."""


class OutOfReachError(VenueRefusedError):
    """The venue no longer serves a range this old; the rest of the range is unharmed."""
