"""The publisher: Kafka's own partitions, no message too large, no reconnecting without a pause."""

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from contracts.topics import CANDLES, EVALUATIONS
from tradepulse.runtime.hearing import HEARD_S
from tradepulse.runtime.publisher import (
    MOST_BYTES,
    BrokerUnavailableError,
    Publisher,
    TooLargeError,
    check_size,
    partition_of,
    retry_connect,
)

# of org.apache.kafka.common.utils.UtilsTest, so what Java's clients compute
MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", MURMUR2)
@pytest.mark.parametrize("partitions", [1, 2, 6, 7, 50])
def test_a_key_goes_where_kafkas_own_clients_send_it(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == (MURMUR2[key] & 0x7FFFFFFF) % partitions


def test_what_is_too_large_is_refused_in_bytes_before_anything_is_sent() -> None:
    check_size("key", b"v" * (MOST_BYTES - 3))
    with pytest.raises(TooLargeError, match=f"a message of {MOST_BYTES + 1:,} bytes is too large"):
        check_size("key", b"v" * (MOST_BYTES - 2))


async def test_nothing_of_a_batch_is_sent_where_one_is_too_large() -> None:
    # it has no connection: the first that it sent would fail otherwise
    publisher = Publisher("nowhere:1", "test")
    with pytest.raises(TooLargeError):
        await publisher.send_many(CANDLES, [("a", b"small"), ("b", b"v" * MOST_BYTES)])
    with pytest.raises(TooLargeError):
        await publisher.send(CANDLES, "a", b"v" * MOST_BYTES)
    publisher.allow(CANDLES)
    with pytest.raises(ValueError, match="has not declared that it publishes"):
        await publisher.send_many(EVALUATIONS, [])


async def test_a_broker_that_is_away_is_asked_now_and_then_until_patience_ends() -> None:
    asked = 0

    async def start() -> None:
        nonlocal asked
        asked += 1
        raise KafkaConnectionError("refused")

    with pytest.raises(BrokerUnavailableError, match="no Kafka broker answers at nowhere:1"):
        await retry_connect(start, "nowhere:1", 0.9)
    # half a second apart; a slow machine asks less often
    assert 2 <= asked <= 4


async def test_a_broker_that_comes_back_is_connected() -> None:
    asked = 0

    async def start() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise OSError("not yet")

    await retry_connect(start, "nowhere:1", 60)
    assert asked == 2


async def test_a_broker_is_heard_for_a_while_after_each_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    answers = [True, False, False, False, True]
    heard: list[bool] = []

    class Client:
        async def force_metadata_update(self) -> bool:
            if not answers:
                raise asyncio.CancelledError
            return answers.pop(0)

    class Producer:
        client = Client()

    async def passes(seconds: float) -> None:
        nonlocal now
        heard.append(publisher.hears)
        now += seconds

    publisher = Publisher("nowhere:1", "test", clock=lambda: now)
    assert not publisher.hears
    publisher._client = Producer()
    monkeypatch.setattr("tradepulse.runtime.publisher.asyncio.sleep", passes)
    with pytest.raises(asyncio.CancelledError):
        await publisher.keep_asking()
    # 0, 5 and 10 s after the answer; 15 s after it; and again
    assert heard == [True, True, True, False, True]
    # a question that is not answered at all
    now += HEARD_S
    assert not publisher.hears
