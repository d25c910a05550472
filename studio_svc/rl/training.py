"""The routes by which a person has policies trained.

Whatever is done is done by the functions that the command line uses too; this service decides
nothing.
"""

from uuid import UUID

from fastapi import APIRouter

from studio_svc.rl.jobs import TrainingStore
from studio_svc.rl.views import PartView, SizedView, TrainingCheckView
from studio_svc.shared.jobs import JobView
from tradepulse.market_data.store import series_ends
from tradepulse.research.policy_checks import PolicyCheck, Stored, check_policy
from tradepulse.research.policy_jobs import (
    cancel_policy_job,
    resume_policy_job,
    submit_policy_job,
)
from tradepulse.research.policy_spec import PolicySpec


def train_routes(store: TrainingStore) -> APIRouter:
    """Return the routes that queue, cancel and resume trainings."""
    router = APIRouter(prefix="/api/rl", tags=["research"])

    @router.post("/train", status_code=201)
    async def train(spec: PolicySpec) -> JobView:
        """Queue the training of a policy."""
        return await store.job(await submit_policy_job(store.pool, spec, await _stored(store)))

    @router.post("/train/check")
    async def check(spec: PolicySpec) -> TrainingCheckView:
        """Return what speaks against a training, and what it would be; nothing is queued."""
        return _view(await check_policy(store.pool, spec, await _stored(store)))

    @router.post("/jobs/{job_id}/cancel")
    async def cancel(job_id: UUID) -> JobView:
        """Cancel a training: at once where it waits, after its present update where it runs."""
        await cancel_policy_job(store.pool, job_id)
        return await store.job(job_id)

    @router.post("/jobs/{job_id}/resume")
    async def resume(job_id: UUID) -> JobView:
        """Queue a training again that was cancelled or failed; it goes on where it stood."""
        await resume_policy_job(store.pool, job_id)
        return await store.job(job_id)

    return router


async def _stored(store: TrainingStore) -> Stored:
    async with store.pool.acquire() as connection:
        return await series_ends(connection)


def _view(found: PolicyCheck) -> TrainingCheckView:
    split = found.split
    parts = None
    if split is not None:
        parts = {
            name: PartView(start=part.start, end=part.end, days=part.days)
            for name, part in split.parts().items()
        }
    return TrainingCheckView(
        refusals=[line for _, line in found.refusals],
        warnings=found.warnings,
        seconds=found.seconds,
        embargo_days=None if split is None else split.embargo_days,
        parts=parts,
        configurations=[
            SizedView(
                configuration_id=one.configuration_id, strategy=one.strategy, series=one.series
            )
            for one in found.sized
        ],
        trainer=found.trainer,
        free_bytes=found.free_bytes,
    )
