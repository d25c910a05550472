"""rl_svc follows the active model: switched while it runs, not stopped by what is wrong with it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from system import DAY, START, System, announcement, candle_events, demo_candles

from contracts.topics import CANDLES
from rl_svc.following import MOST_SHADOWS, ModelFollower
from tests.made_models import made_model
from tradepulse.candles.arrays import Candles
from tradepulse.embedded.ports import free_ports
from tradepulse.market_data.store import store_candles
from tradepulse.research.model_lifecycle import promote, retire
from tradepulse.research.model_registry import CHANNEL, StoredModel, import_model
from tradepulse.runtime.db import connect_pool, migrate, ms
from tradepulse.runtime.publisher import Publisher
from tradepulse.trading.backtest import Decisions, moments_of, prepared
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model_bytes import bytes_of
from tradepulse.trading.policies.weighing import Unserved
from tradepulse.trading.weights import (
    EqualWeights,
    FixedWeights,
    InverseVolatility,
    WeightPolicy,
)

pytestmark = pytest.mark.integration
MODELS = [made_model(seed, max_weight=0.8) for seed in (1, 2)]
HOURS = made_model(3, timeframe="1h")
VOLATILITY = InverseVolatility.name


class Followed:
    """A running rl_svc, candles by the day, and what it decided."""

    def __init__(self, system: System, pool: asyncpg.Pool, candles: Sequence[Candles]) -> None:
        self.system, self.pool, self.candles = system, pool, candles
        self.port = free_ports(1)[0]
        self._day = 0

    async def begin(self, policy: str, **env: str) -> None:
        env |= {"POLICY": policy, "HTTP_PORT": str(self.port), "HTTP_HOST": "127.0.0.1"}
        self.system.start("rl_svc", **env)
        await self.system.announce(announcement(self.candles))

    async def day(self) -> list[tuple[Any, ...]]:
        """Publish the candles of the next day; return policy, model, reason and weights of each."""
        begin, end = (START + n * DAY for n in (self._day, self._day + 1))
        self._day += 1
        publisher = await Publisher(self.system.bootstrap, "test").start()
        for one in self.candles:
            events = candle_events(one.between(begin, end))
            messages = [(e.instrument, e.model_dump_json().encode()) for e in events]
            await publisher.send_many(CANDLES, messages)
        await publisher.stop()
        deadline = time.monotonic() + 120
        while True:
            rows = await self.pool.fetch(
                "select close_time, policy, model_id::text, fallback, weights "
                "from portfolio_weights where close_time > to_timestamp($1) order by close_time",
                begin / 1000,
            )
            if rows and ms(rows[-1]["close_time"]) == end:
                return [(ms(row[0]), *tuple(row)[1:]) for row in rows]
            self.system.none_has_ended()
            assert time.monotonic() < deadline, self.system.last_words()
            await asyncio.sleep(0.1)

    async def said(self, words: str, times: int = 1) -> None:
        deadline = time.monotonic() + 120
        while (self.system.folder / "rl_svc.log").read_text().count(words) < times:
            self.system.none_has_ended()
            assert time.monotonic() < deadline, self.system.last_words()
            await asyncio.sleep(0.05)

    async def fallbacks(self) -> dict[str, float]:
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(f"http://127.0.0.1:{self.port}/metrics")).text
        name = "tradepulse_policy_fallback_total{reason="
        rows = [line for line in text.splitlines() if line.startswith(name)]
        return {row.split('"')[1]: float(row.rpartition(" ")[2]) for row in rows}


def same(rows: Sequence[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    return {row[1:4] for row in rows}


def weights_by(policy: WeightPolicy, candles: Sequence[Candles]) -> dict[int, dict[str, float]]:
    """Return the weights that a backtest decides at each close."""
    ready = prepared(candles, [], between=(START, None))
    decisions = Decisions(ready, policy)
    return {one.close_time: dict(decisions.after(one).by_instrument) for one in moments_of(ready)}


async def test_the_active_model_is_followed_and_switched_between_closes(
    kafka_bootstrap: str, database_url: str, no_topics: None, tmp_path: Path
) -> None:
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare([])
    pool = await connect_pool(database_url)
    candles = demo_candles(9, 8)
    async with pool.acquire() as connection:
        await store_candles(connection, candles, "replay")
    one, two, hours = [await _added(pool, model) for model in (*MODELS, HOURS)]
    world = Followed(system, pool, candles)
    try:
        await world.begin("model")
        assert same(await world.day()) == {(VOLATILITY, None, "no_model")}
        assert (await world.fallbacks())["no_model"] == 48

        await promote(pool, one.model_id, "ACTIVE", "the first")
        await world.said(f"model {one.model_id} is followed")
        first = await world.day()
        policies = [LearnedPolicy(model) for model in MODELS]
        assert same(first) == {(policies[0].name, str(one.model_id), None)}

        await promote(pool, two.model_id, "SHADOW", "beside the first")
        await promote(pool, hours.model_id, "SHADOW", "beside the first")
        await world.said(f"in shadow decide {hours.model_id}, {two.model_id}")
        assert same(await world.day()) == same(first)

        await promote(pool, two.model_id, "ACTIVE", "the second")
        await world.said(f"model {two.model_id} is followed")
        second = await world.day()
        assert same(second) == {(policies[1].name, str(two.model_id), None)}

        await promote(pool, hours.model_id, "ACTIVE", "of another timeframe")
        await world.said(f"model {hours.model_id} is followed")
        assert same(await world.day()) == {(VOLATILITY, str(hours.model_id), "timeframe")}

        assert (tmp_path / "rl_svc.log").read_text().count("service started") == 1

        await promote(pool, two.model_id, "ACTIVE", "back")
        await world.said(f"model {two.model_id} is followed", 2)
        await pool.execute(
            "update rl_models set artifact = set_byte(artifact, 700, get_byte(artifact, 700) # 1) "
            "where model_id = $1",
            two.model_id,
        )
        system.kill("rl_svc")
        system.start("rl_svc")
        await world.said(f"model {two.model_id} was changed or damaged in the database")
        assert same(await world.day()) == {(VOLATILITY, str(two.model_id), "artifact")}
        assert (await world.fallbacks())["artifact"] == 48

        await retire(pool, two.model_id, "damaged")
        await world.said("no model of portfolio main is active", 2)
        assert same(await world.day()) == {(VOLATILITY, None, "no_model")}
        assert system.processes["rl_svc"].poll() is None
        beside = await pool.fetch(
            "select close_time, model_id, weights, fallback from shadow_weights order by 1"
        )
    finally:
        system.stop()
        await pool.close()
    for policy, rows in zip(policies, (first, second), strict=True):
        expected = weights_by(policy, candles)
        assert [row[4] for row in rows] == [expected[row[0]] for row in rows]
        assert len(rows) == 48
    # one day as the second beside the first, and one of the third beside both
    shadow = [row for row in beside if row["model_id"] == two.model_id]
    expected = weights_by(policies[1], candles)
    assert [row["weights"] for row in shadow] == [expected[ms(row["close_time"])] for row in shadow]
    assert (len(shadow), {row["fallback"] for row in shadow}) == (48, {None})
    assert Counter(row["fallback"] for row in beside if row not in shadow) == {"timeframe": 96}


@pytest.mark.parametrize("policy", ["equal", VOLATILITY, "fixed", "model:{}"])
async def test_a_model_in_shadow_decides_beside_every_policy(
    policy: str, kafka_bootstrap: str, database_url: str, no_topics: None, tmp_path: Path
) -> None:
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare([])
    pool = await connect_pool(database_url)
    candles = demo_candles(2, 8)
    async with pool.acquire() as connection:
        await store_candles(connection, candles, "replay")
    pinned, beside = [await _added(pool, model) for model in MODELS]
    share = {one.instrument: 0.1 for one in candles}
    published: WeightPolicy = {
        "equal": EqualWeights(),
        "fixed": FixedWeights(share),
        VOLATILITY: InverseVolatility(),
    }.get(policy, LearnedPolicy(MODELS[0]))
    world = Followed(system, pool, candles)
    try:
        await world.begin(policy.format(pinned.model_id), FIXED_WEIGHTS=json.dumps(share))
        first = await world.day()
        # an active model that nobody follows changes nothing
        await promote(pool, pinned.model_id, "ACTIVE", "not followed")
        await promote(pool, beside.model_id, "SHADOW", "beside")
        await world.said(f"in shadow decide {beside.model_id}")
        rows = [*first, *await world.day()]
        shadow = await pool.fetch(
            "select close_time, model_id, weights, fallback from shadow_weights order by 1"
        )
    finally:
        system.stop()
        await pool.close()
    expected = weights_by(published, candles)
    assert [row[4] for row in rows] == [expected[row[0]] for row in rows]
    of_model = str(pinned.model_id) if policy == "model:{}" else None
    assert same(rows) == {(published.name, of_model, None)}
    expected = weights_by(LearnedPolicy(MODELS[1]), candles)
    assert [row["weights"] for row in shadow] == [expected[ms(row["close_time"])] for row in shadow]
    assert {(row["model_id"], row["fallback"]) for row in shadow} == {(beside.model_id, None)}
    assert [ms(row["close_time"]) for row in shadow] == [row[0] for row in rows[len(first) :]]


async def test_damage_is_seen_without_a_word_and_so_is_its_repair(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    given: list[WeightPolicy] = []

    async def follow(policy: WeightPolicy, _: Sequence[WeightPolicy]) -> None:
        given.append(policy)

    follower = ModelFollower("main", 2.0, follow)

    async def looked() -> WeightPolicy | None:
        found = await follower.look(pool)
        return None if found is None else found.policy

    assert vars(await looked() or object())["reason"] == "no_model"
    assert await looked() is None
    row = await _added(pool, MODELS[0])
    await promote(pool, row.model_id, "ACTIVE", "go")
    policy = await looked()
    assert isinstance(policy, LearnedPolicy)
    assert (policy.budget, policy.model_id) == (2.0, str(row.model_id))
    assert await looked() is None
    turned = "update rl_models set artifact = set_byte(artifact, 9, get_byte(artifact, 9) # 1)"
    await pool.execute(turned)
    policy = await looked()
    assert isinstance(policy, Unserved)
    assert (policy.reason, policy.model_id, policy.budget) == ("artifact", str(row.model_id), 2.0)
    assert await looked() is None
    await pool.execute(turned)
    assert isinstance(await looked(), LearnedPolicy)
    # another portfolio's is not followed
    await pool.execute("update rl_models set portfolio = 'second'")
    assert vars(await looked() or object())["reason"] == "no_model"

    # what the database refuses keeps what is followed
    monitor = asyncio.create_task(follower.run(database_url))
    await pool.execute("alter table rl_models rename to away")
    await pool.execute("select pg_notify($1, 'main')", CHANNEL)
    await pool.execute("alter table away rename to rl_models")
    await pool.execute("update rl_models set portfolio = 'main'")
    while not given:
        await pool.execute("select pg_notify($1, 'main')", CHANNEL)
        await asyncio.sleep(0.05)
    assert isinstance(given[-1], LearnedPolicy)
    monitor.cancel()
    await asyncio.gather(monitor, return_exceptions=True)
    await pool.close()


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("model:12345678", "POLICY: no model of an id that begins with '12345678'; see"),
        ("model:{}", "POLICY: model {} was changed or damaged in the database: its checksum"),
        ("model:{rebalance}", "POLICY: model {rebalance} was trained to hold a portfolio at all"),
    ],
)
async def test_a_pinned_model_that_cannot_be_used_stops_the_start(
    policy: str,
    words: str,
    kafka_bootstrap: str,
    database_url: str,
    no_topics: None,
    tmp_path: Path,
) -> None:
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare([])
    pool = await connect_pool(database_url)
    row = await _added(pool, MODELS[0])
    await pool.execute("update rl_models set artifact = ''")
    rebalance = (await _added(pool, made_model(4, mode="rebalance"))).model_id
    await pool.close()
    system.start("rl_svc", POLICY=policy.format(row.model_id, rebalance=rebalance))
    assert await asyncio.to_thread(system.processes["rl_svc"].wait, 120) == 1
    last = (tmp_path / "rl_svc.log").read_text().splitlines()[-1]
    assert words.format(row.model_id, rebalance=rebalance) in last


async def _added(pool: asyncpg.Pool, model: Any) -> StoredModel:
    return await import_model(pool, bytes_of(model), "main", "m", "m.npz")


async def test_a_damaged_model_does_not_decide_in_shadow_and_many_are_bounded(
    database_url: str,
) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)

    async def follow(*_: Any) -> None:
        raise AssertionError

    follower = ModelFollower("main", 2.0, follow)
    rows = [await _added(pool, made_model(seed)) for seed in range(MOST_SHADOWS + 1)]
    for row in rows:
        await promote(pool, row.model_id, "SHADOW", "x")
    found = await follower.look(pool)
    assert found is not None
    # the newest
    ids = [str(row.model_id) for row in rows[:0:-1]]
    assert [one.model_id for one in found.shadows] == ids
    assert {one.budget for one in found.shadows} == {2.0}
    await pool.execute("update rl_models set artifact = '' where model_id = $1", rows[3].model_id)
    found = await follower.look(pool)
    assert found is not None
    assert [one.model_id for one in found.shadows] == [
        one for one in ids if one != str(rows[3].model_id)
    ]
    await promote(pool, rows[2].model_id, "ACTIVE", "x")
    found = await follower.look(pool)
    assert found is not None
    assert isinstance(found.policy, LearnedPolicy)
    # there is room for the oldest now
    assert found.policy.model_id == str(rows[2].model_id)
    assert [one.model_id for one in found.shadows][-1] == str(rows[0].model_id)
    await pool.close()
