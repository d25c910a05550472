"""`optimize`: submit a training job and follow it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.cli.options import Symbols, TimeRange, grouped, json_of, names_of, numbers_of
from tradepulse.cli.research.following import JobCommand, until_final
from tradepulse.trading import defaults

if TYPE_CHECKING:
    import asyncpg
    from rich.console import Console

    from tradepulse.research.jobs import JobStatus

_PATIENCE_S = 5.0
_DOING = {"search": "Searching", "validation": "Validating"}


@dataclass(frozen=True, slots=True)
class Searched:
    """What is searched."""

    strategies: Annotated[
        list[str] | None,
        typer.Option("--strategy", help="Strategy to search; repeat it; all by default."),
    ] = None
    symbols: Symbols = None
    exchange: Annotated[str | None, typer.Option(help="Needed if several are stored.")] = None
    timeframe: Annotated[str | None, typer.Option(help="Needed if several are stored.")] = None


@dataclass(frozen=True, slots=True)
class SearchMethod:
    """How parameter sets are tried."""

    method: Annotated[
        str,
        typer.Option(
            help="grid, random, quasi_random, bayesian, cma_es, differential_evolution or nsga2."
        ),
    ] = "random"
    trials: Annotated[int, typer.Option(help="Parameter sets per strategy and symbol.")] = 100
    seed: Annotated[int, typer.Option(help="Of everything random in the search.")] = 1


@dataclass(frozen=True, slots=True)
class Selection:
    """What is kept of what was tried."""

    objective: Annotated[
        str,
        typer.Option(
            help="sharpe, sortino, calmar, net_profit_pct, profit_factor, expectancy or "
            "profit_drawdown."
        ),
    ] = "sharpe"
    min_trades: Annotated[int, typer.Option(help="In-sample trades that a choice needs.")] = 10
    max_drawdown_pct: Annotated[
        float | None,
        typer.Option("--max-drawdown", help="Deepest in-sample drawdown of a choice, percent."),
    ] = None
    out_of_sample_fraction: Annotated[
        float,
        typer.Option("--out-of-sample", help="Fraction at the end that the search does not see."),
    ] = 0.25
    keep: Annotated[int, typer.Option(help="Configurations kept per symbol and strategy.")] = 1
    fixed: Annotated[
        str | None,
        typer.Option(help='Parameters not to search, as {"sma_cross": {"stop_atr": 2}}.'),
    ] = None


@dataclass(frozen=True, slots=True)
class Market:
    """What trading costs, and whether the market may be sold short."""

    fee: Annotated[float, typer.Option(help="Taker fee, fraction of the notional.")] = float(
        defaults.FEE
    )
    maker_fee: Annotated[
        float | None, typer.Option(help="Fee of orders that rested; the same by default.")
    ] = None
    slippage: Annotated[float, typer.Option(help="Fraction of the price.")] = defaults.SLIPPAGE
    impact: Annotated[
        float, typer.Option(help="Slippage added where an order takes all of a candle's volume.")
    ] = defaults.IMPACT
    allows_margin: Annotated[bool, typer.Option("--margin", help="Allow selling short.")] = False


@dataclass(frozen=True, slots=True)
class JobControl:
    """What the command does with a job."""

    detach: Annotated[bool, typer.Option("--detach", help="Submit and do not wait.")] = False
    follow: Annotated[
        str | None, typer.Option(help="Follow this job instead of submitting one.")
    ] = None
    cancel: Annotated[
        str | None, typer.Option(help="Cancel this job instead of submitting one.")
    ] = None


@grouped
def optimize(
    *,
    searched: Searched,
    times: TimeRange,
    method: SearchMethod,
    selection: Selection,
    market: Market,
    activate: Annotated[
        bool,
        typer.Option(
            "--activate", help="Let what is kept trade on paper at once, before its validation."
        ),
    ] = False,
    job: JobControl,
    state: State = STATE,
) -> None:
    """Search parameters on stored candles, validate the best.

    Needs a running optimizer_svc. Ctrl-C stops following; the job goes on.
    """
    first, last = times.read()
    # all named as the fields of a job's spec
    asked = asdict(searched) | asdict(method) | asdict(selection) | asdict(market)
    asked |= {
        "strategies": names_of(searched.strategies),
        "symbols": names_of(searched.symbols),
        "start": first,
        "end": last,
        "fixed": _fixed(selection.fixed),
        "activate": activate,
    }
    command = _Search("job", "optimize")
    command.see_through(command.run(database_url(state), asked, job))


def _fixed(text: str | None) -> dict[str, dict[str, float]]:
    if text is None:
        return {}
    value = json_of("--fixed", text)
    if not isinstance(value, dict):
        raise CliError('--fixed must be a JSON object, as {"sma_cross": {"stop_atr": 2}}')
    return {name: numbers_of(f"--fixed {name}", params) for name, params in value.items()}


class _Search(JobCommand):
    async def run(self, url: str, asked: dict[str, Any], job: JobControl) -> None:
        from tradepulse.cli.research.configs import uuid_of
        from tradepulse.runtime.db import opened_pool

        async with opened_pool(url, max_size=1) as pool:
            if job.cancel is not None:
                await _cancel(pool, uuid_of("--cancel", job.cancel))
                return
            if job.follow is not None:
                self.job_id = uuid_of("--follow", job.follow)
            else:
                self.job_id = await _submit(pool, asked)
                typer.echo(f"job {self.job_id}")
            if not job.detach:
                await _follow(pool, self.job_id)


async def _submit(pool: "asyncpg.Pool[asyncpg.Record]", asked: dict[str, Any]) -> UUID:
    from tradepulse.market_data.store import known_series
    from tradepulse.market_data.venues.rules import VENUES
    from tradepulse.research.jobs import JobSpec, submit_job
    from tradepulse.strategies import get_strategy, strategy_names

    # what looks at other instruments needs their candles, too: it is searched where it is named
    alone = [name for name in strategy_names() if not get_strategy(name).looks_at_others]
    asked["strategies"] = asked["strategies"] or alone
    if asked["exchange"] in VENUES and all(
        asked[name] for name in ("symbols", "timeframe", "start", "end")
    ):
        # optimizer_svc fetches what is missing, and says what it cannot have
        with values_refused():
            return await submit_job(pool, JobSpec(**asked))
    async with pool.acquire() as connection:
        stored = await known_series(connection)
    for name in ("exchange", "timeframe"):
        known = sorted(
            {getattr(one, name) for one in stored if asked[name] in {None, getattr(one, name)}}
        )
        if len(known) != 1:
            what = f"several: {', '.join(known)}" if known else "none"
            raise CliError(
                f"--{name}: stored candles have {what}"
                + ("; choose one" if known else " of it; import a file first")
            )
        stored = [one for one in stored if getattr(one, name) == known[0]]
        asked[name] = known[0]
    there = [one.symbol for one in stored]
    if lost := [symbol for symbol in asked["symbols"] or () if symbol not in there]:
        raise CliError(f"no stored candles of {', '.join(lost)}; there are {', '.join(there)}")
    asked["symbols"] = asked["symbols"] or there
    with values_refused():
        return await submit_job(pool, JobSpec(**asked))


async def _follow(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> None:
    async def doing(job: "JobStatus", waited: float, console: "Console") -> str:
        del console
        if job.status == "RUNNING":
            return _DOING[job.kind]
        return "Waiting for optimizer_svc (does it run?)" if waited > _PATIENCE_S else "Waiting"

    await _report(pool, await until_final(lambda: _status(pool, job_id), doing))


async def _report(pool: "asyncpg.Pool[asyncpg.Record]", job: "JobStatus") -> None:
    from tradepulse.cli.research.configs import show
    from tradepulse.research.configurations import configuration_of, list_configurations

    if job.status == "FAILED":
        raise CliError(f"job {job.job_id} failed: {job.error or 'no reason given'}")
    if job.status == "CANCELLED":
        raise CliError(f"job {job.job_id} was cancelled after {job.done:,} of {job.total:,} trials")
    result = job.result or {}
    if job.kind == "validation":
        typer.echo(f"{'passed' if result['passed'] else 'refused'}: {result['verdict']}")
        show([await configuration_of(pool, UUID(result["configuration_id"]))])
        return
    found = await list_configurations(pool, job_id=job.job_id)
    if found:
        show(found)
        typer.echo(
            "what is kept is the best of its trials, so partly luck; its validation is queued: "
            "`tradepulse configs` shows the stages"
        )
    else:
        typer.echo("nothing was kept")
    for nothing in result.get("nothing_kept", ()):
        typer.echo(nothing)


async def _cancel(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> None:
    from tradepulse.research.jobs import request_cancel

    with values_refused():
        job = await request_cancel(pool, job_id)
    if not job.is_final:
        typer.echo(f"job {job_id} ends after its present batch")
    else:
        typer.echo(f"job {job_id} is {job.status.lower()}")


async def _status(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> "JobStatus":
    from tradepulse.research.jobs import job_status

    with values_refused():
        job = await job_status(pool, job_id)
    if job.kind == "policy":
        raise CliError(
            f"job {job_id} trains a policy: `tradepulse policy train --follow {job_id}` follows it"
        )
    return job
