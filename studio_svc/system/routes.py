"""The routes of the system: the state of its services, and the list of the API."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from studio_svc.system.docs_page import docs_page
from studio_svc.system.health import HealthWatch
from studio_svc.system.views import HealthView


def system_routes(health: HealthWatch) -> APIRouter:
    """Return the routes that tell of the system."""
    router = APIRouter(prefix="/api", tags=["system"])

    @router.get("/health")
    async def health_now() -> list[HealthView]:
        """Return what each service's /readyz said at the last look, at most 5 s ago."""
        return health.now

    @router.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        """Return the API for people."""
        return docs_page(request.app.openapi())

    return router
