"""Watches the models in service, a day of event time after the other, and retires what does harm.

A day is looked at once its last close is decided, in a process of its own (`drift_days.py`):
deciding waits for nothing here, and no error here ends it. What was found is kept by day, so that
nothing is lost by a restart, and nothing doubled.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from tradepulse.research.drift import RULES, DriftRules, ModelDay, harm_of
from tradepulse.research.model_days import add_day, begun_at, model_days, watched
from tradepulse.research.model_lifecycle import retire
from tradepulse.research.model_registry import model_row
from tradepulse.runtime.ownership import Ownership
from tradepulse.runtime.refusals import RefusedError
from tradepulse.trading.weights import DAY_MS

log = logging.getLogger(__name__)

LIMIT_S = 1_800.0
"""What one look may take; a process that takes longer hangs."""
STAGES = ("ACTIVE", "SHADOW")
_IN_SERVICE = """
select model_id, stage from rl_models
where portfolio = $1 and stage in ('ACTIVE', 'SHADOW') order by stage, model_id
"""


@dataclass(frozen=True, slots=True)
class Found:
    """One day of one model, or why it could not be worked out: a line of `drift_days.py`."""

    model_id: UUID
    day: ModelDay | None
    error: str | None = None


class DriftMeters:
    """What the watch counts.

    Args:
        registry: of the metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, told: str) -> Gauge:
            return Gauge(f"tradepulse_policy_drift_{name}", told, ["stage"], registry=registry)

        self._psi = gauge("psi", "Largest stability index of a figure that models in service see")
        self._clipped = gauge("clipped", "Largest share of figures beyond their bound, last day")
        self._evidence = gauge("evidence", "Wealth of the test for harm; at 100 a model is retired")
        self.failures = Counter(
            "tradepulse_policy_drift_failures_total",
            "Looks at the models in service that failed; tried again a day later",
            registry=registry,
        )
        for stage in STAGES:
            self.set(stage, 0.0, 0.0, 1.0)

    def set(self, stage: str, psi: float, clipped: float, evidence: float) -> None:
        """Tell the worst of a stage."""
        self._psi.labels(stage).set(psi)
        self._clipped.labels(stage).set(clipped)
        self._evidence.labels(stage).set(evidence)


class DriftWatch:
    """The watch over a portfolio's models.

    Args:
        pool: of the database.
        portfolio: whose models are watched.
        registry: of the metrics.
        rules: thresholds.
    """

    _owner: Ownership

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        portfolio: str,
        registry: CollectorRegistry,
        rules: DriftRules = RULES,
    ) -> None:
        self._pool, self._portfolio, self._rules = pool, portfolio, rules
        self._meters = DriftMeters(registry)
        self._over = asyncio.Event()
        self._day = 0
        self._said: dict[UUID, list[str]] = {}

    def take_over(self, owner: Ownership) -> None:
        """Watch for the process that owns the portfolio; what was missed is looked at first."""
        self._owner = owner
        self.on_settled(owner.settled)
        self._over.set()

    def on_settled(self, close_time: int) -> None:
        """Learn that a close is decided, and kept."""
        day = close_time // DAY_MS
        if day > self._day:
            self._day = day
            self._over.set()

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            await self._over.wait()
            self._over.clear()
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - no error of the watch may end the deciding
                self._failed(f"{type(error).__name__}: {error}")

    async def look(self) -> None:
        """Look at each day that is over, and retire what does harm."""
        if not await self._pool.fetch(_IN_SERVICE, self._portfolio):
            self._tell({})
            return
        async with asyncio.timeout(LIMIT_S):
            await self._days()
        worst: dict[str, tuple[float, float, float]] = {}
        for row in await self._pool.fetch(_IN_SERVICE, self._portfolio):
            found = await self._judge(row["model_id"])
            await self._warn(row["model_id"])
            before = worst.get(row["stage"], found)
            worst[row["stage"]] = tuple(map(max, before, found))  # type: ignore[assignment]  # three
        self._tell(worst)

    async def _days(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rl_svc.drift_days"), stdout=asyncio.subprocess.PIPE
        )
        try:
            if process.stdout is None:
                raise RuntimeError("the process was started with a pipe")
            while line := await process.stdout.readline():
                await self._take_in(line)
            if (code := await process.wait()) != 0:
                self._failed(f"its process ended with status {code}, see above")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _take_in(self, line: bytes) -> None:
        found = msgspec.json.decode(line, type=Found)
        if found.day is None:
            self._failed(f"model {found.model_id}: {found.error}")
            return
        consumer, epoch = self._owner.consumer, self._owner.epoch
        await add_day(self._pool, found.model_id, found.day, consumer, epoch)

    async def _judge(self, model_id: UUID) -> tuple[float, float, float]:
        """Retire a model that does harm; return its index, share beyond, evidence."""
        days = await model_days(self._pool, model_id)
        if not days:
            return 0.0, 0.0, 1.0
        last = days[-1]
        figures = max(last.psi.values(), default=0.0), last.clipped or 0.0, last.evidence
        begun = await begun_at(self._pool, model_id)
        if last.is_alarm and last.begun == begun:
            reason, evidence = harm_of([one for one in days if one.begun == begun], self._rules)
            try:
                await retire(self._pool, model_id, reason, evidence=evidence, by_person=False)
            except RefusedError as error:
                # a person was faster
                log.info("%s", error)
            else:
                log.warning("model %s is retired: it %s", model_id, reason)
            return 0.0, 0.0, 1.0
        return figures

    async def _warn(self, model_id: UUID) -> None:
        """Say what a person should know of a model, each line once while it lasts."""
        found = (await watched(self._pool, await model_row(self._pool, model_id))).warnings
        for line in found:
            if line not in self._said.get(model_id, ()):
                log.warning("model %s: %s", model_id, line)
        self._said[model_id] = found

    def _tell(self, worst: Mapping[str, tuple[float, float, float]]) -> None:
        for stage in STAGES:
            self._meters.set(stage, *worst.get(stage, (0.0, 0.0, 1.0)))

    def _failed(self, why: str) -> None:
        self._meters.failures.inc()
        log.error("the drift watch failed (%s); deciding goes on, tried again in a day", why)
