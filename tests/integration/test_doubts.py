"""What lies in Kafka at the start is used, and nobody's message stops trading."""

import socket
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from system import System
from test_dead_letters import wait_for_letters

from contracts.events import (
    CandleClosed,
    CandleEvaluated,
    FeedAnnounced,
    FeedSeries,
    PortfolioWeightsDecided,
)
from contracts.topics import CANDLES, EVALUATIONS, FEEDS, WEIGHTS, Topic
from tests.candle_series import START, as_events, random_walk
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import connect, ms
from tradepulse.runtime.publisher import Publisher

pytestmark = pytest.mark.integration
M30 = 1_800_000
HOUR = 2 * M30
COUNT = 60


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def counted(port: int, name: str) -> float:
    """Return what a service counts."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def feed(series: Sequence[Candles], *, ends: bool) -> FeedAnnounced:
    return FeedAnnounced(
        feed="test",
        series=tuple(
            FeedSeries(
                exchange=one.exchange,
                symbol=one.symbol,
                timeframe=one.timeframe,
                first_open_time=int(one.open_time[0]),
                last_close_time=int(one.close_time[-1]) if ends else None,
            )
            for one in series
        ),
    )


def evaluated(candle: CandleClosed) -> CandleEvaluated:
    return CandleEvaluated(**candle.model_dump(include=set(CandleEvaluated.model_fields)))


def weights(close_time: int) -> PortfolioWeightsDecided:
    return PortfolioWeightsDecided(
        portfolio="main", close_time=close_time, policy="equal", weights={}
    )


async def send(publisher: Publisher, topic: Topic, events: Sequence[Any]) -> None:
    await publisher.send_many(
        topic,
        [(getattr(e, "instrument", "main"), e.model_dump_json().encode()) for e in events],
    )


async def equity_times(system: System) -> list[int]:
    return [ms(row[1]) for row in (await system.ledger())["equity"]]


@pytest.mark.parametrize("made_by", ["the test", "the services"])
async def test_after_a_downtime_nothing_is_missing_and_nothing_is_late(
    made_by: str, kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    """Series after series lies there, so the last one's first close comes long after the grace."""
    series = [random_walk(f"S{n}/USD", 1_000, seed=n) for n in range(12)]
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare([])
    connection = await connect(database_url)
    await store_candles(connection, series, "replay")
    await connection.close()
    publisher = await Publisher(kafka_bootstrap, "test").start()
    closes = series[0].close_time.tolist()
    ports = {name: free_port() for name in ("rl_svc", "executor_svc")}
    live = {"CLOCK": "wall", "GRACE_MS": "1"}
    try:
        await send(publisher, FEEDS, [feed(series, ends=False)])
        for one in series:
            candles = as_events([one])
            await send(publisher, CANDLES, candles)
            await send(publisher, EVALUATIONS, [evaluated(candle) for candle in candles])
        if made_by == "the test":
            await send(publisher, WEIGHTS, [weights(close_time) for close_time in closes])
        else:
            # it has decided on all when the executor comes back
            system.start("rl_svc", HTTP_PORT=str(ports["rl_svc"]), **live)
            await decided(system, closes[-1])
            assert counted(ports["rl_svc"], "tradepulse_missing_total") == 0
        system.start("executor_svc", HTTP_PORT=str(ports["executor_svc"]), **live)
        await settled(system, closes[-1])
        figures = {
            name: counted(ports["executor_svc"], f"tradepulse_{name}_total")
            for name in ("missing", "late", "closes_settled", "dead_letters")
        }
        times = await equity_times(system)
    finally:
        system.stop()
        await publisher.stop()
    assert figures == {"missing": 0, "late": 0, "closes_settled": len(closes), "dead_letters": 0}
    assert times == closes


async def decided(system: System, close_time: int) -> None:
    await until_value(system, "weights:main", close_time)


async def settled(system: System, close_time: int) -> None:
    await until_value(system, "executor:main", close_time)


async def until_value(system: System, consumer: str, close_time: int) -> None:
    """Wait until a consumer has settled a close."""
    connection = await connect(system.database_url)
    try:
        deadline = time.monotonic() + 120
        query = "select settled_time from event_time_positions where consumer = $1"
        while (found := await connection.fetchval(query, consumer) or 0) < close_time:
            system.none_has_ended()
            if time.monotonic() > deadline:
                raise AssertionError(f"{consumer}: {found} of {close_time}\n{system.last_words()}")
    finally:
        await connection.close()


