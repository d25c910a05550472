"""Jobs: what may be asked for, and their rows.

A search looks for parameters, a validation judges one configuration; optimizer_svc works both off,
searches before validations that have not waited long, because people wait for them. A training of a
policy (`policy_jobs.py`) waits in the same queue for the trainer.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID, uuid4, uuid5

import asyncpg
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from contracts.events import NAMESPACE
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.research.configurations import StoredConfiguration
from tradepulse.research.counting import counted
from tradepulse.research.space import space_of
from tradepulse.runtime.db import Connection
from tradepulse.runtime.refusals import NotFoundError, RefusedError, refused_as
from tradepulse.strategies import get_strategy
from tradepulse.trading import defaults

Method = Literal[
    "grid", "random", "quasi_random", "bayesian", "cma_es", "differential_evolution", "nsga2"
]
Objective = Literal[
    "sharpe",
    "sortino",
    "calmar",
    "net_profit_pct",
    "profit_factor",
    "expectancy",
    "profit_drawdown",
]
JobKind = Literal["search", "validation", "policy"]
Cause = Literal["found", "activated", "edited", "decayed", "asked"]
"""Why a configuration is validated; one that decayed and is refused is retired."""
JobState = Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]
Word = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x20:\x7f-\xa0]+$")
]
"""A name without spaces and colons; what a space is is spelled out, for languages differ in it."""
MOST_STRATEGIES, MOST_SYMBOLS = 32, 200
"""Of one search. Its specification is read and shown again and again."""
MOST_TRIALS = 10_000_000
"""Of one search, over all its strategies and symbols."""
LAST_TIME = 253_402_300_799_000
"""The end of the year 9999, epoch ms: later times are typing errors."""


def whole(value: object) -> object:
    """Take 5.0 for 5: JSON does not tell them apart."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# bounds come before: the other way round they are held, but not in the document
OpenTime = Annotated[int, Field(ge=0, le=LAST_TIME), BeforeValidator(whole)]
Trials = Annotated[int, Field(ge=1, le=100_000), BeforeValidator(whole)]
Seed = Annotated[int, Field(ge=0, le=2**53 - 1), BeforeValidator(whole)]
Count = Annotated[int, Field(ge=0, le=1_000_000), BeforeValidator(whole)]
Kept = Annotated[int, Field(ge=1, le=100), BeforeValidator(whole)]
FINAL: frozenset[JobState] = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


