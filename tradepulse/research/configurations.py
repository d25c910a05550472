"""Trained configurations: their rows, and every change of them.

Every change is one transaction: the row with a new revision, the reason with its evidence in
`configuration_events`, and the `ConfigurationChanged` event in optimizer_svc's outbox, whose relay
publishes it whoever wrote it. Which changes come when is told in `lifecycle.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from contracts.events import ConfigurationChanged, Stage
from contracts.topics import CONFIGURATIONS
from tradepulse.candles.series import OnSeries
from tradepulse.research.looked_at import check_references
from tradepulse.runtime import outbox
from tradepulse.runtime.db import Connection
from tradepulse.runtime.refusals import NotFoundError, RefusedError
from tradepulse.strategies import get_strategy, strategy_names

_At: TypeAlias = "asyncpg.Pool[asyncpg.Record] | Connection"
OWNER = "optimizer_svc"
TRADABLE: frozenset[Stage] = frozenset({"PAPER", "MATURE"})
"""Stages in which a configuration may be active."""


@dataclass(frozen=True, slots=True)
class StoredConfiguration(OnSeries):
    """One row of `trained_configurations`."""

    configuration_id: UUID
    revision: int
    job_id: UUID | None
    strategy: str
    exchange: str
    symbol: str
    timeframe: str
    params: dict[str, float]
    share: float
    stage: Stage
    is_active: bool
    retired: bool
    revalidated: bool
    has_traded: bool
    edited_from: UUID | None
    metrics: dict[str, Any]
    created_at: datetime
    updated_at: datetime

    def event(self) -> ConfigurationChanged:
        """Return the event that tells of this state."""
        return ConfigurationChanged(
            configuration_id=self.configuration_id,
            revision=self.revision,
            strategy=self.strategy,
            exchange=self.exchange,
            symbol=self.symbol,
            timeframe=self.timeframe,
            params=self.params,
            share=self.share,
            stage=self.stage,
            is_active=self.is_active,
            has_traded=self.has_traded,
        )


@dataclass(frozen=True, slots=True)
class ConfigurationEvent:
    """One row of `configuration_events`: a change, or a verdict that changed nothing."""

    at: datetime
    from_stage: Stage | None
    to_stage: Stage
    is_active: bool
    reason: str
    evidence: dict[str, Any]
    by_person: bool


@dataclass(frozen=True, slots=True)
class NewConfiguration:
    """What is stored of a configuration that was found or made.

    Attributes:
        metrics: figures in sample and out of sample, their ranges, and how it was searched.
        reference_returns: of the backtest's trades, for the comparison with live ones.
        reference_source: which trades those are.
    """

    configuration_id: UUID
    strategy: str
    exchange: str
    symbol: str
    timeframe: str
    params: Mapping[str, float]
    share: float
    metrics: Mapping[str, Any]
    job_id: UUID | None = None
    edited_from: UUID | None = None
    reference_returns: tuple[float, ...] = ()
    reference_source: str = ""


_COLUMNS = (
    "configuration_id, revision, job_id, strategy, exchange, symbol, timeframe, params, share, "
    "stage, is_active, retired, revalidated, has_traded, edited_from, metrics, created_at, "
    "updated_at"
)
_BY_ID = f"select {_COLUMNS} from trained_configurations where configuration_id = $1"  # noqa: S608 - a constant


async def list_configurations(
    pool: _At, *, active_only: bool = False, job_id: UUID | None = None
) -> list[StoredConfiguration]:
    """Return configurations by symbol, strategy and id."""
    rows = await pool.fetch(
        f"select {_COLUMNS} from trained_configurations "  # noqa: S608 - a constant
        "where (is_active or not $1) and ($2::uuid is null or job_id = $2) "
        "order by exchange, symbol, timeframe, strategy, configuration_id",
        active_only,
        job_id,
    )
    return [StoredConfiguration(**dict(row)) for row in rows]


async def configuration_of(
    pool: "asyncpg.Pool[asyncpg.Record]", configuration_id: UUID
) -> StoredConfiguration:
    """Return one configuration.

    Raises:
        NotFoundError: there is none of this id.
    """
    return await _one(pool, _BY_ID, configuration_id)


async def configuration_events(
    pool: "asyncpg.Pool[asyncpg.Record]", configuration_id: UUID
) -> list[ConfigurationEvent]:
    """Return the history of a configuration, oldest first."""
    rows = await pool.fetch(
        "select at, from_stage, to_stage, is_active, reason, evidence, by_person "
        "from configuration_events where configuration_id = $1 order by id",
        configuration_id,
    )
    return [ConfigurationEvent(**dict(row)) for row in rows]


async def latest_report(
    pool: "asyncpg.Pool[asyncpg.Record]", configuration_id: UUID
) -> dict[str, Any] | None:
    """Return the report of a configuration's last validation, None where there was none."""
    report: dict[str, Any] | None = await pool.fetchval(
        "select report from validation_reports where configuration_id = $1 "
        "order by report_id desc limit 1",
        configuration_id,
    )
    return report


async def activate(
    pool: "asyncpg.Pool[asyncpg.Record]", configuration_id: UUID, reason: str
) -> StoredConfiguration:
    """Let a configuration trade, as a person decides; one that has not passed goes to PAPER.

    One that is active stays as it is.

    Raises:
        NotFoundError: there is none of this id.
        RefusedError: it has decayed, or no reason is given.
    """
    async with pool.acquire() as connection, connection.transaction():
        return await activate_within(connection, configuration_id, reason)


