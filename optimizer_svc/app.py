"""optimizer_svc: training jobs in, configurations out."""

import os
import socket
from uuid import uuid4

from prometheus_client import Gauge
from pydantic import Field

from optimizer_svc.processes import Processes
from optimizer_svc.store import Store
from optimizer_svc.worker import Worker
from tradepulse.runtime.service import Service, run
from tradepulse.runtime.settings import RuntimeSettings


class OptimizerSettings(RuntimeSettings):
    """How much of the machine a job may use."""

    optimizer_workers: int = Field(default=max(1, (os.cpu_count() or 1) - 1), ge=1, le=256)
    """Processes that run trials."""
    heartbeat_s: float = Field(default=5.0, gt=0, le=300)
    """A job whose worker is silent for three of these is taken over."""


async def compose(service: Service, settings: OptimizerSettings) -> None:
    """Build the service."""
    relay = service.relay_outbox()
    worker = Worker(
        # no two lives of a process share a name: the former one may still be writing
        Store(service.pool, f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"),
        Processes(settings.optimizer_workers),
        service.registry,
        heartbeat_s=settings.heartbeat_s,
        on_commit=relay.wake,
    )
    Gauge("tradepulse_trial_processes", "Processes that run trials", registry=service.registry).set(
        settings.optimizer_workers
    )
    service.readiness["job queue"] = lambda: worker.polling
    service.background(worker.run(), "jobs")


def main() -> None:
    """Run the service."""
    run("optimizer_svc", OptimizerSettings, compose)


if __name__ == "__main__":
    main()
