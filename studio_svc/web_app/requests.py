"""Each request has an id; its answer, its refusal and every line of the log about it carry it."""

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tradepulse.runtime.telemetry import request_id

HEADER = b"x-request-id"
_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""What is taken from outside; anything else could forge lines of the log."""


def current_request_id() -> str:
    """Return the id of the request that is being answered; outside of any, make one up."""
    return request_id.get() or secrets.token_hex(8)


class RequestIds:
    """ASGI middleware: takes `X-Request-ID` of who asks, or makes one up, and answers with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        given = dict(scope.get("headers", ())).get(HEADER, b"")
        mine = given.decode() if _GIVEN.fullmatch(given) else secrets.token_hex(8)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER, mine.encode())]
            await send(message)

        before = request_id.set(mine)
        try:
            await self._app(scope, receive, sent)
        finally:
            request_id.reset(before)
