"""Boards and alerts, proven on a running system with a real Prometheus and Alertmanager."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx
import numpy as np
import pytest

from deploy.grafana.build import BOARDS, FOLDER, written
from deploy.grafana.check_dashboards import queries, without_data
from tests.fakes.exchange import HOUR, FakeExchange, Tape
from tests.fakes.exchange.synthetic import random_trades
from tests.integration.live_market import BTC, ETH, MINUTE, compiled_once
from tests.integration.live_market import START as LIVE_START
from tests.integration.system import DAY, DEMO, START, System, configurations_for
from tests.made_models import made_model
from tests.operations.watched import watching
from tradepulse.candles.arrays import Candles
from tradepulse.embedded.ports import free_ports
from tradepulse.market_data.files import read_candles
from tradepulse.market_data.store import store_candles
from tradepulse.market_data.subscriptions import subscribe
from tradepulse.research.jobs import JobSpec, job_status, submit_job
from tradepulse.research.model_lifecycle import promote
from tradepulse.research.model_registry import import_model
from tradepulse.runtime.db import connect, connect_pool
from tradepulse.trading.policies.model_bytes import bytes_of

PATIENCE_S = 240
TOKEN = "token-of-this-very-test-0123456789"
SYMBOLS = ("BTC/USD", "ETH/USD")
EARLY = ("signal_svc", "rl_svc", "executor_svc", "optimizer_svc", "studio_svc")
WITHOUT_DATA = {
    ("kafka", "Partitions with too few replicas in sync"): "needs kafka-exporter: in compose only",
    ("kafka", "Brokers"): "needs kafka-exporter: in compose only",
    **{
        ("rl", f"Training: {what}"): "only while a training runs, which takes minutes"
        for what in (
            *("steps", "reward", "entropy", "KL"),
            "growth over equal weights in validation",
        )
    },
}
"""Panels that this test cannot feed, and why; one that does have data is not to be here."""


def test_the_boards_are_written_as_they_are_built() -> None:
    files = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert files == {f"{one.uid}.json": written(one) for one in BOARDS}, (
        "say python -m deploy.grafana.build"
    )


def test_what_is_without_data_is_a_panel() -> None:
    assert WITHOUT_DATA.keys() <= {(board, panel) for board, panel, _, _ in queries()}


class Stack:
    """The services on the demo's candles, each with a port that is known."""

    def __init__(self, system: System) -> None:
        self.system = system
        names = (*EARLY, "market_ingest", "market_ingest.live")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))

    async def start(self) -> None:
        """Search parameters on some weeks, then replay what follows, 20 closes a second."""
        system, folder = self.system, self.system.folder
        candles = [
            one for one in read_candles(DEMO, start=START - 30 * DAY) if one.symbol in SYMBOLS
        ]
        # what a search finds may trade or not; of these some position is always open
        await system.prepare(configurations_for(candles))
        connection = await connect(system.database_url)
        await store_candles(connection, [one.between(None, START) for one in candles], "import")
        await connection.close()
        pool = await connect_pool(system.database_url)
        model = await import_model(pool, bytes_of(made_model()), "main", "m", "m.npz")
        await promote(pool, model.model_id, "ACTIVE", "to be looked at")
        await pool.close()
        (folder / "token").write_text(TOKEN)
        own = {
            "rl_svc": {"POLICY": "model"},
            "studio_svc": {"STUDIO_TOKEN_FILE": str(folder / "token")},
            "optimizer_svc": {"OPTIMIZER_WORKERS": "1", "FETCH_MISSING": "false"},
        }
        for name in EARLY:
            system.start(name, HTTP_PORT=str(self.ports[name]), **own.get(name, {}))
        await self._found(await self.search(trials=2))
        system.start(
            "market_ingest",
            HTTP_PORT=str(self.ports["market_ingest"]),
            REPLAY_FILE=str(DEMO),
            REPLAY_SYMBOLS=",".join(SYMBOLS),
            REPLAY_FROM=str(START),
            REPLAY_SPEED="36000",
        )

    async def search(self, trials: int) -> UUID:
        """Begin a search."""
        pool = await connect_pool(self.system.database_url)
        spec = JobSpec(
            strategies=("liquidity_sweep", "sma_cross"),
            exchange="bitfinex",
            symbols=SYMBOLS,
            timeframe="30m",
            trials=trials,
            min_trades=1,
            activate=True,
        )
        job = await submit_job(pool, spec)
        await pool.close()
        return job

    async def _found(self, job: UUID) -> None:
        pool = await connect_pool(self.system.database_url)
        deadline = time.monotonic() + PATIENCE_S
        while (status := await job_status(pool, job)).status != "SUCCEEDED":
            self.system.none_has_ended()
            assert not status.is_final, status
            assert time.monotonic() < deadline, self.system.last_words()
            await asyncio.sleep(0.2)
        await pool.close()

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """Follow two venues instead, a minute every three seconds."""
        system = self.system
        # one replica looks for gaps, and a replay mends none
        system.kill("market_ingest")
        del system.processes["market_ingest"]
        connection = await connect(system.database_url)
        for series in ("binanceus:BTC/USD:1m", "kraken:ETH/USD:1m"):
            await subscribe(connection, *series.split(":"))
        # a hole, to be found and mended
        times, ones = LIVE_START - MINUTE * np.array([30, 20]), np.ones(2)
        two = Candles("kraken", "ETH/USD", "1m", times, ones, ones, ones, ones, ones)
        await store_candles(connection, [two], "import")
        await connection.close()
        venues = {
            name: [
                Tape(
                    item,
                    trades=random_trades(4_000, LIVE_START - HOUR, LIVE_START + 4 * HOUR, seed=1),
                )
            ]
            for name, item in (("binanceus", BTC), ("kraken", ETH))
        }
        async with FakeExchange(LIVE_START + 5_000, venues) as fake:
            configs = {name: fake.config(name) for name in venues}
            for config in configs.values():
                del config["apiKey"], config["secret"]
                config |= {"enableRateLimit": True, "rateLimit": 1}
            (system.folder / "venues.json").write_text(json.dumps(configs))
            system.start(
                "market_ingest.live",
                "tests.integration.live_process",
                **compiled_once(system.folder),
                **system.reach("market_ingest"),
                HTTP_PORT=str(self.ports["market_ingest.live"]),
                FEED_MODE="live",
                VENUES_FILE=str(system.folder / "venues.json"),
                FAKE_TIME_URL=f"{fake.address}/binanceus/api/v3/time",
            )
            async with fake.running(factor=20):
                yield


