"""One open WebSocket: what is sent to it, and what the fault plan does to that."""

import asyncio
import json
from collections.abc import Iterable

from aiohttp import WSMsgType, web

from tests.fakes.exchange.core import Event
from tests.fakes.exchange.faults import (
    SOCKET_FAULTS,
    DropSocket,
    Duplicated,
    Faults,
    GarbageFrame,
    Late,
    LostMessage,
    SilentSocket,
    TruncatedFrame,
)
from tests.fakes.exchange.wire import Outgoing, Stream


class Socket:
    """Sends a stream's messages in order; faults strike as they leave."""

    def __init__(self, venue: str, stream: Stream, faults: Faults, request: web.Request) -> None:
        self._venue = venue
        self._stream = stream
        self._faults = faults
        self._request = request
        self._queue: asyncio.Queue[Outgoing] = asyncio.Queue()
        self._late: list[tuple[int, str]] = []
        self._overdue = 0
        self._silent: SilentSocket | None = None
        self.subscriptions = 0
        self.ws = web.WebSocketResponse(autoping=False)

    @property
    def lives(self) -> bool:
        """Whether its client can still hear of anything."""
        return not self.ws.closed and (self._silent is None or self._silent.pongs)

    async def serve(self) -> None:
        """Talk until either side ends."""
        await self.ws.prepare(self._request)
        self._push(self._stream.opening())
        sender = asyncio.create_task(self._send_all())
        try:
            async for message in self.ws:
                if message.type is WSMsgType.PING:
                    await self._pong(message.data)
                elif message.type is WSMsgType.TEXT:
                    asked = json.loads(message.data)
                    self._push(self._stream.receive(asked))
                    self.subscriptions += "subscribe" in str(asked).lower()
        finally:
            sender.cancel()
            try:
                await asyncio.gather(sender, return_exceptions=True)
            finally:
                # a client that is gone cancels this too; whoever waits in `drain` must not be left
                while not self._queue.empty():
                    self._queue.get_nowait()
                    self._queue.task_done()

    def on(self, event: Event) -> None:
        """Queue what the stream tells of an event."""
        self._push(self._stream.on(event))

    async def drain(self) -> None:
        """Wait until everything queued has left (or was swallowed by a fault)."""
        await self._queue.join()

    async def release_overdue(self) -> None:
        """Send what was held back since before the clock's last move; called after each move."""
        due, self._late = self._late[: self._overdue], self._late[self._overdue :]
        self._overdue = len(self._late)
        for _, text in due:
            await self._send(text)

    async def close(self) -> None:
        """End as a server that goes down in order."""
        await self.ws.close(code=1001)

    def _push(self, messages: Iterable[Outgoing]) -> None:
        for message in messages:
            self._queue.put_nowait(message)

    async def _pong(self, data: bytes) -> None:
        if self._silent is None or self._silent.pongs:
            await self.ws.pong(data)

    async def _send_all(self) -> None:
        while True:
            message = await self._queue.get()
            try:
                await self._deliver(message)
            finally:
                self._queue.task_done()

    async def _deliver(self, message: Outgoing) -> None:
        text = message.text()
        if message.method is None:
            # answers to pings and subscriptions: a venue that stalls may well give them
            if self._silent is None or self._silent.pongs:
                await self._send(text)
            return
        if self._silent is not None:
            return
        fault = self._faults.strike(SOCKET_FAULTS, self._venue, message.method, message.symbol)
        match fault:
            case SilentSocket():
                self._silent = fault
            case DropSocket():
                await self._drop(clean=fault.clean)
            case LostMessage():
                pass
            case Late():
                self._late.append((fault.by, text))
                return
            case Duplicated():
                for _ in range(fault.times):
                    await self._send(text)
            case TruncatedFrame():
                await self._send(text[: len(text) // 2])
            case GarbageFrame():
                await self._send(fault.text)
            case _:
                await self._send(text)
        await self._age_late()

    async def _age_late(self) -> None:
        due = [text for left, text in self._late if left <= 1]
        self._overdue -= sum(left <= 1 for left, _ in self._late[: self._overdue])
        self._late = [(left - 1, text) for left, text in self._late if left > 1]
        for text in due:
            await self._send(text)

    async def _send(self, text: str) -> None:
        if not self.ws.closed:
            try:
                await self.ws.send_str(text)
            except ConnectionError:
                self._silent = SilentSocket(pongs=False)

    async def _drop(self, *, clean: bool) -> None:
        self._silent = SilentSocket(pongs=False)
        if clean:
            await self.ws.close(code=1001)
        elif self._request.transport is not None:
            self._request.transport.abort()
