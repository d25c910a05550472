"""How often each route is asked for, and how soon it answers."""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Histogram
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""Instead of a method or a route that there is not: what clients write has no bound."""
PAGE = "page"
"""The route of all that the built page consists of."""
TOOK = (0.025, 0.1, 0.3, 1, 5)


class HttpMeters:
    """Measures requests until their answer begins: a stream goes on for as long as it is open."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "tradepulse_http_request_seconds",
            "Until the answer to a request began",
            ["route", "method", "status"],
            buckets=TOOK,
            registry=registry,
        )
        self._seconds.labels(PAGE, "GET", "200")

    def knows(self, routes: Iterable[BaseRoute]) -> None:
        """Let each route stand at 0, also with a fault, whose first one would not be seen."""
        for route in routes:
            if isinstance(route, Route):
                for method in sorted((route.methods or set()) - {"HEAD"}):
                    for status in ("200", "500"):
                        self._seconds.labels(route.path, method, status)

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the application, measured."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            begun = time.perf_counter()

            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    method = scope["method"] if scope["method"] in METHODS else OTHER
                    self._seconds.labels(_route(scope), method, str(message["status"])).observe(
                        time.perf_counter() - begun
                    )
                await send(message)

            await app(scope, receive, sent)

        return measured


def _route(scope: Scope) -> str:
    """Return the route's template, never its path."""
    route = scope.get("route")
    if isinstance(route, Route):
        return route.path
    return str(scope.get("told_as", OTHER))
