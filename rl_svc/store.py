"""rl_svc's tables: every weight vector, with the position that it was decided at."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from contracts.events import FeedSeries, PortfolioWeightsDecided
from contracts.topics import WEIGHTS
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.store import load_candles
from tradepulse.runtime import outbox
from tradepulse.runtime.db import Connection, at, ms
from tradepulse.runtime.ownership import Ownership, advance, forget_offsets

CONSUMERS = "weights:"
"""How the names of all of them begin."""
OWNER = "rl_svc"
# an executor needs the vector of its last close for the next one
_NOT_SETTLED = """
select portfolio, close_time, policy, weights, missing, budget, model_id, fallback
from portfolio_weights
where close_time >= to_timestamp((
    select coalesce(min(settled_time), 0) from event_time_positions
    where starts_with(consumer, 'executor:')) / 1000.0)
order by close_time, portfolio
"""


class WeightStore:
    """Reads market_data, writes portfolio_weights."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", portfolio: str) -> None:
        self._pool = pool
        self._portfolio = portfolio

    async def closes_until(
        self, series: FeedSeries, until: int, count: int
    ) -> list[tuple[int, float]]:
        """Return the last `count` closes of a series until a time: (close time, close)."""
        async with self._pool.acquire() as connection:
            candles = await load_candles(
                connection,
                series.exchange,
                series.symbol,
                series.timeframe,
                end=until - timeframe_ms(series.timeframe) + 1,
                limit_last=count,
            )
        return list(zip(candles.close_time.tolist(), candles.close.tolist(), strict=True))

    async def record(
        self,
        decided: Sequence[PortfolioWeightsDecided],
        beside: Sequence[PortfolioWeightsDecided],
        owner: Ownership,
        settled: int,
        offsets: dict[str, int],
        state: dict[str, Any],
    ) -> None:
        """Keep weight vectors, queue their events, and move the position, all or nothing.

        What was decided `beside` by models in shadow is kept apart, and told to nobody.

        Raises:
            FencedError: another process works for this portfolio.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await advance(connection, owner, settled, offsets, state)
            await connection.executemany(_insert("portfolio_weights"), map(_row, decided))
            # mostly no model is in shadow, and the server need not be asked
            if beside:
                await connection.executemany(_insert("shadow_weights"), map(_row, beside))
            await outbox.add_many(
                connection,
                OWNER,
                WEIGHTS,
                [(self._portfolio, event.model_dump_json().encode()) for event in decided],
            )


async def tell_weights(connection: Connection) -> None:
    """Read from the front and queue every vector that an executor may need: for another Kafka.

    What waited to be published is among them; published before the older ones, it would be taken
    for the next.
    """
    await forget_offsets(connection, CONSUMERS)
    await connection.execute("delete from outbox where service = $1", OWNER)
    await outbox.add_many(
        connection,
        OWNER,
        WEIGHTS,
        [
            (row["portfolio"], _event(row).model_dump_json().encode())
            for row in await connection.fetch(_NOT_SETTLED)
        ],
    )


def _event(row: asyncpg.Record) -> PortfolioWeightsDecided:
    told = {**row, "close_time": ms(row["close_time"]), "missing": tuple(row["missing"])}
    return PortfolioWeightsDecided(**told)


def _insert(table: str) -> str:
    return (
        f"insert into {table} (portfolio, close_time, policy, weights, missing, budget, model_id, "  # noqa: S608 - constants
        "fallback) values ($1, $2, $3, $4, $5, $6, $7, $8)"
    )


def _row(event: PortfolioWeightsDecided) -> tuple[Any, ...]:
    return (
        *(event.portfolio, at(event.close_time), event.policy, event.weights),
        *(list(event.missing), event.budget, event.model_id, event.fallback),
    )
