"""The rules of venues by which a job trades: as they are when it begins."""

import logging
from collections.abc import Sequence
from typing import Any

import asyncpg

from tradepulse.market_data.instrument_rules import NOT_KNOWN, binding_rules

log = logging.getLogger(__name__)

Markets = dict[str, dict[str, Any] | None]
"""By instrument, what is kept of it as JSON; None where nothing is known."""


async def markets_now(pool: "asyncpg.Pool[asyncpg.Record]", instruments: Sequence[str]) -> Markets:
    """Return what binds now of instruments, and say where nothing is known of one."""
    async with pool.acquire() as connection:
        kept = await binding_rules(connection, instruments)
    for name in instruments:
        if name not in kept or not kept[name].rules().is_known:
            log.warning(NOT_KNOWN, extra={"instrument": name})
    return {name: kept[name].as_json() if name in kept else None for name in instruments}
