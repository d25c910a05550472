"""The stages of a model, and what moves it from one to the next.

CANDIDATE where it passed its gates, else REFUSED; then SHADOW, where it decides beside the active
one; then ACTIVE, which rl_svc follows; then RETIRED. A person may set a rule aside: the reason then
stays with the model. Each change is one transaction: the row, its line in `rl_model_events`, and a
word to rl_svc.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg

from tradepulse.research.model_registry import (
    CHANNEL,
    ModelStage,
    StoredModel,
    model_row,
    record,
    stored_model,
)
from tradepulse.runtime.db import Connection
from tradepulse.runtime.refusals import RefusedError

SHADOW_DAYS = 14
"""So long a model decides beside the active one before it takes its place."""
Upwards = Literal["SHADOW", "ACTIVE"]


@dataclass(frozen=True, slots=True)
class Promoted:
    """What a promotion did.

    Attributes:
        model: as it is now.
        replaced: the model that was active before and is retired now.
    """

    model: StoredModel
    replaced: StoredModel | None = None


async def promote(
    pool: "asyncpg.Pool[asyncpg.Record]", model_id: UUID, to: Upwards, reason: str = ""
) -> Promoted:
    """Move a model to SHADOW or ACTIVE, as a person decides.

    What comes to ACTIVE retires the one that was active, in the same transaction. A reason is
    needed where a rule is set aside: the gates, the days in SHADOW, an earlier retirement.

    Raises:
        NotFoundError: there is none of this id.
        RefusedError: it may not go there, or a reason is needed.
    """
    async with pool.acquire() as connection, connection.transaction():
        row = await _locked(connection, model_id)
        # what is in the file counts: the row beside it can be written by hand
        mode = (await stored_model(connection, model_id)).manifest.mode
        _check_way(row, mode, to)
        in_stage = await connection.fetchval("select now() - $1::timestamptz", row.stage_since)
        objections = _objections(row, to, in_stage)
        if objections and not reason.strip():
            raise RefusedError(
                "needs_reason",
                f"model {model_id} goes to {to} only with a reason, which stays with it: "
                f"{'; '.join(objections)}",
            )
        why = _why(row, to, in_stage, reason.strip(), objections)
        replaced = None
        if to == "ACTIVE":
            replaced = await _make_way(connection, row)
        told: dict[str, Any] = {"set_aside": objections} if objections else {}
        if replaced is not None:
            told["replaced"] = str(replaced.model_id)
        override = f"{'; '.join(objections)}. Reason: {reason.strip()}" if objections else None
        changed = await _change(
            connection, row, to, why, evidence=told, by_person=True, override=override
        )
        return Promoted(changed, replaced)


async def retire(
    pool: "asyncpg.Pool[asyncpg.Record]",
    model_id: UUID,
    reason: str,
    *,
    evidence: Mapping[str, Any] | None = None,
    by_person: bool = True,
) -> StoredModel:
    """Take a model out of service; where it was active, inverse volatility decides from then on.

    Raises:
        NotFoundError: there is none of this id.
        RefusedError: no reason is given, or it is retired already.
    """
    if not reason.strip():
        raise RefusedError("no_reason", "a model is retired with a reason: give one")
    async with pool.acquire() as connection, connection.transaction():
        row = await _locked(connection, model_id)
        if row.stage == "RETIRED":
            raise RefusedError("same_stage", f"model {model_id} is retired already")
        return await _change(
            connection, row, "RETIRED", reason.strip(), evidence=evidence, by_person=by_person
        )


def next_stage(row: StoredModel) -> Upwards:
    """Return where a promotion leads that names no stage."""
    return "ACTIVE" if row.stage == "SHADOW" else "SHADOW"


async def _locked(connection: Connection, model_id: UUID) -> StoredModel:
    """Return a model's row, while nobody else changes a model of its portfolio."""
    portfolio = (await model_row(connection, model_id)).portfolio
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))", f"rl_models:{portfolio}"
    )
    return await model_row(connection, model_id, lock=True)


def _check_way(row: StoredModel, mode: str, to: Upwards) -> None:
    if mode != "signals":
        raise RefusedError(
            "rebalance_model",
            f"model {row.model_id} was trained to hold a portfolio at all times (mode "
            f"{mode}), not to size signals: it is for comparisons and cannot be promoted",
        )
    if row.stage == to:
        raise RefusedError("same_stage", f"model {row.model_id} is in stage {to} already")
    if row.stage == "ACTIVE":
        raise RefusedError(
            "wrong_stage",
            f"model {row.model_id} is active and does not go back to {to}: retire it, or promote "
            "another one to ACTIVE",
        )


def _objections(row: StoredModel, to: Upwards, in_stage: timedelta) -> list[str]:
    """Return the rules that this promotion sets aside."""
    found = []
    if row.stage == "RETIRED":
        found.append("it was retired")
    if not row.passed:
        found.append(row.verdict)
    if to == "ACTIVE":
        days = in_stage / timedelta(days=1)
        if row.stage != "SHADOW":
            found.append(f"it is not in SHADOW, where a model stays {SHADOW_DAYS} days")
        elif days < SHADOW_DAYS:
            # rounded down: 13.96 days are not 14
            found.append(f"in SHADOW for {int(days * 10) / 10:g} days, not {SHADOW_DAYS}")
    return found


def _why(
    row: StoredModel, to: Upwards, in_stage: timedelta, reason: str, objections: list[str]
) -> str:
    if objections:
        return f"{reason} (set aside: {'; '.join(objections)})"
    if reason:
        return reason
    return row.verdict if to == "SHADOW" else f"after {in_stage.days} days in SHADOW"


async def _make_way(connection: Connection, row: StoredModel) -> StoredModel | None:
    """Retire the active model of a portfolio for another one; return it."""
    there = await connection.fetchval(
        "select model_id from rl_models where portfolio = $1 and stage = 'ACTIVE'", row.portfolio
    )
    if there is None:
        return None
    old = await model_row(connection, there, lock=True)
    return await _change(
        connection,
        old,
        "RETIRED",
        f"replaced by {row.name} ({row.model_id})",
        evidence={"replaced_by": str(row.model_id)},
        by_person=True,
    )


async def _change(
    connection: Connection,
    row: StoredModel,
    stage: ModelStage,
    reason: str,
    *,
    evidence: Mapping[str, Any] | None,
    by_person: bool,
    override: str | None = None,
) -> StoredModel:
    await connection.execute(
        "update rl_models set stage = $2, stage_since = now(), "
        "overrides = overrides || $3::text[] where model_id = $1",
        *(row.model_id, stage, [] if override is None else [override]),
    )
    changed = await model_row(connection, row.model_id)
    await record(connection, changed, row.stage, reason, by_person=by_person, evidence=evidence)
    # told at the end of the transaction, and only if it holds
    await connection.execute("select pg_notify($1, $2)", CHANNEL, row.portfolio)
    return changed
