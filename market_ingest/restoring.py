"""What market_ingest says again to a Kafka that it has not known: what nobody has settled yet."""

from contracts.topics import CANDLES
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.runtime.db import Connection

_SETTLED = "select coalesce(min(settled_time), 0) from event_time_positions"
_BEYOND = """
select feed, spec, published_until from feeds
where published_until > $1 and (spec ->> 'kind' is distinct from 'live' or not finished)
for update
"""
_REPLAY_AGAIN = "update feeds set published_until = $2, finished = false where feed = $1"
_TELL_AGAIN = "update feeds set again_from = least(again_from, $2) where feed = $1"
# they change what is told again as it is stored now; before it, they would be taken for the next
_FORGET_CORRECTIONS = "delete from outbox where service = $1 and topic = $2"


async def publish_again(connection: Connection) -> None:
    """Let every feed publish again what lies behind the last common close of those who settle.

    A replay goes on there by its file; a live feed publishes what it stored, at most as much as the
    topic would hold, before it goes on.
    """
    settled = await connection.fetchval(_SETTLED)
    for row in await connection.fetch(_BEYOND, settled):
        spec, until = row["spec"], row["published_until"]
        if spec.get("kind") != "live":
            await connection.execute(_REPLAY_AGAIN, row["feed"], settled)
            continue
        length = timeframe_ms(spec["timeframe"])
        oldest = max(spec["first_open_time"], until - CANDLES.retention_ms)
        first = max(settled, oldest) // length * length
        await connection.execute(_TELL_AGAIN, row["feed"], first)
    await connection.execute(_FORGET_CORRECTIONS, CANDLES.writer, CANDLES.name)
