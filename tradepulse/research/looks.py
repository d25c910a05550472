"""How often a test range was looked at: each policy that was judged on it is another try."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from tradepulse.research.model_registry import At
from tradepulse.runtime.db import Connection, at

_ALONE = 7_251_015
"""Advisory lock: who counts is not counted by somebody else meanwhile."""


@dataclass(frozen=True, slots=True)
class JudgedRange:
    """On which closes a policy is judged.

    Attributes:
        timeframe: of the series that it sees.
        instruments: that it sizes.
        start: closes after it, epoch ms.
        end: closes up to it, epoch ms.
    """

    timeframe: str
    instruments: Sequence[str]
    start: int
    end: int


async def looks_at(where: At, judged: JudgedRange) -> int:
    """Return how many policies were judged on a range that shares days and an instrument with one.

    Whichever portfolio they were for: what is seen of days is seen.
    """
    found: int = await where.fetchval(
        "select count(*) from rl_looks where timeframe = $1 and instruments && $2 "
        "and test_start < $4 and test_end > $3",
        judged.timeframe,
        list(judged.instruments),
        at(judged.start),
        at(judged.end),
    )
    return found


async def counting_alone(connection: Connection) -> None:
    """Let nobody else count or add a look until the caller's transaction ends."""
    await connection.execute("select pg_advisory_xact_lock($1)", _ALONE)


async def add_look(connection: At, job_id: UUID, portfolio: str, judged: JudgedRange) -> None:
    """Keep that a training's policy was judged, inside the transaction that stores its verdict."""
    await connection.execute(
        "insert into rl_looks (job_id, portfolio, timeframe, instruments, test_start, test_end) "
        "values ($1, $2, $3, $4, $5, $6)",
        job_id,
        portfolio,
        judged.timeframe,
        list(judged.instruments),
        at(judged.start),
        at(judged.end),
    )
