"""The executor between Kafka and the ledger: what it stores, tells and waits for."""

import asyncio
import logging
from collections.abc import Iterable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from contracts.events import (
    CandleClosed,
    CandleEvaluated,
    FeedAnnounced,
    FeedSeries,
    PortfolioWeightsDecided,
    Signal,
)
from contracts.topics import CANDLES, EVALUATIONS, FEEDS, WEIGHTS
from executor_svc import handlers
from executor_svc.handlers import Executor
from executor_svc.ledger import CANDLE, EVALUATION, Ledger, Settled
from executor_svc.markets import Markets
from executor_svc.meters import ExecutorMeters
from executor_svc.store import LedgerStore
from executor_svc.totals import Totals
from tests.event_time_fakes import Reading, Waker
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.health import Pulse
from tradepulse.runtime.outbox import Relay
from tradepulse.runtime.ownership import Ownership
from tradepulse.runtime.reading import AssignedReading
from tradepulse.trading.account import Account
from tradepulse.trading.event_time import EventTime
from tradepulse.trading.moments import EquityPoint, Settlement
from tradepulse.trading.refused import code_of
from tradepulse.trading.sizing import AccountRules

HOUR = 3_600_000
MAIN = {"account": "main"}


class Store:
    """Keeps what is recorded; each record takes the executor's clock some seconds."""

    def __init__(self) -> None:
        self.recorded: list[tuple[list[Settlement], Decimal, int, dict[str, int]]] = []
        self.takes_s = 0.0
        self.seconds = 0.0

    async def record(
        self,
        settlements: list[Settlement],
        cash: Decimal,
        owner: Ownership,
        settled: int,
        offsets: dict[str, int],
        state: dict[str, Any],
    ) -> None:
        assert owner.consumer == "executor:main"
        assert set(state) == {"marks", "frontiers", "weights", "rules_version"}
        self.seconds += self.takes_s
        self.recorded.append((settlements, cash, settled, offsets))


class Rules:
    """The rules of instruments; keeps whose were asked for."""

    def __init__(self) -> None:
        self.learned: list[str] = []

    async def learn(self, instruments: Iterable[str]) -> None:
        self.learned += instruments


class World:
    """An executor of one series whose neighbours are faked."""

    def __init__(self, *, grace_ms: int | None = None, portfolio: str | None = None) -> None:
        self.now = self.step = 0
        self.store, self.relay, self.registry = Store(), Waker(), CollectorRegistry()
        self.rules = Rules()
        self.executor = Executor(
            cast(LedgerStore, self.store),
            cast(Markets, self.rules),
            cast(Relay, self.relay),
            ExecutorMeters(self.registry, "main", lambda: self.now),
            self.clock,
        )
        self.readings = [Reading(topic) for topic in (FEEDS, CANDLES, EVALUATIONS, WEIGHTS)]
        self.executor.reads(*(cast(AssignedReading, one) for one in self.readings))
        self.ledger = Ledger(
            Account(Decimal(1000), AccountRules()),
            EventTime((CANDLE, EVALUATION), grace_ms=grace_ms),
            portfolio=portfolio,
            clock_is_event_time=grace_ms is None,
        )
        owner = Ownership("executor:main", 1, 0, {"candles/0": 7}, {})
        self.executor.take_over(owner, self.ledger, Totals(Decimal(0), Decimal(0), Decimal(1200)))
        self._offset = 0

    def clock(self) -> int:
        """Tell the time, which goes on by `step` at each look."""
        self.now += self.step
        return self.now

    def delivery(self, event: Any) -> Delivery:
        self._offset += 1
        return Delivery(
            event, SimpleNamespace(topic="t", partition=0, offset=self._offset, timestamp=self.now)
        )

    async def announce(self, *symbols: str) -> None:
        series = tuple(
            FeedSeries(exchange="x", symbol=s, timeframe="1h", first_open_time=0) for s in symbols
        )
        await self.executor.on_feeds([self.delivery(FeedAnnounced(feed="f", series=series))])

    async def close(
        self, *closes: int, symbol: str = "A/USD", signal: Signal | None = None
    ) -> None:
        place = {"exchange": "x", "symbol": symbol, "timeframe": "1h"}
        prices = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1e9}
        times = [{"open_time": (c - 1) * HOUR, "close_time": c * HOUR} for c in closes]
        said = () if signal is None else (signal,)
        await self.executor.on_candles(
            [
                self.delivery(CandleClosed(**place, **time, **prices, source="replay"))
                for time in times
            ]
        )
        await self.executor.on_evaluations(
            [self.delivery(CandleEvaluated(**place, **time, signals=said)) for time in times]
        )

    def told(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"tradepulse_{name}", labels)


