"""rl_svc watches its models: what does harm is retired, by event time, whatever happens to it."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import numpy as np
import pytest
from system import System, candle_events

from contracts.events import FeedAnnounced, FeedSeries
from contracts.topics import CANDLES
from tests.made_waves import DAY, DOWN, START, wave_candles, wave_configurations, wave_model
from tradepulse.embedded.ports import free_ports
from tradepulse.market_data.store import store_candles
from tradepulse.research.configurations import NewConfiguration, activate, add_discovered
from tradepulse.research.drift import ModelDay, evidence_of
from tradepulse.research.model_days import model_days
from tradepulse.research.model_lifecycle import promote
from tradepulse.research.model_registry import import_model, model_events, model_row
from tradepulse.runtime.db import connect_pool, ms
from tradepulse.runtime.publisher import Publisher
from tradepulse.trading.policies.features import NAMES
from tradepulse.trading.policies.figure_bins import WINDOW_DAYS, FigureBins
from tradepulse.trading.policies.model import Model
from tradepulse.trading.policies.model_bytes import bytes_of
from tradepulse.trading.weights import InverseVolatility

pytestmark = pytest.mark.integration
DAYS, AFTER = 110, 3
ALL = wave_candles(DAYS + AFTER)
BINS = FigureBins(
    edges=((0.0,),) * len(NAMES), shares=((0.5, 0.5),) * len(NAMES), limits=(0.25,) * len(NAMES)
)
HARMFUL, QUIET = wave_model(DOWN, seen=BINS), wave_model(None)
MODELS = {"harmful": HARMFUL, "quiet": QUIET}


class World:
    """A running rl_svc, its candles, and what the watch found."""

    def __init__(self, bootstrap: str, database_url: str, folder: Path) -> None:
        self.system = System(bootstrap, database_url, folder)
        self.url = database_url
        self.port = free_ports(1)[0]
        self.pool: asyncpg.Pool[asyncpg.Record]

    async def begin(self) -> None:
        await self.system.prepare([])
        self.pool = await connect_pool(self.url)
        async with self.pool.acquire() as connection:
            await store_candles(connection, ALL, "replay")
            for one in wave_configurations():
                await add_discovered(
                    connection,
                    NewConfiguration(
                        one.configuration_id, one.strategy, one.exchange, one.symbol,
                        one.timeframe, one.params, 1.0, {},
                    ),
                    "made",
                )  # fmt: skip
        for one in wave_configurations():
            await activate(self.pool, one.configuration_id, "for a test")
        for model, stage in ((HARMFUL, "ACTIVE"), (QUIET, "SHADOW")):
            await import_model(self.pool, bytes_of(model), "main", "m", "m.npz")
            await promote(self.pool, model.model_id, stage, "for a test")  # type: ignore[arg-type]  # one of both
        env = {"POLICY": "model", "HTTP_PORT": str(self.port), "HTTP_HOST": "127.0.0.1"}
        self.system.start("rl_svc", **env)
        await self.system.announce(
            FeedAnnounced(
                feed="test",
                series=tuple(
                    FeedSeries(
                        exchange=one.exchange,
                        symbol=one.symbol,
                        timeframe="1h",
                        first_open_time=START,
                        last_close_time=int(one.close_time[-1]),
                    )
                    for one in ALL
                ),
            )
        )

    async def publish(self, first: int, last: int) -> None:
        """Publish the candles of some days."""
        publisher = await Publisher(self.system.bootstrap, "test").start()
        for one in ALL:
            events = candle_events(one.between(START + first * DAY, START + last * DAY))
            messages = [(e.instrument, e.model_dump_json().encode()) for e in events]
            await publisher.send_many(CANDLES, messages)
        await publisher.stop()

    async def days(self, model: Model) -> list[ModelDay]:
        return await model_days(self.pool, model.model_id)

    async def until_day(self, model: Model, day: int, *, revive: bool = False) -> None:
        """Wait until a model's day is kept, or it is retired."""
        deadline = time.monotonic() + 240
        while True:
            found = await self.days(model)
            stage = (await model_row(self.pool, model.model_id)).stage
            if stage == "RETIRED" or (found and found[-1].day >= START + day * DAY):
                return
            if revive:
                self.system.revive()
            else:
                self.system.none_has_ended()
            assert time.monotonic() < deadline, self.system.last_words()
            await asyncio.sleep(0.1)

    async def until_told(self, name: str, low: float, high: float) -> None:
        deadline = time.monotonic() + 60
        while not low <= (await self.metrics())[name] <= high:
            assert time.monotonic() < deadline, await self.metrics()
            await asyncio.sleep(0.1)

    async def decided(self, close_time: int) -> None:
        deadline = time.monotonic() + 60
        last = "select max(close_time) from portfolio_weights"
        while ms(await self.pool.fetchval(last)) < close_time:
            self.system.none_has_ended()
            assert time.monotonic() < deadline, self.system.last_words()
            await asyncio.sleep(0.05)

    async def metrics(self) -> dict[str, float]:
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(f"http://127.0.0.1:{self.port}/metrics")).text
        rows = [line.rpartition(" ") for line in text.splitlines() if "policy_drift" in line]
        return {row[0]: float(row[2]) for row in rows if not row[0].startswith("#")}

    async def end(self) -> None:
        self.system.stop()
        await self.pool.close()


