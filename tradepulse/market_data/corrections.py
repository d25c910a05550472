"""Candles that change after their feed has published them: stored, and told of, as one.

Who has seen a candle learns of its correction from the topic alone. So the message is written to
the outbox of the candles' writer in the transaction that stores the candle, whoever stores it, and
comes after what it corrects: that was acknowledged by Kafka before its feed moved past it. Two
corrections of one candle wait for each other in the database, and are told in that order.
"""

from contracts.events import CandleClosed
from contracts.topics import CANDLES
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.store import upsert_candles
from tradepulse.market_data.subscriptions import feed_of
from tradepulse.market_data.synthetic import renew_synthetic
from tradepulse.runtime import outbox
from tradepulse.runtime.db import Connection

WINDOW_SLOTS = 1_000
"""A correction is told only where the services' windows may reach."""
# of a feed that has ended, too: who has read its candles may still hold them
_PUBLISHED = "select published_until from feeds where feed = $1"
_COLUMNS = ("open_time", "open", "high", "low", "close", "volume")


async def store_corrections(connection: Connection, candles: Candles) -> None:
    """Store candles as `repaired`, and let the services know, inside the caller's transaction.

    What the live feed of the series has not published yet is not told: it does so itself.
    """
    if not len(candles):
        return
    await upsert_candles(connection, [candles], "repaired")
    # what was filled from the candle before is filled from these now
    await renew_synthetic(connection, candles)
    # last: whoever changes one of these candles after us is told of after us
    messages = [
        (event.instrument, event.model_dump_json().encode())
        for event in await _to_tell(connection, candles)
    ]
    if messages:
        await outbox.add_many(connection, CANDLES.writer, CANDLES, messages)


async def _to_tell(connection: Connection, candles: Candles) -> list[CandleClosed]:
    names = candles.exchange, candles.symbol, candles.timeframe
    until = await connection.fetchval(_PUBLISHED, feed_of(*names))
    if until is None:
        return []
    step = timeframe_ms(candles.timeframe)
    recent = candles.between(until - WINDOW_SLOTS * step, until - step + 1)
    return [
        CandleClosed(
            exchange=candles.exchange,
            symbol=candles.symbol,
            timeframe=candles.timeframe,
            close_time=row[0] + step,
            source="repaired",
            **dict(zip(_COLUMNS, row, strict=True)),
        )
        for row in zip(*(getattr(recent, name).tolist() for name in _COLUMNS), strict=True)
    ]
