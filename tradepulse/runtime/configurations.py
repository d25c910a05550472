"""Trained configurations: their rows, and switching them on and off.

Every change is one transaction: the row with a new revision, the reason in
`configuration_events`, and the `ConfigurationChanged` event in optimizer_svc's outbox, whose
relay publishes it whoever wrote it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from contracts.events import ConfigurationChanged, Stage
from contracts.topics import CONFIGURATIONS
from tradepulse.runtime import outbox
from tradepulse.runtime.db import Connection

OWNER = "optimizer_svc"
TRADABLE: frozenset[Stage] = frozenset({"PAPER", "MATURE"})
"""Stages in which a configuration may be active."""


@dataclass(frozen=True, slots=True)
class StoredConfiguration:
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
    metrics: dict[str, Any]
    created_at: datetime
    updated_at: datetime

    @property
    def series(self) -> str:
        """`exchange:symbol:timeframe`."""
        return f"{self.exchange}:{self.symbol}:{self.timeframe}"

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
        )


_COLUMNS = (
    "configuration_id, revision, job_id, strategy, exchange, symbol, timeframe, params, share, "
    "stage, is_active, metrics, created_at, updated_at"
)


async def list_configurations(
    pool: "asyncpg.Pool[asyncpg.Record]", *, active_only: bool = False, job_id: UUID | None = None
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


async def activate(
    pool: "asyncpg.Pool[asyncpg.Record]", configuration_id: UUID, reason: str
) -> StoredConfiguration:
    """Let a configuration trade; one that is only discovered or validated goes to PAPER.

    One that is active stays as it is.

    Raises:
        ValueError: there is none of this id, it has decayed, or no reason is given.
    """
    async with pool.acquire() as connection, connection.transaction():
        return await activate_within(connection, configuration_id, reason)


async def deactivate(
    pool: "asyncpg.Pool[asyncpg.Record]", configuration_id: UUID, reason: str
) -> StoredConfiguration:
    """Stop a configuration from entering positions; its stage stays.

    Raises:
        ValueError: there is none of this id, or no reason is given.
    """
    async with pool.acquire() as connection, connection.transaction():
        row = await _locked(connection, configuration_id, reason)
        if not row.is_active:
            return row
        return await _change(connection, row, row.stage, is_active=False, reason=reason)


async def activate_within(
    connection: Connection, configuration_id: UUID, reason: str
) -> StoredConfiguration:
    """Do what `activate` does, inside the caller's transaction."""
    row = await _locked(connection, configuration_id, reason)
    if row.is_active:
        return row
    if row.stage == "DECAY":
        raise ValueError(
            f"configuration {configuration_id} has decayed; train it again instead of activating it"
        )
    stage: Stage = row.stage if row.stage in TRADABLE else "PAPER"
    return await _change(connection, row, stage, is_active=True, reason=reason)


async def add_discovered(
    connection: Connection,
    *,
    configuration_id: UUID,
    job_id: UUID | None,
    strategy: str,
    exchange: str,
    symbol: str,
    timeframe: str,
    params: Mapping[str, float],
    share: float,
    metrics: Mapping[str, Any],
    reason: str,
) -> None:
    """Store a new configuration in stage DISCOVERY, inside the caller's transaction."""
    row = await connection.fetchrow(
        "insert into trained_configurations (configuration_id, job_id, strategy, exchange, "  # noqa: S608 - a constant
        "symbol, timeframe, params, share, metrics) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
        f"returning {_COLUMNS}",
        configuration_id,
        job_id,
        strategy,
        exchange,
        symbol,
        timeframe,
        dict(params),
        share,
        dict(metrics),
    )
    await _tell(connection, StoredConfiguration(**dict(row or {})), None, reason)


async def _locked(
    connection: Connection, configuration_id: UUID, reason: str
) -> StoredConfiguration:
    if not reason.strip():
        raise ValueError("a change of a configuration needs a reason")
    # the lock also keeps the outbox of one configuration in the order of its revisions
    row = await connection.fetchrow(
        f"select {_COLUMNS} from trained_configurations where configuration_id = $1 for update",  # noqa: S608 - a constant
        configuration_id,
    )
    if row is None:
        raise ValueError(f"there is no configuration {configuration_id}")
    return StoredConfiguration(**dict(row))


async def _change(
    connection: Connection, row: StoredConfiguration, stage: Stage, *, is_active: bool, reason: str
) -> StoredConfiguration:
    changed = await connection.fetchrow(
        "update trained_configurations set revision = revision + 1, stage = $2, is_active = $3, "  # noqa: S608 - a constant
        f"updated_at = now() where configuration_id = $1 returning {_COLUMNS}",
        row.configuration_id,
        stage,
        is_active,
    )
    new = StoredConfiguration(**dict(changed or {}))
    await _tell(connection, new, row.stage, reason)
    return new


async def _tell(
    connection: Connection, row: StoredConfiguration, from_stage: Stage | None, reason: str
) -> None:
    await connection.execute(
        "insert into configuration_events (configuration_id, from_stage, to_stage, is_active, "
        "reason) values ($1, $2, $3, $4, $5)",
        row.configuration_id,
        from_stage,
        row.stage,
        row.is_active,
        reason,
    )
    await outbox.add(
        connection,
        OWNER,
        CONFIGURATIONS,
        str(row.configuration_id),
        row.event().model_dump_json().encode(),
    )