def plain(days: Sequence[ModelDay]) -> list[tuple[Any, ...]]:
    return [
        (d.day, d.closes, d.clipped, d.counts, d.psi, d.growth, d.equal, d.evidence) for d in days
    ]


async def test_a_model_that_does_harm_is_retired_and_the_fallback_decides(
    kafka_bootstrap: str, database_url: str, no_topics: None, tmp_path: Path
) -> None:
    world = World(kafka_bootstrap, database_url, tmp_path)
    await world.begin()
    try:
        await world.publish(0, DAYS)
        await world.until_day(HARMFUL, DAYS)
        await world.until_day(QUIET, DAYS - 1)
        row = await model_row(world.pool, HARMFUL.model_id)
        events = await model_events(world.pool, HARMFUL.model_id)
        harmful, quiet = await world.days(HARMFUL), await world.days(QUIET)
        assert (await model_row(world.pool, QUIET.model_id)).stage == "SHADOW"
        await world.system.logged("no model of portfolio main is active", ["rl_svc"])
        await world.publish(DAYS, DAYS + AFTER)
        await world.until_day(QUIET, DAYS + AFTER - 1)
        after = await world.pool.fetch(
            "select policy, model_id, fallback from portfolio_weights "
            "where close_time > to_timestamp($1) order by close_time",
            (START + DAYS * DAY) / 1000,
        )
        evidence = "tradepulse_policy_drift_evidence"
        await world.until_told(f'{evidence}{{stage="ACTIVE"}}', 1, 1)
        await world.until_told(f'{evidence}{{stage="SHADOW"}}', 0.01, 10)
        metrics = await world.metrics()
    finally:
        await world.end()
    assert row.stage == "RETIRED"
    assert not events[-1].by_person
    assert events[-1].evidence["evidence"] >= events[-1].evidence["alarm_at"] == 100
    assert events[-1].reason.startswith("does harm: its virtual account ended ")
    assert "below that of equal weights after" in events[-1].reason
    # each of its days once, without a gap, the last one with the alarm
    assert [one.day for one in harmful] == [START + n * DAY for n in range(len(harmful))]
    assert [one.is_alarm for one in harmful] == [False] * (len(harmful) - 1) + [True]
    excess = [one.excess or 0.0 for one in harmful]
    assert sum(excess) < -0.1
    assert harmful[-1].evidence == pytest.approx(float(evidence_of(np.array(excess))[-1]))
    # the first close is that of the first candle
    assert [one.closes for one in harmful] == [23] + [24] * (len(harmful) - 1)
    assert [bool(one.psi) for one in harmful[:20]] == [n >= WINDOW_DAYS - 1 for n in range(20)]
    assert all(sum(one.counts[0]) == 2 * one.closes for one in harmful)
    assert [one.day for one in quiet] == [START + n * DAY for n in range(DAYS)]
    assert max(one.evidence for one in quiet) < 10
    assert {(one["policy"], one["model_id"], one["fallback"]) for one in after} == {
        (InverseVolatility.name, None, "no_model")
    }
    assert metrics["tradepulse_policy_drift_failures_total"] == 0
    words = f"model {QUIET.model_id}: whether its figures still lie where they lay in training"
    assert (tmp_path / "rl_svc.log").read_text().count(words) == 1


async def test_rows_are_the_same_after_kills_and_an_error_stops_no_deciding(
    kafka_bootstrap: str, database_url: str, no_topics: None, tmp_path: Path
) -> None:
    world = World(kafka_bootstrap, database_url, tmp_path)
    await world.begin()
    try:
        await world.publish(0, 12)
        await world.until_day(QUIET, 11)
        whole = {name: plain(await world.days(one)) for name, one in MODELS.items()}
        # all over again, by a service that is killed wherever it is
        await world.pool.execute(
            "delete from rl_model_days where day >= to_timestamp($1)", START / 1000 + 3 * 86_400
        )
        for _ in range(3):
            world.system.kill("rl_svc")
            world.system.start("rl_svc")
            await asyncio.sleep(0.7)
        await world.until_day(QUIET, 11, revive=True)
        await world.until_day(HARMFUL, 11, revive=True)
        again = {name: plain(await world.days(one)) for name, one in MODELS.items()}
        # a day that cannot be worked out
        await world.pool.execute("alter table trained_configurations rename to away")
        await world.publish(12, 13)
        await world.system.logged("the drift watch failed", ["rl_svc"])
        await world.decided(START + 13 * DAY)
        await world.pool.execute("alter table away rename to trained_configurations")
        await world.publish(13, 14)
        await world.until_day(QUIET, 13)
        metrics = await world.metrics()
        last = await world.days(QUIET)
    finally:
        await world.end()
    assert whole == again
    assert len(whole["harmful"]) == len(whole["quiet"]) == 12
    assert [one.day for one in last] == [START + n * DAY for n in range(14)]
    assert metrics["tradepulse_policy_drift_failures_total"] >= 1
