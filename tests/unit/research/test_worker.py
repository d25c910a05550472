"""A worker on fakes: how each job ends, what is told of it, and who may go on with it."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from tradepulse.research import worker as worker_module
from tradepulse.research.claims import (
    CancelRequestedError,
    Claims,
    Job,
    LostJobError,
    TurnOverError,
)
from tradepulse.research.worker import MISSED_BEATS, MOST_ATTEMPTS, Place, Worker

ID = UUID(int=1)
REFUSED = (
    "the job's spec is refused: trials: Input should be a valid integer, unable to parse string as "
    "an integer"
)


class Spec(BaseModel):
    trials: int


class Database:
    """A queue of one job, and a journal of what is done to it."""

    def __init__(self, job: Job | None) -> None:
        self.job = job
        self.pool = self
        self.stale_s = 0.0
        self.cancelled = False
        self.did: list[tuple[Any, ...]] = []

    async def claim(self, stale_s: float) -> Job | None:
        self.stale_s = stale_s
        job, self.job = self.job, None
        return job

    async def beat(self, job_id: UUID) -> None:
        self.did.append(("beat", job_id))

    async def is_cancelled(self, job_id: UUID) -> bool:
        return self.cancelled

    async def release(self, job_id: UUID, *, last: bool = False) -> None:
        self.did.append(("release", last))

    async def end(self, connection: Any, job_id: UUID, state: str, *, error: str | None) -> None:
        assert connection is self
        self.did.append(("end", state, error))

    @asynccontextmanager
    async def acquire(self) -> Any:
        yield self

    @asynccontextmanager
    async def transaction(self) -> Any:
        yield


class Kind:
    """One kind of work, which ends as it is told."""

    def __init__(self, error: BaseException | None = None, *, lasts: bool = False) -> None:
        self.error = error
        self.lasts = lasts
        self.given_up: list[str] = []

    async def work(self, job: Job) -> None:
        if self.lasts:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error

    async def give_up(self, connection: Any, job: Job, reason: str) -> None:
        self.given_up.append(reason)


class World:
    def __init__(self, kind: Kind, *, attempts: int = 1, cancel: bool = False) -> None:
        self.kind, self.registry, self.commits = kind, CollectorRegistry(), 0
        job = Job(ID, "search", {}, cancel_requested=cancel, attempts=attempts, kept={})
        self.database = Database(job)
        self.begun, self.closed = 0, False
        self.worker = Worker(
            cast(Claims, self.database),
            cast(Place, self),
            {"search": kind},
            self.registry,
            heartbeat_s=0.001,
            on_commit=self.commit,
        )

    def begin(self) -> None:
        self.begun += 1

    def close(self) -> None:
        self.closed = True

    def commit(self) -> None:
        self.commits += 1

    def ended(self, end: str) -> float | None:
        labels = {"kind": "search", "end": end}
        return self.registry.get_sample_value("tradepulse_jobs_total", labels)


def refused() -> Exception:
    try:
        Spec.model_validate({"trials": "many"})
    except ValueError as error:
        return error
    raise AssertionError("it was taken")


@pytest.mark.parametrize(
    ("error", "end", "did", "reasons"),
    [
        (None, "succeeded", [], []),
        (ValueError("no\n  candles"), "failed", [("end", "FAILED", "no candles")], ["no candles"]),
        (
            refused(),
            "failed",
            [("end", "FAILED", REFUSED)],
            [REFUSED],
        ),
        (
            ZeroDivisionError("ours"),
            "failed",
            [("end", "FAILED", "unexpected ZeroDivisionError: ours")],
            ["unexpected ZeroDivisionError: ours"],
        ),
        (CancelRequestedError(), "cancelled", [("end", "CANCELLED", None)], ["cancelled"]),
        (TurnOverError(), "interrupted", [("release", True)], []),
        (LostJobError("x"), "lost", [], []),
    ],
    ids=["succeeded", "refused", "its spec", "unexpected", "cancelled", "turn over", "lost"],
)  # fmt: skip
async def test_each_end_is_stored_and_counted(
    error: Exception | None, end: str, did: list[Any], reasons: list[str]
) -> None:
    world = World(Kind(error))
    assert await world.worker.work_once()
    assert [one for one in world.database.did if one[0] != "beat"] == did
    assert world.kind.given_up == reasons
    assert (world.ended(end), world.commits, world.begun) == (1, 1, 1)
    assert world.database.stale_s == MISSED_BEATS * 0.001
    assert world.worker.polling


async def test_without_a_job_nothing_is_told() -> None:
    world = World(Kind())
    world.database.job = None
    assert not world.worker.polling
    assert not await world.worker.work_once()
    assert (world.commits, world.worker.polling) == (0, True)


async def test_a_database_that_is_away_is_not_the_job_s_fault() -> None:
    world = World(Kind(asyncpg.InterfaceError("gone")))
    with pytest.raises(ExceptionGroup) as caught:
        await world.worker.work_once()
    assert caught.group_contains(asyncpg.InterfaceError)
    assert [one for one in world.database.did if one[0] != "beat"] == []


@pytest.mark.parametrize(("attempts", "fails"), [(MOST_ATTEMPTS, False), (MOST_ATTEMPTS + 1, True)])
async def test_a_job_that_keeps_killing_its_worker_fails(attempts: int, fails: bool) -> None:
    world = World(Kind(), attempts=attempts)
    await world.worker.work_once()
    assert world.ended("failed" if fails else "succeeded") == 1
    assert bool(world.kind.given_up) is fails


async def test_what_was_cancelled_before_is_not_begun() -> None:
    world = World(Kind(AssertionError("begun")), cancel=True)
    await world.worker.work_once()
    assert world.ended("cancelled") == 1


async def test_a_job_at_work_beats_and_is_left_where_its_user_wants_it_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_module, "LOOK_S", 0.001)
    world = World(Kind(lasts=True))
    working = asyncio.create_task(world.worker.work_once())
    while ("beat", ID) not in world.database.did:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)
    assert not working.done()
    world.database.cancelled = True
    assert await working
    assert world.ended("cancelled") == 1
    assert ("end", "CANCELLED", None) in world.database.did


async def test_a_worker_that_is_stopped_leaves_its_job_to_the_next() -> None:
    world = World(Kind(lasts=True))
    running = asyncio.create_task(world.worker.run())
    while ("beat", ID) not in world.database.did:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert ("release", False) in world.database.did
    assert world.closed
