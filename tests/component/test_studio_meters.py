"""What studio_svc tells of its requests, and of what it alone counts."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry
from studio_page import TOKEN, Studio
from studio_rows import Seeded

from studio_svc.app import create_app
from studio_svc.system import census
from studio_svc.system.census import Census
from studio_svc.system.health import HealthWatch
from studio_svc.web_app.meters import HttpMeters

SECONDS = "tradepulse_http_request_seconds_count"
PATIENCE_S = 120


async def none() -> Mapping[str, int]:
    return {}


async def test_requests_are_told_by_route_and_never_by_what_a_client_writes(
    studio: Studio, tmp_path: Path
) -> None:
    registry = CollectorRegistry()
    async with httpx.AsyncClient() as asker:
        health = HealthWatch({}, asker)
        app = create_app(
            studio.stores, studio.hub, health, TOKEN, dist=tmp_path, meters=HttpMeters(registry)
        )
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://page"
        ) as client:
            right = {"authorization": f"Bearer {TOKEN}"}
            for method, path, headers in (
                ("GET", "/api/overview", right),
                ("GET", f"/api/configurations/{UUID(int=1)}", right),
                ("GET", f"/api/configurations/{UUID(int=2)}", right),
                ("GET", "/api/overview", {}),
                ("GET", "/api/nothing-such", right),
                ("DROP", "/api/nothing-such", right),
                ("GET", "/", right),
            ):
                await client.request(method, path, headers=headers)
    told = {
        tuple(sample.labels[name] for name in ("route", "method", "status")): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == SECONDS
    }
    asked = {labels: count for labels, count in told.items() if count}
    assert asked == {
        ("/api/overview", "GET", "200"): 1,
        ("/api/configurations/{configuration_id}", "GET", "404"): 2,
        ("other", "GET", "401"): 1,
        ("other", "GET", "404"): 1,
        ("other", "other", "404"): 1,
        ("page", "GET", "200"): 1,
    }
    # the first fault is seen, too
    assert told["/api/stream", "GET", "500"] == 0
    assert told["/api/overview", "GET", "500"] == 0


@pytest.mark.usefixtures("seeded")
async def test_jobs_configurations_and_tables_are_counted(studio: Studio, seeded: Seeded) -> None:
    del seeded
    await studio.pool.execute("delete from training_jobs where status in ('QUEUED', 'RUNNING')")
    await studio.pool.execute(
        """
        insert into training_jobs
            (job_id, kind, spec, status, done, total, created_at, heartbeat_at) values
            (gen_random_uuid(), 'search', '{}', 'QUEUED', 0, 0, now() - interval '1 hour', null),
            (gen_random_uuid(), 'search', '{}', 'QUEUED', 3, 9, now() - interval '2 hours',
                now() - interval '1 minute'),
            (gen_random_uuid(), 'search', '{}', 'RUNNING', 3, 4, now(), now()),
            (gen_random_uuid(), 'search', '{}', 'RUNNING', 1, 4, now(), now()),
            (gen_random_uuid(), 'policy', '{}', 'RUNNING', 0, 0, now(), now())
        """
    )
    registry = CollectorRegistry()
    counted = Census(studio.pool, none, registry)

    def told(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"tradepulse_{name}", labels)

    await counted.count()
    assert told("jobs_waiting", kind="search") == 2
    assert told("jobs_waiting", kind="policy") == told("jobs_waiting", kind="validation") == 0
    oldest = told("job_oldest_seconds", kind="search")
    assert oldest is not None
    assert 3_600 <= oldest < 7_200, "one has only given way"
    assert told("job_progress_ratio", kind="search") == 0.25
    assert told("job_progress_ratio", kind="policy") == 0
    assert told("job_progress_ratio", kind="validation") is None
    active = await studio.pool.fetchval(
        "select count(*) from trained_configurations where is_active"
    )
    assert told("configurations_active_stored") == active > 0
    size = told("table_bytes", table="orders")
    assert size is not None
    assert size > 8_192
    await studio.pool.execute("delete from training_jobs where status in ('QUEUED', 'RUNNING')")
    await counted.count()
    assert told("jobs_waiting", kind="search") == told("job_oldest_seconds", kind="search") == 0
    assert told("job_progress_ratio", kind="search") is None


async def test_dead_letters_are_told_while_the_broker_answers(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "LETTERS_COUNTED_EVERY_S", 0.01)
    answers: list[Mapping[str, int] | Exception] = [{"t": 3}, KafkaConnectionError("away")]
    seen: list[float | None] = []
    registry = CollectorRegistry()

    async def letters() -> Mapping[str, int]:
        seen.append(registry.get_sample_value("tradepulse_dead_letters_waiting", {"topic": "t"}))
        answer = answers.pop(0) if answers else {"t": 0}
        if isinstance(answer, Exception):
            raise answer
        return answer

    counting = asyncio.create_task(Census(studio.pool, letters, registry).run_letters())
    async with asyncio.timeout(PATIENCE_S):
        while len(seen) < 4:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    counting.cancel()
    assert seen[:4] == [None, 3, None, 0]