@pytest.mark.integration
async def test_every_panel_shows_something_and_a_lost_executor_is_heard_of(
    kafka_bootstrap: str,
    database_url: str,
    no_topics: None,
    tmp_path: Path,
) -> None:
    system = System(kafka_bootstrap, database_url, tmp_path)
    stack = Stack(system)
    (watched := tmp_path / "watched").mkdir()
    try:
        await stack.start()
        with watching(watched, stack.ports, database_url) as (watch, called):
            # a replay that is well: nobody is called but the dead man's switch
            await watch.until(
                "max(tradepulse_event_time_seconds{job='executor_svc'}) > 0", PATIENCE_S
            )
            await called.hear("FIRING Watchdog (none)", "deadman", 0, PATIENCE_S)
            await watch.until("count_over_time(up{job='executor_svc'}[5m]) >= 4", PATIENCE_S)
            assert watch.ask('ALERTS{alertstate="firing", alertname!="Watchdog"}') == []

            page = f"http://127.0.0.1:{stack.ports['studio_svc']}/api/health"
            bearer = {"authorization": f"Bearer {TOKEN}"}
            asked = await asyncio.to_thread(httpx.get, page, headers=bearer)
            assert asked.is_success
            killed = time.monotonic()
            system.kill("executor_svc")
            firing = await called.hear("FIRING NoExecutor", "pager", killed, PATIENCE_S)
            assert "no executor_svc works for the account" in firing.text
            assert "runbook.md#noexecutor" in firing.text
            back = time.monotonic()
            system.start("executor_svc")
            over = await called.hear("RESOLVED NoExecutor", "pager", back, PATIENCE_S)
            print(
                f"killed -> called {firing.at - killed:.0f} s, back -> over {over.at - back:.0f} s"
            )
            told = {call.title for call in called.calls if call.who != "deadman"}
            assert told == {"FIRING NoExecutor (critical)", "RESOLVED NoExecutor (critical)"}
            async with stack.live():
                # one that is not at its end when it is looked for
                await stack.search(trials=100_000)
                for series in (
                    'tradepulse_live_candles_total{exchange="binanceus"}',
                    'tradepulse_live_candles_total{exchange="kraken"}',
                    "tradepulse_gap_repairs_total",
                ):
                    await watch.until(f"sum({series}) > 0", PATIENCE_S)
                await watch.until("count(tradepulse_job_progress_ratio) > 0", PATIENCE_S)
                # a rate needs two samples
                await watch.until("count_over_time(tradepulse_live_troubled[5m]) >= 3", PATIENCE_S)
                empty = await asyncio.to_thread(without_data, watch.url)
            system.none_has_ended()
            told = "\n".join(" | ".join(one) for one in empty)
            assert {(board, panel) for board, panel, _ in empty} == WITHOUT_DATA.keys(), told
    finally:
        system.stop()
