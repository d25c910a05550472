"""signal_svc's pure parts: windows, evaluation, encoding, and the handler on fakes."""

import asyncio
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import get_args
from uuid import UUID

import numpy as np
import pytest
from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry

from contracts.events import Action, CandleClosed, CandleEvaluated, ConfigurationChanged
from contracts.topics import CONFIGURATIONS
from signal_svc import evaluation
from signal_svc.active import ActiveConfigurations
from signal_svc.handlers import CandleHandler, SignalMeters
from signal_svc.references import References
from signal_svc.windows import SPARE, Window, Windows, segments
from tradepulse.candles.arrays import Candles
from tradepulse.runtime.codec import decode_candle
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.sharing import handled
from tradepulse.strategies import (
    Feature,
    compiled,
    enter_long,
    leave,
    strategy,
)
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies._windows import window_mean
from tradepulse.strategies.evaluate import Configuration, signals_of

HOUR = 3_600_000
SERIES = "x:BTC/USD:1h"
PARAMS = {"fast": 3, "slow": 8}


def candles(count: int, seed: int = 1) -> Candles:
    steps = np.random.default_rng(seed).normal(0, 0.01, count)
    close = 100 * np.exp(np.cumsum(steps))
    open_ = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    times = np.arange(count, dtype=np.int64) * HOUR
    return Candles("x", "BTC/USD", "1h", times, open_, high, low, close, np.ones(count))


def events(one: Candles) -> list:
    found = []
    for i in range(len(one)):
        event = CandleClosed(
            exchange="x",
            symbol=one.symbol,
            timeframe="1h",
            open_time=int(one.open_time[i]),
            close_time=int(one.close_time[i]),
            open=one.open[i],
            high=one.high[i],
            low=one.low[i],
            close=one.close[i],
            volume=one.volume[i],
            source="live",
        )
        found.append(decode_candle(event.model_dump_json().encode()))
    return found


class FakeStore:
    """Holds all candles, like market_data, which is never older than the topic."""

    def __init__(self, stored: Candles) -> None:
        self.stored = stored
        self.loads = 0
        self.archived = {}

    async def candles_before(self, exchange, symbol, timeframe, open_time, count):
        self.loads += 1
        before = self.stored.between(None, open_time)
        return before.rows(max(0, len(before) - count), len(before))

    async def archive(self, signals):
        self.archived |= {signal.id: signal for _, _, signal in signals}


class FakePublisher:
    def __init__(self) -> None:
        self.sent = []

    async def send_many(self, topic, messages):
        self.sent += messages


def configuration(config: int = 1, *, active: bool = True, revision: int = 1, params=None):
    return ConfigurationChanged(
        configuration_id=UUID(int=config),
        revision=revision,
        strategy="sma_cross",
        exchange="x",
        symbol="BTC/USD",
        timeframe="1h",
        params=PARAMS if params is None else params,
        stage="PAPER",
        is_active=active,
    )


def handler_on(store: FakeStore, publisher: FakePublisher, *configurations):
    registry = CollectorRegistry()
    active = ActiveConfigurations()
    for one in configurations:
        active.on_configuration(one)
    windows = Windows()
    handler = CandleHandler(
        active,
        windows,
        store,
        publisher,
        SignalMeters(registry),
        References(store, 0.01),
    )
    return handler, windows, registry


def deliver(handler, batch):
    asyncio.run(handler.on_candles([Delivery(event, SimpleNamespace()) for event in batch]))


def repaired(candle):
    event = CandleClosed(**{n: getattr(candle, n) for n in CandleClosed.model_fields})
    return decode_candle(event.model_copy(update={"source": "repaired"}).model_dump_json().encode())


def sent(publisher) -> list[CandleEvaluated]:
    return [CandleEvaluated.model_validate_json(value) for _, value in publisher.sent]


