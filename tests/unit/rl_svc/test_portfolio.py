"""The portfolio: a restart at any close changes no weight, and capital follows what is traded."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import CandleClosed, FeedSeries, PortfolioWeightsDecided
from rl_svc.portfolio import CANDLE, Portfolio
from tests.made_models import made_model
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.trading.event_time import EventTime
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.weights import EqualWeights, InverseVolatility

HOUR = 3_600_000
LOOKBACK = 4
NOBODY = ("candles/0", 0)


def candle(series: str, close_time: int, close: float, source: str = "replay") -> CandleClosed:
    exchange, symbol, timeframe = series.split(":")
    return CandleClosed(
        exchange=exchange,
        symbol=symbol,
        timeframe=timeframe,
        open_time=close_time - timeframe_ms(timeframe),
        close_time=close_time,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=1.0,
        source=source,
    )


def announced(series: str, first: int, last: int | None) -> FeedSeries:
    exchange, symbol, timeframe = series.split(":")
    return FeedSeries(
        exchange=exchange,
        symbol=symbol,
        timeframe=timeframe,
        first_open_time=first,
        last_close_time=last,
    )


class Service:
    """The portfolio with all that is stored; it can be started again."""

    def __init__(
        self, stored: dict[str, dict[int, float]], feeds: list[FeedSeries], grace_ms: int | None
    ) -> None:
        self.stored = stored
        self.feeds = feeds
        self.grace_ms = grace_ms
        self.start(0, {})

    def start(self, settled: int, frontiers: dict[str, int]) -> None:
        event_time = EventTime(
            (CANDLE,), settled=settled, frontiers=frontiers, grace_ms=self.grace_ms
        )
        self.portfolio = Portfolio("main", InverseVolatility(LOOKBACK), event_time)
        for one in self.feeds:
            until = self.portfolio.known_until(one)
            assert until is not None
            known = sorted((t, c) for t, c in self.stored[one.series].items() if t <= until)
            self.portfolio.on_series(one, known[-LOOKBACK - 1 :])

    def restart(self) -> None:
        """Start again where it stands; what was only gathered is to be taken again."""
        event_time = self.portfolio.event_time
        self.start(event_time.settled, event_time.frontiers())

    def take(self, event: CandleClosed, now: int) -> list[PortfolioWeightsDecided]:
        self.stored[event.series][event.close_time] = event.close
        self.portfolio.on_candle(event, NOBODY, now)
        return self.decide(now)

    def decide(self, now: int) -> list[PortfolioWeightsDecided]:
        decided = []
        while (event := self.portfolio.decide_next(now)) is not None:
            decided.append(event)
        return decided


def walk(series: Iterable[str], hours: int, chance: random.Random) -> list[tuple[str, int, float]]:
    """Make closes on a path for each symbol, by close time; some are missing."""
    path = {}
    for symbol in sorted({one.rpartition(":")[0] for one in series}):
        price = 100.0
        for hour in range(hours + 1):
            path[symbol, hour] = price = price * (1 + chance.gauss(0, 0.01))
    return [
        (one, hour * HOUR, path[one.rpartition(":")[0], hour])
        for hour in range(1, hours + 1)
        for one in series
        if hour * HOUR % timeframe_ms(one.rpartition(":")[2]) == 0 and chance.random() > 0.1
    ]


EVENTS = walk(("x:A/USD:1h", "x:A/USD:4h", "x:B/USD:1h"), 420, random.Random(5))

TWO_TIMEFRAMES = ("x:A/USD:1h", "x:A/USD:4h", "x:B/USD:1h", "x:C/USD:2h")


@given(st.sets(st.integers(0, 200)), st.integers(0, 3))
def test_restarts_at_any_moment_change_no_weight(restarts, seed):
    events = walk(TWO_TIMEFRAMES, 60, random.Random(seed))
    before, after = events[:40], events[40:]
    first, last = {}, {}
    for series, close_time, _ in after:
        first.setdefault(series, close_time - timeframe_ms(series.rpartition(":")[2]))
        last[series] = close_time
    feeds = [announced(series, first[series], last[series]) for series in TWO_TIMEFRAMES]
    results = []
    for at in (set(), restarts):
        stored: dict[str, dict[int, float]] = {series: {} for series in TWO_TIMEFRAMES}
        for series, close_time, close in before:
            stored[series][close_time] = close
        service = Service(stored, feeds, None)
        decided = []
        number, left = 0, set(at)
        while number < len(after):
            if number in left:
                left.discard(number)
                service.restart()
                # what was read and not decided is read again
                settled = service.portfolio.event_time.settled
                number = next(i for i, (_, time, _) in enumerate(after) if time > settled)
            series, close_time, close = after[number]
            decided += service.take(candle(series, close_time, close), 0)
            number += 1
        results.append(decided)
    assert results[0] == results[1]
    assert [event.close_time for event in results[0]] == sorted({time for _, time, _ in after})


@given(st.integers(0, 10), st.booleans())
def test_a_correction_counts_with_and_without_a_restart(seed, is_restarted):
    """Live: of what was decided it changes nothing, of what comes everything that is stored."""
    chance = random.Random(seed)
    events = walk(("x:A/USD:1h", "x:B/USD:1h"), 30, chance)
    feeds = [announced(series, 0, None) for series in ("x:A/USD:1h", "x:B/USD:1h")]
    service = Service({"x:A/USD:1h": {}, "x:B/USD:1h": {}}, feeds, 1)
    calm = Service({"x:A/USD:1h": {}, "x:B/USD:1h": {}}, feeds, 1)
    for series, close_time, close in events:
        event = candle(series, close_time, close)
        assert service.take(event, close_time) == calm.take(event, close_time)
        assert service.decide(close_time + 1) == calm.decide(close_time + 1)
        if chance.random() < 0.3:
            fixed = candle(series, close_time, close * 1.02, "repaired")
            assert service.take(fixed, close_time + 1) == calm.take(fixed, close_time + 1) == []
        if is_restarted and chance.random() < 0.3:
            service.restart()


def test_an_ended_instrument_leaves_its_weight_to_the_others():
    names = [f"x:{letter}/USD:1h" for letter in "ABCD"]
    ends = dict(zip(names, (6, 3, 3, 6), strict=True))
    feeds = [announced(name, 0, end * HOUR) for name, end in ends.items()]
    feeds.append(announced("x:A/USD:2h", 0, 2 * HOUR))
    # it begins later
    feeds.append(announced("x:E/USD:1h", 4 * HOUR, 6 * HOUR))
    service = Service({one.series: {} for one in feeds}, feeds, None)
    weights = {}
    for close in range(1, 7):
        for name, end in (*ends.items(), ("x:E/USD:1h", 6)):
            if close <= end and (name != "x:E/USD:1h" or close > 4):
                for event in service.take(candle(name, close * HOUR, 100.0), 0):
                    weights[event.close_time // HOUR] = event.weights
        if close == 2:
            for event in service.take(candle("x:A/USD:2h", 2 * HOUR, 100.0), 0):
                weights[event.close_time // HOUR] = event.weights
    shown = {close: "".join(name[2] for name in one) for close, one in weights.items()}
    assert shown == {1: "ABCD", 2: "ABCD", 3: "AD", 4: "ADE", 5: "ADE", 6: ""}
    assert weights[3] == {"x:A/USD": 0.5, "x:D/USD": 0.5}


def test_a_series_that_is_followed_no_longer_has_no_weight_and_none_is_missed():
    feeds = [announced(f"x:{letter}/USD:1h", 0, None) for letter in "AB"]
    service = Service({one.series: {} for one in feeds}, feeds, 1)
    decided = []
    for letter in "AB":
        decided += service.take(candle(f"x:{letter}/USD:1h", HOUR, 100.0), 0)
    assert decided[-1].weights == {"x:A/USD": 0.5, "x:B/USD": 0.5}
    service.portfolio.on_series(announced("x:B/USD:1h", 0, HOUR + 1))
    (event,) = service.take(candle("x:A/USD:1h", 2 * HOUR, 100.0), 0)
    assert (event.weights, event.missing) == ({"x:A/USD": 1.0}, ())
    # it is followed again
    assert service.portfolio.known_until(announced("x:B/USD:1h", 2 * HOUR, None)) == 2 * HOUR
    service.portfolio.on_series(announced("x:B/USD:1h", 2 * HOUR, None), [])
    for letter in "AB":
        decided = service.take(candle(f"x:{letter}/USD:1h", 3 * HOUR, 100.0), 0)
    assert decided[-1].weights == {"x:A/USD": 0.5, "x:B/USD": 0.5}


def test_another_policy_is_followed_from_the_next_close_on():
    event_time = EventTime((CANDLE,), grace_ms=1)
    portfolio = Portfolio("main", InverseVolatility(LOOKBACK), event_time, lookback=336)
    for letter, growth in (("A", 1.01), ("B", 1.03)):
        known = [(hour * HOUR, growth ** (hour % 2)) for hour in range(1, 338)]
        portfolio.on_series(announced(f"x:{letter}/USD:1h", 337 * HOUR, None), known)
    model = LearnedPolicy(made_model(1, timeframe="1h"), 1.5)
    decided = []
    for hour, policy in ((338, None), (339, model), (340, EqualWeights())):
        if policy is not None:
            portfolio.follow(policy)
        for letter in "AB":
            portfolio.on_candle(candle(f"x:{letter}/USD:1h", hour * HOUR, 1.02), NOBODY, 0)
        decided.append(portfolio.decide_next(0))
    assert [one.policy for one in decided] == ["inverse_volatility", model.name, "equal"]
    assert [one.model_id for one in decided] == [None, model.model_id, None]
    assert [one.budget for one in decided] == [1, 1.5, 1]
    assert [one.fallback for one in decided] == [None] * 3
    with pytest.raises(ValueError, match="needs 337 returns of each series, 336 are kept"):
        portfolio.follow(InverseVolatility(337))


def test_a_restart_under_a_model_changes_no_weight():
    series = ("x:A/USD:1h", "x:A/USD:4h", "x:B/USD:1h")
    model = LearnedPolicy(made_model(1, timeframe="1h"))
    stored: dict[str, list[tuple[int, float]]] = {name: [] for name in series}
    event_time = EventTime((CANDLE,))
    one = Portfolio("main", model, event_time)
    last = {name: max(t for s, t, _ in EVENTS if s == name) for name in series}
    feeds = [announced(name, 0, last[name]) for name in series]
    for feed in feeds:
        one.on_series(feed, [])
    again, compared = None, 0
    for number, (name, time, close) in enumerate(EVENTS):
        stored[name].append((time, close))
        one.on_candle(candle(name, time, close), NOBODY, 0)
        if again is not None:
            again.on_candle(candle(name, time, close), NOBODY, 0)
        while (event := one.decide_next(0)) is not None:
            if again is not None:
                assert again.decide_next(0) == event
                compared += event.policy == model.name
        if again is None and number > 750 and event_time.settled == time:
            settled, frontiers = event_time.settled, event_time.frontiers()
            again = Portfolio(
                "main", model, EventTime((CANDLE,), settled=settled, frontiers=frontiers)
            )
            for feed in feeds:
                assert again.known_until(feed) == frontiers[f"{CANDLE} {feed.series}"]
                again.on_series(feed, stored[feed.series][-again.lookback - 1 :])
    assert compared > 30


def closes_seen(service: Service, series: str) -> list[float]:
    """Return the returns that count now."""
    return service.portfolio._history.returns([series])[series.rpartition(":")[0]]


def test_a_correction_before_its_close_is_decided_counts_when_it_is():
    feeds = [announced(f"x:{letter}/USD:1h", 0, None) for letter in "AB"]
    service = Service({one.series: {} for one in feeds}, feeds, 10)
    for close, price in ((1, 100.0), (2, 150.0)):
        service.take(candle("x:A/USD:1h", close * HOUR, price), 0)
    assert service.take(candle("x:A/USD:1h", 2 * HOUR, 100.0, "repaired"), 0) == []
    assert closes_seen(service, "x:A/USD:1h") == []
    assert len(service.decide(10)) == 2
    assert closes_seen(service, "x:A/USD:1h") == [0.0]


def test_a_repeat_that_repairs_nothing_corrects_nothing():
    feeds = [announced("x:A/USD:1h", 0, None)]
    service = Service({"x:A/USD:1h": {}}, feeds, 10)
    for close, price in ((1, 100.0), (2, 100.0)):
        service.take(candle("x:A/USD:1h", close * HOUR, price), 0)
    for source, returns in (("live", [0.0]), ("repaired", [pytest.approx(1.986, abs=1e-3)])):
        assert service.take(candle("x:A/USD:1h", 2 * HOUR, 150.0, source), 0) == []
        assert closes_seen(service, "x:A/USD:1h") == returns


def test_what_is_stored_and_not_heard_of_is_not_known_after_a_restart_either():
    feeds = [announced(f"x:{letter}/USD:1h", 0, None) for letter in "AB"]
    service = Service({one.series: {} for one in feeds}, feeds, 1)
    for letter in "AB":
        service.take(candle(f"x:{letter}/USD:1h", HOUR, 100.0), 0)
    service.take(candle("x:A/USD:1h", 2 * HOUR, 100.0), 0)
    # stored first; it is published late
    service.stored["x:B/USD:1h"][2 * HOUR] = 150.0
    assert len(service.decide(1)) == 1
    assert closes_seen(service, "x:B/USD:1h") == []
    service.restart()
    assert closes_seen(service, "x:B/USD:1h") == []
    assert service.take(candle("x:B/USD:1h", 2 * HOUR, 150.0), 2) == []
    assert len(closes_seen(service, "x:B/USD:1h")) == 1
