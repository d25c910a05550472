"""`policy train`: queue the training of a policy and follow it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.cli.options import TimeRange, grouped, json_of, names_of
from tradepulse.cli.research.following import JobCommand, until_final
from tradepulse.trading import defaults

if TYPE_CHECKING:
    import asyncpg
    from rich.console import Console

    from tradepulse.research.jobs import JobStatus

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Signals:
    """Whose trades are sized, and for which portfolio."""

    configurations: Annotated[
        str, typer.Option(help="Ids, separated by commas, or those that are active.")
    ] = "active"
    portfolio: Annotated[str, typer.Option(help="Whose model it will be.")] = "main"
    name: Annotated[str | None, typer.Option(help="For people.")] = None
    allow_overlap: Annotated[
        str | None,
        typer.Option(
            help="Why configurations may be used that were chosen by days of validation or test; "
            "stands at the head of the report."
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Lessons:
    """How long is trained."""

    seeds: Annotated[int, typer.Option(help="Trainings, of which the model is the mean.")] = 8
    seed: Annotated[int, typer.Option(help="The first of them; the others follow it.")] = 1
    steps: Annotated[int, typer.Option(help="Of each seed, at most.")] = 1_000_000
    minutes: Annotated[
        int | None, typer.Option(help="After so long the seeds stop with the best they have.")
    ] = None
    ppo: Annotated[
        str | None, typer.Option(help='Settings of PPO, as {"accounts": 256, "epochs": 5}.')
    ] = None


@dataclass(frozen=True, slots=True)
class Money:
    """What may be held, and what trading costs."""

    budget: Annotated[float, typer.Option(help="What the weights sum to at most.")] = 1.0
    max_weight: Annotated[float, typer.Option(help="Of one instrument.")] = float(
        defaults.MAX_SYMBOL_NOTIONAL
    )
    fee: Annotated[float, typer.Option(help="Taker fee, fraction of the notional.")] = float(
        defaults.FEE
    )
    slippage: Annotated[float, typer.Option(help="Fraction of the price.")] = defaults.SLIPPAGE
    impact: Annotated[
        float, typer.Option(help="Slippage added where an order takes all of a candle's volume.")
    ] = defaults.IMPACT


@dataclass(frozen=True, slots=True)
class TrainingControl:
    """What the command does with a training."""

    detach: Annotated[bool, typer.Option("--detach", help="Queue and do not wait.")] = False
    follow: Annotated[
        str | None, typer.Option(help="Follow this training instead of queueing one.")
    ] = None
    cancel: Annotated[str | None, typer.Option(help="Cancel this training; it can be resumed.")] = (
        None
    )
    resume: Annotated[
        str | None, typer.Option(help="Go on with this training, where it stood.")
    ] = None


@grouped
def train(
    *,
    signals: Signals,
    times: TimeRange,
    lessons: Lessons,
    money: Money,
    job: TrainingControl,
    state: State = STATE,
) -> None:
    """Train a policy that sizes the trades of configurations, and put it before the gates.

    Needs a running trainer. Ctrl-C stops following; the training goes on.
    """
    first, last = times.read()
    # all named as the fields of a training's spec
    asked = asdict(signals) | asdict(lessons) | asdict(money) | {"start": first, "end": last}
    asked["configurations"] = _ids(signals.configurations)
    asked["ppo"] = None if lessons.ppo is None else json_of("--ppo", lessons.ppo)
    command = _Training("training", "policy train")
    command.see_through(command.run(database_url(state), asked, job))


def _ids(text: str) -> "str | Sequence[UUID]":
    from tradepulse.cli.research.configs import uuid_of

    if text == "active":
        return text
    return [uuid_of("--configurations", one) for one in names_of([text]) or []]


class _Training(JobCommand):
    async def run(self, url: str, asked: dict[str, Any], job: TrainingControl) -> None:
        from tradepulse.cli.research.configs import uuid_of
        from tradepulse.research.policy_jobs import resume_policy_job
        from tradepulse.runtime.db import opened_pool

        async with opened_pool(url, max_size=1) as pool:
            if job.cancel is not None:
                await _cancel(pool, uuid_of("--cancel", job.cancel))
                return
            if job.follow is not None:
                self.job_id = uuid_of("--follow", job.follow)
            elif job.resume is not None:
                with values_refused():
                    resumed = await resume_policy_job(pool, uuid_of("--resume", job.resume))
                self.job_id = resumed.job_id
            else:
                self.job_id = await _queue(pool, asked)
            typer.echo(f"training {self.job_id}")
            if not job.detach:
                await _follow(pool, self.job_id)


async def _queue(pool: "asyncpg.Pool[asyncpg.Record]", asked: dict[str, Any]) -> UUID:
    from tradepulse.market_data.store import series_ends
    from tradepulse.research.policy_checks import check_policy
    from tradepulse.research.policy_jobs import submit_policy_job
    from tradepulse.research.policy_spec import PolicySpec

    async with pool.acquire() as connection:
        stored = await series_ends(connection)
    with values_refused():
        spec = PolicySpec(**asked)
        check = await check_policy(pool, spec, stored)
        found = await submit_policy_job(pool, spec, stored)
    for line in check.warnings:
        typer.echo(line, err=True)
    return found


async def _follow(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> None:
    from tradepulse.research.trainers import NO_TRAINER, trainer_seen

    told = False

    async def doing(job: "JobStatus", waited: float, console: "Console") -> str:
        nonlocal told
        if job.status == "RUNNING":
            return await _doing(pool, job)
        if not told and waited >= _PATIENCE_S and await trainer_seen(pool) is None:
            told = True
            console.print(NO_TRAINER, soft_wrap=True, markup=False)
        return "Waiting for a trainer"

    await _report(pool, await until_final(lambda: _status(pool, job_id), doing))


async def _doing(pool: "asyncpg.Pool[asyncpg.Record]", job: "JobStatus") -> str:
    """Say how the seeds do on validation: the best excess of each, in percent."""
    if job.done and job.done >= job.total:
        return "Judging"
    rows = await pool.fetch(
        "select seed, max((metrics ->> 'validation_excess')::float8) as best "
        "from rl_training_points where job_id = $1 group by seed order by seed",
        job.job_id,
    )
    bests = [f"{100 * row['best']:+.1f}" for row in rows if row["best"] is not None]
    return f"Training, best excess {' '.join(bests)} %" if bests else "Training"


async def _report(pool: "asyncpg.Pool[asyncpg.Record]", job: "JobStatus") -> None:
    from tradepulse.research.model_registry import model_row
    from tradepulse.research.policies.report import PolicyReport
    from tradepulse.research.policies.text import as_text

    if job.status == "FAILED":
        raise CliError(f"training {job.job_id} failed: {job.error or 'no reason given'}")
    if job.status == "CANCELLED":
        raise CliError(
            f"training {job.job_id} was cancelled after {job.done:,} of {job.total:,} steps; "
            f"`tradepulse policy train --resume {job.job_id}` goes on"
        )
    result = job.result or {}
    row = await model_row(pool, UUID(result["model_id"]))
    typer.echo(as_text(PolicyReport.of_json(row.report)))
    typer.echo(f"model {row.model_id} ({row.name}) of portfolio {row.portfolio}: {row.stage}")


async def _cancel(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> None:
    from tradepulse.research.policy_jobs import cancel_policy_job

    with values_refused():
        job = await cancel_policy_job(pool, job_id)
    if not job.is_final:
        typer.echo(f"training {job_id} ends after its present update")
    else:
        typer.echo(f"training {job_id} is {job.status.lower()}")


async def _status(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> "JobStatus":
    from tradepulse.research.jobs import job_status

    with values_refused():
        job = await job_status(pool, job_id)
    if job.kind != "policy":
        raise CliError(f"job {job_id} is a {job.kind}: `tradepulse optimize --follow` follows it")
    return job