def nobodys(close_time: int, now: int, *, is_replay: bool) -> dict[Topic, list[Any]]:
    """Return messages that no service of ours would send, about now's close and others."""
    (candle,) = as_events([random_walk("ANY/USD", 1, start=START)])

    def like(symbol: str, close: int, timeframe: str = "30m") -> CandleClosed:
        change = {"symbol": symbol, "timeframe": timeframe, "close_time": close}
        change["open_time"] = close - timeframe_ms(timeframe)
        return CandleClosed.model_validate(candle.model_dump() | change)

    # closes of 2099, on the grid, by a known series and by an unknown one
    far = 4_102_444_800_000 - HOUR
    assert far > now
    candles = [
        *(like("NOBODY/USD", close) for close in (close_time - 9 * HOUR, close_time, far)),
        like("A/USD", close_time, "5m"),
        like("A/USD", far),
    ]
    found: dict[Topic, list[Any]] = {
        CANDLES: candles,
        EVALUATIONS: [evaluated(one) for one in candles],
        WEIGHTS: [weights(far)],
    }
    if not is_replay:
        found[FEEDS] = [
            FeedAnnounced(
                feed="far",
                series=(
                    FeedSeries(
                        exchange="test", symbol="A/USD", timeframe="30m", first_open_time=far - M30
                    ),
                ),
            )
        ]
    return found


@pytest.mark.parametrize("clock", ["replay", "wall"])
async def test_nobody_s_message_stops_trading(
    clock: str, kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    is_replay = clock == "replay"
    series = [random_walk(f"{name}/USD", COUNT, seed=n) for n, name in enumerate("ABC")]
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare([])
    connection = await connect(database_url)
    await store_candles(connection, series, "replay")
    await connection.close()
    publisher = await Publisher(kafka_bootstrap, "test").start()
    # a grace in which nothing of what is in time could be missed
    settings = {"CLOCK": clock, "GRACE_MS": "600000"}
    closes = series[0].close_time.tolist()
    port = free_port()
    now = time.time_ns() // 1_000_000
    try:
        await send(publisher, FEEDS, [feed(series, ends=is_replay)])
        system.start("signal_svc")
        system.start("rl_svc", **settings)
        system.start("executor_svc", HTTP_PORT=str(port), **settings)
        parts = (
            [one.rows(0, COUNT // 2) for one in series],
            [one.rows(COUNT // 2, COUNT) for one in series],
        )
        await send(publisher, CANDLES, sorted(as_events(parts[0]), key=lambda e: e.close_time))
        half = closes[COUNT // 2 - 1]
        await system.wait_settled(half, 120)
        sent = nobodys(half + M30, now, is_replay=is_replay)
        for topic, events in sent.items():
            await send(publisher, topic, events)
        await send(publisher, CANDLES, sorted(as_events(parts[1]), key=lambda e: e.close_time))
        await system.wait_settled(closes[-1], 120)
        # each of the readers for itself; in 2099 signal_svc believes nobody
        far = sum(event.close_time > now for event in sent[CANDLES])
        letters = {
            CANDLES.name: 2 * len(sent[CANDLES]) + far,
            EVALUATIONS.name: len(sent[EVALUATIONS]),
            WEIGHTS.name: 1,
            FEEDS.name: 2 * len(sent.get(FEEDS, ())),
        }
        # what was made of candles that it believed is nobody's, too
        letters[EVALUATIONS.name] += len(sent[CANDLES]) - far
        found = await wait_for_letters(kafka_bootstrap, sum(letters.values()))
        assert counted(port, "tradepulse_late_total") == 0
        assert counted(port, "tradepulse_missing_total") == 0
        restarted = await after_a_restart(system, series, publisher) if not is_replay else closes
    finally:
        system.stop()
        await publisher.stop()
    counts = {name: sum(one.topic == name for one in found) for name in letters}
    assert counts == letters
    reasons = {one.reason for one in found}
    assert any("no feed has announced its series" in reason for reason in reasons)
    assert any("2099-12-31" in reason for reason in reasons)
    assert await equity_times(system) == restarted


async def after_a_restart(
    system: System, series: Sequence[Candles], publisher: Publisher
) -> list[int]:
    """Kill all, trade on, and return every close: what was put aside holds no place in Kafka."""
    for name in list(system.processes):
        system.kill(name)
    longer = [
        random_walk(one.symbol, 10, start=int(one.close_time[-1]), seed=n)
        for n, one in enumerate(series)
    ]
    connection = await connect(system.database_url)
    await store_candles(connection, longer, "replay")
    await connection.close()
    await send(publisher, CANDLES, sorted(as_events(longer), key=lambda e: e.close_time))
    system.revive()
    closes = [*series[0].close_time.tolist(), *longer[0].close_time.tolist()]
    await system.wait_settled(closes[-1], 120)
    return closes
