"""Composition root of the page and its API."""

import asyncio
import math
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Request
from fastapi.security import APIKeyCookie, HTTPBearer
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import Field, StringConstraints
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.topics import ACCOUNT
from studio_svc.access.middleware import API, TokenAuth, TokenError, cookie_name, read_token
from studio_svc.data.routes import coverage_routes, gap_routes, subscription_routes
from studio_svc.ledger.routes import ledger_routes
from studio_svc.markets.routes import market_routes
from studio_svc.orders.routes import order_routes
from studio_svc.overview.routes import overview_routes
from studio_svc.rl.drift import drift_routes
from studio_svc.rl.routes import model_routes, training_routes, weight_routes
from studio_svc.rl.training import train_routes
from studio_svc.stores import Stores
from studio_svc.stream.feed import TOPICS, PageFeed, watching_decoder
from studio_svc.stream.hub import Hub, TooManyPagesError
from studio_svc.stream.routes import stream_routes
from studio_svc.stream.visible import visible_until
from studio_svc.stream.watch import (
    POLL_INTERVAL_S,
    Refresher,
    ledger_refresher,
    market_refresher,
    models_refresher,
    registry_refresher,
)
from studio_svc.studio.routes import change_routes, configuration_routes, job_routes
from studio_svc.system.backups import LOOK_EVERY_S, BackupWatch
from studio_svc.system.census import COUNTED_EVERY_S, Census
from studio_svc.system.following import market_troubles
from studio_svc.system.health import HealthWatch
from studio_svc.system.routes import system_routes
from studio_svc.web_app.examples import with_examples
from studio_svc.web_app.meters import PAGE, HttpMeters
from studio_svc.web_app.pages import DIST, STYLE_PATH, BuiltPage, style
from studio_svc.web_app.problems import (
    Bounded,
    answer_problems,
    problem,
    refusals,
    with_problem,
)
from studio_svc.web_app.requests import RequestIds
from tradepulse.runtime.dead_letter_replay import dead_letters_waiting
from tradepulse.runtime.service import Application, Service, run
from tradepulse.runtime.settings import RefusedError
from tradepulse.strategies.files import StrategySettings
from tradepulse.version import __version__

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$")]


TAGS = {
    "account": "What the account holds, what was decided and what came of it: newest first for "
    "looking on; below `/api/ledger` every row, page by page.",
    "market": "Candles, and the series that have them.",
    "research": "Configurations, searches, validations; models of weights and their trainings. "
    "What is changed is changed as the commands do it, each with a reason that is kept.",
    "market data": "What is stored, what is missing and why, what is followed live.",
    "system": "Whether the services are ready, and the stream that every open page listens to.",
}
"""What the routes are about, in the order in which they are shown."""


class StudioSettings(StrategySettings):
    """Settings of studio_svc."""

    studio_token_file: Path
    studio_services: dict[str, Url] = Field(default_factory=dict)
    """Base URL of each service by name, as JSON; their /readyz is shown on the page."""
    account: str = "main"
    portfolio: str = "main"