def expected(one: Candles, config: int = 1) -> dict:
    configuration = Configuration(UUID(int=config), "sma_cross", "x", "BTC/USD", "1h", PARAMS)
    return {int(one.close_time[row]): signal for row, signal in signals_of(configuration, one)}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batches_of_any_size_say_what_the_whole_series_says(size):
    one = candles(300)
    store, publisher = FakeStore(one), FakePublisher()
    handler, _, registry = handler_on(store, publisher, configuration())
    batch = events(one)
    for start in range(0, 300, size):
        deliver(handler, batch[start : start + size])
    found = sent(publisher)
    assert registry.get_sample_value("tradepulse_candles_evaluated_total") == 300
    assert registry.get_sample_value("tradepulse_event_time_seconds") == 300 * HOUR / 1000
    for action in get_args(Action):
        labels = {"strategy": "sma_cross", "action": action}
        told = registry.get_sample_value("tradepulse_signals_total", labels)
        assert told == sum(signal.action == action for signal in expected(one).values()), action
    assert [e.close_time for e in found] == one.close_time.tolist()
    assert {e.close_time: e.signals[0] for e in found if e.signals} == expected(one)
    assert set(store.archived) == {s.id for s in expected(one).values()}
    assert len(expected(one)) > 10


def test_after_a_restart_or_rebalance_the_window_comes_from_the_database():
    one = candles(200)
    store, publisher = FakeStore(one), FakePublisher()
    handler, windows, _ = handler_on(store, publisher, configuration())
    batch = events(one)
    deliver(handler, batch[:100])
    windows.forget_all()
    deliver(handler, batch[90:200])
    found = {e.close_time: e.signals for e in sent(publisher)}
    assert {t: s[0] for t, s in found.items() if s} == expected(one)


@pytest.mark.parametrize("hole", [1, 2, 30])
def test_a_window_ends_where_its_candle_begins(hole):
    """What the topic has left out may be stored: a window that is not next to it is not used."""
    one = candles(200)
    store, publisher = FakeStore(one), FakePublisher()
    handler, windows, _ = handler_on(store, publisher, configuration())
    batch = events(one)
    deliver(handler, batch[:100])
    last = batch[99].close_time
    assert windows.before(SERIES, last, 7) is not None
    for other in (last - HOUR, last + HOUR, last + hole * HOUR):
        assert windows.before(SERIES, other, 7) is None
    # fewer than are wanted
    assert windows.before(SERIES, last, 1_000) is None
    deliver(handler, batch[100 + hole :])
    found = {e.close_time: e.signals[0] for e in sent(publisher) if e.signals}
    left_out = {one.close_time[row] for row in range(100, 100 + hole)}
    assert found == {t: s for t, s in expected(one).items() if t not in left_out}


def test_a_repeat_is_not_evaluated_again_and_a_repair_renews_the_window():
    one = candles(50)
    store, publisher = FakeStore(one), FakePublisher()
    handler, windows, _ = handler_on(store, publisher, configuration())
    batch = events(one)
    deliver(handler, batch[:40])
    deliver(handler, batch[30:40])
    assert len(publisher.sent) == 40
    # a second one comes later, or again
    for row in (20, 21, 21):
        deliver(handler, [repaired(batch[row])])
    assert windows.last_open_time(SERIES) == batch[39].open_time
    loads = store.loads
    deliver(handler, batch[40:])
    assert store.loads == loads + 1
    assert [e.close_time for e in sent(publisher)] == one.close_time.tolist()


@pytest.mark.parametrize("size", [1, 2, 50])
def test_a_repair_reaches_the_window_also_in_one_batch_with_its_candle(size):
    true = candles(50)
    close = true.close.copy()
    close[30:32] = true.low[30:32]
    wrong = replace(true, close=close)
    store, publisher = FakeStore(true), FakePublisher()
    handler, windows, _ = handler_on(store, publisher, configuration())
    told = events(wrong)
    batch = [*told[:32], repaired(events(true)[30]), repaired(events(true)[31])]
    for start in range(0, len(batch), size):
        deliver(handler, batch[start : start + size])
    assert windows.before(SERIES, told[32].open_time, 1) is None
    deliver(handler, events(true)[32:])
    assert [e.close_time for e in sent(publisher)] == true.close_time.tolist()
    after = {e.close_time: e.signals[0] for e in sent(publisher)[32:] if e.signals}
    assert after == {t: s for t, s in expected(true).items() if t > true.close_time[31]}


