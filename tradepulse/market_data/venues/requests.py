"""Requests through ccxt, each answer looked at before ccxt does.

ccxt takes a cut answer for an empty one, and knows a request's HTTP status only in its errors. So
two hooks are set on the client: an answer that is no JSON is refused, wherever in ccxt it was asked
for, and status, headers and JSON are kept for the task that asked.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, TypeVar

from tradepulse.market_data.venues.errors import RateLimitedError
from tradepulse.market_data.venues.pace import Pace
from tradepulse.market_data.venues.rules import VenueRules

T = TypeVar("T")
_BAD_STATUS = 400


@dataclass(slots=True)
class Answer:
    """What came back to a request: kept by its task, as several are under way at once."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None


_answer: ContextVar[Answer | None] = ContextVar("_answer", default=None)
_status: ContextVar[int] = ContextVar("_status", default=_BAD_STATUS)


class Requests:
    """Asks one venue.

    Args:
        client: ccxt's; its hooks and its throttle are set.
        rules: the venue's.
        pace: spaces requests.
    """

    def __init__(self, client: Any, rules: VenueRules, pace: Pace) -> None:
        self._client = client
        self._rules = rules
        self._pace = pace
        # it imports ccxt, which must not happen before the first venue
        self._failures = import_module("tradepulse.market_data.venues.failures")
        _look_at_answers(client)
        self._space_requests()

    async def ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """Ask, and return what ccxt makes of the answer; see `ask_with_answer`."""
        return (await self.ask_with_answer(request))[0]

    async def ask_with_answer(self, request: Callable[[], Awaitable[T]]) -> tuple[T, Answer]:
        """Ask, and return the answer as it came, too.

        Raises:
            RateLimitedError: everybody else waits from now on, too.
            VenueDownError: the venue does not answer now.
            VenueRefusedError: it never will.
        """
        answer = Answer()
        token = _answer.set(answer)
        try:
            if not self._client.enableRateLimit:
                # ccxt does not wait then, but a pause that the venue asked for is kept
                await self._pace.wait(self._rules.name, 0.0)
            return await request(), answer
        except self._failures.UNREADABLE as error:
            met = self._failures.failure(
                self._rules.name, error, answer.status, answer.headers, datetime.now(UTC)
            )
            if isinstance(met, RateLimitedError):
                await self._pace.hold(self._rules.name, met.retry_after_s)
            raise met from error
        finally:
            _answer.reset(token)

    def _space_requests(self) -> None:
        """Let ccxt wait for its own limiter, then for the turn among all processes."""
        own = self._client.throttle
        spacing_s = (self._client.rateLimit or self._rules.spacing_ms) / 1000

        async def throttle(cost: float | None = None) -> None:
            await own(cost)
            await self._pace.wait(self._rules.name, spacing_s * (1 if cost is None else cost))

        self._client.throttle = throttle


def _look_at_answers(client: Any) -> None:
    """Refuse every answer that is no JSON, and keep status, headers and JSON for its task."""
    from ccxt.base.errors import ExchangeNotAvailable  # noqa: PLC0415 - ccxt comes with the first venue

    seen, read = client.on_rest_response, client.parse_json

    def on_rest_response(code: int, *rest: Any) -> Any:
        answer = _answer.get()
        if answer is not None:
            answer.status, answer.headers = code, rest[3]
        _status.set(code)
        return seen(code, *rest)

    def parse_json(text: str) -> Any:
        parsed = read(text)
        if parsed is None and _status.get() < _BAD_STATUS:
            raise ExchangeNotAvailable(f"{client.id} sent a cut or unreadable answer")
        answer = _answer.get()
        if answer is not None:
            answer.json = parsed
        return parsed

    client.on_rest_response, client.parse_json = on_rest_response, parse_json
