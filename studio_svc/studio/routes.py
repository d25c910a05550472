"""The routes of the studio: jobs, configurations with their history and reports, and changing them.

Whatever is changed is changed by the functions that the command line uses too, each with a reason
that is kept; this service decides nothing.
"""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, StringConstraints

from contracts.events import Stage
from studio_svc.shared.configurations import ConfigurationView
from studio_svc.studio.store import StudioStore
from studio_svc.studio.views import ConfigurationDetailView, JobView
from studio_svc.web_app.pages import plain_page
from tradepulse.research import lifecycle
from tradepulse.research.configurations import activate, deactivate, latest_report
from tradepulse.research.jobs import JobSpec, request_cancel, submit_job
from tradepulse.research.report_page import POLICY, report_page

Found = TypeVar("Found")
REPORT_HEADERS = {"content-security-policy": f"{POLICY}; frame-ancestors 'none'"}
"""The report's one script is inline, and allowed by its hash."""


class Change(BaseModel):
    """What every change needs."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    """Why; kept in the configuration's history."""


class StageChange(Change):
    """A person's override of the stage."""

    stage: Stage


class ActiveChange(Change):
    """Whether a configuration may enter positions."""

    active: bool


class Edit(Change):
    """Parameters that change; the rest stays."""

    params: dict[str, float]


def configuration_routes(store: StudioStore) -> APIRouter:
    """Return the routes that tell of configurations."""
    router = APIRouter(prefix="/api/configurations", tags=["research"])

    @router.get("")
    async def configurations() -> list[ConfigurationView]:
        """Return the configurations, in-sample beside out-of-sample, with trials and gates."""
        return await store.configurations()

    @router.get("/{configuration_id}")
    async def configuration(configuration_id: UUID) -> ConfigurationDetailView:
        """Return one configuration with its history, oldest first."""
        return _found(await store.configuration(configuration_id), configuration_id)

    @router.get("/{configuration_id}/report")
    async def report(configuration_id: UUID) -> dict[str, Any]:
        """Return the report of its last validation, as data."""
        found = await latest_report(store.pool, configuration_id)
        if found is None:
            raise HTTPException(404, _no_report(configuration_id))
        return found

    @router.get("/{configuration_id}/report.html", response_class=HTMLResponse)
    async def report_html(configuration_id: UUID) -> HTMLResponse:
        """Return the report as one page that opens offline too."""
        found = await latest_report(store.pool, configuration_id)
        if found is None:
            return plain_page("No report yet", f"<p>{_no_report(configuration_id)}.", 404)
        page = await asyncio.to_thread(report_page, found)
        return HTMLResponse(page, headers=REPORT_HEADERS)

    return router


def change_routes(store: StudioStore) -> APIRouter:
    """Return the routes by which a person changes configurations."""
    router = APIRouter(prefix="/api/configurations/{configuration_id}", tags=["research"])

    async def done(configuration_id: UUID, work: Awaitable[Any]) -> ConfigurationDetailView:
        changed = await _accepted(work)
        return _found(await store.configuration(changed.configuration_id), configuration_id)

    @router.post("/stage")
    async def stage(configuration_id: UUID, change: StageChange) -> ConfigurationDetailView:
        """Move a configuration to another stage, whatever the gates said."""
        work = lifecycle.set_stage(store.pool, configuration_id, change.stage, change.reason)
        return await done(configuration_id, work)

    @router.post("/active")
    async def active(configuration_id: UUID, change: ActiveChange) -> ConfigurationDetailView:
        """Let a configuration enter positions, or stop it from that."""
        switch = activate if change.active else deactivate
        return await done(configuration_id, switch(store.pool, configuration_id, change.reason))

    @router.post("/edit", status_code=201)
    async def edit(configuration_id: UUID, change: Edit) -> ConfigurationDetailView:
        """Make a new configuration in DISCOVERY with other parameters; the old one is kept."""
        work = lifecycle.edit(store.pool, configuration_id, change.params, change.reason)
        return await done(configuration_id, work)

    return router


def job_routes(store: StudioStore) -> APIRouter:
    """Return the routes of jobs."""
    router = APIRouter(prefix="/api/jobs", tags=["research"])

    @router.get("")
    async def jobs(limit: Annotated[int, Query(ge=1, le=200)] = 20) -> list[JobView]:
        """Return searches and validations with their progress, newest first."""
        return await store.jobs(limit)

    @router.post("", status_code=201)
    async def submit(spec: JobSpec) -> JobView:
        """Queue a search."""
        job_id = await _accepted(submit_job(store.pool, spec))
        return _found(await store.job(job_id), job_id)

    @router.post("/{job_id}/cancel")
    async def cancel(job_id: UUID) -> JobView:
        """Cancel a job: at once where it waits, soon where it runs."""
        _found(await store.job(job_id), job_id)
        await _accepted(request_cancel(store.pool, job_id))
        return _found(await store.job(job_id), job_id)

    return router


def _found(view: Found | None, wanted: UUID) -> Found:
    if view is None:
        raise HTTPException(404, f"there is nothing of id {wanted}")
    return view


async def _accepted(work: Awaitable[Found]) -> Found:
    """Return what a change gives.

    Raises:
        HTTPException: it is refused, with the reason.
    """
    try:
        return await work
    except ValueError as error:
        raise HTTPException(409, str(error)) from error


def _no_report(configuration_id: UUID) -> str:
    return f"configuration {configuration_id} was not validated yet"
