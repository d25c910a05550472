"""A backtest weighs as rl_svc does, from its first traded close on, and only what is traded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest

from contracts.events import FeedSeries, PortfolioWeightsDecided
from rl_svc.portfolio import CANDLE, Portfolio
from tests.candle_series import START, as_events, random_walk
from tests.made_models import made_model
from tradepulse.candles.arrays import Candles
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import backtest
from tradepulse.trading.event_time import EventTime
from tradepulse.trading.policies.features import Observed
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model import Model
from tradepulse.trading.sizing import AccountRules, RiskLimits
from tradepulse.trading.weights import EqualWeights, InverseVolatility, WeightPolicy

HOUR = 3_600_000
NOWHERE = ("candles/0", 0)


class Seen(InverseVolatility):
    """Keeps what it is shown."""

    def __init__(self, lookback: int) -> None:
        super().__init__(lookback)
        self.shown: list[dict[str, list[float]]] = []

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        self.shown.append({name: sorted(values) for name, values in returns.items()})
        return super().weights(returns)


def decided_by(
    policy: WeightPolicy, series: Sequence[Candles], trade_from: int
) -> list[PortfolioWeightsDecided]:
    """Return what a portfolio of rl_svc decides that knows the closes before."""
    portfolio = Portfolio("main", policy, EventTime((CANDLE,)))
    for one in series:
        traded = one.between(trade_from, None)
        feed = FeedSeries(
            exchange=one.exchange,
            symbol=one.symbol,
            timeframe=one.timeframe,
            first_open_time=int(traded.open_time[0]),
            last_close_time=int(traded.close_time[-1]),
        )
        known = one.between(None, trade_from)
        rows = list(zip(known.close_time.tolist(), known.close.tolist(), strict=True))
        portfolio.on_series(feed, rows[-portfolio.lookback - 1 :])
    decided = []
    events = as_events(one.between(trade_from, None) for one in series)
    for candle in sorted(events, key=lambda e: e.close_time):
        portfolio.on_candle(candle, NOWHERE, 0)
        while (event := portfolio.decide_next(0)) is not None:
            decided.append(event)
    return decided


@pytest.mark.parametrize("lookback", [1, 5, 20])
def test_a_backtest_sees_the_returns_that_rl_svc_sees(lookback: int) -> None:
    series = [
        random_walk("A/USD", 96, seed=1, without={7, 8, 60}),
        random_walk("A/USD", 12, seed=2, timeframe="4h"),
        random_walk("B/USD", 60, seed=3, without={30, 59}),
        random_walk("C/USD", 48, seed=4, timeframe="1h", without={40}),
    ]
    trade_from = START + 16 * HOUR
    ours, theirs = Seen(lookback), Seen(lookback)
    backtest(series, [], AccountRules(), ours, between=(trade_from, None))
    decided_by(theirs, series, trade_from)
    assert ours.shown == theirs.shown
    assert {len(values) for shown in ours.shown for values in shown.values()} >= {lookback}
    # B ends on the way, all the others at last
    assert [sorted(shown) for shown in ours.shown[:1]] == [
        ["test:A/USD", "test:B/USD", "test:C/USD"]
    ]
    assert sorted(ours.shown[-2]) == ["test:A/USD", "test:C/USD"]
    assert ours.shown[-1] == {}


class SeenModel(LearnedPolicy):
    """Keeps what it answers."""

    def __init__(self, model: Model) -> None:
        super().__init__(model, 1.5)
        self.said: list[dict[str, float]] = []

    def weights_of(self, seen: Observed) -> dict[str, float]:
        self.said.append(super().weights_of(seen))
        return self.said[-1]


def test_a_backtest_decides_by_a_model_where_rl_svc_does_and_the_same() -> None:
    series = [
        random_walk("A/USD", 420, seed=1, without={7, 8, 260}),
        random_walk("A/USD", 40, seed=2, timeframe="4h"),
        random_walk("B/USD", 300, seed=3, without={30, 299}),
        # at its last closes it is the only one, and the model does not know it
        random_walk("C/USD", 430, seed=4, without=range(300)),
    ]
    trade_from = START + 50 * HOUR
    ours, theirs = SeenModel(made_model(1)), SeenModel(made_model(1))
    result = backtest(series, [], AccountRules(), ours, between=(trade_from, None))
    decided = decided_by(theirs, series, trade_from)
    assert ours.said == theirs.said != []
    by_model = [one for one in decided if one.policy == ours.name]
    assert [one.weights for one in by_model] == ours.said
    assert result.fallbacks == Counter(one.fallback for one in decided if one.fallback)
    assert result.fallbacks["history"] > 60
    assert {one.policy for one in decided if one.fallback} == {"inverse_volatility"}
    assert {one.budget for one in decided} == {1.5}
    assert {one.model_id for one in by_model[:-1]} == {ours.model_id}
    # C has a candle and too few returns
    assert any(
        one.missing == ("test:C/USD",) and one.weights["test:C/USD"] == 0 for one in by_model
    )


def series_of(symbol: str, closes: dict[int, float]) -> Candles:
    price = np.array(list(closes.values()))
    times = START + np.array(list(closes), dtype=np.int64) * HOUR
    return Candles("test", symbol, "1h", times, price, price, price, price, np.ones(len(price)))


def test_equal_weights_are_shared_by_what_is_traded_still() -> None:
    """After a hole no vector is fresh: the entry falls back to equal weights."""
    flat = dict.fromkeys(range(20), 100.0)
    risen = dict.fromkeys(range(40, 50), 110.0)
    series = series_of("A/USD", flat | risen)
    ended = series_of("B/USD", dict.fromkeys(range(10), 50.0))
    configuration = Configuration(
        UUID(int=1), "sma_cross", "test", "A/USD", "1h", {"fast": 2, "slow": 5}, 1.0
    )
    rules = AccountRules(limits=RiskLimits(Decimal(1), Decimal(1)), max_weight_age_ms=1)
    alone, beside = (
        backtest(candles, [configuration], rules, EqualWeights()).trades
        for candles in ([series], [series, ended])
    )
    assert [trade.quantity for trade in alone] == [trade.quantity for trade in beside]
    assert len(alone) == 1
