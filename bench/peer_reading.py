"""What bench/path.py compares: one way to read candles, timed from its first batch to its last.

    KAFKA_BOOTSTRAP_SERVERS=... python bench/peer_reading.py WAY COUNT

Ways: `own` is a loop over the plain client, as this project had it before FastStream; `service` is
how a service reads now; `tutorial` is FastStream as its tutorial shows it. The first two decode by
msgspec or, as `own-pydantic` and `service-pydantic`, by pydantic. Prints microseconds a message.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from contracts.events import CandleClosed
from contracts.topics import CANDLES
from tradepulse.runtime.broker import Broker
from tradepulse.runtime.codec import decode_candle
from tradepulse.runtime.dead_letters import DeadLetters
from tradepulse.runtime.delivery import Decoder, Delivery, decoder_of
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.sharing import SharedReading

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
GROUP = f"bench-{uuid4()}"


class Clock:
    """Times messages from the first batch on."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._begun: float | None = None
        self._counted = 0
        self.done = asyncio.Event()

    def took(self, batch: Sequence[Any]) -> None:
        """Count a batch; the first only starts the clock."""
        if self._begun is None:
            self._begun = time.perf_counter()
        else:
            self._counted += len(batch)
        self._left -= len(batch)
        if self._left <= 0 and not self.done.is_set():
            seconds = time.perf_counter() - self._begun
            sys.stdout.write(f"{seconds / self._counted * 1e6:.2f}\n")
            self.done.set()


async def own(clock: Clock, decode: Decoder) -> None:
    """Read with the plain client."""
    consumer = AIOKafkaConsumer(
        CANDLES.name,
        bootstrap_servers=SERVERS,
        group_id=GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=250,
        max_partition_fetch_bytes=4 * 1_048_576,
    )
    await consumer.start()
    while not clock.done.is_set():
        batch = []
        for records in (await consumer.getmany(timeout_ms=200, max_records=5_000)).values():
            for record in records:
                try:
                    batch.append(Delivery(decode(record.value), record))
                except (ValidationError, ValueError) as error:
                    sys.exit(f"a candle that cannot be decoded: {error}")
        if batch:
            clock.took(batch)
    await consumer.stop()


async def service(clock: Clock, decode: Decoder) -> None:
    """Read as a service does."""
    registry = CollectorRegistry()
    letters = DeadLetters(Publisher(SERVERS, GROUP), GROUP, registry)
    broker = Broker(SERVERS, GROUP, letters, registry, sys.exit)

    async def take(batch: list[Delivery]) -> None:
        clock.took(batch)

    broker.then(
        SharedReading(broker, CANDLES, take, group=GROUP, forget=lambda: None, decode=decode)
    )
    await broker.start()
    await clock.done.wait()
    await broker.stop()


async def tutorial(clock: Clock) -> None:
    """Read as FastStream's tutorial does: a typed batch, acknowledged once it is handled."""
    broker = KafkaBroker(SERVERS, logger=None)

    @broker.subscriber(
        CANDLES.name,
        batch=True,
        group_id=GROUP,
        auto_offset_reset="earliest",
        max_records=5_000,
        ack_policy=AckPolicy.ACK,
    )
    async def on_candles(batch: list[CandleClosed]) -> None:
        clock.took(batch)

    app = FastStream(broker, logger=None)
    running = asyncio.create_task(app.run())
    await clock.done.wait()
    app.exit()
    await running


async def main(way: str, count: int) -> None:
    """Read `count` candles in one way."""
    clock = Clock(count)
    name, _, decoding = way.partition("-")
    decode = decoder_of(CANDLES) if decoding == "pydantic" else decode_candle
    if name == "tutorial":
        await tutorial(clock)
    else:
        await (own if name == "own" else service)(clock, decode)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
