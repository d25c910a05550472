"""The stages of a configuration, and what moves it from one to the next.

DISCOVERY -> VALIDATION -> PAPER -> MATURE -> DECAY, then validated again once, or retired. The
rules themselves are in `docs/guides/lifecycle.md`. Every function works inside the caller's
transaction or makes one, and leaves the reason and its evidence in `configuration_events`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from contracts.events import Stage
from tradepulse.research.configurations import (
    TRADABLE,
    NewConfiguration,
    StoredConfiguration,
    add_discovered,
    change,
    locked,
    note,
)
from tradepulse.research.decay import Finding, Reference
from tradepulse.research.jobs import Cause, queue_validation
from tradepulse.runtime.db import Connection
from tradepulse.runtime.refusals import RefusedError, refused_as
from tradepulse.strategies import get_strategy

RANGES = ("in_sample_range", "out_of_sample_range")
"""Of a configuration's metrics: [first open time, open time before which it ends], epoch ms."""
KEPT = ("costs", "objective", "min_trades", "max_drawdown_pct", *RANGES)
"""Of a configuration's metrics, what an edited one is judged by as well."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a validation found.

    Attributes:
        passed: whether every gate was passed.
        verdict: the report's sentence.
        refused_by: names of the gates that were not passed.
        report: all of it, as JSON.
        metrics: figures and ranges that replace those of the configuration.
        reference: returns of the backtest's trades, for the comparison with live ones.
    """

    passed: bool
    verdict: str
    refused_by: tuple[str, ...]
    report: Mapping[str, Any]
    metrics: Mapping[str, Any]
    reference: Reference


async def begin_validation(connection: Connection, configuration_id: UUID, job_id: UUID) -> None:
    """Move to VALIDATION; one that a person lets trade goes on trading meanwhile."""
    reason = f"validation began, job {job_id}"
    row = await locked(connection, configuration_id, reason)
    if row.stage in {"DISCOVERY", "DECAY"}:
        await change(connection, row, "VALIDATION", is_active=False, reason=reason)


async def end_validation(
    connection: Connection, configuration_id: UUID, job_id: UUID, cause: Cause, judged: Judged
) -> StoredConfiguration:
    """Store a report and move the configuration to where its verdict sends it.

    Passed: PAPER, and active. Refused: back to DISCOVERY, or retired where it had decayed. One that
    a person moved meanwhile, or let trade before, stays where it is; the verdict is kept.
    """
    reason = _verdict(judged)
    row = await locked(connection, configuration_id, reason)
    report_id = await connection.fetchval(
        "insert into validation_reports (configuration_id, job_id, passed, report) "
        "values ($1, $2, $3, $4) returning report_id",
        configuration_id,
        job_id,
        judged.passed,
        dict(judged.report),
    )
    await connection.execute(
        "update trained_configurations set metrics = metrics || $2, reference_returns = $3, "
        "reference_source = $4 where configuration_id = $1",
        configuration_id,
        dict(judged.metrics),
        list(judged.reference.returns),
        judged.reference.source,
    )
    evidence = {"report_id": report_id, "job_id": str(job_id), "refused_by": judged.refused_by}
    if row.stage != "VALIDATION":
        await note(connection, row, f"{reason}; the stage stays {row.stage}", evidence)
        return row
    if judged.passed:
        return await change(
            connection, row, "PAPER", is_active=True, reason=reason, evidence=evidence
        )
    return await _refuse(connection, row, cause, reason, evidence)


async def fail_validation(
    connection: Connection, configuration_id: UUID, job_id: UUID, cause: Cause, error: str
) -> None:
    """Take a configuration out of a validation that could not be done."""
    reason = f"could not be validated: {error}"
    row = await locked(connection, configuration_id, reason)
    evidence = {"job_id": str(job_id)}
    if row.stage == "VALIDATION" or (row.stage == "DECAY" and cause == "decayed"):
        await _refuse(connection, row, cause, reason, evidence)
    else:
        await note(connection, row, reason, evidence)