FIGURES = ("open_time", "open", "high", "low", "close", "volume")


@pytest.mark.parametrize("size", [1, 5, 200])
def test_a_window_has_every_figure_in_its_place(size):
    """Also where it has run out of room, and however long it was to begin with."""
    one = candles(3 * SPARE + 10)
    one = replace(one, volume=np.arange(float(len(one))))
    told = events(one)
    window = Window(one.rows(0, 10))
    seen = []
    for start in range(10, len(one), size):
        window.add(told[start : start + size], 8)
        end = min(start + size, len(one))
        held = window.candles
        assert len(held) == len(window) >= min(end, 8 + len(told[start:end]))
        assert held.series == SERIES
        assert window.next_time == one.close_time[end - 1]
        assert window.last == (one.open_time[end - 1], one.close[end - 1])
        for name in FIGURES:
            expected_ = getattr(one, name)[end - len(held) : end]
            np.testing.assert_array_equal(getattr(held, name), expected_, name)
        np.testing.assert_array_equal(window.market[3, : window.end], held.close)
        seen.append((end, held))
    # it holds little more than was wanted, and what was shown of it before is still there
    assert len(window) <= 8 + SPARE + size
    for end, held in seen:
        np.testing.assert_array_equal(held.close, one.close[end - len(held) : end])


def test_what_a_window_shows_can_only_be_read():
    window = Window(candles(3))
    for shown in (window.market, window.candles.close, window.candles.volume):
        assert not shown.flags.writeable


def test_a_hole_splits_the_batch():
    batch = events(candles(10))
    parts = segments([*batch[:3], *batch[5:]])
    assert [len(part) for part in parts] == [3, 5]


def test_without_configurations_every_candle_still_has_its_evaluation():
    one = candles(20)
    publisher = FakePublisher()
    handler, _, _ = handler_on(FakeStore(one), publisher)
    deliver(handler, events(one))
    assert [(e.configurations, e.signals) for e in sent(publisher)] == [(0, ())] * 20
    # the template must be what the contract itself would write
    assert [value for _, value in publisher.sent] == [
        e.model_dump_json().encode() for e in sent(publisher)
    ]


@pytest.mark.parametrize("size", [1, 300])
def test_an_evaluation_is_written_as_the_contract_would(size):
    one = replace(candles(300), symbol='B"Ü/USD')
    publisher = FakePublisher()
    named = [
        configuration(n, params={"fast": n, "slow": 8}).model_copy(update={"symbol": one.symbol})
        for n in (2, 3)
    ]
    handler, _, _ = handler_on(FakeStore(one), publisher, *named)
    batch = events(one)
    for start in range(0, 300, size):
        deliver(handler, batch[start : start + size])
    assert [value for _, value in publisher.sent] == [
        e.model_dump_json().encode() for e in sent(publisher)
    ]
    assert {len(e.signals) for e in sent(publisher)} == {0, 1, 2}
    assert {key for key, _ in publisher.sent} == {f"x:{one.symbol}"}


def cheating(monkeypatch, fails):
    """Have the strategy of configuration 2 raise where `fails` says so of open times."""
    real = evaluation.evaluations_of

    def cheat(configuration, candles, first):
        if configuration.configuration_id.int == 2 and fails(candles.open_time[first:]).any():
            raise ZeroDivisionError("a user's\nmistake")
        return real(configuration, candles, first)

    monkeypatch.setattr(evaluation, "evaluations_of", cheat)
    one_by_one = evaluation.last_of

    def cheat_last(configuration, market, end):
        if configuration.configuration_id.int == 2:
            # what it was is found by the other way
            raise ZeroDivisionError
        return one_by_one(configuration, market, end)

    monkeypatch.setattr(evaluation, "last_of", cheat_last)