class JobSpec(BaseModel):
    """A parameter search: every strategy on every symbol, `trials` parameter sets each.

    The last `out_of_sample_fraction` of each series is kept from the search and only judges what
    the search chose.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    # a list in JSON becomes a tuple here, which strictness alone would refuse
    strategies: Annotated[
        tuple[Word, ...], Field(min_length=1, max_length=MOST_STRATEGIES, strict=False)
    ]
    exchange: Word
    symbols: Annotated[tuple[Word, ...], Field(min_length=1, max_length=MOST_SYMBOLS, strict=False)]
    timeframe: Word
    start: OpenTime | None = None
    """First open time that is traded, epoch ms; None for the first candle there is."""
    end: OpenTime | None = None
    """Open time before which the data ends, epoch ms; None for all there is."""
    method: Method = "random"
    trials: Trials = 100
    """Parameter sets per strategy and symbol; a grid may have fewer."""
    seed: Seed = 1
    objective: Objective = "sharpe"
    min_trades: Count = 10
    """A parameter set with fewer in-sample trades is not chosen."""
    max_drawdown_pct: float | None = Field(default=None, gt=0, le=100)
    """A parameter set with a deeper in-sample drawdown is not chosen; None for any."""
    out_of_sample_fraction: float = Field(default=0.25, ge=0, lt=1)
    keep: Kept = 1
    """Configurations kept per symbol and strategy."""
    activate: bool = False
    """Whether the kept configurations trade on paper at once, before their validation."""
    fee: float = Field(default=float(defaults.FEE), ge=0, le=0.1)
    maker_fee: float | None = Field(default=None, ge=0, le=0.1)
    """Of orders that rested; None for the same as `fee`."""
    slippage: float = Field(default=defaults.SLIPPAGE, ge=0, le=0.1)
    impact: float = Field(default=defaults.IMPACT, ge=0, le=0.5)
    """Added to the slippage of an order as large as its candle's volume."""
    allows_margin: bool = False
    """Whether the market may be sold short."""
    fixed: Annotated[
        dict[str, Annotated[dict[str, float], Field(max_length=64)]],
        Field(max_length=MOST_STRATEGIES),
    ] = Field(default_factory=dict)
    """By strategy, parameters that are not searched, and their values."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        with refused_as("unknown_timeframe"):
            timeframe_ms(self.timeframe)
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise RefusedError("wrong_range", "start is not before end")
        for values in (self.strategies, self.symbols):
            if len(set(values)) < len(values):
                raise RefusedError("named_twice", f"named twice among {', '.join(values)}")
        together = len(self.strategies) * len(self.symbols) * self.trials
        if together > MOST_TRIALS:
            raise RefusedError(
                "too_many_trials",
                f"{counted(len(self.strategies), 'strategy', 'strategies')} on "
                f"{counted(len(self.symbols), 'symbol')} with {counted(self.trials, 'trial')} each "
                f"are {together:,} trials; at most {MOST_TRIALS:,} are one search: make several "
                "of it",
            )
        if stray := sorted(set(self.fixed) - set(self.strategies)):
            raise RefusedError(
                "wrong_params", f"fixed parameters for {stray[0]!r}, which is not searched"
            )
        for name in self.strategies:
            with refused_as("unknown_strategy"):
                strategy = get_strategy(name)
            with refused_as("wrong_params"):
                space_of(strategy, self.fixed.get(name, {}))
        return self

    def series(self, symbol: str) -> str:
        """Return `exchange:symbol:timeframe`."""
        return f"{self.exchange}:{symbol}:{self.timeframe}"


class ValidationSpec(BaseModel):
    """A validation: one configuration before the gates. The rest is in the configuration's row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    configuration_id: UUID
    strategy: str
    series: str
    cause: Cause
    end: int | None = None
    """Open time before which the data ends, epoch ms; None for the end of its search's data."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """Where a job stands. `error` is set where it failed, `result` where it succeeded.

    `done` of `total` are trials of a search, percent of a validation, steps of a training.
    """

    job_id: UUID
    kind: JobKind
    spec: dict[str, Any]
    status: JobState
    done: int
    total: int
    cancel_requested: bool
    error: str | None
    result: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in FINAL


_COLUMNS = (
    "job_id, kind, spec, status, done, total, cancel_requested, error, result, created_at, "
    "started_at, finished_at"
)


async def submit_job(
    pool: "asyncpg.Pool[asyncpg.Record]", spec: JobSpec, *, job_id: UUID | None = None
) -> UUID:
    """Queue a job; a repeat with the same id changes nothing.

    Raises:
        RefusedError: the id belongs to a job with another spec.
    """
    job_id = job_id or uuid4()
    wanted = spec.model_dump(mode="json")
    await pool.execute(
        "insert into training_jobs (job_id, spec) values ($1, $2) on conflict do nothing",
        job_id,
        wanted,
    )
    stored = await pool.fetchval("select spec from training_jobs where job_id = $1", job_id)
    if stored != wanted:
        raise RefusedError(
            "other_spec", f"job {job_id} exists with another spec; choose another id"
        )
    return job_id


async def queue_validation(
    connection: Connection, row: StoredConfiguration, cause: Cause, end: int | None = None
) -> UUID:
    """Queue the validation of a configuration, inside the caller's transaction.

    One for each of its revisions: a repeat changes nothing.
    """
    job_id = uuid5(NAMESPACE, f"validation:{row.configuration_id}:{row.revision}")
    spec = ValidationSpec(
        configuration_id=row.configuration_id,
        strategy=row.strategy,
        series=row.series,
        cause=cause,
        end=end,
    )
    await connection.execute(
        "insert into training_jobs (job_id, kind, spec, total) values ($1, 'validation', $2, 100) "
        "on conflict do nothing",
        job_id,
        spec.model_dump(mode="json"),
    )
    return job_id


async def job_status(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> JobStatus:
    """Return where a job stands.

    Raises:
        NotFoundError: there is no such job.
    """
    row = await pool.fetchrow(f"select {_COLUMNS} from training_jobs where job_id = $1", job_id)  # noqa: S608 - a constant
    if row is None:
        raise NotFoundError(f"there is no job {job_id}")
    return JobStatus(**dict(row))


async def list_jobs(pool: "asyncpg.Pool[asyncpg.Record]", limit: int = 100) -> list[JobStatus]:
    """Return the latest jobs, newest first."""
    rows = await pool.fetch(
        f"select {_COLUMNS} from training_jobs order by created_at desc limit $1",  # noqa: S608 - a constant
        limit,
    )
    return [JobStatus(**dict(row)) for row in rows]


async def request_cancel(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> JobStatus:
    """Cancel a job: at once where it waits, within a second or two where it runs.

    A training ends after its present update, and can be taken up again. A validation is cancelled
    by its worker, which takes its configuration out of it. A job that has ended stays as it is.

    Raises:
        NotFoundError: there is no such job.
    """
    await pool.execute(
        "update training_jobs set cancel_requested = true, "
        "status = case when waits then 'CANCELLED' else status end, "
        "finished_at = case when waits then now() end "
        "from (select status = 'QUEUED' and kind <> 'validation' as waits from training_jobs "
        "where job_id = $1) as one "
        "where job_id = $1 and status in ('QUEUED', 'RUNNING')",
        job_id,
    )
    return await job_status(pool, job_id)
