"""Reads configurations with their history, and jobs."""

from dataclasses import asdict
from uuid import UUID

import asyncpg

from studio_svc.shared.configurations import ConfigurationView, trained_configurations
from studio_svc.shared.jobs import JobView, shown_job, shown_jobs
from studio_svc.shared.rows import Record
from studio_svc.studio.views import ConfigurationDetailView, ConfigurationEventView
from tradepulse.research.configurations import configuration_events
from tradepulse.runtime.db import ms
from tradepulse.runtime.refusals import NotFoundError


class StudioStore:
    """Configurations, with what they did on one account, and the jobs that find and judge them."""

    def __init__(self, pool: "asyncpg.Pool[Record]", account: str) -> None:
        self.pool = pool
        self._account = account

    async def configurations(self, limit: int = 200) -> list[ConfigurationView]:
        """Return the trained configurations, active ones first."""
        return await trained_configurations(self.pool, self._account, limit=limit)

    async def configuration(self, configuration_id: UUID) -> ConfigurationDetailView:
        """Return one configuration with its history.

        Raises:
            NotFoundError: there is none of this id.
        """
        found = await trained_configurations(self.pool, self._account, configuration_id)
        if not found:
            raise NotFoundError(f"there is no configuration {configuration_id}")
        events = await configuration_events(self.pool, configuration_id)
        shown = [ConfigurationEventView(**{**asdict(one), "at": ms(one.at)}) for one in events]
        return ConfigurationDetailView(**dict(found[0]), events=shown)

    async def jobs(self, limit: int) -> list[JobView]:
        """Return the jobs: what runs, what waits, what ended, the newest of each first."""
        return await shown_jobs(self.pool, limit)

    async def job(self, job_id: UUID) -> JobView:
        """Return one job.

        Raises:
            NotFoundError: there is none of this id.
        """
        return await shown_job(self.pool, job_id)
