"""Configurations of a person's own numbers, and validations that a person asks for.

Both leave their reason in `configuration_events`, said by a person, as every other decision does.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

import asyncpg

from contracts.events import NAMESPACE
from tradepulse.candles.series import OnSeries
from tradepulse.research.configurations import (
    TRADABLE,
    NewConfiguration,
    StoredConfiguration,
    activate_within,
    add_discovered,
    change,
    locked,
)
from tradepulse.research.jobs import queue_validation
from tradepulse.runtime.refusals import RefusedError, refused_as
from tradepulse.strategies import get_strategy

_STORED = "select true from trained_configurations where configuration_id = $1"
_VALIDATED_NOW = """
select job_id from training_jobs
where kind = 'validation' and status in ('QUEUED', 'RUNNING')
    and spec ->> 'configuration_id' = $1::text
"""


@dataclass(frozen=True, slots=True)
class OwnNumbers(OnSeries):
    """What a person wants to see traded.

    Attributes:
        strategy: its name.
        exchange: of the series that it trades; so are `symbol` and `timeframe`.
        params: its parameters; the rest are defaults.
        share: of the symbol's weight that its entries may use, above 0, at most 1.
    """

    strategy: str
    exchange: str
    symbol: str
    timeframe: str
    params: Mapping[str, float]
    share: float = 1.0


async def add(
    pool: "asyncpg.Pool[asyncpg.Record]", own: OwnNumbers, reason: str
) -> StoredConfiguration:
    """Store a configuration that nobody searched for and let it trade on paper.

    Its id is derived from the series, the strategy and the parameters.

    Raises:
        RefusedError: no reason is given, the strategy or its parameters are wrong, the same was
            made before, or the strategy looks at an instrument without candles.
    """
    if not reason.strip():
        raise RefusedError("no_reason", "a new configuration needs a reason")
    if not 0 < own.share <= 1:
        raise RefusedError("wrong_share", f"share {own.share:g} must be above 0 and at most 1")
    with refused_as("wrong_params"):
        complete = get_strategy(own.strategy).complete(own.params)
    written = json.dumps([own.strategy, complete], sort_keys=True)
    new_id = uuid5(NAMESPACE, f"by hand:{own.series}:{written}")
    async with pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(_STORED, new_id):
            raise RefusedError("made_before", f"this was made before: it is configuration {new_id}")
        new = NewConfiguration(
            configuration_id=new_id,
            strategy=own.strategy,
            exchange=own.exchange,
            symbol=own.symbol,
            timeframe=own.timeframe,
            params=complete,
            share=own.share,
            metrics={},
        )
        await add_discovered(connection, new, f"added by hand: {reason}", by_person=True)
        return await activate_within(connection, new_id, reason)


async def ask_validation(
    pool: "asyncpg.Pool[asyncpg.Record]", configuration_id: UUID, reason: str
) -> UUID:
    """Queue the validation of a configuration, and return the job's id.

    One that trades on paper goes on trading, and the verdict is kept with it. Any other moves to
    VALIDATION, and from there to where the verdict sends it.

    Raises:
        NotFoundError: there is none of this id.
        RefusedError: no reason is given, or it is being validated.
    """
    async with pool.acquire() as connection, connection.transaction():
        row = await locked(connection, configuration_id, reason)
        if (job_id := await connection.fetchval(_VALIDATED_NOW, str(configuration_id))) is not None:
            raise RefusedError(
                "validated_now",
                f"configuration {configuration_id} is being validated: job {job_id}",
            )
        stage = row.stage if row.stage in TRADABLE else "VALIDATION"
        # a new revision also where nothing else changes: each is validated once
        row = await change(
            connection,
            row,
            stage,
            is_active=row.is_active and stage in TRADABLE,
            reason=reason,
            by_person=True,
        )
        return await queue_validation(connection, row, "asked")
