"""What the server and the venues pass each other: calls, replies, routes, streams."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from tests.fakes.exchange.core import Event, VenueCore
from tests.fakes.exchange.orders import Fees, RefusedError

API_KEY = "fake-key"  # pragma: allowlist secret
# base64 without padding, as Kraken wants its secrets; the others take any text
SECRET = "ZmFrZSBzZWNyZXQgb2YgdGhlIGZha2UgZXhjaGFuZ2Uh"  # pragma: allowlist secret
# what a venue allows a request's timestamp to be off, ms
TIME_WINDOW = 10_000


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, decoded."""

    verb: str
    url: str
    path: str
    args: Mapping[str, Any]
    headers: Mapping[str, str]
    body: str
    query: str

    def text(self, name: str) -> str | None:
        """Return an argument as text, from the path, the query or the body."""
        value = self.args.get(name)
        return None if value is None or value == "" else str(value)

    def number(self, name: str) -> int | None:
        """Return an argument as a whole number; fractions are cut."""
        value = self.text(name)
        return None if value is None else int(Decimal(value))

    def decimal(self, name: str) -> Decimal | None:
        """Return an argument as a decimal."""
        value = self.text(name)
        return None if value is None else Decimal(value)


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer; `body` becomes JSON."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: its verb and path, ccxt's name of it, and what answers."""

    verb: str
    path: str
    method: str
    handler: Callable[[Call], Any]
    private: bool = False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One WebSocket message. Only those with a method (ccxt's name) can be struck by faults."""

    payload: Any
    method: str | None = None
    symbol: str | None = None

    def text(self) -> str:
        """Return the frame as it is sent."""
        return json.dumps(self.payload, separators=(",", ":"))


class Stream(Protocol):
    """The venue's side of one socket."""

    def opening(self) -> Iterable[Outgoing]:
        """Messages that a new socket gets before it asks for anything."""

    def receive(self, message: Any) -> Iterable[Outgoing]:
        """Answer a client's message."""

    def on(self, event: Event) -> Iterable[Outgoing]:
        """Tell of an event whoever subscribed to it."""


class Venue(Protocol):
    """One venue's wire: it maps the core to the venue's own formats and back."""

    FEES: ClassVar[Fees]
    # whether it has a candle where nothing traded
    FILLS_QUIET: ClassVar[bool]
    # a time at which a week begins, ms
    WEEK_ANCHOR: ClassVar[int]

    core: VenueCore

    def __init__(self, core: VenueCore) -> None:
        """Speak for a core."""

    @staticmethod
    def name_order(number: int) -> str:
        """Return the id of the account's n-th order."""

    def routes(self) -> list[Route]:
        """Every endpoint."""

    def sockets(self) -> dict[str, Callable[[], Stream]]:
        """WebSocket paths."""

    def urls(self, http: str, ws: str) -> dict[str, Any]:
        """ccxt's `urls`, pointed at this server."""

    def symbol_of(self, call: Call) -> str | None:
        """Unified symbol that a call is about, if any."""

    def check(self, call: Call) -> None:
        """RefusedError unless the call is signed as the venue wants it."""

    def refuse(self, error: RefusedError) -> Reply:
        """Say no in the venue's own words."""


def iso(time: int) -> str:
    """Epoch ms as ISO 8601 with microseconds and Z."""
    stamp = datetime.fromtimestamp(time / 1000, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plain(value: Decimal, decimals: int = 8) -> str:
    """Return a decimal with so many decimals, never in scientific notation."""
    return f"{value:.{decimals}f}"
