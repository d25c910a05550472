"""The routes of the studio: jobs, configurations with their history and reports, and changing them.

Whatever is changed is changed by the functions that the command line uses too, each with a reason
that is kept; this service decides nothing.
"""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from contracts.events import Stage
from studio_svc.shared.configurations import ConfigurationView
from studio_svc.shared.jobs import JobView
from studio_svc.studio.store import StudioStore
from studio_svc.studio.views import ConfigurationDetailView
from studio_svc.web_app.pages import plain_page, wants_page
from studio_svc.web_app.problems import refusals
from studio_svc.web_app.types import Body, Figure, Text
from tradepulse.research import lifecycle
from tradepulse.research.configurations import activate, deactivate, latest_report
from tradepulse.research.jobs import JobSpec, request_cancel, submit_job
from tradepulse.research.report_page import POLICY, report_page
from tradepulse.runtime.refusals import NotFoundError

Every = Annotated[int, Query(ge=1, le=100_000, description="how many at most")]
REPORT_HEADERS = {"content-security-policy": f"{POLICY}; frame-ancestors 'none'"}
"""The report's one script is inline, and allowed by its hash."""


class Change(Body):
    """What every change needs."""

    reason: Text
    """Why; kept in the configuration's history."""


class StageChange(Change):
    """A person's override of the stage."""

    stage: Stage


class ActiveChange(Change):
    """Whether a configuration may enter positions."""

    active: bool


class Edit(Change):
    """Parameters that change; the rest stays."""

    params: Annotated[dict[str, Figure], Field(max_length=64)]


def configuration_routes(store: StudioStore) -> APIRouter:
    """Return the routes that tell of configurations."""
    router = APIRouter(prefix="/api/configurations", tags=["research"])

    @router.get("")
    async def configurations(limit: Every = 200) -> list[ConfigurationView]:
        """Return the configurations, in-sample beside out-of-sample, with trials and gates."""
        return await store.configurations(limit)

    @router.get("/{configuration_id}")
    async def configuration(configuration_id: UUID) -> ConfigurationDetailView:
        """Return one configuration with its history, oldest first."""
        return await store.configuration(configuration_id)

    @router.get("/{configuration_id}/report")
    async def report(configuration_id: UUID) -> dict[str, Any]:
        """Return the report of its last validation, as data."""
        return await _report(store, configuration_id)

    @router.get(
        "/{configuration_id}/report.html",
        response_class=HTMLResponse,
        responses=refusals(page_too=[404]),
    )
    async def report_html(configuration_id: UUID, request: Request) -> HTMLResponse:
        """Return the report as one page that opens offline too."""
        try:
            found = await _report(store, configuration_id)
        except NotFoundError as error:
            if not wants_page(request):
                raise
            return plain_page("No report yet", f"<p>{error}.", 404)
        page = await asyncio.to_thread(report_page, found)
        return HTMLResponse(page, headers=REPORT_HEADERS)

    return router


def change_routes(store: StudioStore) -> APIRouter:
    """Return the routes by which a person changes configurations."""
    router = APIRouter(prefix="/api/configurations/{configuration_id}", tags=["research"])

    @router.post("/stage")
    async def stage(configuration_id: UUID, change: StageChange) -> ConfigurationDetailView:
        """Move a configuration to another stage, whatever the gates said."""
        await lifecycle.set_stage(store.pool, configuration_id, change.stage, change.reason.strip())
        return await store.configuration(configuration_id)

    @router.post("/active")
    async def active(configuration_id: UUID, change: ActiveChange) -> ConfigurationDetailView:
        """Let a configuration enter positions, or stop it from that."""
        switch = activate if change.active else deactivate
        await switch(store.pool, configuration_id, change.reason.strip())
        return await store.configuration(configuration_id)

    @router.post("/edit", status_code=201)
    async def edit(configuration_id: UUID, change: Edit) -> ConfigurationDetailView:
        """Make a new configuration in DISCOVERY with other parameters; the old one is kept."""
        reason = change.reason.strip()
        new = await lifecycle.edit(store.pool, configuration_id, change.params, reason)
        return await store.configuration(new.configuration_id)

    return router


def job_routes(store: StudioStore) -> APIRouter:
    """Return the routes of jobs."""
    router = APIRouter(prefix="/api/jobs", tags=["research"])

    @router.get("")
    async def jobs(limit: Every = 20) -> list[JobView]:
        """Return searches and validations with their progress, newest first."""
        return await store.jobs(limit)

    @router.post("", status_code=201)
    async def submit(spec: JobSpec) -> JobView:
        """Queue a search."""
        return await store.job(await submit_job(store.pool, spec))

    @router.post("/{job_id}/cancel")
    async def cancel(job_id: UUID) -> JobView:
        """Cancel a job: at once where it waits, soon where it runs."""
        await request_cancel(store.pool, job_id)
        return await store.job(job_id)

    return router


async def _report(store: StudioStore, configuration_id: UUID) -> dict[str, Any]:
    found = await latest_report(store.pool, configuration_id)
    if found is None:
        # whether there is such a configuration at all
        await store.configuration(configuration_id)
        raise NotFoundError(f"configuration {configuration_id} was not validated yet")
    return found
