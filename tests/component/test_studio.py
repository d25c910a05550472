"""The API against a real PostgreSQL: figures, limits, the token."""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from studio_page import TOKEN, Studio, anonymous
from studio_rows import HALF_HOUR, START, Seeded, configuration_id, report, series_of

from tests.report_example import example_report
from tradepulse.research.report_page import POLICY, report_page

DOCS = Path(__file__).parents[2] / "docs" / "guides" / "studio.md"
BTC = series_of("BTC/USD")


class TestToken:
    @pytest.mark.parametrize(
        "path", ["/api/overview", "/api/stream", "/api/openapi.json", "/api/docs", "/x", "/"]
    )
    async def test_nothing_is_shown_without_it(self, studio: Studio, path: str) -> None:
        async with anonymous(studio) as client:
            response = await client.get(path)
            assert response.status_code == 401
            assert response.json()["detail"].startswith("no token: open the address")
            response = await client.get(path, headers={"authorization": "Bearer wrong"})
            assert response.status_code == 401
            assert response.json()["detail"].startswith("wrong token: ")
            response = await client.get(path, headers={"cookie": "tradepulse_0=1; x=\x7f"})
            assert response.status_code == 401

    async def test_a_browser_gets_a_readable_page(self, studio: Studio) -> None:
        async with anonymous(studio) as client:
            html = {"accept": "text/html,*/*"}
            for path, title in (("/", "No token"), ("/?token=nonsense", "Wrong token")):
                response = await client.get(path, headers=html)
                assert response.status_code == 401
                assert response.headers["content-type"].startswith("text/html")
                assert f"<h1>{title}</h1>" in response.text
                assert "<code>tradepulse up</code>" in response.text
                assert "nonsense" not in response.text
            assert (await client.get("/plain.css")).status_code == 200

    async def test_the_address_is_swapped_for_a_cookie(self, studio: Studio) -> None:
        async with anonymous(studio) as client:
            response = await client.get(f"/?token={TOKEN}&series={BTC}")
            assert response.status_code == 303
            assert response.headers["location"] == "/?series=kraken%3ABTC%2FUSD%3A30m"
            cookie = response.headers["set-cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=strict" in cookie
            assert TOKEN not in cookie
            assert (await client.get("/api/series")).status_code == 200
            assert (await client.get("/")).text == "<title>TradePulse</title>"

    async def test_another_site_is_refused_with_the_cookie_too(self, studio: Studio) -> None:
        async with anonymous(studio) as client:
            await client.get("/", params={"token": TOKEN})
            for headers in (
                {"origin": "http://evil.example"},
                {"origin": "null"},
                {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
            ):
                response = await client.get("/api/stream", headers=headers)
                assert response.status_code == 403
                refusal = response.json()
                assert refusal["detail"] == "refused: this request comes from another site"
                assert (refusal["status"], refusal["code"]) == (403, "foreign")
            response = await client.get("/api/series", headers={"origin": "http://page"})
            assert response.status_code == 200

    async def test_headers_keep_the_page_to_itself(self, studio: Studio) -> None:
        for path in ("/", "/api/series"):
            headers = (await studio.client.get(path)).headers
            assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


class TestPage:
    async def test_files_are_cached_by_their_kind(self, studio: Studio) -> None:
        entry = await studio.client.get("/")
        assert entry.headers["cache-control"] == "no-cache"
        asset = await studio.client.get("/assets/page-1.js")
        assert "immutable" in asset.headers["cache-control"]
        missing = await studio.client.get("/../../etc/passwd")
        assert missing.status_code == 404
        assert "There is no such page" in missing.text

    async def test_a_page_that_is_not_built_says_so(self, studio: Studio, tmp_path: Path) -> None:
        (tmp_path / "index.html").unlink()
        response = await studio.client.get("/")
        assert response.status_code == 503
        assert "make web" in response.text

    async def test_the_api_describes_itself(self, studio: Studio) -> None:
        schema = await studio.get("/api/openapi.json")
        assert "/api/overview" in schema["paths"]
        assert "GET /api/overview" in (await studio.client.get("/api/docs")).text

    async def test_the_routes_of_the_docs_are_there(self, studio: Studio) -> None:
        paths = (await studio.get("/api/openapi.json"))["paths"]
        routes = {
            f"{method.upper()} {re.sub(r'{[^}]*}', 'ID', path)}"
            for path, methods in paths.items()
            for method in methods
        }
        told = re.findall(r"\| `((?:GET|POST|PUT|DELETE) [^`]*)`", DOCS.read_text())
        assert len(told) == 38
        assert set(told) <= routes
        asked_to_change = {route for route in routes if not route.startswith("GET")}
        assert asked_to_change <= set(told)


class TestEmpty:
    async def test_a_fresh_system_has_nothing_and_says_so(self, studio: Studio) -> None:
        overview = await studio.get("/api/overview")
        assert overview["equity"] is None
        assert overview["trades"] == 0
        assert overview["win_rate"] is None
        assert overview["event_time"] is None
        assert (await studio.get("/api/equity"))["points"] == []
        assert (await studio.get("/api/candles", series=BTC))["rows"] == []
        assert await studio.get("/api/weights") is None
        for name in ("series", "trades", "positions", "signals", "orders", "jobs"):
            assert await studio.get(f"/api/{name}") == []


class TestLimits:
    @pytest.mark.parametrize(
        ("path", "params", "names"),
        [
            ("candles", {"series": BTC, "limit": 5_001}, "limit"),
            ("candles", {"series": BTC, "limit": 0}, "limit"),
            ("candles", {"series": BTC, "before": -1}, "before"),
            ("candles", {"series": BTC, "before": 10**18}, "before"),
            ("candles", {"series": "kraken:BTC/USD:31m"}, "series"),
            ("candles", {"series": "' or 1=1"}, "series"),
            ("candles", {}, "series"),
            ("equity", {"limit": 2_001}, "limit"),
            ("trades", {"limit": "many"}, "limit"),
            ("trades", {"series": "x"}, "series"),
            ("orders", {"limit": 1_001}, "limit"),
            ("stream", {"series": "x"}, "series"),
        ],
    )
    async def test_a_wrong_value_is_named(
        self, studio: Studio, path: str, params: dict[str, Any], names: str
    ) -> None:
        response = await studio.client.get(f"/api/{path}", params=params)
        assert response.status_code == 422
        detail = response.json()["detail"]
        assert isinstance(detail, str)
        assert detail.startswith(f"{names}: ")


class TestFigures:
    async def test_overview(self, studio: Studio, seeded: Seeded) -> None:
        overview = await studio.get("/api/overview")
        rows = await studio.pool.fetch("select equity from equity order by close_time")
        equity = [row["equity"] for row in rows]
        peak, fall = equity[0], Decimal(0)
        for value in equity:
            peak = max(peak, value)
            fall = max(fall, 1 - value / peak)
        assert Decimal(overview["equity"]) == equity[-1]
        assert overview["net_profit_pct"] == pytest.approx(float(equity[-1] / 10_000 - 1) * 100)
        assert overview["max_drawdown_pct"] == pytest.approx(float(fall) * 100)
        assert overview["trades"] == seeded.trades
        assert overview["open_positions"] == seeded.open_positions > 0
        assert overview["settled_time"] == overview["event_time"] == seeded.settled_time
        assert overview["source"] == "replay"
        assert overview["refused_orders"] > 0
        assert overview["active_configurations"] == len(overview["configurations"]) == 5

    async def test_a_curve_grows_with_the_ledger(self, studio: Studio, seeded: Seeded) -> None:
        before = await studio.get("/api/equity")
        assert before["stored"] == len(before["points"]) == seeded.candles
        await studio.pool.execute(
            "insert into equity values ('main', to_timestamp($1), 1, 5000, 0, 0)",
            (seeded.settled_time + HALF_HOUR) / 1000,
        )
        after = await studio.get("/api/equity")
        assert after["points"] == [
            *before["points"],
            [seeded.settled_time + HALF_HOUR, 5000, 1, 0, 0],
        ]
        thinned = await studio.get("/api/equity", limit=20)
        assert len(thinned["points"]) <= 20
        assert thinned["points"][-1][1] == 5000
        assert (await studio.get("/api/overview"))["max_drawdown_pct"] > 45

    async def test_candles_page_backwards(self, studio: Studio, seeded: Seeded) -> None:
        last = (await studio.get("/api/candles", series=BTC, limit=10))["rows"]
        assert [row[0] for row in last] == [
            START + n * HALF_HOUR for n in range(seeded.candles - 10, seeded.candles)
        ]
        older = (await studio.get("/api/candles", series=BTC, limit=5, before=last[0][0]))["rows"]
        assert older[-1][0] == last[0][0] - HALF_HOUR
        assert len(older) == 5

    async def test_what_is_not_published_yet_is_not_shown(
        self, studio: Studio, seeded: Seeded
    ) -> None:
        await studio.pool.execute("update feeds set published_until = $1", START + 3 * HALF_HOUR)
        rows = (await studio.get("/api/candles", series=BTC))["rows"]
        assert [row[0] for row in rows] == [START + n * HALF_HOUR for n in range(3)]
        series = await studio.get("/api/series")
        assert [entry["series"] for entry in series] == sorted(
            map(series_of, ("BTC/USD", "ETH/USD", "LTC/USD"))
        )
        assert {entry["last"][0] for entry in series} == {START + 2 * HALF_HOUR}
        # the topic is ahead of the feed's own note
        studio.hub.candle(BTC, (0, 1, 1, 1, 1, 1), START + 4 * HALF_HOUR, "replay")
        assert len((await studio.get("/api/candles", series=BTC))["rows"]) == 4

    async def test_trades_by_series(self, studio: Studio, seeded: Seeded) -> None:
        trades = await studio.get("/api/trades", limit=1000)
        assert len(trades) == seeded.trades
        assert trades == sorted(trades, key=lambda t: -t["exit_time"])
        assert isinstance(trades[0]["profit"], str)
        assert {trade["strategy"] for trade in trades} == {"sma_cross"}
        some = await studio.get("/api/trades", series=BTC)
        assert {trade["series"] for trade in some} == {BTC}
        assert 0 < len(some) < len(trades)
        assert len(await studio.get("/api/trades", limit=2)) == 2

    @pytest.mark.parametrize("what", ["trades", "orders", "signals"])
    async def test_one_configuration_s_rows_alone(
        self, studio: Studio, seeded: Seeded, what: str
    ) -> None:
        eth = str(configuration_id("ETH/USD", "sma_cross"))
        rows = await studio.get(f"/api/{what}", limit=1000)
        own = [row for row in rows if row["configuration_id"] == eth]
        assert 0 < len(own) < len(rows)
        assert await studio.get(f"/api/{what}", limit=1000, configuration=eth) == own
        # those of others take no place
        last = await studio.get(f"/api/{what}", limit=2, configuration=eth)
        assert last == own[:2]

    async def test_positions_are_valued_at_the_settled_close(
        self, studio: Studio, seeded: Seeded
    ) -> None:
        positions = await studio.get("/api/positions")
        assert len(positions) == seeded.open_positions
        for position in positions:
            rows = (await studio.get("/api/candles", series=position["series"], limit=1))["rows"]
            sign = 1 if position["side"] == "long" else -1
            move = sign * (rows[0][4] - float(position["entry_price"]))
            assert position["strategy"] == "sma_cross"
            assert position["last_price"] == rows[0][4]
            assert position["unrealised"] == pytest.approx(
                move * float(position["quantity"]) - float(position["fees"])
            )

    async def test_a_falling_target_is_shown_as_it_stands(
        self, studio: Studio, seeded: Seeded
    ) -> None:
        [before] = await studio.get("/api/positions")
        assert before["next_target"] is None
        held = (seeded.settled_time - before["entry_time"]) // 60_000
        await studio.pool.execute(
            "update positions set targets = $1 where exit_time is null",
            [[held - 30, "123.40"], [held, "120"], [held + 30, "118.5"]],
        )
        [now] = await studio.get("/api/positions")
        assert before["take_profit_price"] != now["take_profit_price"] == "120"
        later = seeded.settled_time + HALF_HOUR
        assert now["next_target"] == {"price": "118.5", "at": later}
        await studio.pool.execute(
            "insert into equity values ('main', to_timestamp($1), 1, 1, 0, 0)", later / 1000
        )
        [after] = await studio.get("/api/positions")
        assert (after["take_profit_price"], after["next_target"]) == ("118.5", None)

    async def test_orders_say_why_they_were_refused(self, studio: Studio, seeded: Seeded) -> None:
        orders = await studio.get("/api/orders")
        assert len(orders) >= seeded.trades
        for order in orders:
            assert order["strategy"] == "sma_cross"
            refused = order["status"] == "REFUSED"
            assert refused == bool(order["reason"]) == (order["fill_price"] is None)

    async def test_configurations_show_both_samples_and_their_trials(
        self, studio: Studio, seeded: Seeded
    ) -> None:
        configurations = await studio.get("/api/configurations")
        assert len(configurations) == 6
        assert [c["is_active"] for c in configurations] == [True] * 5 + [False]
        for configuration in configurations:
            assert configuration["trials"] == 400
            assert configuration["in_sample"]["trades"] == 96
            assert configuration["out_of_sample"]["trades"] == 41
        assert sum(c["paper_trades"] for c in configurations) == seeded.trades

    async def test_jobs_signals_weights_and_health(self, studio: Studio, seeded: Seeded) -> None:
        jobs = await studio.get("/api/jobs")
        assert {(job["status"], job["done"]) for job in jobs} == {
            ("RUNNING", 118),
            ("SUCCEEDED", 400),
        }
        signals = await studio.get("/api/signals", limit=3)
        assert len(signals) == 3
        weights = await studio.get("/api/weights")
        assert weights["close_time"] == seeded.settled_time
        assert sum(weights["weights"].values()) <= 1
        health = await studio.get("/api/health")
        assert [(entry["service"], entry["up"]) for entry in health] == [("signal_svc", False)]


@dataclass
class Registry:
    """The routes of one configuration."""

    studio: Studio
    path: str = f"/api/configurations/{configuration_id('BTC/USD', 'sma_cross')}"

    async def post(self, what: str, **body: Any) -> httpx.Response:
        return await self.studio.client.post(f"{self.path}/{what}", json=body)


@pytest.fixture
def registry(studio: Studio, seeded: Seeded) -> Registry:
    return Registry(studio)


class TestReports:
    async def test_what_is_stored_is_answered(self, registry: Registry) -> None:
        studio, stored = registry.studio, example_report()
        async with studio.pool.acquire() as connection:
            await report(connection, configuration_id("BTC/USD", "sma_cross"), stored)
        assert await studio.get(f"{registry.path}/report") == stored
        response = await studio.client.get(f"{registry.path}/report.html")
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.text == report_page(stored)
        policies = response.headers.get_list("content-security-policy")
        assert policies == [f"{POLICY}; frame-ancestors 'none'"]
        assert response.headers["x-content-type-options"] == "nosniff"
        one = await studio.get(registry.path)
        assert (one["passed"], one["gates"], one["gates_passed"]) == (False, 4, 2)
        assert one["validated_at"] > START
        others = [c for c in await studio.get("/api/configurations") if c["gates"] is None]
        assert len(others) == 5
        assert {other["validated_at"] for other in others} == {None}

    async def test_the_last_one_counts(self, registry: Registry) -> None:
        async with registry.studio.pool.acquire() as connection:
            for passed in (False, True):
                found = example_report(passed=passed)
                await report(connection, configuration_id("BTC/USD", "sma_cross"), found)
        assert (await registry.studio.get(registry.path))["passed"] is True
        assert (await registry.studio.get(f"{registry.path}/report"))["passed"] is True

    async def test_before_the_first_it_is_said(self, registry: Registry) -> None:
        response = await registry.studio.client.get(f"{registry.path}/report")
        assert response.status_code == 404
        assert response.json()["detail"].endswith("was not validated yet")
        response = await registry.studio.client.get(f"{registry.path}/report.html")
        assert response.status_code == 404
        assert response.json()["code"] == "not_found"
        browser = {"accept": "text/html,*/*"}
        response = await registry.studio.client.get(f"{registry.path}/report.html", headers=browser)
        assert response.status_code == 404
        assert "<h1>No report yet</h1>" in response.text

    async def test_nothing_without_the_token(self, registry: Registry) -> None:
        async with anonymous(registry.studio) as client:
            for path in ("", "/report", "/report.html"):
                assert (await client.get(f"{registry.path}{path}")).status_code == 401
            for path in ("stage", "active", "edit"):
                assert (await client.post(f"{registry.path}/{path}", json={})).status_code == 401
            assert (await client.post("/api/jobs", json={})).status_code == 401
            await client.get("/", params={"token": TOKEN})
            foreign = await client.post(
                f"{registry.path}/active",
                json={"active": False, "reason": "x"},
                headers={"origin": "http://evil.example"},
            )
            assert foreign.status_code == 403
        assert (await registry.studio.get(registry.path))["is_active"]


class TestChanges:
    async def test_a_person_s_override_is_kept_with_its_reason(self, registry: Registry) -> None:
        response = await registry.post("stage", stage="MATURE", reason="  traded for a year ")
        assert response.status_code == 200
        one = response.json()
        assert (one["stage"], one["is_active"], one["revision"]) == ("MATURE", True, 2)
        assert one["events"][-1] == {
            "at": one["events"][-1]["at"],
            "from_stage": "PAPER",
            "to_stage": "MATURE",
            "is_active": True,
            "reason": "traded for a year",
            "evidence": {},
            "by_person": True,
        }
        assert await registry.studio.get(registry.path) == one

    async def test_switching_off_and_on(self, registry: Registry) -> None:
        for active in (False, True):
            response = await registry.post("active", active=active, reason="because")
            assert response.json()["is_active"] is active
        told = await registry.studio.pool.fetchval("select count(*) from outbox")
        assert told == 2

    async def test_an_edit_is_a_new_configuration(self, registry: Registry) -> None:
        response = await registry.post("edit", params={"fast": 15, "slow": 60}, reason="slower")
        assert response.status_code == 201, response.text
        new = response.json()
        assert registry.path == f"/api/configurations/{new['edited_from']}"
        assert (new["stage"], new["is_active"]) == ("DISCOVERY", False)
        assert (new["params"]["fast"], new["params"]["slow"]) == (15, 60)
        assert "slower" in new["events"][0]["reason"]
        assert (await registry.studio.get(registry.path))["params"]["fast"] == 12
        [queued] = [j for j in await registry.studio.get("/api/jobs") if j["kind"] == "validation"]
        assert queued["spec"]["configuration_id"] == new["configuration_id"]

    @pytest.mark.parametrize(
        ("what", "body", "status", "said"),
        [
            ("stage", {"stage": "PAPER", "reason": "x"}, 409, "is in stage PAPER already"),
            ("stage", {"stage": "GOLD", "reason": "x"}, 422, "stage: Input should be"),
            ("stage", {"stage": "MATURE", "reason": " "}, 422, "reason: should be a text that is"),
            ("stage", {"stage": "MATURE", "reason": "a\0b"}, 422, "reason: should be a text that"),
            (
                "active",
                {"active": 0, "reason": "x"},
                422,
                "active: Input should be a valid boolean",
            ),
            (
                "edit",
                {"params": {"fast": "15"}, "reason": "x"},
                422,
                "params.fast: Input should be",
            ),
            ("active", {"active": True}, 422, "reason: Field required"),
            ("edit", {"params": {"fasst": 3}, "reason": "x"}, 409, "fasst"),
            ("edit", {"params": {}, "reason": "x", "more": 1}, 422, "more: Extra inputs"),
        ],
    )
    async def test_what_cannot_be_is_refused(
        self, registry: Registry, what: str, body: dict[str, Any], status: int, said: str
    ) -> None:
        response = await registry.post(what, **body)
        assert response.status_code == status
        assert said in response.json()["detail"]
        assert (await registry.studio.get(registry.path))["revision"] == 1

    async def test_an_unknown_one(self, registry: Registry) -> None:
        unknown = "/api/configurations/00000000-0000-0000-0000-000000000000"
        assert (await registry.studio.client.get(unknown)).status_code == 404
        response = await registry.studio.client.post(
            f"{unknown}/active", json={"active": False, "reason": "x"}
        )
        assert response.status_code == 404
        assert "there is no configuration" in response.json()["detail"]
        assert (await registry.studio.client.get("/api/configurations/x")).status_code == 422


SEARCH = {
    "strategies": ["sma_cross"],
    "exchange": "kraken",
    "symbols": ["BTC/USD"],
    "timeframe": "30m",
}


class TestJobs:
    async def test_a_search_is_queued_and_cancelled(self, studio: Studio) -> None:
        response = await studio.client.post(
            "/api/jobs", json=SEARCH | {"method": "bayesian", "objective": "calmar"}
        )
        assert response.status_code == 201, response.text
        job = response.json()
        assert (job["kind"], job["status"]) == ("search", "QUEUED")
        assert (job["spec"]["method"], job["spec"]["objective"]) == ("bayesian", "calmar")
        cancelled = await studio.client.post(f"/api/jobs/{job['job_id']}/cancel")
        assert cancelled.json()["status"] == "CANCELLED"
        [listed] = await studio.get("/api/jobs")
        assert listed == cancelled.json()

    async def test_what_runs_comes_first(self, studio: Studio, seeded: Seeded) -> None:
        await studio.client.post("/api/jobs", json=SEARCH)
        states = [job["status"] for job in await studio.get("/api/jobs")]
        assert states == ["RUNNING", "QUEUED", "SUCCEEDED"]

    @pytest.mark.parametrize(
        ("changes", "status", "said"),
        [
            # what the document says
            ({"method": "magic"}, 422, "method: Input should be 'grid'"),
            ({"symbols": []}, 422, "symbols: Tuple should have at least 1 item"),
            ({"symbols": ["BTC/USD", "A B"]}, 422, "symbols[1]: should be a name without spaces"),
            ({"trials": "5"}, 422, "trials: Input should be a valid integer"),
            ({"trials": True}, 422, "trials: Input should be a valid integer"),
            ({"start": 2**63}, 422, "start: Input should be less than or equal to"),
            ({"symbols": [f"S{n}/USD" for n in range(201)]}, 422, "symbols: Tuple should have at"),
            ({"fixed": {"sma_cross": {"fast": "9"}}}, 422, "fixed.sma_cross.fast: Input should"),
            # rules
            ({"start": 5, "end": 5}, 409, "start is not before end"),
            ({"strategies": ["nonsense"]}, 409, "unknown strategy 'nonsense'; known are"),
            ({"timeframe": "7m"}, 409, "unknown timeframe '7m'; known are 1m"),
            ({"symbols": ["BTC/USD", "BTC/USD"]}, 409, "named twice among BTC/USD, BTC/USD"),
            ({"fixed": {"sma_cross": {"fasst": 9}}}, 409, "sma_cross has no parameter 'fasst'"),
            ({"fixed": {"other": {}}}, 409, "fixed parameters for 'other', which is not searched"),
            (
                {"symbols": [f"S{n}/USD" for n in range(200)], "trials": 100_000},
                409,
                "1 strategy on 200 symbols with 100,000 trials each are 20,000,000 trials",
            ),
        ],
    )
    async def test_a_wrong_search_is_refused(
        self, studio: Studio, changes: dict[str, Any], status: int, said: str
    ) -> None:
        response = await studio.client.post("/api/jobs", json=SEARCH | changes)
        assert response.status_code == status, response.text
        assert response.json()["detail"].startswith(said)
        assert await studio.get("/api/jobs") == []

    async def test_an_unknown_job(self, studio: Studio) -> None:
        path = "/api/jobs/00000000-0000-0000-0000-000000000000/cancel"
        assert (await studio.client.post(path)).status_code == 404


async def test_a_database_that_is_away_is_said(studio: Studio) -> None:
    class Away:
        async def fetch(self, *_: object) -> None:
            raise ConnectionRefusedError

    studio.stores.orders.pool = Away()  # type: ignore[assignment]  # only fetch is called
    response = await studio.client.get("/api/orders")
    assert response.status_code == 503
    assert "the database does not answer" in response.json()["detail"]


async def test_figures_are_plain_json(studio: Studio, seeded: Seeded) -> None:
    text = (await studio.client.get("/api/overview")).text
    assert "NaN" not in text
    assert json.loads(text)["account"] == "main"