def create_api(
    stores: Stores, hub: Hub, health: HealthWatch, cookie: str, meters: HttpMeters | None = None
) -> FastAPI:
    """Return the application of the API, which knows nothing of pages.

    Args:
        stores: what is read.
        hub: what is pushed.
        health: what the other services say.
        cookie: name of the browser's cookie, for the document; who may come in is decided before.
        meters: told of the routes that there are.
    """
    bearer = HTTPBearer(auto_error=False, description="the word of STUDIO_TOKEN_FILE")
    session = APIKeyCookie(name=cookie, auto_error=False, description="as a browser has it")
    api = FastAPI(
        title="TradePulse",
        version=__version__,
        summary="Everything on the page, for programs",
        openapi_tags=[{"name": name, "description": said} for name, said in TAGS.items()],
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=refusals(),
        dependencies=[Depends(bearer), Depends(session)],
    )
    visible = partial(visible_until, stores.pool, hub)
    for routes in (
        overview_routes(stores.overview, hub, visible),
        order_routes(stores.orders),
        ledger_routes(stores.ledger),
        weight_routes(stores.rl),
        model_routes(stores.rl),
        training_routes(stores.trainings),
        train_routes(stores.trainings),
        drift_routes(stores.rl),
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
        api.include_router(routes)
        if meters is not None:
            meters.knows(routes.routes)
    answer_problems(api)
    api.add_exception_handler(TooManyPagesError, _on_too_many_pages)
    described = api.openapi
    document = cache(lambda: with_examples(with_problem(described())))
    api.openapi = document  # type: ignore[method-assign]  # FastAPI's way
    return api


def create_app(
    stores: Stores,
    hub: Hub,
    health: HealthWatch,
    token: str,
    *,
    dist: Path = DIST,
    meters: HttpMeters | None = None,
) -> ASGIApp:
    """Return the application: API, stream and page behind the token.

    The API is an application of its own, chosen before any routing: the page answers every address
    that it is given, and would answer those that the API has not.

    Args:
        stores: what is read.
        hub: what is pushed.
        health: what the other services say.
        token: who knows it may see everything.
        dist: folder of the built page.
        meters: told of every request.
    """
    meters = meters or HttpMeters(CollectorRegistry())
    api = create_api(stores, hub, health, cookie_name(token), meters)
    page = BuiltPage(dist)

    async def chosen(scope: Scope, receive: Receive, send: Send) -> None:
        if f"{scope['path']}/".startswith(API):
            await api(scope, receive, send)
            return
        # whoever is refused before has asked for no route
        scope["told_as"] = PAGE
        if scope["path"] == STYLE_PATH:
            await style()(scope, receive, send)
        else:
            await page(scope, receive, send)

    return meters.around(RequestIds(TokenAuth(Bounded(chosen), token)))


async def _on_too_many_pages(_: Request, error: Exception) -> Response:
    return problem(503, "too_many_pages", str(error), headers={"retry-after": "10"})


def declare(service: Service, settings: StudioSettings) -> None:
    """Declare what the service reads and shows."""
    hub = Hub()
    stores = Stores.over(service.pool, settings.account, settings.portfolio)
    ledger = ledger_refresher(stores.orders, stores.overview, hub)
    registry = registry_refresher(stores.studio, hub)
    models = models_refresher(stores.rl, hub)
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
            decode=watching_decoder(topic, undecodable.inc, service.newer.decoder_of(topic)),
            puts_aside=topic is ACCOUNT,
        )
    meters = HttpMeters(service.registry)
    census = Census(service.pool, partial(dead_letters_waiting, settings), service.registry)
    counted = Refresher(census.count, POLL_INTERVAL_S, every_s=COUNTED_EVERY_S)
    backed_up = Refresher(
        BackupWatch(service.pool, service.registry).look, POLL_INTERVAL_S, every_s=LOOK_EVERY_S
    )
    service.background(counted.run, "census")
    service.background(backed_up.run, "backups")
    service.background(census.run_letters, "dead letters")
    # whoever looks must be told what is away, and what was known when it was there
    service.broker_patience_s = math.inf
    service.readiness["kafka"] = lambda: reading.is_assigned

    async def begin() -> None:
        try:
            token = await asyncio.to_thread(read_token, settings.studio_token_file)
        except TokenError as error:
            raise RefusedError(str(error)) from error
        # the services are ours: a proxy of the environment knows nothing of them
        client = httpx.AsyncClient(trust_env=False)
        health = HealthWatch(
            settings.studio_services,
            client,
            service.unready,
            partial(market_troubles, service.pool),
        )
        service.background(partial(health.run, hub), "health to pages")
        pages = create_app(stores, hub, health, token, meters=meters)
        service.pages = service.traces.web(pages)

    service.on_startup(begin)
    service.background(ledger.run, "ledger to pages")
    service.background(registry.run, "jobs to pages")
    service.background(market.run, "market data to pages")
    service.background(models.run, "models to pages")
    service.on_shutdown(hub.close)


APPLICATION = Application("studio_svc", StudioSettings, declare)


def main() -> None:
    """Run the service."""
    run(APPLICATION)


if __name__ == "__main__":
    main()