def test_a_failing_strategy_is_left_out_counted_and_told_in_one_line(monkeypatch, caplog):
    one = candles(60)
    publisher = FakePublisher()
    handler, _, registry = handler_on(
        FakeStore(one), publisher, configuration(), configuration(2, params={"fast": 5, "slow": 9})
    )
    cheating(monkeypatch, lambda times: times >= 0)
    with caplog.at_level("INFO"):
        deliver(handler, events(one))
    assert {e.close_time: e.signals[0] for e in sent(publisher) if e.signals} == expected(one)
    failed = registry.get_sample_value(
        "tradepulse_strategy_failures_total", {"strategy": "sma_cross"}
    )
    # of each candle that passed without its signal
    assert failed == 60
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert line.getMessage() == (
        f"strategy sma_cross on {SERIES}: ZeroDivisionError: a user's mistake"
    )
    assert line.exc_info is None


def test_a_strategy_that_fails_at_one_candle_loses_that_one_however_they_come(monkeypatch):
    one = candles(300)
    lost = expected(one, 2)
    bad = next(iter(lost)) - HOUR
    del lost[bad + HOUR]
    cheating(monkeypatch, lambda open_times: open_times == bad)
    found = []
    for size in (300, 7, 1):
        publisher = FakePublisher()
        handler, _, registry = handler_on(FakeStore(one), publisher, configuration(2))
        batch = events(one)
        for at in range(0, 300, size):
            deliver(handler, batch[at : at + size])
        found.append({e.close_time: e.signals[0] for e in sent(publisher) if e.signals})
        assert (
            registry.get_sample_value(
                "tradepulse_strategy_failures_total", {"strategy": "sma_cross"}
            )
            == 1
        )
    assert found == [lost] * 3


@pytest.mark.parametrize("size", [60, 1])
def test_an_entry_that_is_refused_for_its_levels_is_counted_and_told(monkeypatch, caplog, size):
    one = candles(60)
    publisher = FakePublisher()
    # one that is switched off would have entered nothing
    off = configuration(2, active=False)
    handler, _, registry = handler_on(FakeStore(one), publisher, configuration(), off)
    real = evaluation.evaluations_of

    def wrong(configuration, candles, first):
        found = real(configuration, candles, first)
        rows = np.flatnonzero(found.action == 1)
        found.action[rows] = 0
        return replace(found, refused=rows, refused_for=np.full(len(rows), 3, np.int8))

    monkeypatch.setattr(evaluation, "evaluations_of", wrong)
    one_by_one = evaluation.last_of

    def wrong_last(*args):
        said = one_by_one(*args)
        return said._replace(action=3) if said is not None and said.action == 1 else said

    monkeypatch.setattr(evaluation, "last_of", wrong_last)
    entries = sum(signal.action == "enter_long" for signal in expected(one).values())
    assert entries > 0
    batch = events(one)
    with caplog.at_level("INFO"):
        for start in range(0, 60, size):
            deliver(handler, batch[start : start + size])
    assert not [s for e in sent(publisher) for s in e.signals if s.action != "exit"]
    assert (
        registry.get_sample_value("tradepulse_refused_levels_total", {"strategy": "sma_cross"})
        == entries
    )
    each, lines = (1, entries) if size == 1 else (entries, 1)
    told = f"{each} entries of sma_cross on {SERIES} refused: its stop is on the wrong side"
    assert [told in record.getMessage() for record in caplog.records] == [True] * lines


def test_a_message_that_cannot_be_handled_is_put_aside_and_nothing_else_is_lost():
    one = candles(64)
    publisher = FakePublisher()
    handler, windows, _ = handler_on(FakeStore(one), publisher, configuration())
    batch = [Delivery(event, SimpleNamespace(offset=i)) for i, event in enumerate(events(one))]

    async def handle(part):
        await handler.on_candles(part)
        if any(delivery.record.offset == 37 for delivery in part):
            raise ZeroDivisionError("poison")

    ((record, reason),) = asyncio.run(handled(batch, handle, windows.forget_all))
    assert (record.offset, reason) == (37, "cannot be handled: ZeroDivisionError('poison')")
    found = {e.close_time: e.signals for e in sent(publisher)}
    assert set(found) == set(one.close_time.tolist())
    assert {t: s[0] for t, s in found.items() if s} == expected(one)


