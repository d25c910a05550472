"""The plan of what goes wrong: what, where, how often. A test writes it, the server obeys it."""

from dataclasses import dataclass
from random import Random
from typing import TypeVar

from tests.fakes.exchange.clock import Clock
from tests.fakes.exchange.orders import Refusal
from tests.fakes.exchange.tape import Span

# --- requests over HTTP ---


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request gets no answer until the client gives up; handled first if `after`."""

    after: bool = False


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The connection is cut instead of an answer; the request is handled first if `after`.

    aiohttp, and so ccxt, repeats a GET once by itself on a connection that was used before.
    """

    after: bool = False


@dataclass(frozen=True, slots=True)
class RateLimited:
    """429 with a Retry-After header (seconds) and the venue's own body."""

    retry_after: int = 1


@dataclass(frozen=True, slots=True)
class ServerError:
    """A 5xx with the page of a proxy, not of the venue."""

    status: int = 503


@dataclass(frozen=True, slots=True)
class TruncatedBody:
    """The answer's JSON ends in the middle; the request was handled."""


@dataclass(frozen=True, slots=True)
class SlowAnswer:
    """The request is handled at once and answered after so many real seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """Any request is turned down in the venue's own words."""

    refusal: Refusal
    detail: str = ""


# --- orders ---


@dataclass(frozen=True, slots=True)
class Reject:
    """An order is turned down in the venue's own words."""

    refusal: Refusal
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PartialFill:
    """Only this share of an order is filled at once.

    The rest of a limit order rests; the rest of a market order expires.
    """

    share: float


# --- WebSocket messages ---


@dataclass(frozen=True, slots=True)
class DropSocket:
    """The socket is cut at this message; `clean` sends a close frame, else the line goes dead."""

    clean: bool = False


@dataclass(frozen=True, slots=True)
class SilentSocket:
    """The socket stays open and carries no data from this message on.

    Pings and new subscriptions are still answered, unless `pongs` is off.
    """

    pongs: bool = True


@dataclass(frozen=True, slots=True)
class LostMessage:
    """The message never arrives."""


@dataclass(frozen=True, slots=True)
class Duplicated:
    """The message arrives more than once."""

    times: int = 2


@dataclass(frozen=True, slots=True)
class Late:
    """The message arrives after so many later ones, at the latest after the clock's next move."""

    by: int = 1


@dataclass(frozen=True, slots=True)
class TruncatedFrame:
    """The message's JSON ends in the middle."""


@dataclass(frozen=True, slots=True)
class GarbageFrame:
    """Something else arrives instead of the message."""

    text: str = "<html>502 Bad Gateway</html>"


@dataclass(frozen=True, slots=True)
class RefuseSocket:
    """The handshake is answered with an error instead of a socket."""

    status: int = 503


# --- the market itself ---


@dataclass(frozen=True, slots=True)
class Halt:
    """Nothing trades in [start, end), market time in ms."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """The venue's clock is ahead by so many ms (behind, if negative)."""

    ms: int


HTTP_FAULTS = (
    NoAnswer,
    Disconnect,
    RateLimited,
    ServerError,
    TruncatedBody,
    SlowAnswer,
    Refuse,
)
SOCKET_FAULTS = (
    DropSocket,
    SilentSocket,
    LostMessage,
    Duplicated,
    Late,
    TruncatedFrame,
    GarbageFrame,
)
F = TypeVar("F")


@dataclass(slots=True)
class Planned:
    """A fault with its scope; `hits` counts how often it struck."""

    fault: object
    venue: str | None
    method: str | None
    symbol: str | None
    count: int | None
    skip: int
    probability: float
    start: int | None
    until: int | None
    hits: int = 0

    def covers(self, venue: str, method: str | None, symbol: str | None, now: int) -> bool:
        """Whether something of this venue, method and symbol is within the scope."""
        if self.count is not None and self.hits >= self.count:
            return False
        if self.start is not None and now < self.start:
            return False
        if self.until is not None and now >= self.until:
            return False
        return (
            self.venue in (None, venue)
            and self.method in (None, method)
            and self.symbol in (None, symbol)
        )


class Faults:
    """Everything that is to go wrong, in the order in which it was planned.

    Args:
        clock: market time, for faults that begin or end at one.
        seed: of the draws for faults with a probability.
    """

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self._clock = clock
        self._random = Random(seed)
        self._planned: list[Planned] = []

    def add(
        self,
        fault: object,
        *,
        venue: str | None = None,
        method: str | None = None,
        symbol: str | None = None,
        count: int | None = None,
        skip: int = 0,
        probability: float = 1.0,
        start: int | None = None,
        until: int | None = None,
    ) -> Planned:
        """Plan a fault.

        Args:
            fault: one of this module's faults.
            venue: binanceus, coinbase, kraken or bitstamp; every venue if not given.
            method: ccxt's name, as create_order or watch_trades; every method if not given.
            symbol: unified symbol; every symbol, and what has none, if not given.
            count: how often at most.
            skip: how many matching requests or messages pass first.
            probability: of each that matches.
            start: not before this market time, ms.
            until: not from this market time on, ms.
        """
        planned = Planned(fault, venue, method, symbol, count, skip, probability, start, until)
        self._planned.append(planned)
        return planned

    def outage(self, venue: str, start: int, end: int) -> None:
        """Plan a venue that is down in [start, end): nothing trades, answers or connects."""
        self.add(Halt(start, end), venue=venue)
        self.add(ServerError(503), venue=venue, start=start, until=end)
        self.add(RefuseSocket(503), venue=venue, start=start, until=end)
        self.add(DropSocket(), venue=venue, start=start, until=end)

    def clear(self) -> None:
        """Let everything go right again."""
        self._planned.clear()

    def take(self, venue: str, method: str | None, symbol: str | None, kind: type[F]) -> F | None:
        """Return the fault of a kind that strikes here, if one does, and count it."""
        found = self.strike((kind,), venue, method, symbol)
        return found if isinstance(found, kind) else None

    def strike(
        self, kinds: tuple[type, ...], venue: str, method: str | None, symbol: str | None
    ) -> object | None:
        """Return the first planned fault of some kinds that strikes here, and count it."""
        for planned in self._planned:
            if not isinstance(planned.fault, kinds):
                continue
            if not planned.covers(venue, method, symbol, self._clock.now):
                continue
            if planned.skip > 0:
                planned.skip -= 1
                continue
            if planned.probability < 1.0 and self._random.random() >= planned.probability:
                continue
            planned.hits += 1
            return planned.fault
        return None

    def halts(self, venue: str, symbol: str) -> tuple[Span, ...]:
        """Spans in which a market of a venue does not trade."""
        return tuple(
            (planned.fault.start, planned.fault.end)
            for planned in self._planned
            if isinstance(planned.fault, Halt)
            and planned.venue in (None, venue)
            and planned.symbol in (None, symbol)
        )

    def skew(self, venue: str) -> int:
        """Return how far a venue's clock is ahead, ms."""
        return sum(
            planned.fault.ms
            for planned in self._planned
            if isinstance(planned.fault, ClockSkew) and planned.venue in (None, venue)
        )
