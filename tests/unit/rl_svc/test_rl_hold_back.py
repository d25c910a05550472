"""rl_svc stops reading what is far ahead of a silent series, and goes on once it has come."""

from collections.abc import Collection, Sequence
from typing import Any, cast

from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry

from contracts.events import CandleClosed, FeedSeries
from contracts.topics import CANDLES
from rl_svc.handlers import WeightDecider
from rl_svc.meters import WeightMeters
from rl_svc.portfolio import CANDLE, Portfolio
from rl_svc.store import WeightStore
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.hold_back import FAR_AHEAD, partition_of_series
from tradepulse.runtime.outbox import Relay
from tradepulse.runtime.ownership import Ownership
from tradepulse.runtime.reading import AssignedReading
from tradepulse.trading.event_time import EventTime
from tradepulse.trading.policies.named import policy_named

MINUTE = 60_000


class Reading:
    topic = CANDLES
    is_behind = False

    def __init__(self) -> None:
        self.paused: set[int] = set()

    def pause_only(self, numbers: Collection[int]) -> None:
        self.paused = set(numbers)

    async def put_aside(self, refused: Sequence[object]) -> None:
        assert not refused


class Quiet:
    """A store and a relay that do nothing."""

    async def record(self, *_: Any) -> None:
        pass

    def wake(self) -> None:
        pass


def candle(series: FeedSeries, number: int) -> Delivery:
    event = CandleClosed(
        exchange="x",
        symbol=series.symbol,
        timeframe="1m",
        open_time=number * MINUTE,
        close_time=(number + 1) * MINUTE,
        open=1,
        high=1,
        low=1,
        close=1,
        volume=1,
        source="replay",
    )
    partition = partition_of_series(series.series)
    record = ConsumerRecord(CANDLES.name, partition, number, 0, 0, None, b"", None, 0, 0, ())
    return Delivery(event, record)


async def test_what_leads_is_paused_until_the_silent_series_has_come() -> None:
    quiet, reading = Quiet(), Reading()
    decider = WeightDecider(
        cast(WeightStore, quiet),
        cast(Relay, quiet),
        WeightMeters(CollectorRegistry(), "main"),
        lambda: 10_000 * MINUTE,
    )
    candles = cast(AssignedReading, reading)
    decider.reads(candles, candles)
    names = ("A/USD", "B/USD", "C/USD", "D/USD")
    series = [
        FeedSeries(exchange="x", symbol=name, timeframe="1m", first_open_time=0) for name in names
    ]
    portfolio = Portfolio("main", policy_named("equal", lookback=2, fixed={}), EventTime((CANDLE,)))
    decider.take_over(Ownership("weights:main", 1, 0, {}, {}), portfolio, 2)
    for one in series:
        portfolio.on_series(one, [])
    silent, *others = series
    leading = {partition_of_series(one.series) for one in others}
    leading -= {partition_of_series(silent.series)}
    assert leading
    for begin in range(0, FAR_AHEAD + 100, 300):
        for one in others:
            await decider.on_candles([candle(one, number) for number in range(begin, begin + 300)])
    assert reading.paused == leading
    await decider.on_candles([candle(silent, number) for number in range(FAR_AHEAD)])
    assert reading.paused == set()
