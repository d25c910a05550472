"""A training job: candles, seeds, gates, a row in the registry.

Every checkpoint is recorded before older ones are removed, so a job whose trainer was killed goes
on where it stood, with the same parameters as if nothing had happened. What follows the seeds is
done again from its beginning: it takes a minute, and leaves nothing until it is whole.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from rl_svc.training import checkpoint, proof
from rl_svc.training.ground import Ground, ground_of, load_candles
from rl_svc.training.journal import Journal, seeds_told
from rl_svc.training.meters import TrainingMeters
from rl_svc.training.store import Begun, TrainingStore, forget_ended
from rl_svc.training.told import PpoSettings, Trained
from rl_svc.training.trainer import TrainingError, ensemble, train
from tradepulse.market_data.rules_now import markets_now
from tradepulse.research.claims import Job
from tradepulse.research.model_registry import StoredModel
from tradepulse.research.policy_spec import PolicySpec
from tradepulse.research.trainers import disk_refusal
from tradepulse.runtime.db import Connection
from tradepulse.trading.policies.model import Model
from tradepulse.version import __version__

log = logging.getLogger(__name__)

R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    """A training that is understood."""

    job_id: UUID
    spec: PolicySpec
    settings: PpoSettings
    begun: Begun
    ground: Ground


class Training:
    """Works on training jobs, one at a time.

    Args:
        store: the database.
        folder: of the checkpoints; each job has a folder in it.
        at_once: seeds side by side.
        meters: told of every update.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        store: TrainingStore,
        folder: Path,
        at_once: int,
        meters: TrainingMeters,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._meters = meters
        self._store = store
        self._folder = folder
        self._at_once = at_once
        self._clock = clock

    async def work(self, job: Job) -> None:
        """Bring a job to its success.

        Raises:
            ValueError: it cannot succeed; the message is one line for its user.
        """
        lesson = await self._understand(job)
        trained, warnings = await self._trained(lesson)
        row = await self._judged(lesson, trained, warnings)
        log.info("policy judged", extra={"job_id": str(job.job_id), "verdict": row.verdict})
        await forget_ended(self._store, self._folder)

    async def give_up(self, connection: Connection, job: Job, reason: str) -> None:
        """Leave the checkpoints: who resumes the job goes on from them."""

    async def _understand(self, job: Job) -> _Lesson:
        spec = PolicySpec.model_validate(job.spec)
        settings = settings_of(spec)
        begun = await self._store.begun(job.job_id)
        if line := disk_refusal(shutil.disk_usage(self._folder).free, str(self._folder)):
            raise ValueError(line)
        candles = await load_candles(self._store.pool, spec, begun.sized)
        markets = begun.markets
        if markets is None:
            instruments = [one.instrument for one in candles]
            markets = await markets_now(self._store.pool, instruments)
            await self._store.keep_markets(job.job_id, markets)
        ground = await asyncio.to_thread(ground_of, spec, begun.sized, candles, markets)
        config = proof.config_of(spec, begun.sized)
        if same := await self._store.same_training(config, ground.data):
            raise ValueError(
                f"model {same} was trained with the same settings on the same candles: train with "
                "another range, another seed or other settings"
            )
        return _Lesson(job.job_id, spec, settings, begun, ground)

    async def _trained(self, lesson: _Lesson) -> tuple[list[Trained], tuple[str, ...]]:
        """Train all seeds; return them, and what is to be told where time was up.

        Who is cancelled ends after the present updates, whose checkpoints are kept.
        """
        folder = self._folder / str(lesson.job_id)
        checksums = await asyncio.to_thread(_there, folder, lesson)
        loop = asyncio.get_running_loop()
        spec, begun, told = lesson.spec, lesson.begun, self._meters.on_point
        journal = Journal(loop, self._store, lesson.job_id, spec, begun, self._clock, told)
        seeds = tuple(spec.numbers)
        self._meters.begin(seeds, begun.steps)

        def lead() -> list[Trained]:
            course, settings, hooks = lesson.ground.course, lesson.settings, journal.hooks
            found = train(
                course, settings, seeds, folder, hooks, at_once=self._at_once, checksums=checksums
            )
            journal.flush()
            return found

        try:
            trained = await to_its_end(lead, journal.stop.set)
        except TrainingError as error:
            raise ValueError(f"{error}; `--resume {lesson.job_id}` goes on") from error
        finally:
            self._meters.end()
        if not trained:
            raise ValueError(
                f"the {lesson.spec.minutes} minutes were over before any seed had begun: give more"
            )
        return trained, late_told(lesson.spec, trained) if journal.is_late else ()

    async def _judged(
        self, lesson: _Lesson, trained: list[Trained], warnings: tuple[str, ...]
    ) -> StoredModel:
        ground, spec = lesson.ground, lesson.spec
        made_by = {"job": str(lesson.job_id), "tradepulse": __version__}
        model = ensemble(ground.course, trained, made_by)
        evidence = await asyncio.to_thread(proof.evidence_of, ground, trained, model, spec.seed)
        while True:
            looks = await self._store.looks(ground.judged) + 1
            report = await asyncio.to_thread(
                proof.report_of, ground, evidence, model, looks, warnings
            )
            new = replace(
                proof.new_model(model, report, ground, trained),
                portfolio=spec.portfolio,
                name=spec.name or f"training {str(lesson.job_id)[:8]}",
                job_id=lesson.job_id,
                config=proof.config_of(spec, lesson.begun.sized),
                configurations=[one.as_json() for one in lesson.begun.sized],
            )
            row = await self._store.finish(
                lesson.job_id, new, ground.judged, looks, self._result(lesson, trained, model)
            )
            # else somebody was judged on these days meanwhile, which makes one look more
            if row is not None:
                return row

    def _result(self, lesson: _Lesson, trained: list[Trained], model: Model) -> dict[str, Any]:
        best = {one.seed: proof.best_step(one, lesson.settings) for one in trained}
        return {"policy": f"model:{model.model_id}", "seeds": seeds_told(trained, best)}


def settings_of(spec: PolicySpec) -> PpoSettings:
    """Return how each seed of a training is trained."""
    own = {} if spec.ppo is None else spec.ppo.model_dump()
    return PpoSettings(steps=spec.steps, **own)


def late_told(spec: PolicySpec, trained: list[Trained]) -> tuple[str, ...]:
    """Return what the report tells of a training whose time was up."""
    stopped = [one.seed for one in trained if one.ended == "stopped"]
    begun = {one.seed for one in trained}
    missing = [seed for seed in spec.numbers if seed not in begun]
    lines = []
    if stopped:
        lines.append(f"{_named(stopped)} stopped with the best so far")
    if missing:
        lines.append(f"{_named(missing)} had not begun")
    return tuple(f"the training was to end after {spec.minutes} min: {line}" for line in lines)


def _named(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


async def to_its_end(work: Callable[[], R], stop: Callable[[], None]) -> R:
    """Run a function in a thread; where the caller is cancelled, have it stop and wait for that."""
    call = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait([call])
        if not call.cancelled() and (error := call.exception()) is not None:
            log.warning("the training stopped, and said: %s", error)
        raise


def _there(folder: Path, lesson: _Lesson) -> dict[int, str]:
    """Return the recorded checkpoints that this machine has; other seeds begin anew.

    A seed that begins anew comes to the same parameters, only later.
    """
    found = {}
    for seed, checksum in lesson.begun.checksums.items():
        if checkpoint.is_there(folder, seed, checksum):
            found[seed] = checksum
        else:
            log.warning(
                "no checkpoint of seed %d in %s has the recorded checksum: it begins anew",
                seed,
                folder,
            )
    return found
