"""The peer of bench/path.py: candles to evaluations one by one, the way FastStream shows first."""

import asyncio
import os

from faststream import FastStream
from faststream.kafka import KafkaBroker

from contracts.events import CandleClosed, CandleEvaluated
from contracts.topics import CANDLES, EVALUATIONS

broker = KafkaBroker(os.environ["KAFKA_BOOTSTRAP_SERVERS"], enable_idempotence=True, logger=None)
publisher = broker.publisher(EVALUATIONS.name)


@broker.subscriber(CANDLES.name, group_id="peer", auto_offset_reset="earliest")
async def on_candle(candle: CandleClosed) -> None:
    """Publish an empty evaluation: no strategy runs, so the peer has less to do."""
    evaluation = CandleEvaluated(
        exchange=candle.exchange,
        symbol=candle.symbol,
        timeframe=candle.timeframe,
        open_time=candle.open_time,
        close_time=candle.close_time,
    )
    await publisher.publish(evaluation, key=candle.instrument.encode())


if __name__ == "__main__":
    asyncio.run(FastStream(broker).run())