async def apply_finding(
    connection: Connection, configuration_id: UUID, finding: Finding
) -> StoredConfiguration:
    """Move a trading configuration to what its live trades have earned.

    One that decays is validated again on the data up to then, the first time; the second time it
    is retired.
    """
    row = await locked(connection, configuration_id, finding.reason)
    if finding.stage == "MATURE":
        return await change(
            connection,
            row,
            "MATURE",
            is_active=row.is_active,
            reason=finding.reason,
            evidence=finding.evidence,
        )
    again = not row.revalidated
    next_step = "it is validated again" if again else "it had been validated again, so is retired"
    decayed = await change(
        connection,
        row,
        "DECAY",
        is_active=False,
        retired=not again,
        reason=f"{finding.reason}; {next_step}",
        evidence=finding.evidence,
    )
    if again:
        await connection.execute(
            "update trained_configurations set revalidated = true where configuration_id = $1",
            configuration_id,
        )
        # in a replay what lies behind the last trade is still the future
        await queue_validation(connection, decayed, "decayed", end=finding.at)
    return decayed


async def set_stage(
    pool: "asyncpg.Pool[asyncpg.Record]", configuration_id: UUID, stage: Stage, reason: str
) -> StoredConfiguration:
    """Move a configuration to any stage, as a person decides.

    Coming to PAPER or MATURE from elsewhere it trades at once; between the two it stays switched on
    or off. VALIDATION queues its validation. DECAY takes it out of service for good.

    Raises:
        NotFoundError: there is none of this id.
        RefusedError: no reason is given, or it is in that stage already.
    """
    async with pool.acquire() as connection, connection.transaction():
        row = await locked(connection, configuration_id, reason)
        if row.stage == stage and row.retired == (stage == "DECAY"):
            raise RefusedError(
                "same_stage", f"configuration {configuration_id} is in stage {stage} already"
            )
        changed = await change(
            connection,
            row,
            stage,
            is_active=stage in TRADABLE and (row.is_active or row.stage not in TRADABLE),
            retired=stage == "DECAY",
            reason=reason,
            by_person=True,
        )
        if stage == "VALIDATION":
            await queue_validation(connection, changed, "asked")
        return changed


async def edit(
    pool: "asyncpg.Pool[asyncpg.Record]",
    configuration_id: UUID,
    params: Mapping[str, float],
    reason: str,
) -> StoredConfiguration:
    """Make a new configuration in DISCOVERY with some parameters changed, and queue its validation.

    The old one stays as it is. The new one was not found by a search, and still every trial of its
    series counts against it.

    Args:
        pool: of the database.
        configuration_id: of the old one.
        params: the parameters that change.
        reason: why.

    Raises:
        NotFoundError: there is none of this id.
        RefusedError: no reason is given, the parameters are wrong or change nothing, or the same
            edit was made before.
    """
    async with pool.acquire() as connection, connection.transaction():
        row = await locked(connection, configuration_id, reason)
        with refused_as("wrong_params"):
            complete = get_strategy(row.strategy).complete({**row.params, **params})
        if complete == row.params:
            raise RefusedError(
                "same_params", f"configuration {configuration_id} has these parameters already"
            )
        written = json.dumps(complete, sort_keys=True)
        new_id = uuid5(configuration_id, written)
        if await connection.fetchval(
            "select true from trained_configurations where configuration_id = $1", new_id
        ):
            raise RefusedError(
                "made_before", f"this edit was made before: it is configuration {new_id}"
            )
        kept = {name: row.metrics[name] for name in KEPT if name in row.metrics}
        new = await add_discovered(
            connection,
            NewConfiguration(
                configuration_id=new_id,
                strategy=row.strategy,
                exchange=row.exchange,
                symbol=row.symbol,
                timeframe=row.timeframe,
                params=complete,
                share=row.share,
                metrics=kept,
                edited_from=configuration_id,
            ),
            f"edited from {configuration_id}: {reason}",
            by_person=True,
        )
        await queue_validation(connection, new, "edited")
        return new


def _verdict(judged: Judged) -> str:
    gates = judged.report["gates"]
    if judged.passed:
        return f"passed all {len(gates)} gates"
    titles = "; ".join(gate["title"] for gate in gates if not gate["passed"])
    return f"refused by {len(judged.refused_by)} of {len(gates)} gates: {titles}"


async def _refuse(
    connection: Connection,
    row: StoredConfiguration,
    cause: Cause,
    reason: str,
    evidence: Mapping[str, Any],
) -> StoredConfiguration:
    retired = cause == "decayed"
    return await change(
        connection,
        row,
        "DECAY" if retired else "DISCOVERY",
        is_active=False,
        retired=retired,
        reason=f"{reason}; retired" if retired else reason,
        evidence=evidence,
    )
