"""From a close's last candle on Kafka to its published orders, step by step."""

from types import SimpleNamespace

from prometheus_client import CollectorRegistry

from contracts.events import FeedSeries
from executor_svc.path_meters import STEPS, PathMeters
from tradepulse.runtime.delivery import Delivery
from tradepulse.trading.event_time import EventTime

HOUR = 3_600_000


class World:
    def __init__(self) -> None:
        self.now = 1_000_000
        self.registry = CollectorRegistry()
        self.path = PathMeters(self.registry, lambda: self.now)

    def came(self, *closes: int, sent: int = 0) -> list[Delivery]:
        record = SimpleNamespace(timestamp=sent)
        return [Delivery(SimpleNamespace(close_time=close * HOUR), record) for close in closes]

    def told(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"tradepulse_{name}", labels)

    def took(self) -> dict[str, tuple[float | None, float | None]]:
        name = "close_to_order_seconds"
        return {
            step: (self.told(f"{name}_count", step=step), self.told(f"{name}_sum", step=step))
            for step in STEPS
        }


def test_each_step_is_measured_from_the_last_candle() -> None:
    world = World()
    world.path.on_others("weights", world.came(1))
    world.path.on_candles(world.came(2, sent=1_000_000))
    world.now = 1_000_400
    world.path.on_candles(world.came(2, sent=1_000_300))
    world.path.on_candles(world.came(2, sent=1_000_100))
    world.now = 1_000_500
    world.path.on_others("evaluations", world.came(2))
    world.now = 1_000_800
    published = world.path.on_settled([2 * HOUR], before=HOUR)
    world.now = 1_001_300
    published()
    assert world.took() == {
        "candles": (1, 0.1),
        "evaluations": (1, 0.2),
        # long before the candle
        "weights": (1, 0),
        "decided": (1, 0.5),
        "published": (1, 1),
    }


def test_the_weights_of_a_close_bind_the_next_one() -> None:
    world = World()
    for close in (1, 2):
        world.path.on_candles(world.came(close, sent=1_000_000))
    world.now = 1_002_000
    world.path.on_others("weights", world.came(1))
    world.path.on_settled([HOUR, 2 * HOUR], before=0)
    assert world.took()["weights"] == (1, 2)
    world.path.on_others("weights", world.came(2))
    world.path.on_candles(world.came(3, sent=1_001_000))
    world.path.on_settled([3 * HOUR], before=2 * HOUR)
    assert world.took()["weights"] == (2, 3)


def test_nothing_is_kept_of_what_is_settled_and_nothing_told_of_what_came_without_a_candle() -> (
    None
):
    world = World()
    world.path.on_candles(world.came(*range(1, 100), sent=1))
    world.path.on_others("evaluations", world.came(*range(1, 102)))
    world.path.on_settled([close * HOUR for close in range(1, 101)], before=0)
    # what comes late
    world.path.on_candles(world.came(50, sent=1))
    assert world.took()["decided"][0] == 99
    world.path.on_settled([101 * HOUR], before=100 * HOUR)
    assert world.took()["decided"][0] == 99
    assert world.path._sent == {}
    assert world.path._came == {"candles": {}, "evaluations": {}, "weights": {}}


def test_the_next_close_is_waited_for_since_it_showed_itself_or_the_one_before_was_settled() -> (
    None
):
    world = World()
    event_time = EventTime(("candle",), grace_ms=None)
    names = {"exchange": "x", "timeframe": "1h", "first_open_time": 0}
    event_time.announce([FeedSeries(symbol=symbol, **names) for symbol in ("A/USD", "B/USD")])

    def waited() -> float | None:
        list(world.registry.collect())
        return world.told("closes_waiting_seconds")

    assert waited() == 0
    world.path.take_over(event_time)
    world.now += 10_000
    assert waited() == 0, "nothing is gathered"
    for close in (1, 2):
        event_time.add("candle", "x:A/USD:1h", close * HOUR, 1.0, world.now)
    world.now += 5_000
    assert waited() == 5
    event_time.add("candle", "x:B/USD:1h", HOUR, 1.0, world.now)
    gathered = event_time.ready(world.now)
    assert gathered is not None
    event_time.settle(gathered)
    world.path.on_storing()
    world.now += 90_000
    assert waited() == 90, "it is not stored yet: the database hangs"
    world.path.on_settled([HOUR], before=0)
    world.now += 2_000
    assert waited() == 2, "the second has been there for longer"
