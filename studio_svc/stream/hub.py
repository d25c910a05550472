"""Passes what happens on to every open page."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from studio_svc.stream.mailbox import Mailbox
from studio_svc.web_app.views import CandleRow, EquityRow, plain

PUSH_INTERVAL_S = 0.1
PING_INTERVAL_S = 5.0
MAX_PAGES = 64


class TooManyPagesError(RuntimeError):
    """More pages are open than one server should feed."""


class _Page:
    def __init__(self, series: str | None) -> None:
        self.mailbox = Mailbox(series)
        self.wake = asyncio.Event()


class Hub:
    """Knows the open pages and the newest candle; every method is called from one event loop."""

    def __init__(
        self, *, push_interval_s: float = PUSH_INTERVAL_S, ping_interval_s: float = PING_INTERVAL_S
    ) -> None:
        self._push_interval_s = push_interval_s
        self._ping_interval_s = ping_interval_s
        self._pages: set[_Page] = set()
        self._state: dict[str, Any] = {}
        self._newest: dict[str, int] = {}
        self._closed = False
        self.event_time: int | None = None
        """The newest close seen, epoch ms."""
        self.source: str | None = None
        """Where the newest candle came from."""

    @property
    def pages(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    def candle(self, series: str, row: CandleRow, close_time: int, source: str) -> None:
        """Pass on a candle."""
        if self.event_time is None or close_time >= self.event_time:
            # an older candle that was corrected says nothing of where the newest came from
            self.event_time, self.source = close_time, source
        is_newest = row[0] >= self._newest.get(series, row[0])
        if is_newest:
            self._newest[series] = row[0]
        for page in self._woken():
            page.mailbox.add_candle(series, row, is_newest=is_newest)

    def equity(self, row: EquityRow) -> None:
        """Pass on a settled close."""
        for page in self._woken():
            page.mailbox.add_equity(row)

    def row(self, table: str, row: BaseModel) -> None:
        """Pass on a new row of a table (`signals`, `orders`, `fills`, `trades`)."""
        for page in self._woken():
            page.mailbox.add_row(table, row)

    def state(self, name: str, value: Any) -> None:
        """Pass on the whole of something small, where it differs from what was passed last."""
        if name in self._state and self._state[name] == value:
            return
        self._state[name] = value
        for page in self._woken():
            page.mailbox.replace(name, value)

    def latest(self, name: str) -> Any:
        """Return what was passed to `state` last, or None."""
        return self._state.get(name)

    def close(self) -> None:
        """End every stream, so that the server can stop at once."""
        self._closed = True
        for page in self._pages:
            page.wake.set()

    def stream(self, series: str | None) -> AsyncIterator[bytes]:
        """Open a page's stream of server-sent events.

        Raises:
            TooManyPagesError: before anything is sent.
        """
        if len(self._pages) >= MAX_PAGES:
            raise TooManyPagesError(
                f"{MAX_PAGES} pages are open already; close one and load this page again"
            )
        return self._events(series)

    async def _events(self, series: str | None) -> AsyncIterator[bytes]:
        with self._page(series) as page:
            hello = {"protocol": 1, "series": series, "event_time": self.event_time}
            yield _message("hello", hello)
            while not self._closed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._ping_interval_s):
                        await page.wake.wait()
                page.wake.clear()
                push = page.mailbox.drain()
                if push is None:
                    yield _message("ping", {"event_time": self.event_time})
                    continue
                yield _message("update", {"event_time": self.event_time, **push})
                await asyncio.sleep(self._push_interval_s)

    @contextlib.contextmanager
    def _page(self, series: str | None) -> Iterator[_Page]:
        page = _Page(series)
        self._pages.add(page)
        try:
            yield page
        finally:
            self._pages.discard(page)

    def _woken(self) -> Iterator[_Page]:
        for page in self._pages:
            page.wake.set()
            yield page


def _message(event: str, data: dict[str, Any]) -> bytes:
    return f"event: {event}\ndata: {_dumps(data)}\n\n".encode()


def _dumps(data: dict[str, Any]) -> str:
    return json.dumps(data, default=_plain, separators=(",", ":"))


_PLAIN: dict[type, Callable[[Any], Any]] = {Decimal: plain, UUID: str}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return _PLAIN[type(value)](value)
