"""Composition root of the page and its API."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import Counter, Gauge
from pydantic import Field, StringConstraints

from contracts.topics import ACCOUNT
from studio_svc.access.middleware import TokenAuth, TokenError, read_token
from studio_svc.data.routes import coverage_routes, gap_routes, subscription_routes
from studio_svc.markets.routes import market_routes
from studio_svc.orders.routes import order_routes
from studio_svc.overview.routes import overview_routes
from studio_svc.rl.routes import weight_routes
from studio_svc.stores import Stores
from studio_svc.stream.feed import TOPICS, PageFeed, watching_decoder
from studio_svc.stream.hub import Hub, TooManyPagesError
from studio_svc.stream.routes import stream_routes
from studio_svc.stream.visible import visible_until
from studio_svc.stream.watch import (
    AWAY,
    ledger_refresher,
    market_refresher,
    registry_refresher,
)
from studio_svc.studio.routes import change_routes, configuration_routes, job_routes
from studio_svc.system.health import HealthWatch
from studio_svc.system.routes import system_routes
from studio_svc.web_app.pages import DIST, STYLE_PATH, BuiltPage, style
from tradepulse.runtime.service import Application, Service, run
from tradepulse.runtime.settings import RefusedError
from tradepulse.strategies.files import StrategySettings

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$")]


class StudioSettings(StrategySettings):
    """Settings of studio_svc."""

    studio_token_file: Path
    studio_services: dict[str, Url] = Field(default_factory=dict)
    """Base URL of each service by name, as JSON; their /readyz is shown on the page."""
    account: str = "main"
    portfolio: str = "main"


def create_app(
    stores: Stores, hub: Hub, health: HealthWatch, token: str, *, dist: Path = DIST
) -> FastAPI:
    """Return the application: API, stream and page behind the token.

    Args:
        stores: what is read.
        hub: what is pushed.
        health: what the other services say.
        token: who knows it may see everything.
        dist: folder of the built page.
    """
    app = FastAPI(
        title="TradePulse", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None
    )
    app.add_middleware(TokenAuth, token=token)
    visible = partial(visible_until, stores.pool, hub)
    for routes in (
        overview_routes(stores.overview, hub, visible),
        order_routes(stores.orders),
        weight_routes(stores.rl),
        market_routes(stores.markets, visible),
        subscription_routes(stores.data),
        coverage_routes(stores.data, visible),
        gap_routes(stores.data, visible),
        configuration_routes(stores.studio),
        change_routes(stores.studio),
        job_routes(stores.studio),
        system_routes(health),
        stream_routes(hub),
    ):
        app.include_router(routes)
    for error in AWAY:
        app.add_exception_handler(error, _on_database_away)
    app.add_exception_handler(RequestValidationError, _on_wrong_value)
    app.add_exception_handler(TooManyPagesError, _on_too_many_pages)
    app.add_api_route(STYLE_PATH, style, include_in_schema=False)
    app.mount("/", BuiltPage(dist), name="page")
    return app


async def _on_database_away(_: Request, error: Exception) -> JSONResponse:
    detail = f"the database does not answer ({type(error).__name__}); try again in a moment"
    return JSONResponse({"detail": detail}, 503, {"retry-after": "2"})


async def _on_too_many_pages(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 503, {"retry-after": "10"})


async def _on_wrong_value(_: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    return JSONResponse({"detail": "; ".join(map(_problem, problems))}, 422)


def _problem(problem: dict[str, Any]) -> str:
    message: str = problem["msg"].removeprefix("Value error, ")
    where = problem["loc"][-1]
    # what is wrong with a body as a whole says itself what it is about
    return message if where == "body" else f"{where}: {message}"


def declare(service: Service, settings: StudioSettings) -> None:
    """Declare what the service reads and shows."""
    hub = Hub()
    stores = Stores.over(service.pool, settings.account, settings.portfolio)
    ledger = ledger_refresher(stores.orders, stores.overview, hub)
    registry = registry_refresher(stores.studio, hub)
    market = market_refresher(stores.data, hub, partial(visible_until, stores.pool, hub))
    feed = PageFeed(hub, settings.account, settings.portfolio, ledger.mark, registry.mark)
    undecodable = Counter(
        "tradepulse_undecodable_messages_total",
        "Messages that could not be shown; who acts on them puts them aside",
        registry=service.registry,
    )
    pages = Gauge("tradepulse_open_pages", "Open pages", registry=service.registry)
    pages.set_function(lambda: hub.pages)
    for topic in TOPICS:
        reading = service.watches(
            topic,
            feed.on_batch,
            decode=watching_decoder(topic, undecodable.inc),
            puts_aside=topic is ACCOUNT,
        )
    service.readiness["kafka"] = lambda: reading.is_assigned

    async def begin() -> None:
        try:
            token = await asyncio.to_thread(read_token, settings.studio_token_file)
        except TokenError as error:
            raise RefusedError(str(error)) from error
        health = HealthWatch(settings.studio_services, httpx.AsyncClient())
        service.background(partial(health.run, hub), "health to pages")
        service.pages = create_app(stores, hub, health, token)

    service.on_startup(begin)
    service.background(ledger.run, "ledger to pages")
    service.background(registry.run, "jobs to pages")
    service.background(market.run, "market data to pages")
    service.on_shutdown(hub.close)


APPLICATION = Application("studio_svc", StudioSettings, declare)


def main() -> None:
    """Run the service."""
    run(APPLICATION)


if __name__ == "__main__":
    main()
