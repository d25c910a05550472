"""rl_svc between Kafka and the portfolio: what it asks, stores, tells and waits for."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from contracts.events import CandleClosed, FeedAnnounced, FeedSeries, PortfolioWeightsDecided
from contracts.topics import CANDLES, FEEDS
from rl_svc import handlers
from rl_svc.handlers import WeightDecider
from rl_svc.meters import WeightMeters, turnover_of
from rl_svc.portfolio import CANDLE, Portfolio
from rl_svc.store import WeightStore
from tests.event_time_fakes import Reading, Waker
from tests.made_models import made_model
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.health import Pulse
from tradepulse.runtime.outbox import Relay
from tradepulse.runtime.ownership import Ownership
from tradepulse.runtime.reading import AssignedReading
from tradepulse.trading import RULES_VERSION
from tradepulse.trading.event_time import EventTime
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.weighing import FALLBACKS
from tradepulse.trading.weights import InverseVolatility, WeightPolicy

HOUR = 3_600_000


class Store:
    """Keeps what is recorded and asked; each record takes some seconds."""

    def __init__(self) -> None:
        self.recorded: list[tuple[list[int], int, dict[str, int], dict[str, Any]]] = []
        self.decided: list[PortfolioWeightsDecided] = []
        self.beside: list[PortfolioWeightsDecided] = []
        self.asked: list[tuple[str, int, int]] = []
        self.takes_s = 0.0
        self.seconds = 0.0

    async def closes_until(
        self, series: FeedSeries, until: int, count: int
    ) -> list[tuple[int, float]]:
        self.asked.append((series.series, until, count))
        return [(HOUR, 1.0), (2 * HOUR, 2.0)] if until else []

    async def record(
        self,
        decided: list[PortfolioWeightsDecided],
        beside: list[PortfolioWeightsDecided],
        owner: Ownership,
        settled: int,
        offsets: dict[str, int],
        state: dict[str, Any],
    ) -> None:
        assert owner.consumer == "weights:main"
        self.seconds += self.takes_s
        self.decided += decided
        self.beside += beside
        self.recorded.append(([one.close_time for one in decided], settled, offsets, state))


class World:
    def __init__(
        self,
        *,
        settled: int = 0,
        grace_ms: int | None = None,
        policy: WeightPolicy | None = None,
    ) -> None:
        self.now = self.step = 0
        self.store, self.relay, self.registry = Store(), Waker(), CollectorRegistry()
        self.decider = WeightDecider(
            cast(WeightStore, self.store),
            cast(Relay, self.relay),
            WeightMeters(self.registry, "main"),
            self.clock,
        )
        self.feeds, self.candles = Reading(FEEDS), Reading(CANDLES)
        self.decider.reads(cast(AssignedReading, self.feeds), cast(AssignedReading, self.candles))
        frontiers = {f"{CANDLE} x:A/USD:1h": settled}
        event_time = EventTime((CANDLE,), settled=settled, frontiers=frontiers, grace_ms=grace_ms)
        self.portfolio = Portfolio("main", policy or InverseVolatility(4), event_time)
        owner = Ownership("weights:main", 1, settled, {"candles/0": 7}, {})
        self.decider.take_over(owner, self.portfolio, self.portfolio.lookback)
        self._offset = 0

    def clock(self) -> int:
        """Tell the time, which goes on by `step` at each look."""
        self.now += self.step
        return self.now

    def delivery(self, event: Any) -> Delivery:
        self._offset += 1
        return Delivery(event, SimpleNamespace(topic="t", partition=0, offset=self._offset))

    async def announce(self, *symbols: str, first: int = 0) -> None:
        series = tuple(
            FeedSeries(exchange="x", symbol=symbol, timeframe="1h", first_open_time=first)
            for symbol in symbols
        )
        await self.decider.on_feeds([self.delivery(FeedAnnounced(feed="f", series=series))])

    async def close(self, *closes: int, symbol: str = "A/USD") -> None:
        await self.decider.on_candles(
            [
                self.delivery(
                    CandleClosed(
                        exchange="x", symbol=symbol, timeframe="1h", open_time=(c - 1) * HOUR,
                        close_time=c * HOUR, open=1.0, high=1.0, low=1.0, close=1.0, volume=1.0,
                        source="replay",
                    )
                )
                for c in closes
            ]
        )  # fmt: skip

    def told(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"tradepulse_{name}", labels)


async def test_what_is_decided_is_stored_with_its_place_told_and_published() -> None:
    world = World()
    assert world.decider.offsets() == {"candles/0": 7}
    await world.announce("A/USD")
    await world.close(1, 2)
    ((closes, settled, offsets, state),) = world.store.recorded
    assert (closes, settled, offsets) == ([HOUR, 2 * HOUR], 2 * HOUR, {"t/0": 4})
    assert state == {
        "rules_version": RULES_VERSION,
        "frontiers": {"candle x:A/USD:1h": 2 * HOUR},
    }
    assert world.relay.woken == 1
    assert (world.told("weights_decided_total"), world.told("missing_total")) == (2, 0)
    assert world.told("event_time_seconds") == 7_200
    generate_latest(world.registry)
    main = {"portfolio": "main"}
    assert world.told("weight", **main, instrument="x:A/USD") is not None
    assert world.told("rl_fallback", **main) == 0
    assert world.told("rl_inference_seconds_count", **main) == 2
    assert world.told("weights_turnover_ratio_count", **main) == 1
    assert world.told("rl_observation_clipped_total", **main) == 0
    assert world.told("rl_model_age_seconds", **main) is None


async def test_a_series_begins_with_one_close_more_than_the_returns_that_count() -> None:
    world = World(settled=2 * HOUR)
    await world.announce("A/USD")
    assert world.store.asked == [("x:A/USD:1h", 2 * HOUR, 5)]
    assert len(world.portfolio._history.returns(["x:A/USD:1h"])["x:A/USD"]) == 1
    await world.announce("A/USD")
    assert len(world.store.asked) == 1, "it is known"


async def test_what_a_model_cannot_decide_is_counted_by_its_reason() -> None:
    model = made_model(1)
    world = World(policy=LearnedPolicy(model))

    def told(reason: str) -> float | None:
        return world.registry.get_sample_value(
            "tradepulse_policy_fallback_total", {"reason": reason}
        )

    assert [told(reason) for reason in FALLBACKS] == [0] * 8
    await world.announce("A/USD", "B/USD")
    await world.close(1, 2)
    await world.close(1, 2, symbol="B/USD")
    # the model sees half hours
    assert (told("timeframe"), told("history")) == (2, 0)
    assert [
        (one.policy, one.model_id, one.fallback, one.weights) for one in world.store.decided
    ] == [
        (
            *("inverse_volatility", str(model.model_id), "timeframe"),
            {"x:A/USD": 0.5, "x:B/USD": 0.5},
        )
    ] * 2
    assert world.store.asked == [("x:A/USD:1h", 0, 337), ("x:B/USD:1h", 0, 337)]


async def test_a_long_way_to_catch_up_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "CLOSES_PER_TRANSACTION", 3)
    world = World()
    pulse = world.decider.pulse = Pulse(60, clock=lambda: world.store.seconds)
    pulse.beat()
    world.store.takes_s = 50
    await world.announce("A/USD")
    await world.close(*range(1, 11))
    assert [len(closes) for closes, *_ in world.store.recorded] == [3, 3, 3, 1]
    assert pulse.is_beating()
    assert world.relay.woken == 4


async def test_what_no_candle_decides_is_decided_beside_once_its_grace_is_over() -> None:
    world = World(grace_ms=100)
    world.now = 10 * HOUR
    await world.announce("A/USD", "B/USD")
    await world.close(1)
    assert world.store.recorded == []
    world.now += 100
    beside = asyncio.create_task(world.decider.keep_deciding())
    while not world.store.recorded or world.decider.pulse._last is None:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    beside.cancel()
    await asyncio.gather(beside, return_exceptions=True)
    assert world.told("missing_total") == 1


async def test_while_a_backlog_is_read_no_grace_runs() -> None:
    world = World(grace_ms=100)
    world.now = 10 * HOUR
    await world.announce("A/USD", "B/USD")
    world.candles.is_behind = True
    await world.close(1)
    world.now += 100
    await world.close(2)
    assert world.store.recorded == []
    world.candles.is_behind = False
    world.now += 100
    await world.close(3)
    assert world.store.recorded != []


async def test_however_slow_it_is_no_grace_runs_out_while_a_backlog_is_read() -> None:
    world = World(grace_ms=100)
    world.now, world.step = 10 * HOUR, 1_000
    await world.announce("A/USD", "B/USD")
    world.candles.is_behind = True
    await world.close(1, 2, 3)
    assert world.store.recorded == []
    await world.close(1, 2, symbol="B/USD")
    assert world.told("missing_total") == 0
    assert world.portfolio.event_time.settled == 2 * HOUR


async def test_what_is_in_hand_comes_before_a_grace_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handlers, "LOOK_EVERY_S", 0)
    world = World(grace_ms=100)
    world.now = 10 * HOUR
    await world.announce("A/USD", "B/USD")
    await world.close(1)
    world.now += 100
    world.candles.is_idle = False
    beside = asyncio.create_task(world.decider.keep_deciding())
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.decider.pulse._last is not None, "it has looked"
    assert world.store.recorded == []
    world.candles.is_idle = True
    while not world.store.recorded:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    beside.cancel()
    await asyncio.gather(beside, return_exceptions=True)


async def test_what_is_ahead_of_the_clock_goes_aside() -> None:
    world = World(grace_ms=100)
    world.now = HOUR
    await world.announce("A/USD")
    await world.close(1, 9)
    assert len(world.candles.aside) == 1
    await world.announce("B/USD", first=9 * HOUR)
    assert len(world.feeds.aside) == 1
    assert set(world.portfolio.event_time.series) == {"x:A/USD:1h"}


@pytest.mark.parametrize(
    ("before", "after", "turnover"),
    [
        ({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5}, 0),
        ({"a": 1.0}, {"b": 1.0}, 1),
        ({"a": 0.5, "b": 0.5}, {"a": 0.75, "b": 0.25}, 0.25),
        ({"a": 0.5}, {}, 0.25),
    ],
    ids=["same", "all", "a-quarter", "gone"],
)
def test_turnover_is_half_of_what_changed(
    before: dict[str, float], after: dict[str, float], turnover: float
) -> None:
    assert turnover_of(before, after) == turnover


def test_the_largest_weights_are_told_and_no_instrument_that_is_gone() -> None:
    registry = CollectorRegistry()
    meters = WeightMeters(registry, "main")

    def decided(weights: dict[str, float]) -> PortfolioWeightsDecided:
        return PortfolioWeightsDecided(
            portfolio="main", close_time=HOUR, policy="p", weights=weights, fallback="history"
        )

    def told() -> dict[str, float]:
        return {
            sample.labels["instrument"]: sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == "tradepulse_weight"
        }

    meters.on_decided([decided({f"x:{n}/USD": n / 10_000 for n in range(100)})])
    assert set(told()) == {f"x:{n}/USD" for n in range(50, 100)}
    assert registry.get_sample_value("tradepulse_rl_fallback", {"portfolio": "main"}) == 1
    meters.on_decided([decided({"x:1/USD": 0.5})])
    assert told() == {"x:1/USD": 0.5}
    meters.model_made(datetime.now(tz=UTC) - timedelta(days=2))
    generate_latest(registry)
    age_s = registry.get_sample_value("tradepulse_rl_model_age_seconds", {"portfolio": "main"})
    assert age_s is not None
    assert age_s >= 2 * 86_400
    meters.model_made(None)
    generate_latest(registry)
    gone = registry.get_sample_value("tradepulse_rl_model_age_seconds", {"portfolio": "main"})
    assert gone is None
