"""The routes of the system: the state of its services, and the list of the API."""

import html
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from studio_svc.system.health import HealthWatch
from studio_svc.system.views import HealthView
from studio_svc.web_app.pages import plain_page


def system_routes(health: HealthWatch) -> APIRouter:
    """Return the routes that tell of the system."""
    router = APIRouter(prefix="/api", tags=["system"])

    @router.get("/health")
    async def health_now() -> list[HealthView]:
        """Return what each service's /readyz said at the last look, at most 5 s ago."""
        return health.now

    @router.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        """Return the list of the API, without scripts from elsewhere."""
        return _docs_page(request.app.openapi())

    return router


def _docs_page(schema: dict[str, Any]) -> HTMLResponse:
    rows = []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            parameters = ", ".join(p["name"] for p in operation.get("parameters", []))
            rows.append(
                f"<tr><td><code>{method.upper()} {html.escape(path)}</code><td>"
                f"{html.escape(operation.get('description', ''))}<td>{html.escape(parameters)}"
            )
    return plain_page(
        "API",
        "<p>Send <code>Authorization: Bearer TOKEN</code>. The full description: "
        '<a href="/api/openapi.json">OpenAPI</a>.<table><tr><th>Path<th>What<th>Parameters'
        f"{''.join(rows)}</table>",
        200,
    )