def test_a_configuration_that_was_switched_off_still_leaves_its_position():
    one = candles(300)
    publisher = FakePublisher()
    handler, _, _ = handler_on(FakeStore(one), publisher, configuration(active=False))
    deliver(handler, events(one))
    exits = {t: s for t, s in expected(one).items() if s.action == "exit"}
    assert {e.close_time: e.signals[0] for e in sent(publisher) if e.signals} == exits
    assert len(exits) > 5


@pytest.mark.parametrize(("has_traded", "followed"), [(True, 1), (False, 0)])
@pytest.mark.parametrize("stage", ["DISCOVERY", "VALIDATION"])
def test_what_traded_is_left_by_its_rules_whatever_its_stage(stage, has_traded, followed):
    # a decayed one that is validated again, say, while it still holds a position
    active = ActiveConfigurations()
    change = {"stage": stage, "has_traded": has_traded}
    active.on_configuration(configuration(active=False).model_copy(update=change))
    found = active.on(SERIES)
    assert len(found) == followed
    assert all(one.exits_only for one in found)


def test_configurations_follow_the_latest_revision():
    active = ActiveConfigurations()
    active.on_configuration(configuration(revision=2))
    active.on_configuration(configuration(revision=1, active=False))
    assert len(active) == 1
    active.on_configuration(configuration(revision=3, active=False))
    assert len(active) == 0
    active.on_configuration(configuration(revision=4, params={"fast": 50, "slow": 8}))
    assert len(active) == 0


@pytest.fixture
def new_strategy():
    """A strategy of this file, which nothing has compiled yet."""

    @strategy(space=(), defaults={}, features={"mean": sma_of_seven})
    def new_here(i, c, f, p):
        """Idea: none. Source: none."""
        return enter_long() if f.mean[i] > f.mean[i - 1] else leave()

    yield new_here
    del STRATEGIES["new_here"]


@compiled
def _of_seven(open_, high, low, close, volume, args):
    return window_mean(close, 7)


sma_of_seven = Feature(_of_seven, (), lambda: 7)


@pytest.mark.parametrize("size", [1, 20])
def test_no_candle_waits_for_a_compilation(new_strategy, size):
    one = candles(20)
    named = configuration().model_copy(update={"strategy": new_strategy.name, "params": {}})
    publisher = FakePublisher()
    handler, _, _ = handler_on(FakeStore(one), publisher, named)
    compilations = [new_strategy.last.dispatcher, new_strategy._evaluate.dispatcher]
    # one variant each, before the first candle
    before = [list(one.signatures) for one in compilations]
    assert [len(one) for one in before] == [1, 1]
    batch = events(one)
    for start in range(0, 20, size):
        deliver(handler, batch[start : start + size])
    assert [list(one.signatures) for one in compilations] == before
    assert [bool(e.signals) for e in sent(publisher)] == [False] * 7 + [True] * 13


async def test_a_kernel_is_compiled_beside_the_event_loop() -> None:
    """Cold, it takes up to 20 s: Kafka would take the partitions away, /livez say nothing."""
    goes_on = threading.Event()
    seen: list[bool] = []
    active = ActiveConfigurations(lambda _: seen.append(goes_on.wait(30)))
    one = configuration(revision=1)
    taking = asyncio.create_task(active.on_configurations([delivered(one)]))
    while not taking.done():
        # only a loop that turns comes here again
        goes_on.set()
        await asyncio.sleep(0.01)
    assert seen == [True]
    assert [c.configuration_id for c in active.on(one.series)] == [one.configuration_id]


async def test_what_cannot_be_compiled_takes_the_former_revision_with_it() -> None:
    def refuse(_: object) -> None:
        raise ValueError("no such strategy")

    one = configuration(revision=1)
    refusing = ActiveConfigurations(refuse)
    await refusing.on_configurations([delivered(one)])
    assert len(refusing) == 0
    # it is not tried again
    await ActiveConfigurations().on_configurations([delivered(one), delivered(one)])


def delivered(event: ConfigurationChanged) -> Delivery:
    topic = CONFIGURATIONS.name
    return Delivery(event, ConsumerRecord(topic, 0, 0, 0, 0, None, b"", None, 0, 0, ()))
