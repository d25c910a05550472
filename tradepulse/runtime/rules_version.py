"""The rules of trading change only while nobody decides.

Two versions of the code run side by side while one replaces the other, and which of two processes
decides the next close is chance. With other rules the trades would be chance, too. So a position
keeps the number of the rules that led to it, and a process with another number does not take over.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from tradepulse.runtime.db import connect
from tradepulse.runtime.settings import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tradepulse.runtime.service import Service

log = logging.getLogger(__name__)

KEPT = "rules_version"
"""In the state of a position; 1 where it is not there."""
WAITS_FOR = "the rules of trading (the position was led to by others)"
LOOK_EVERY_S = 0.5

_RULES = (
    f"select coalesce((state->>'{KEPT}')::int, 1) from event_time_positions where consumer = $1"  # noqa: S608 - a constant
)
# the locks of their owners, until the end of the transaction: nobody takes over meanwhile
_HELD = """
select consumer from event_time_positions
where not pg_try_advisory_xact_lock(hashtextextended(consumer, 0)) order by consumer
"""
_ACCEPT = f"""
update event_time_positions set state = state || jsonb_build_object('{KEPT}', $1::int)
where coalesce((state->>'{KEPT}')::int, 1) <> $1 returning consumer
"""  # noqa: S608 - a constant


async def wait_for_rules(service: "Service", consumer: str, rules: int) -> None:
    """Wait, and be unready, while a consumer's position was led to by other rules.

    Args:
        service: of the process that wants to take over.
        consumer: name of the position.
        rules: version of the rules of this process.
    """
    connection = await connect(service.settings.database_url, application=service.session)
    try:
        told = None
        while (kept := await connection.fetchval(_RULES, consumer)) not in (None, rules):
            service.readiness[WAITS_FOR] = lambda: False
            if kept != told:
                told = kept
                log.error(_refusal(consumer, kept, rules))
            await asyncio.sleep(LOOK_EVERY_S)
        if told is not None:
            service.readiness[WAITS_FOR] = lambda: True
    finally:
        await connection.close()


def check_rules(consumer: str, state: "Mapping[str, Any]", rules: int) -> None:
    """Refuse a position that was led to by other rules since they were waited for.

    Raises:
        RefusedError: it was.
    """
    if state and (kept := state.get(KEPT, 1)) != rules:
        raise RefusedError(_refusal(consumer, kept, rules))


async def accept_rules(database_url: str, rules: int) -> list[str]:
    """Let processes with these rules go on with every position; return those that had others.

    Raises:
        RefusedError: somebody decides.
    """
    connection = await connect(database_url)
    try:
        async with connection.transaction():
            held = [row["consumer"] for row in await connection.fetch(_HELD)]
            if held:
                raise RefusedError(
                    f"the rules are not changed: {', '.join(held)} is held by a running process; "
                    "stop every signal_svc, rl_svc and executor_svc first"
                )
            return [row["consumer"] for row in await connection.fetch(_ACCEPT, rules)]
    finally:
        await connection.close()


def _refusal(consumer: str, kept: int, rules: int) -> str:
    return (
        f"{consumer} is not taken over: rules of trading {kept} led to its position, this version "
        f"has {rules}; run the version with {kept}, or stop every signal_svc, rl_svc and "
        "executor_svc and run `tradepulse migrate --accept-rules` of this one"
    )