async def deactivate(
    pool: "asyncpg.Pool[asyncpg.Record]", configuration_id: UUID, reason: str
) -> StoredConfiguration:
    """Stop a configuration from entering positions, as a person decides; its stage stays.

    Raises:
        NotFoundError: there is none of this id.
        RefusedError: no reason is given.
    """
    async with pool.acquire() as connection, connection.transaction():
        row = await locked(connection, configuration_id, reason)
        if not row.is_active:
            return row
        return await change(
            connection, row, row.stage, is_active=False, reason=reason, by_person=True
        )


async def activate_within(
    connection: Connection, configuration_id: UUID, reason: str
) -> StoredConfiguration:
    """Do what `activate` does, inside the caller's transaction."""
    row = await locked(connection, configuration_id, reason)
    if row.is_active:
        return row
    if row.stage == "DECAY":
        raise RefusedError(
            "decayed",
            f"configuration {configuration_id} has decayed; train it again, or move it to PAPER "
            "with `tradepulse configs stage` if you know better",
        )
    await check_references(connection, row, row.strategy)
    stage: Stage = row.stage if row.stage in TRADABLE else "PAPER"
    return await change(connection, row, stage, is_active=True, reason=reason, by_person=True)


async def add_discovered(
    connection: Connection, new: NewConfiguration, reason: str, *, by_person: bool = False
) -> StoredConfiguration:
    """Store a new configuration in stage DISCOVERY, inside the caller's transaction."""
    stored = await connection.fetchrow(
        "insert into trained_configurations (configuration_id, job_id, strategy, exchange, "  # noqa: S608 - a constant
        "symbol, timeframe, params, share, metrics, edited_from, reference_returns, "
        "reference_source, fill_gaps) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
        "coalesce($13, (select fill_gaps from trained_configurations "
        "where configuration_id = $10), false)) "
        f"returning {_COLUMNS}",
        new.configuration_id,
        new.job_id,
        new.strategy,
        new.exchange,
        new.symbol,
        new.timeframe,
        dict(new.params),
        new.share,
        dict(new.metrics),
        new.edited_from,
        list(new.reference_returns),
        new.reference_source,
        # without its file a strategy is unknown here; an edit then keeps what the old one asks for
        get_strategy(new.strategy).fill_gaps if new.strategy in strategy_names() else None,
    )
    row = StoredConfiguration(**dict(stored or {}))
    await _tell(connection, row, None, reason, by_person=by_person)
    return row


async def locked(
    connection: Connection, configuration_id: UUID, reason: str
) -> StoredConfiguration:
    """Return a configuration's row, locked, for a change that has this reason.

    Raises:
        RefusedError: there is none of this id, or the reason is empty.
    """
    if not reason.strip():
        raise RefusedError("no_reason", "a change of a configuration needs a reason")
    # the lock also keeps the outbox of one configuration in the order of its revisions
    return await _one(connection, f"{_BY_ID} for update", configuration_id)


async def _one(at: _At, query: str, configuration_id: UUID) -> StoredConfiguration:
    row = await at.fetchrow(query, configuration_id)
    if row is None:
        raise NotFoundError(f"there is no configuration {configuration_id}")
    return StoredConfiguration(**dict(row))


async def change(
    connection: Connection,
    row: StoredConfiguration,
    stage: Stage,
    *,
    is_active: bool,
    reason: str,
    retired: bool = False,
    evidence: Mapping[str, Any] | None = None,
    by_person: bool = False,
) -> StoredConfiguration:
    """Change a locked row and tell of it, inside the caller's transaction.

    A configuration that comes to trade anew is judged by the trades that leave from now on.
    """
    anew = stage in TRADABLE and row.stage not in TRADABLE
    changed = await connection.fetchrow(
        "update trained_configurations k set revision = revision + 1, stage = $2, is_active = $3, "  # noqa: S608 - a constant
        "retired = $4, has_traded = has_traded or $3, "
        "judged_after = case when $5 then (select max(exit_time) from positions p "
        "where p.configuration_id = k.configuration_id) else judged_after end, "
        f"updated_at = now() where configuration_id = $1 returning {_COLUMNS}",
        row.configuration_id,
        stage,
        is_active,
        retired,
        anew,
    )
    new = StoredConfiguration(**dict(changed or {}))
    await _tell(connection, new, row.stage, reason, evidence=evidence, by_person=by_person)
    return new


async def note(
    connection: Connection, row: StoredConfiguration, reason: str, evidence: Mapping[str, Any]
) -> None:
    """Keep a verdict that changes nothing in the configuration's history."""
    await _record(connection, row, row.stage, reason, evidence, by_person=False)


async def _tell(
    connection: Connection,
    row: StoredConfiguration,
    from_stage: Stage | None,
    reason: str,
    *,
    evidence: Mapping[str, Any] | None = None,
    by_person: bool = False,
) -> None:
    """Write the history and the event of a change, inside its transaction."""
    await _record(connection, row, from_stage, reason, evidence or {}, by_person=by_person)
    await outbox.add(
        connection,
        OWNER,
        CONFIGURATIONS,
        str(row.configuration_id),
        row.event().model_dump_json().encode(),
    )


async def _record(
    connection: Connection,
    row: StoredConfiguration,
    from_stage: Stage | None,
    reason: str,
    evidence: Mapping[str, Any],
    *,
    by_person: bool,
) -> None:
    await connection.execute(
        "insert into configuration_events (configuration_id, from_stage, to_stage, is_active, "
        "reason, evidence, by_person) values ($1, $2, $3, $4, $5, $6, $7)",
        row.configuration_id,
        from_stage,
        row.stage,
        row.is_active,
        reason,
        dict(evidence),
        by_person,
    )
