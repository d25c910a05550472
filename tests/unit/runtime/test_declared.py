"""What each service does beside reading, and what /livez and /readyz look at: one table."""

import asyncio
from importlib import import_module
from typing import Any

import pytest

from tradepulse.runtime.service import Service

READING = {
    "optimizer_svc": ["configurations"],
    "signal_svc": ["candles", "configurations"],
    "rl_svc": ["candles", "feeds"],
    "executor_svc": ["candles", "evaluations", "feeds", "weights"],
    "studio_svc": ["account", "candles", "configurations", "evaluations", "weights"],
}
BESIDE = {
    "market_ingest": ["gap scanner", "retention"],
    "signal_svc": ["offsets of tradepulse.candles", "retention"],
    "optimizer_svc": ["lifecycle", "measuring the outbox", "outbox relay", "retention"],
    "rl_svc": [
        *("drift watch", "measuring the outbox", "messages that nobody has announced", "models"),
        *("outbox relay", "weights"),
    ],
    "executor_svc": [
        *("check of the ledger", "ledger", "measuring the outbox"),
        *("messages that nobody has announced", "outbox relay", "retention"),
    ],
    "studio_svc": [
        *("backups", "census", "dead letters", "jobs to pages", "ledger to pages"),
        *("market data to pages", "models to pages"),
    ],
}
ALIVE = {
    "optimizer_svc": ["outbox relay"],
    "rl_svc": ["outbox relay", "weights"],
    "executor_svc": ["ledger", "outbox relay"],
}
READY = {
    "signal_svc": ["candle partitions"],
    "rl_svc": ["partitions"],
    "executor_svc": ["partitions"],
    "studio_svc": ["kafka"],
}


def declared(name: str) -> Service:
    """Return a service with everything declared and nothing connected."""
    application: Any = import_module(f"{name}.app").APPLICATION

    async def made() -> Service:
        settings = application.settings.model_construct(
            kafka_bootstrap_servers="kafka:9092", database_url="postgresql://postgres"
        )
        found: Service = application.declared(settings)
        return found

    return asyncio.run(made())


@pytest.mark.parametrize("name", BESIDE)
def test_what_a_service_does_beside_reading_and_what_its_health_looks_at(name: str) -> None:
    service = declared(name)
    assert sorted(work for _, work in service._background._declared) == BESIDE[name]
    read = [f"reading of tradepulse.{topic}" for topic in READING.get(name, [])]
    assert sorted(service.liveness) == sorted([*ALIVE.get(name, []), *read])
    assert sorted(service.readiness) == sorted(
        [*READY.get(name, []), "broker", "database", "start-up"]
    )
    assert sorted(service.unready()) == sorted(service.readiness)
    assert service.hanging() == []
