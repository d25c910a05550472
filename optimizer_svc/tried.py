"""What was tried before: on a market, and by one search."""

from uuid import UUID

import asyncpg
import numpy as np
from numpy.typing import NDArray

from optimizer_svc.store import Store
from tradepulse.research.configurations import StoredConfiguration
from tradepulse.research.reality_check import Luck
from tradepulse.strategies import get_strategy

FloatArray = NDArray[np.float64]

_LUCK = "done as trials, luck_trials as covered, luck as largest"


async def luck_of(store: Store, job_id: UUID, search: int) -> Luck:
    """Return what the stored trials of a search could have found without any edge."""
    row = await store.pool.fetchrow(
        f"select {_LUCK} from training_searches where job_id = $1 and search = $2",  # noqa: S608 - a constant
        job_id,
        search,
    )
    if row is None:
        raise RuntimeError(f"job {job_id} has no search {search}")
    return _luck(row)


async def searches_of_market(store: Store, symbol: str) -> list[Luck]:
    """Return every search that ever stored a trial on a market, whatever became of its job.

    The market is the symbol: prices of other venues and timeframes move with these, so what was
    tried there was tried here.
    """
    async with store.pool.acquire() as connection, connection.transaction():
        return [
            _luck(row)
            async for row in connection.cursor(
                f"select {_LUCK} from training_searches where symbol = $1 and done > 0 "  # noqa: S608 - a constant
                "order by job_id, search",
                symbol,
            )
        ]


async def tried_for(store: Store, row: StoredConfiguration) -> FloatArray:
    """Return what the search that found a configuration tried, float64 `(t, p)`."""
    width = len(get_strategy(row.strategy).space)
    number = await store.pool.fetchval(
        "select search from training_searches where job_id = $1 and strategy = $2 and symbol = $3",
        row.job_id,
        row.strategy,
        row.symbol,
    )
    if row.job_id is None or number is None:
        return np.empty((0, width))
    parts = [batch.params async for batch in store.batches(row.job_id, number)]
    return np.concatenate(parts) if parts else np.empty((0, width))


def _luck(row: asyncpg.Record) -> Luck:
    return Luck(row["trials"], row["covered"], np.array(row["largest"], dtype=np.float64))
