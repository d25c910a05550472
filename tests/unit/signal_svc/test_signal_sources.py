"""signal_svc and strategies that look at a higher timeframe or at another instrument."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from uuid import UUID

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from contracts.events import CandleEvaluated, ConfigurationChanged
from signal_svc.active import ActiveConfigurations
from signal_svc.handlers import CandleHandler, SignalMeters
from signal_svc.references import OUTAGE_CLOSES, References
from signal_svc.windows import SPARE, Windows
from tests.candle_series import as_events, random_walk
from tradepulse.candles.arrays import Candles
from tradepulse.runtime.codec import decode_candle
from tradepulse.runtime.delivery import Delivery
from tradepulse.strategies import Param, enter_long, hold, leave, strategy
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.columns import column
from tradepulse.strategies.evaluate import Configuration, signals_of
from tradepulse.strategies.market import Market

COUNT = 420
HOLES = {*range(60, 64), *range(150, 290, 7), 300}
ETH = random_walk("ETH/USD", COUNT, seed=3, without=HOLES)
BTC = random_walk("BTC/USD", COUNT, seed=4, without={*range(70, 75), *range(160, 400, 9)})
LTC = random_walk("LTC/USD", COUNT, seed=5)
STEP = int(LTC.open_time[1] - LTC.open_time[0])
CHOSEN = {
    "trend_pullback": {"window": 5, "trend_window": 5, "stop_atr": 1},
    "relative_strength": {"window": 12, "edge": 0.004, "max_age": 1},
    "in_python": {"window": 5},
}


def smoothed(c: Market, window: float) -> np.ndarray:
    """Smooth the closes from the array's first row on."""
    out = c.close.copy()
    for i in range(1, len(out)):
        out[i] = out[i - 1] + (out[i] - out[i - 1]) / window
    return out


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Register a strategy whose columns a Python function computes, one on higher candles."""

    @strategy(
        space=(Param("window", 2, 20, integer=True),),
        defaults={"window": 14},
        features={
            "near": column(smoothed, "window", rows=7),
            "far": column(smoothed, "window", rows=5, on="2h"),
        },
    )
    def in_python(i, c, f, p):
        """Idea: none. Source: none."""
        if f.near[i] > f.far[i] and f.near[i - 1] <= f.far[i - 1]:
            return enter_long(stop=min(f.near[i], f.far[i]) * 0.9)
        if f.near[i] < f.far[i] and f.near[i - 1] >= f.far[i - 1]:
            return leave()
        return hold()

    yield
    del STRATEGIES["in_python"]


def wire(candles: Candles, source: str = "live") -> list:
    return [
        decode_candle(one.model_copy(update={"source": source}).model_dump_json().encode())
        for one in as_events([candles])
    ]


class World:
    """A database that has stored what was published, and a clock that only sleeping moves."""

    def __init__(self, *stored: Candles) -> None:
        self.stored = {one.series: one for one in stored}
        self.until = dict.fromkeys(self.stored, 2**60)
        self.now = 0.0
        self.slept = 0
        self.on_sleep = None
        self.sent = []

    async def candles_before(self, exchange, symbol, timeframe, open_time, count):
        whole = self.stored[f"{exchange}:{symbol}:{timeframe}"]
        before = whole.between(None, min(open_time, self.until[whole.series]))
        return before.rows(max(0, len(before) - count), len(before))

    async def last_close(self, exchange, symbol, timeframe):
        whole = self.stored[f"{exchange}:{symbol}:{timeframe}"]
        shown = whole.between(None, self.until[whole.series]).close_time
        return int(shown[-1]) if len(shown) else 0

    async def archive(self, signals):
        pass

    async def send_many(self, _topic, messages):
        self.sent += [(self.now, CandleEvaluated.model_validate_json(one)) for _, one in messages]

    async def sleep(self, seconds):
        self.slept += 1
        self.now += seconds
        if self.on_sleep is not None:
            self.on_sleep()


def handler_on(
    world: World, strategy: str, *series: Candles, params: dict | None = None
) -> tuple[CandleHandler, Windows]:
    active = ActiveConfigurations()
    for one in series:
        active.on_configuration(
            ConfigurationChanged(
                configuration_id=UUID(int=1), revision=1, strategy=strategy,
                exchange=one.exchange, symbol=one.symbol, timeframe=one.timeframe,
                params=params or CHOSEN[strategy], stage="PAPER", is_active=True,
            )
        )  # fmt: skip
    windows = Windows()
    references = References(world, 3.0, lambda: world.now, world.sleep)
    meters = SignalMeters(CollectorRegistry())
    return CandleHandler(active, windows, world, world, meters, references), windows


def deliver(handler: CandleHandler, batch: list) -> None:
    asyncio.run(handler.on_candles([Delivery(one, SimpleNamespace()) for one in batch]))


def expected(strategy: str, *, btc: Candles = BTC) -> dict:
    of = Configuration(UUID(int=1), strategy, "test", "ETH/USD", "30m", CHOSEN[strategy])
    candles = replace(ETH, references={"test:BTC/USD": btc})
    return {int(ETH.close_time[row]): one for row, one in signals_of(of, candles)}


def said(world: World) -> dict:
    return {one.close_time: one.signals[0] for _, one in world.sent if one.signals}


@pytest.mark.parametrize("strategy", list(CHOSEN))
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_live_is_batch_over_holes_restarts_and_batches_of_any_size(
    strategy: str, size: int
) -> None:
    world = World(ETH, BTC)
    handler, windows = handler_on(world, strategy, ETH)
    candles = wire(ETH)
    for begin in range(0, len(candles), size):
        deliver(handler, candles[begin : begin + size])
        if begin % 5 == 0:
            windows.forget_all()
    assert len(world.sent) == len(ETH)
    assert said(world) == expected(strategy)
    assert len(said(world)) > 15


def test_a_repaired_reference_counts_from_then_on() -> None:
    late = BTC.open_time[200]
    rough = replace(BTC, close=np.where(BTC.open_time == late, BTC.close * 1.2, BTC.close))
    world = World(ETH, rough)
    handler, _ = handler_on(world, "relative_strength", ETH)
    candles = wire(ETH)
    cut = int(np.searchsorted(ETH.open_time, late)) + 3
    deliver(handler, candles[:cut])
    world.stored[BTC.series] = BTC
    for one in candles[cut:]:
        deliver(handler, [one])
    close = int(ETH.close_time[cut])
    assert {t: s for t, s in said(world).items() if t >= close} == {
        t: s for t, s in expected("relative_strength").items() if t >= close
    }
    assert expected("relative_strength", btc=rough) != expected("relative_strength")


def test_a_repair_renews_the_higher_candles_that_are_kept() -> None:
    late = LTC.open_time[150]
    there = LTC.open_time == late
    rough = replace(
        LTC,
        close=np.where(there, LTC.close * 1.3, LTC.close),
        high=np.where(there, LTC.high * 1.4, LTC.high),
    )
    world = World(rough)
    handler, _ = handler_on(world, "trend_pullback", LTC)
    cut = 158  # its four hours have closed since
    for one in wire(rough)[:cut]:
        deliver(handler, [one])
    world.stored[LTC.series] = LTC
    deliver(handler, [wire(LTC, "repaired")[150]])
    for one in wire(LTC)[cut:]:
        deliver(handler, [one])
    of = Configuration(
        UUID(int=1), "trend_pullback", "test", "LTC/USD", "30m", CHOSEN["trend_pullback"]
    )
    close = int(LTC.close_time[cut])

    def since(candles: Candles) -> dict:
        told = {int(candles.close_time[row]): one for row, one in signals_of(of, candles)}
        return {time: one for time, one in told.items() if time >= close}

    assert {time: one for time, one in said(world).items() if time >= close} == since(LTC)
    assert since(rough) != since(LTC)


def test_a_live_candle_waits_for_the_reference_and_holds_up_nobody_else() -> None:
    world = World(ETH, BTC, LTC)
    handler, _ = handler_on(world, "relative_strength", ETH)
    eth, ltc = wire(ETH)[100], wire(LTC)[104]
    assert eth.close_time == ltc.close_time
    world.until[BTC.series] = eth.open_time

    def comes() -> None:
        if world.now > 1:
            world.until[BTC.series] = 2**60

    world.on_sleep = comes
    deliver(handler, [eth, ltc])
    (first, other), (then, waited) = world.sent
    assert (other.symbol, first) == ("LTC/USD", 0.0)
    assert waited.symbol == "ETH/USD"
    assert 1 < then < 1.2


def test_a_silent_reference_is_waited_for_until_the_grace_ends_and_then_not_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(ETH, BTC)
    handler, _ = handler_on(world, "relative_strength", ETH)
    candles = wire(ETH)[110:130]
    last = int(BTC.open_time[BTC.open_time < candles[0].open_time][-1])
    world.until[BTC.series] = last + 1
    for one in candles:
        deliver(handler, [one])
    # each close by itself until it is an outage
    behind = [(one.close_time - last - STEP) // STEP for one in candles]
    assert world.now == pytest.approx(3 * sum(n <= OUTAGE_CLOSES for n in behind), abs=0.5)
    assert "evaluated without the candle of test:BTC/USD:30m, 1 closes behind" in caplog.text
    # once it shows itself again it is waited for again
    world.until[BTC.series] = candles[-1].open_time
    before = world.slept
    deliver(handler, wire(ETH)[130:131])
    assert world.slept > before


def test_a_replay_has_stored_all_of_a_close_and_waits_for_nothing() -> None:
    world = World(ETH, BTC)
    handler, _ = handler_on(world, "relative_strength", ETH)
    world.until[BTC.series] = 0
    deliver(handler, wire(ETH, "replay")[:50])
    assert world.slept == 0
    assert len(world.sent) == 50


def test_what_cannot_be_on_its_timeframe_is_left_out_in_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    daily = replace(LTC, timeframe="1d")
    handler, _ = handler_on(World(daily), "trend_pullback", daily)
    assert "configuration ignored: trend_pullback: 4h is no multiple of 1d" in caplog.text
    assert handler._active.on(daily.series) == ()


def test_on_the_timeframe_of_the_series_it_is_a_plain_strategy() -> None:
    four = random_walk("LTC/USD", 300, seed=6, timeframe="4h")
    world = World(four)
    handler, _ = handler_on(world, "trend_pullback", four)
    for one in wire(four):
        deliver(handler, [one])
    of = Configuration(
        UUID(int=1), "trend_pullback", "test", "LTC/USD", "4h", CHOSEN["trend_pullback"]
    )
    assert said(world) == {int(four.close_time[row]): one for row, one in signals_of(of, four)}
    assert len(said(world)) > 15


def test_a_long_batch_has_more_higher_candles_than_a_row_needs() -> None:
    long = random_walk("LTC/USD", 1_000, seed=8)
    world = World(long)
    handler, _ = handler_on(world, "trend_pullback", long)
    candles = wire(long)
    for begin, end in ((0, 100), (100, 101), (101, 1_000)):
        deliver(handler, candles[begin:end])
    of = Configuration(
        UUID(int=1), "trend_pullback", "test", "LTC/USD", "30m", CHOSEN["trend_pullback"]
    )
    assert said(world) == {int(long.close_time[row]): one for row, one in signals_of(of, long)}
    assert len(said(world)) > 50


@pytest.mark.parametrize("size", [1, 90])
def test_beside_higher_candles_few_of_the_series_are_kept(size: int) -> None:
    world = World(LTC)
    params = {**CHOSEN["trend_pullback"], "trend_window": 20}
    handler, windows = handler_on(world, "trend_pullback", LTC, params=params)
    candles = wire(LTC)
    for begin in range(0, len(candles), size):
        deliver(handler, candles[begin : begin + size])
    of = Configuration(UUID(int=1), "trend_pullback", "test", "LTC/USD", "30m", params)
    assert said(world) == {int(LTC.close_time[row]): one for row, one in signals_of(of, LTC)}
    assert len(said(world)) > 15
    window = windows.before(LTC.series, int(LTC.close_time[-1]), of.lookback - 1)
    assert window is not None
    # of 168 that are asked for, 16 and the spare ones
    assert window.before + window.end >= of.lookback > 160
    assert window.end <= of.near + 2 * SPARE + size
    assert window.before > 100
    # another configuration may need more of the series than is kept
    assert windows.before(LTC.series, int(LTC.close_time[-1]), 167, window.end + 1) is None
    assert windows.before(LTC.series, int(LTC.close_time[-1]), 9, 9, frozenset({"1d"})) is None
