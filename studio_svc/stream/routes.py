"""The stream that every open page listens to."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from studio_svc.stream.hub import Hub
from studio_svc.web_app.problems import refusals
from studio_svc.web_app.types import OptionalSeries

EVENTS: dict[int | str, dict[str, Any]] = {
    **refusals(),
    200: {
        "description": "Server-sent events, for as long as the page is open",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}


def stream_routes(hub: Hub) -> APIRouter:
    """Return the route of the stream."""
    router = APIRouter(prefix="/api", tags=["system"])

    @router.get("/stream", response_class=StreamingResponse, responses=EVENTS)
    async def stream(series: OptionalSeries = None) -> StreamingResponse:
        """Push what happens as server-sent events: `hello`, then `update` and `ping`.

        Every candle of `series` comes, of the other series the last one of each push.
        """
        return StreamingResponse(
            hub.stream(series),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    return router