async def test_what_is_settled_is_stored_with_its_place_told_and_published() -> None:
    world = World()
    assert world.executor.offsets() == {"candles/0": 7}
    await world.announce("A/USD")
    await world.close(1, 2)
    ((settlements, cash, settled, offsets),) = world.store.recorded
    assert [one.close_time for one in settlements] == [HOUR, 2 * HOUR]
    assert (cash, settled, offsets) == (Decimal(1000), 2 * HOUR, {"t/0": 6})
    assert world.relay.woken == 1
    assert world.executor.pulse._last is not None
    assert world.told("closes_settled_total") == 2
    assert world.told("settle_seconds_count") == 1
    assert world.told("event_time_seconds") == 2 * HOUR / 1000
    assert (world.told("equity", **MAIN), world.told("open_positions", **MAIN)) == (1000, 0)
    assert world.told("equity_peak", **MAIN) == 1200, "as the ledger knows it"
    assert world.told("close_to_order_seconds_count", step="decided") == 2
    assert world.told("closes_ahead") == 0


async def test_the_rules_of_what_is_announced_are_learned() -> None:
    world = World()
    await world.announce("A/USD", "B/USD")
    assert world.rules.learned == ["x:A/USD", "x:B/USD"]


async def test_weights_are_waited_for_and_taken() -> None:
    world = World(portfolio="main")
    await world.announce("A/USD")
    await world.close(1, 2)
    assert [settled for _, _, settled, _ in world.store.recorded] == [HOUR]
    assert world.told("closes_ahead") == 1
    vector = PortfolioWeightsDecided(
        portfolio="main", close_time=HOUR, policy="equal", weights={"x:A/USD": 1.0}
    )
    await world.executor.on_weights([world.delivery(vector)])
    assert [settled for _, _, settled, _ in world.store.recorded] == [HOUR, 2 * HOUR]


async def test_a_long_way_to_catch_up_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "CLOSES_PER_TRANSACTION", 3)
    world = World()
    pulse = world.executor.pulse = Pulse(60, clock=lambda: world.store.seconds)
    pulse.beat()
    world.store.takes_s = 50
    await world.announce("A/USD")
    await world.close(*range(1, 11))
    assert [len(settlements) for settlements, *_ in world.store.recorded] == [3, 3, 3, 1]
    assert world.store.seconds == 200
    assert pulse.is_beating()
    assert world.relay.woken == 4


@pytest.mark.parametrize("behind", [1, 2, 3])
async def test_while_a_backlog_is_read_no_grace_runs(behind: int) -> None:
    world = World(grace_ms=100)
    await world.announce("A/USD", "B/USD")
    world.readings[behind].is_behind = True
    world.now = 10 * HOUR
    await world.close(1)
    world.now += 100
    await world.close(2)
    assert world.store.recorded == []
    world.readings[behind].is_behind = False
    world.now += 100
    await world.close(3)
    assert [settled for _, _, settled, _ in world.store.recorded][-1:] == [2 * HOUR]


@pytest.mark.parametrize("behind", [1, 2, 3])
async def test_however_slow_it_is_no_grace_runs_out_while_a_backlog_is_read(behind: int) -> None:
    world = World(grace_ms=100)
    world.now, world.step = 10 * HOUR, 1_000
    await world.announce("A/USD", "B/USD")
    world.readings[behind].is_behind = True
    await world.close(1, 2, 3)
    assert world.store.recorded == []
    await world.close(1, 2, symbol="B/USD")
    assert world.told("missing_total") == 0
    assert world.ledger.event_time.settled == 2 * HOUR


