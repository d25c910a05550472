"""The searches that come before a replay: `up` waits for them, and so does a deployment.

`python -m tradepulse.cli.up.first_jobs` queues them for the optimizer that runs already, waits
until what they found is published, stores the models of the demo, and ends. It reads REPLAY_FILE,
REPLAY_SYMBOLS and REPLAY_FROM as market_ingest does. Running it again changes nothing.
"""

import asyncio
import logging
from pathlib import Path
from uuid import UUID, uuid5

import asyncpg

from contracts.events import NAMESPACE
from tradepulse.cli.up.choice import OptionError
from tradepulse.cli.up.demo_models import demo_models, load_models
from tradepulse.cli.up.replay import first_jobs
from tradepulse.library.demo import demo_candles
from tradepulse.market_data.files import CandleFileError, read_candles
from tradepulse.research.jobs import JobSpec, job_status, submit_job
from tradepulse.runtime.db import UNREACHABLE, opened_pool
from tradepulse.runtime.process import run_process
from tradepulse.runtime.settings import DatabaseSettings, RefusedError, load_settings

NAME = "first_jobs"
_LOOK_SECONDS = 0.5
_SUCCEEDED = "select status = 'SUCCEEDED' from training_jobs where job_id = $1"
_UNSENT = "select count(*) from outbox where service = 'optimizer_svc'"
log = logging.getLogger(NAME)


def job_id(spec: JobSpec) -> UUID:
    """Derive a job's id from what it asks for: a second start finds the job of the first."""
    return uuid5(NAMESPACE, f"first job:{spec.model_dump_json()}")


async def unfinished(
    pool: "asyncpg.Pool[asyncpg.Record]", specs: tuple[JobSpec, ...]
) -> list[JobSpec]:
    """Return the jobs that this database has not finished."""
    return [spec for spec in specs if not await pool.fetchval(_SUCCEEDED, job_id(spec))]


async def unsent(pool: "asyncpg.Pool[asyncpg.Record]") -> int:
    """Count what the optimizer has found and not published yet."""
    return int(await pool.fetchval(_UNSENT))


class FirstJobsSettings(DatabaseSettings):
    """What is replayed; see `market_ingest.settings.ReplaySettings`."""

    replay_file: Path
    replay_symbols: str = ""
    replay_from: int

    @property
    def symbols(self) -> tuple[str, ...] | None:
        """The symbols to replay; None for all of the file."""
        return (
            tuple(part.strip() for part in self.replay_symbols.split(",") if part.strip()) or None
        )

    @property
    def is_demo(self) -> bool:
        """Whether it is the project's own replay, whole, whose models come with it."""
        return self.symbols is None and self.replay_file == demo_candles()


async def prepare(settings: FirstJobsSettings) -> None:
    """Search what the replay is to trade, and store the demo's models.

    Raises:
        RefusedError: the candles or the models are refused, or a search failed.
    """
    try:
        series = await asyncio.to_thread(read_candles, settings.replay_file, settings.symbols)
    except (CandleFileError, OSError) as error:
        raise RefusedError(f"REPLAY_FILE: {error}") from error
    async with opened_pool(settings.database_url, max_size=1) as pool:
        waiting = await unfinished(pool, first_jobs(series, settings.replay_from))
        for spec in waiting:
            await submit_job(pool, spec, job_id=job_id(spec))
            log.info("search queued", extra={"job_id": job_id(spec), "symbols": spec.symbols})
        for spec in waiting:
            await _wait_for(pool, spec)
        while await unsent(pool):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(_LOOK_SECONDS)
        models = demo_models() if settings.is_demo else None
        if models is not None:
            try:
                await load_models(pool, models, settings.replay_file)
            except OptionError as error:
                raise RefusedError(str(error)) from error
    log.info("ready to be replayed")


async def _wait_for(pool: "asyncpg.Pool[asyncpg.Record]", spec: JobSpec) -> None:
    while True:
        try:
            job = await job_status(pool, job_id(spec))
        except UNREACHABLE:  # a database that restarts: asked again
            await asyncio.sleep(_LOOK_SECONDS)
            continue
        if job.status == "SUCCEEDED":
            return
        if job.is_final:
            raise RefusedError(
                f"the search {job.job_id} ended as {job.status}: {job.error or 'no reason given'}"
            )
        await asyncio.sleep(_LOOK_SECONDS)


def main() -> None:
    """Run once; exit with 0, 1 with one line, or 2 for wrong settings."""
    settings = load_settings(FirstJobsSettings)
    run_process(NAME, settings, lambda: prepare(settings))


if __name__ == "__main__":
    main()
