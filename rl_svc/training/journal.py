"""Tells the database how a training goes, out of the thread in which it is led."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from uuid import UUID

from rl_svc.training.store import Begun, TrainingStore
from rl_svc.training.told import Hooks, Point, Trained
from tradepulse.research.policy_spec import PolicySpec

EVERY_S = 1.0
"""Points are stored so often at most, all that came since in one go."""


class Journal:
    """What is told of a training, and whether it is to go on.

    Its hooks run in the thread that leads the seeds; the database is the event loop's.

    Args:
        loop: of the database.
        store: the database.
        job_id: the training.
        spec: what it was asked for.
        begun: where earlier trainers left it.
        clock: seconds that only grow.
        told: of each update, too.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: TrainingStore,
        job_id: UUID,
        spec: PolicySpec,
        begun: Begun,
        clock: Callable[[], float],
        told: Callable[[Point], object],
    ) -> None:
        self._also = told
        self._loop, self._store, self._job_id, self._spec = loop, store, job_id, spec
        self._clock = clock
        self._spent_s = begun.spent_s
        self._began = self._told_at = clock()
        self._points: list[Point] = []
        self._steps = {seed: begun.steps.get(seed, 0) for seed in spec.numbers}
        self._totals = dict.fromkeys(spec.numbers, spec.steps)
        self.stop = threading.Event()
        """Set where the training is to end after its present updates, to be taken up again."""

    @property
    def hooks(self) -> Hooks:
        """As the training takes them."""
        return Hooks(told=self._told, kept=self._kept, goes_on=self._goes_on, ended=self._ended)

    @property
    def is_late(self) -> bool:
        """Whether the training has had the minutes that it was given."""
        return self._spec.minutes is not None and self._spent >= 60 * self._spec.minutes

    def flush(self) -> None:
        """Store what was told."""
        points, self._points = self._points, []
        self._told_at = self._clock()
        done, total = sum(self._steps.values()), sum(self._totals.values())
        self._wait(
            self._store.tell(self._job_id, points, min(done, total), total, round(self._spent, 3))
        )

    @property
    def _spent(self) -> float:
        return self._spent_s + self._clock() - self._began

    def _told(self, point: Point) -> None:
        self._points.append(point)
        self._also(point)
        self._steps[point.seed] = point.step
        # the last steps of a rollout may be more than were asked for
        self._totals[point.seed] = max(self._totals[point.seed], point.step)
        if self._clock() - self._told_at >= EVERY_S:
            self.flush()

    def _kept(self, seed: int, checksum: str) -> None:
        # points that lie before a checkpoint would not come again
        self.flush()
        self._wait(self._store.keep_checkpoint(self._job_id, seed, checksum))

    def _ended(self, trained: Trained) -> None:
        if trained.ended != "stopped":
            self._steps[trained.seed] = self._totals[trained.seed] = trained.steps
        self.flush()
        told = trained.seed, trained.steps, trained.ended
        self._wait(self._store.tell_end(self._job_id, *told))

    def _goes_on(self) -> bool:
        return not self.stop.is_set() and not self.is_late

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


def seeds_told(trained: list[Trained], steps_of: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return what the result of a job keeps of each seed.

    Args:
        trained: the seeds.
        steps_of: by seed, after how many steps it was best.
    """
    return [
        {
            "seed": one.seed,
            "steps": one.steps,
            "updates": one.updates,
            "best_update": one.best_update,
            "best_step": steps_of[one.seed],
            "validation_excess": one.validation_excess,
            "ended": one.ended,
        }
        for one in trained
    ]
