"""Looks at what each service says of itself."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import httpx

from studio_svc.stream.hub import Hub
from studio_svc.system.views import HealthView

LOOK_INTERVAL_S = 2.0
ALONE_INTERVAL_S = 5.0
"""Where no page is open."""


class HealthWatch:
    """Asks each service's /readyz.

    Args:
        services: base URLs by name.
        client: asks them.
        own: what this service itself waits for. A page that is fed by nobody shows old figures,
            and must be told.
        troubles: asks, by service, what it cannot do although it is ready.
    """

    def __init__(
        self,
        services: Mapping[str, str],
        client: httpx.AsyncClient,
        own: Callable[[], list[str]] | None = None,
        troubles: Callable[[], Awaitable[Mapping[str, str]]] | None = None,
    ) -> None:
        self._own = own
        self._troubles = troubles
        self._services = services
        self._client = client
        self.now: list[HealthView] = [
            HealthView(service=name, up=False, ready=False, detail="not asked yet")
            for name in services
        ]

    async def look(self) -> list[HealthView]:
        """Ask all services at once and return what they say."""
        asked = (self._ask(name, url) for name, url in self._services.items())
        found = await asyncio.gather(*asked)
        troubles = {} if self._troubles is None else await self._troubles()
        self.now = [
            one.model_copy(update={"trouble": troubles.get(one.service) if one.ready else None})
            for one in found
        ]
        if self._own is not None:
            self.now.append(_of_itself(self._own()))
        return self.now

    async def run(self, hub: Hub) -> None:
        """Look for ever, and tell the pages what changed."""
        while True:
            hub.state("health", await self.look())
            await asyncio.sleep(LOOK_INTERVAL_S if hub.pages else ALONE_INTERVAL_S)

    async def _ask(self, name: str, url: str) -> HealthView:
        try:
            answer = await self._client.get(f"{url.rstrip('/')}/readyz", timeout=1.5)
        except httpx.HTTPError as error:
            detail = f"does not answer: {type(error).__name__}"
            return HealthView(service=name, up=False, ready=False, detail=detail)
        lines = answer.text.strip().splitlines()
        return HealthView(
            service=name,
            up=True,
            ready=answer.is_success,
            detail=lines[0][:200] if lines else f"status {answer.status_code}",
        )


def _of_itself(unready: list[str]) -> HealthView:
    detail = f"waiting for {', '.join(unready)}" if unready else "ready"
    return HealthView(service="studio_svc", up=True, ready=not unready, detail=detail)
