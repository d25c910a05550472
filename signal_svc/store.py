"""signal_svc's tables: the archive of signals, and the candles that windows are loaded from."""

from collections.abc import Sequence

import asyncpg

from contracts.events import ConfigurationChanged, Signal
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.store import last_open_time, load_candles
from tradepulse.research.configurations import list_configurations
from tradepulse.runtime.db import at
from tradepulse.runtime.retention import Kept

SIGNALS = Kept(
    "signals",
    """
delete from signals where signal_id in (
    select signal_id from signals
    where decided_at < (select max(decided_at) from signals) - interval '400 days'
    order by decided_at limit $1)
""",
)
"""The page shows the last ones; their orders and trades are kept for ever."""


class SignalStore:
    """Reads market_data and configurations, writes signals."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def candles_before(
        self, exchange: str, symbol: str, timeframe: str, open_time: int, count: int
    ) -> Candles:
        """Return the last `count` candles that open before `open_time`; fewer where fewer are."""
        async with self._pool.acquire() as connection:
            return await load_candles(
                connection, exchange, symbol, timeframe, end=open_time, limit_last=count
            )

    async def last_close(self, exchange: str, symbol: str, timeframe: str) -> int:
        """Return when the last stored candle of a series closed, epoch ms; 0 for none."""
        async with self._pool.acquire() as connection:
            opened = await last_open_time(connection, exchange, symbol, timeframe)
        return 0 if opened is None else opened + timeframe_ms(timeframe)

    async def configurations(self) -> list[ConfigurationChanged]:
        """Return the state of every configuration, as its last change has told or will tell it."""
        return [row.event() for row in await list_configurations(self._pool)]

    async def archive(self, signals: Sequence[tuple[int, str, Signal]]) -> None:
        """Keep (close time, series, signal); one that is there already stays as it is."""
        columns = list(
            zip(
                *(
                    (
                        s.id,
                        s.configuration_id,
                        s.strategy,
                        *series.split(":"),
                        s.action,
                        s.reference_price,
                        s.stop_price,
                        s.take_profit_price,
                        s.confidence,
                        at(close_time),
                        s.limit_price,
                        s.trail,
                        s.max_holding_ms,
                        s.targets or None,
                        s.cooldown_ms,
                    )
                    for close_time, series, s in signals
                ),
                strict=True,
            )
        )
        await self._pool.execute(
            "insert into signals (signal_id, configuration_id, strategy, exchange, symbol, "
            "timeframe, action, reference_price, stop_price, take_profit_price, confidence, "
            "decided_at, limit_price, trail, max_holding_ms, targets, "
            "cooldown_ms) "
            "select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], "
            "$6::text[], $7::text[], $8::float8[], "
            "$9::float8[], $10::float8[], $11::float8[], $12::timestamptz[], $13::float8[], "
            "$14::float8[], $15::int8[], $16::jsonb[], $17::int8[]) "
            "on conflict (signal_id) do nothing",
            *columns,
        )
