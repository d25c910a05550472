"""The figures that `tradepulse up` shows, read from the database with one cheap query."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import asyncpg

from tradepulse.market_data.subscriptions import Subscription, list_subscriptions

ACCOUNT = "main"
_QUERY = """
select
    (select max(close_time) from equity where account = $1) as replayed,
    (select coalesce(bool_and(finished), false) from feeds) as finished,
    (select count(*) from signals) as signals,
    (select count(*) from orders where account = $1) as orders,
    (select count(*) from orders where account = $1 and status = 'REFUSED') as refused,
    (select count(*) from positions where account = $1 and exit_time is null) as open_positions,
    (select count(*) from positions where account = $1 and exit_time is not null) as trades,
    (select initial_cash from accounts where account = $1) as initial_cash,
    (select equity from equity where account = $1 order by close_time desc limit 1) as equity
"""
# a part of each series' index, however much lies before
_CANDLES = """
select coalesce(sum(n), 0)::bigint from candle_series s, lateral (
    select count(*) as n from candles c where c.series = s.series and c.open_time >= $1
) as part
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Where a replay stands.

    Attributes:
        replayed: event time up to which the account is settled; None before the first close.
        finished: whether every feed has published all it has.
        candles: candles published by the replay so far.
        signals: signals so far.
        orders: orders so far, with those refused.
        refused: orders refused by the risk rules.
        open_positions: positions that are open.
        trades: positions that were closed.
        initial_cash: what the account began with, in the quote currency.
        equity: the account at the last settled close.
        subscriptions: what is to be followed live.
    """

    replayed: datetime | None = None
    finished: bool = False
    candles: int = 0
    signals: int = 0
    orders: int = 0
    refused: int = 0
    open_positions: int = 0
    trades: int = 0
    initial_cash: Decimal | None = None
    equity: Decimal | None = None
    subscriptions: tuple[Subscription, ...] = ()

    @property
    def change(self) -> float | None:
        """The equity's change since the beginning, as a fraction."""
        if not self.equity or not self.initial_cash:
            return None
        return float(self.equity / self.initial_cash) - 1


async def read_figures(pool: "asyncpg.Pool[asyncpg.Record]", start: int) -> Figures:
    """Read the figures of the account `main`.

    Args:
        pool: the database.
        start: first open time of the replay, epoch ms: earlier candles are not counted.
    """
    async with pool.acquire() as connection:
        row = await connection.fetchrow(_QUERY, ACCOUNT)
        candles = await connection.fetchval(_CANDLES, start)
        followed = tuple(await list_subscriptions(connection))
    return Figures(candles=candles, subscriptions=followed, **dict(row or {}))
