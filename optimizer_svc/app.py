"""optimizer_svc: jobs in, configurations out, and the watch over those that trade."""

import asyncio
import os
import socket
from pathlib import Path
from uuid import uuid4

from prometheus_client import Counter, Gauge
from pydantic import Field

from contracts.topics import CONFIGURATIONS
from optimizer_svc.restoring import NewerOnTheTopic, tell_configurations
from optimizer_svc.search.cluster import DaskCluster
from optimizer_svc.search.job import Searching
from optimizer_svc.search.processes import TRIAL_LIMIT_S, TrialProcess, TrialRunner
from optimizer_svc.store import TRIALS, Store
from optimizer_svc.validation.job import Validating
from optimizer_svc.validation.run import run_gates
from optimizer_svc.watch import LifecycleWatch
from tradepulse.market_data.loader import MarketData
from tradepulse.market_data.venues.client import Venues
from tradepulse.market_data.venues.options import read_venues_file
from tradepulse.market_data.venues.pace import SharedPace, counted_waits
from tradepulse.research.decay import LifecycleRules
from tradepulse.research.worker import Worker
from tradepulse.runtime.service import Application, Service, run
from tradepulse.runtime.settings import RefusedError
from tradepulse.strategies.files import StrategySettings


def threads_of(cores: int | None) -> int:
    """Return how many threads run trials by default: one core is left to all else."""
    return max(1, (cores or 1) - 1)


class OptimizerSettings(StrategySettings):
    """How much of the machine a job may use, and what is watched."""

    optimizer_workers: int = Field(default=threads_of(os.cpu_count()), ge=1, le=256)
    """Threads that run trials."""
    heartbeat_s: float = Field(default=5.0, gt=0, le=300)
    """A job whose worker is silent for three of these is taken over."""
    trial_limit_s: float = Field(default=TRIAL_LIMIT_S, gt=0, le=86_400)
    """Seconds that parameter sets which run side by side may take; then their job fails."""
    dask_scheduler: str | None = Field(default=None, pattern=r"^\w+://\S+$")
    """Address of a Dask scheduler on whose cluster trials run instead."""
    account: str = "main"
    """Account whose trades are the live results of configurations."""
    lifecycle_s: float = Field(default=5.0, gt=0, le=3_600)
    """Pause between two looks at them."""
    false_alarm_rate: float = Field(default=0.01, gt=0, lt=1)
    """Bound on the probability that a configuration is ever found to decay when it does not."""
    fetch_missing: bool = True
    """Whether a search fetches the candles of its range that are not stored."""
    venues_file: Path | None = None
    """JSON with ccxt's settings by venue; ccxt's own where not given."""


def declare(service: Service, settings: OptimizerSettings) -> None:
    """Declare what the service publishes and does."""
    service.publishes(CONFIGURATIONS)
    relay = service.relay_outbox()
    service.follows(CONFIGURATIONS, NewerOnTheTopic(service.pool, relay).on_configurations)
    rules = LifecycleRules(false_alarm_rate=settings.false_alarm_rate)
    watch = LifecycleWatch(
        service.pool,
        settings.database_url,
        rules,
        settings.account,
        every_s=settings.lifecycle_s,
        registry=service.registry,
        on_commit=relay.wake,
    )
    Gauge("tradepulse_trial_threads", "Threads that run trials", registry=service.registry).set(
        settings.optimizer_workers
    )
    counted = Counter("tradepulse_trials_total", "Trials measured", registry=service.registry)

    async def begin() -> None:
        process = TrialProcess(settings.optimizer_workers, settings.trial_limit_s)
        runner: TrialRunner = process
        if settings.dask_scheduler is not None:
            runner = cluster = await DaskCluster.connect(
                settings.dask_scheduler, limit_s=settings.trial_limit_s
            )
            service.background(cluster.stay, "dask")
        # no two lives of a process share a name: the former one may still be writing
        name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        store = Store(service.pool, name, await _market(service, settings))
        worker = Worker(
            store,
            process,
            {
                "search": Searching(store, runner, process, counted, rules),
                "validation": Validating(store, process, run_gates, rules),
            },
            service.registry,
            heartbeat_s=settings.heartbeat_s,
            on_commit=relay.wake,
        )
        service.readiness["job queue"] = lambda: worker.polling
        service.background(worker.run, "jobs")

    service.on_new_kafka(tell_configurations)
    service.on_startup(begin)
    service.background(watch.run, "lifecycle")
    service.retains(TRIALS)


async def _market(service: Service, settings: OptimizerSettings) -> MarketData:
    """Return the loader of candles, with the venues if they are to be asked.

    Raises:
        RefusedError: the file of the venues is refused.
    """
    if not settings.fetch_missing:
        return MarketData(service.pool)
    try:
        options = await asyncio.to_thread(read_venues_file, settings.venues_file)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    venues = Venues(options, SharedPace(service.pool, counted_waits(service.registry)))

    async def stay() -> None:
        async with venues:
            await asyncio.Event().wait()

    service.background(stay, "venues")
    return MarketData(service.pool, venues)


APPLICATION = Application("optimizer_svc", OptimizerSettings, declare)


def main() -> None:
    """Run the service."""
    run(APPLICATION)


if __name__ == "__main__":
    main()