@pytest.mark.parametrize("behind", [1, 2, 3])
async def test_what_is_in_hand_comes_before_a_grace_is_over(
    monkeypatch: pytest.MonkeyPatch, behind: int
) -> None:
    monkeypatch.setattr(handlers, "LOOK_EVERY_S", 0)
    world = World(grace_ms=100)
    world.now = 10 * HOUR
    await world.announce("A/USD", "B/USD")
    await world.close(1)
    world.now += 100
    world.readings[behind].is_idle = False
    beside = asyncio.create_task(world.executor.keep_settling())
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.executor.pulse._last is not None, "it has looked"
    assert world.store.recorded == []
    world.readings[behind].is_idle = True
    while not world.store.recorded:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    beside.cancel()
    await asyncio.gather(beside, return_exceptions=True)


async def test_what_is_ahead_of_the_clock_goes_aside() -> None:
    world = World(grace_ms=100)
    world.now = HOUR
    await world.announce("A/USD")
    await world.close(1, 9)
    assert [len(reading.aside) for reading in world.readings] == [0, 1, 1, 0]
    assert [settled for _, _, settled, _ in world.store.recorded] == [HOUR]
    await world.executor.on_feeds(
        [
            world.delivery(
                FeedAnnounced(
                    feed="f",
                    series=(
                        FeedSeries(
                            exchange="x", symbol="A/USD", timeframe="1h", first_open_time=9 * HOUR
                        ),
                    ),
                )
            )
        ]
    )
    assert len(world.readings[0].aside) == 1


async def test_the_log_says_for_whom_a_close_waits_once_in_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    await world.announce("A/USD", "B/USD")
    await world.close(1)
    for now, told in ((30_000, 0), (30_001, 1), (60_001, 1), (60_002, 2)):
        world.now = now
        world.executor._tell_what_is_waited_for()
        assert len(caplog.records) == told
    assert caplog.records[-1].__dict__["series"] == ["x:B/USD:1h"]
    await world.close(1, symbol="B/USD")
    for now in (90_000, 120_000):
        world.now = now
        world.executor._tell_what_is_waited_for()
    assert len(caplog.records) == 2, "nothing is waited for"


def test_each_settled_close_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    meters = ExecutorMeters(registry, "main", lambda: 0)
    order = SimpleNamespace(order_type="market", status="REFUSED", reason="stale signal")
    filled = SimpleNamespace(order_type="limit", status="FILLED", reason="")
    done = cast(
        Settlement,
        SimpleNamespace(
            close_time=2 * HOUR,
            orders={1: order, 2: filled},
            closed=[None, None],
            fills=[],
            fallback_weights=3,
            equity=EquityPoint(2 * HOUR, Decimal(9), Decimal(10), Decimal(1), 4),
        ),
    )
    meters.on_settled([Settled(done, missing=5, late=True)])

    def told(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"tradepulse_{name}", labels)

    assert told("closes_settled_total") == 1
    assert (told("missing_total"), told("late_total")) == (5, 1)
    assert (told("trades_total", **MAIN), told("fallback_weights_total")) == (2, 3)
    assert told("orders_total", **MAIN, type="market", status="REFUSED") == 1
    assert told("orders_total", **MAIN, type="limit", status="FILLED") == 1
    assert told("orders_total", **MAIN, type="limit", status="REFUSED") == 0
    assert told("orders_refused_total", **MAIN, code="stale") == 1
    assert told("orders_refused_total", **MAIN, code="ruined") == 0
    assert code_of("position left by stop") == "position_left"
    assert code_of("unheard of") == "other"
    assert told("orders_refused_total", **MAIN, code="") is None
    assert (told("event_time_seconds"), told("equity", **MAIN)) == (7_200, 10)
    assert told("open_positions", **MAIN) == 4
    done.equity = None
    done.close_time = 3 * HOUR
    meters.on_settled([Settled(done, missing=0, late=False)])
    assert (told("event_time_seconds"), told("late_total")) == (7_200, 1)


async def test_a_ruined_account_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.announce("A/USD")
    with caplog.at_level(logging.INFO):
        await world.close(1)
        assert caplog.records == []
        world.ledger.account.cash = Decimal(-5)
        ruined = Settlement(2 * HOUR, ruined=True)
        world.executor._log(Settled(ruined, missing=0, late=False))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "the account is ruined" in caplog.messages[0]
