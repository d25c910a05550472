"""Whether a training can be as it is asked for: all that can be said without computing anything.

How long trades are held is known only when all signals are there. So the embargo is here the least
that it can be, what a policy looks back; the trainer adds the rest, and looks again.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.research.counting import counted
from tradepulse.research.policies.gates import PolicyThresholds
from tradepulse.research.policies.time_split import (
    Searched,
    TimeSplit,
    check_overlaps,
    day,
    overlaps_of,
    split_time,
)
from tradepulse.research.policy_spec import PolicySpec
from tradepulse.research.sized import Sized, sized_now
from tradepulse.research.trainers import NO_TRAINER, Trainer, disk_refusal, trainer_seen
from tradepulse.runtime.refusals import RefusedError
from tradepulse.trading.policies.features import LOOKBACK

Stored = Mapping[str, tuple[int, int]]
"""By series, the first open time that is stored and the one before which the candles end."""

STEPS_PER_S = 15_000.0
"""Of one seed on one core, where no training was measured yet."""
PROVING_S = 90.0
"""What baselines and gates take besides."""


@dataclass(slots=True)
class PolicyCheck:
    """What can be said of a training before it is queued.

    Attributes:
        spec: as asked, its configurations and the ends of its range resolved where they can be.
        sized: the configurations.
        refusals: code and line of each; with none it can be queued.
        warnings: each a line.
        split: of time, with the least embargo; None where there can be none.
        seconds: that it may take; None where it cannot be.
        trainer: whether one is there.
        free_bytes: for its checkpoints; None where no trainer says so.
    """

    spec: PolicySpec
    sized: Sequence[Sized] = ()
    refusals: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    split: TimeSplit | None = None
    seconds: float | None = None
    trainer: bool = False
    free_bytes: int | None = None

    def refuse(self, code: str, line: str) -> None:
        """Add a refusal."""
        self.refusals.append((code, line))


async def check_policy(
    pool: "asyncpg.Pool[asyncpg.Record]", asked: PolicySpec, stored: Stored
) -> PolicyCheck:
    """Return what speaks against a training, and what it would be.

    Args:
        pool: the database.
        asked: the training.
        stored: all series.
    """
    check = PolicyCheck(asked)
    check.sized, unknown = await sized_now(pool, asked.configurations)
    for one in unknown[:1]:
        check.refuse(
            "unknown_configuration",
            f"there is no configuration {one}; `tradepulse configs` lists those there are",
        )
    if not check.sized and not unknown:
        check.refuse(
            "no_configurations",
            "no configuration is active, so there are no trades to size: activate some with "
            "`tradepulse configs activate`, or name configurations",
        )
    if check.sized and not unknown:
        _resolve(check, stored)
    trainer = await _machine(pool, check)
    if len(asked.numbers) < PolicyThresholds().seeds:
        check.warnings.append(
            f"{counted(asked.seeds, 'seed is', 'seeds are')} fewer than the "
            f"{PolicyThresholds().seeds} that the gates want, so the model will be refused"
        )
    if not check.refusals:
        check.seconds = await _seconds(pool, check.spec, trainer)
    return check


def searched_of(sized: Sequence[Sized], start: int, end: int) -> tuple[list[Searched], list[str]]:
    """Return by which days configurations were chosen, and what must be told of that.

    One of which nobody knows may have been chosen by any of them.
    """
    known = [Searched(one.title, *one.searched) for one in sized if one.searched]
    unknown = [one.title for one in sized if one.searched is None]
    lines = []
    if unknown:
        lines.append(
            f"by which days {len(unknown)} configuration{'s' * (len(unknown) > 1)} (first "
            f"{unknown[0]}) had been chosen is not known, so all of them count"
        )
    return known + [Searched(name, start, end) for name in unknown], lines


def told_of_overlaps(
    split: TimeSplit, sized: Sequence[Sized], start: int, end: int, reason: str | None
) -> tuple[str, ...]:
    """Return what must be told of days by which configurations were chosen.

    Raises:
        RefusedError: they lie in validation or test, and there is no reason.
    """
    searched, lines = searched_of(sized, start, end)
    try:
        found = check_overlaps(overlaps_of(split, searched), reason)
    except ValueError as error:
        raise RefusedError("overlap", "; ".join([str(error), *lines])) from error
    return (*found, *lines)


def _resolve(check: PolicyCheck, stored: Stored) -> None:
    """Find the candles and cut their time."""
    timeframes = sorted({one.timeframe for one in check.sized})
    if len(timeframes) > 1:
        check.refuse(
            "several_timeframes",
            f"the configurations are on {', '.join(timeframes)}, and a policy sees candles of one "
            "timeframe: name configurations of one",
        )
        return
    series = sorted({one.series for one in check.sized})
    if lost := [one for one in series if one not in stored]:
        check.refuse(
            "no_candles", f"no candles of {lost[0]} are stored: import or backfill them first"
        )
        return
    asked = check.spec
    start = asked.start if asked.start is not None else min(stored[one][0] for one in series)
    end = asked.end if asked.end is not None else max(stored[one][1] for one in series)
    for one in series:
        first, last = stored[one]
        if max(first, start) >= min(last, end):
            check.refuse(
                "no_candles",
                f"no candles of {one} are in the range of the training: stored are "
                f"{day(first)} to {day(last - 1)}; widen the range, or import more",
            )
            return
    ids = tuple(one.configuration_id for one in check.sized)
    check.spec = asked.model_copy(update={"configurations": ids, "start": start, "end": end})
    try:
        check.split = split_time(start, end, LOOKBACK * timeframe_ms(timeframes[0]))
    except ValueError as error:
        check.refuse("short_range", str(error))
        return
    try:
        told = told_of_overlaps(check.split, check.sized, start, end, asked.allow_overlap)
    except RefusedError as error:
        check.refuse(error.code, str(error))
        return
    check.warnings += told


async def _machine(pool: "asyncpg.Pool[asyncpg.Record]", check: PolicyCheck) -> Trainer | None:
    """Look who would do it, and what else is done; return the trainer."""
    trainer = await trainer_seen(pool)
    check.trainer = trainer is not None
    if trainer is None:
        check.warnings.append(f"{NO_TRAINER}; until then the training waits")
    else:
        check.free_bytes = trainer.free_bytes
        if line := disk_refusal(trainer.free_bytes):
            check.refuse("disk_full", line)
    waiting = await pool.fetch(
        "select job_id, kind from training_jobs where status = 'RUNNING' "
        "or (status = 'QUEUED' and kind = 'policy') order by kind = 'policy' desc, created_at"
    )
    if not waiting:
        return trainer
    first = waiting[0]
    if first["kind"] == "policy":
        check.warnings.append(
            f"training {first['job_id']} comes before this one, which waits: a trainer works on "
            "one at a time"
        )
    if others := [one for one in waiting if one["kind"] != "policy"]:
        check.warnings.append(
            f"{others[0]['kind']} {others[0]['job_id']} is at work: on the same machine both share "
            "its cores and take longer; wait for it, or cancel it"
        )
    return trainer


async def _seconds(
    pool: "asyncpg.Pool[asyncpg.Record]", spec: PolicySpec, trainer: Trainer | None
) -> float:
    """Return what the training takes where no seed ends early."""
    measured = await pool.fetchval(
        "select avg((metrics ->> 'steps_per_s')::float8) from rl_training_points where job_id = "
        "(select job_id from training_jobs where kind = 'policy' and status = 'SUCCEEDED' "
        "order by finished_at desc limit 1)"
    )
    at_once = min(trainer.at_once if trainer else os.cpu_count() or 1, spec.seeds)
    rounds = -(-spec.seeds // at_once)
    return PROVING_S + rounds * spec.steps / (measured or STEPS_PER_S)
