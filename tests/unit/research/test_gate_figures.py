"""Every gate's figure against its definition in docs/guides/validation.md, done again slowly.

What trades is shared with the code (a backtest, or one recorded run of the simulator over all
candles, which has its own tests); whatever is made of it is written again here, one day, trade and
combination after the other.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import numpy as np
import pytest

from tests.candle_series import START
from tradepulse.candles.arrays import Candles
from tradepulse.research.reality_check import DRAWS, Luck
from tradepulse.research.simulate import SimulationRules, Simulator
from tradepulse.research.space import random
from tradepulse.research.validation import Ranges, Report, ValidationRequest, validate
from tradepulse.research.validation.gates import GATES, Gate, Thresholds, gate
from tradepulse.research.validation.procedure import Walked, WindowTrader, candidates
from tradepulse.research.validation.request import Record, record
from tradepulse.research.validation.search_verdicts import joined_paths, reality_check, walked
from tradepulse.research.validation.validating import DRAWS as CANDIDATES
from tradepulse.research.validation.verdicts import bootstrap, cost_stress, drawdown, neighbourhood
from tradepulse.strategies import Strategy, get_strategy
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import BacktestResult, backtest
from tradepulse.trading.metrics import Metrics
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import EqualWeights

HOUR = 3_600_000
DAY = 24 * HOUR
# the first candle that is traded closes at midnight, so it is a day of its own
WARM_UP = 24 * 25 - 1
INSIDE = 24 * 75 + 7
OUTSIDE = 24 * 25
TRIALS = 60
MIN_TRADES = 12
CASH = 100_000.0


@dataclass(frozen=True)
class Case:
    candles: Candles
    request: ValidationRequest
    report: Report
    strategy: Strategy

    def gate(self, name: str) -> Gate:
        return next(one for one in self.report.gates if one.name == name)

    def figure(self, name: str) -> float:
        found = self.gate(name).figure
        assert found is not None
        return found


def market(count: int) -> Candles:
    """Hours in which trends of about 40 candles come and go, and hardly pay the costs."""
    draw = np.random.default_rng(6)
    trend = np.cumprod(np.where(draw.random(count) > 0.975, -1, 1))
    close = 100 * np.exp(np.cumsum(0.0009 * trend + draw.normal(0, 0.004, count)))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * (1 + 0.001 * draw.random(count))
    low = np.minimum(open_, close) * (1 - 0.001 * draw.random(count))
    times = START + HOUR * np.arange(count, dtype=np.int64)
    return Candles("test", "BTC/USD", "1h", times, open_, high, low, close, draw.random(count) * 10)


@pytest.fixture(scope="module")
def case() -> Case:
    assert START % DAY == 0
    candles = market(WARM_UP + INSIDE + OUTSIDE)
    sma = get_strategy("sma_cross")
    tried = np.array([list(one.values()) for one in random(sma, TRIALS, 5)])
    draw = np.random.default_rng(2)
    params = {"fast": 9, "slow": 30, "stop_atr": 6.0, "target_atr": 11.0}
    request = ValidationRequest(
        strategy="sma_cross",
        params=params,
        ranges=Ranges(
            int(candles.open_time[WARM_UP]),
            int(candles.open_time[WARM_UP + INSIDE]),
            int(candles.open_time[-1]) + HOUR,
        ),
        account=AccountRules(),
        simulation=SimulationRules(),
        min_trades=MIN_TRADES,
        trials=TRIALS + 5,
        searches=(Luck(TRIALS, TRIALS, np.round(draw.normal(0.9, 0.5, DRAWS), 3)),),
        tried=tried,
        seed=1,
        method="random",
    )
    return Case(candles, request, validate(request, candles), sma)


def traded(case: Case, start: int, end: int, factor: int = 1) -> BacktestResult:
    """Backtest the configuration from flat, with its costs so many times as high."""
    rules = AccountRules()
    one = Configuration(
        *(UUID(int=5), "sma_cross", "test", "BTC/USD", "1h"),
        case.request.params,
    )
    rules = replace(rules, fee=factor * rules.fee, slippage=factor * rules.slippage)
    return backtest(
        *([case.candles], [one], rules, EqualWeights()),
        cash=Decimal(100_000),
        between=(start, end),
    )


def days_of(times: Sequence[int], equity: Sequence[float]) -> list[float]:
    """Daily returns: a close at midnight ends its day, a day without candles returns 0."""
    last = dict(zip(((time - 1) // DAY for time in times), equity, strict=True))
    before, returns = CASH, []
    for day in range(min(last), max(last) + 1):
        level = last.get(day, before)
        returns.append(level / before - 1)
        before = level
    return returns


def sharpe(returns: Sequence[float]) -> float:
    mean = sum(returns) / len(returns)
    deviation = math.sqrt(sum((one - mean) ** 2 for one in returns) / len(returns))
    return mean / deviation * math.sqrt(365) if deviation > 0 else math.nan


@dataclass(frozen=True)
class Run:
    profit_pct: float
    trades: int
    days: list[float]


def simulated(case: Case, vector: np.ndarray, start: int, end: int) -> Run:
    """Trade a set in a range; all candles before it warm up."""
    lo, hi = (int(np.searchsorted(case.candles.open_time, time)) for time in (start, end))
    rows = case.candles.rows(0, hi)
    found = Simulator(SimulationRules()).trade(rows, case.strategy, vector, lo)
    equity = found.equity.tolist()
    return Run(
        100 * (equity[-1] / CASH - 1),
        len(found.net),
        days_of(rows.close_time[lo:].tolist(), equity),
    )


def test_the_holdout(case: Case) -> None:
    ranges = case.request.ranges
    outside = traded(case, ranges.split, ranges.end)
    assert case.figure("trades") == len(outside.trades) > 5
    profit = 100 * (float(outside.equity[-1].equity) / CASH - 1)
    assert case.figure("holdout_profit") == pytest.approx(profit)
    days = days_of(
        [point.close_time for point in outside.equity],
        [float(point.equity) for point in outside.equity],
    )
    assert case.figure("holdout_sharpe") == pytest.approx(sharpe(days))


def test_the_cost_stress(case: Case) -> None:
    ranges = case.request.ranges
    outside = traded(case, ranges.split, ranges.end, factor=2)
    profit = 100 * (float(outside.equity[-1].equity) / CASH - 1)
    assert case.figure("cost_stress") == pytest.approx(profit)
    inside = traded(case, ranges.start, ranges.split, factor=2)
    assert case.figure("cost_stress") != pytest.approx(
        100 * (float(inside.equity[-1].equity) / CASH - 1), abs=0.1
    )


def shares_of_trades(result: BacktestResult) -> list[float]:
    """Each trade's profit after costs over the equity before it."""
    equity, shares = Fraction(100_000), []
    for trade in sorted(result.trades, key=lambda one: one.exit_time):
        shares.append(float(Fraction(trade.profit) / equity))
        equity += Fraction(trade.profit)
    return shares


def test_the_bootstrap_of_the_trades(case: Case) -> None:
    ranges = case.request.ranges
    shares = shares_of_trades(traded(case, ranges.split, ranges.end))
    draw, count = np.random.default_rng(77), 0
    for _ in range(20_000):
        again = [shares[n] for n in draw.integers(0, len(shares), len(shares))]
        count += math.prod(1 + one for one in again) > 1
    assert case.figure("bootstrap") == pytest.approx(count / 20_000, abs=0.02)


def fallen(shares: Sequence[float]) -> float:
    equity = peak = 1.0
    deepest = 0.0
    for one in shares:
        equity *= 1 + one
        peak = max(peak, equity)
        deepest = max(deepest, 1 - equity / peak)
    return 100 * deepest


def test_the_drawdown_of_the_orders(case: Case) -> None:
    ranges = case.request.ranges
    shares = [
        *shares_of_trades(traded(case, ranges.start, ranges.split)),
        *shares_of_trades(traded(case, ranges.split, ranges.end)),
    ]
    draw = np.random.default_rng(78)
    deepest = sorted(fallen(draw.permutation(shares).tolist()) for _ in range(6_000))
    assert case.figure("drawdown") == pytest.approx(deepest[int(0.95 * 6_000)], rel=0.03)
    assert case.figure("drawdown") > 1.2 * deepest[3_000]


def test_the_neighbours(case: Case) -> None:
    # a tenth of 9 is 1 at the least; of 30 it is 3
    moved = [
        *({"fast": 8}, {"fast": 10}, {"slow": 27}, {"slow": 33}),
        *({"stop_atr": 5.4}, {"stop_atr": 6.6}, {"target_atr": 9.9}, {"target_atr": 12.1}),
    ]
    ranges = case.request.ranges
    good = 0
    for one in moved:
        vector = case.strategy.vector({**case.request.params, **one})
        inside = simulated(case, vector, ranges.start, ranges.split).profit_pct > 0
        outside = simulated(case, vector, ranges.split, ranges.end).profit_pct > 0
        good += inside and outside
    assert case.figure("neighbours") == good / len(moved)


def test_the_reality_check(case: Case) -> None:
    ranges = case.request.ranges
    inside = traded(case, ranges.start, ranges.split)
    days = days_of(
        [point.close_time for point in inside.equity],
        [float(point.equity) for point in inside.equity],
    )
    t = sharpe(days) / math.sqrt(365) * math.sqrt(len(days))
    (search,) = case.request.searches
    assert t < np.quantile(search.largest, 0.9)
    share = (1 + sum(one >= t for one in search.largest.tolist())) / (1 + DRAWS)
    # five trials of before are in no distribution
    normal = 0.5 * (1 + math.erf(t / math.sqrt(2)))
    assert case.figure("reality_check") == pytest.approx(1 - (1 - share) * normal**5)
    details = case.gate("reality_check").details
    assert details["t"] == pytest.approx(t)
    assert (details["trials"], details["searches"]) == (TRIALS + 5, 1)
    assert details["trials_taken_as_independent"] == 5


def test_overfitting_and_loss(case: Case) -> None:
    ranges = case.request.ranges
    every = [simulated(case, one, ranges.start, ranges.split).days for one in case.request.tried]
    daily = np.array([days for days in every if len(set(days)) > 1]).T
    # 14 blocks of five days or more; the last one takes what is left
    assert len(daily) // 5 // 2 * 2 == 14
    size = len(daily) // 14
    blocks = [daily[n * size : (n + 1) * size if n < 13 else len(daily)] for n in range(14)]
    no_better = nothing = halves = 0
    for chosen in itertools.combinations(range(14), 7):
        inside = np.concatenate([blocks[n] for n in chosen])
        outside = np.concatenate([blocks[n] for n in range(14) if n not in chosen])
        first, second = (
            [
                0.0 if deviation < 1e-15 else mean / deviation
                for mean, deviation in zip(half.mean(axis=0), half.std(axis=0), strict=True)
            ]
            for half in (inside, outside)
        )
        reached = second[first.index(max(first))]
        lower = sum(one < reached for one in second)
        rank = lower + (sum(one == reached for one in second) + 1) / 2
        no_better += rank / (len(second) + 1) <= 0.5
        nothing += reached <= 0
        halves += 1
    assert 0.02 < no_better / halves < 0.98
    assert case.figure("overfitting") == pytest.approx(no_better / halves, abs=0.002)
    assert case.figure("loss") == pytest.approx(nothing / halves, abs=0.002)


def drawn_for(case: Case) -> np.ndarray:
    varied = ("fast", "slow", "stop_atr", "target_atr")
    return candidates(case.strategy, case.request.params, varied, CANDIDATES, 1)


@pytest.fixture(scope="module")
def tests_of_kinds(case: Case) -> dict[str, list[Run | None]]:
    """Walk forward by hand: eight tests, and the best of the training days in each."""
    ranges, drawn = case.request.ranges, drawn_for(case)
    first, last = ranges.start // DAY, math.ceil(ranges.end / DAY)
    days = last - first
    # the first training is as long as three tests; a day is left out between
    test = (days - 1) // 11
    searched = (ranges.split - ranges.start) / DAY
    found: dict[str, list[Run | None]] = {}
    for kind in ("rolling", "anchored"):
        found[kind] = []
        for number in range(8):
            begin = last - (8 - number) * test
            trained = first if kind == "anchored" else first + number * test
            train = max(ranges.start, trained * DAY), (begin - 1) * DAY
            asked = max(1, round(MIN_TRADES * min(1, (begin - 1 - trained) / searched)))
            runs = [simulated(case, one, *train) for one in drawn]
            ratios = [
                sharpe(run.days) if run.trades >= asked and len(set(run.days)) > 1 else -math.inf
                for run in runs
            ]
            best = max(ratios)
            chosen = drawn[ratios.index(best)]
            tested = begin * DAY, min(ranges.end, (begin + test) * DAY)
            found[kind].append(simulated(case, chosen, *tested) if best > -math.inf else None)
    return found


def test_the_walk_forward(case: Case, tests_of_kinds: dict[str, list[Run | None]]) -> None:
    shares, ratios = [], []
    for tests in tests_of_kinds.values():
        assert None not in tests
        shares.append(sum(run is not None and run.profit_pct > 0 for run in tests) / 8)
        ratios.append(sharpe([day for run in tests if run is not None for day in run.days]))
    assert case.figure("walk_forward_windows") == min(shares)
    assert case.figure("walk_forward_sharpe") == pytest.approx(min(ratios))


def test_the_combinatorial_paths(case: Case) -> None:
    ranges = case.request.ranges
    every = [simulated(case, one, ranges.start, ranges.end).days for one in drawn_for(case)]
    daily = np.array(every)
    days = daily.shape[1]
    groups = [range(n * (days // 10), (n + 1) * (days // 10) if n < 9 else days) for n in range(10)]
    # as long as 95 % of the trades in sample are held, and as long as the strategy looks back;
    # whole days, together at most half of a group
    held = sorted(
        trade.exit_time - trade.entry_time
        for trade in traded(case, ranges.start, ranges.split).trades
    )
    purge = math.ceil(float(np.quantile(held, 0.95)) / DAY)
    embargo = math.ceil(case.strategy.lookback(case.request.params) * HOUR / DAY)
    room = days // 10 // 2
    purge = min(purge, room)
    embargo = min(embargo, room - purge)
    details = case.gate("combinatorial_paths").details
    assert (details["purged_days"], details["embargoed_days"]) == (purge, embargo)
    assert 0 < purge < room
    assert embargo > 0
    best: dict[tuple[int, int], int] = {}
    for pair in itertools.combinations(range(10), 2):
        out = set()
        for group in pair:
            out |= set(range(groups[group][0] - purge, groups[group][-1] + 1 + purge + embargo))
        trained = [day for day in range(days) if day not in out]
        ratios = [sharpe(one[trained].tolist()) for one in daily]
        best[pair] = ratios.index(max(one for one in ratios if not math.isnan(one)))
    paths = []
    for number in range(9):
        joined: list[float] = []
        for group in range(10):
            pairs = sorted(pair for pair in best if group in pair)
            joined += daily[best[pairs[number]]][list(groups[group])].tolist()
        paths.append(sharpe(joined))
    # the third lowest of nine has a quarter of the others below it
    assert case.figure("combinatorial_paths") == pytest.approx(sorted(paths)[2])


def test_the_detectors(case: Case) -> None:
    assert (case.figure("look_ahead"), case.figure("recursive")) == (0, 0)


def test_a_range_is_traded_with_the_candles_before_it(case: Case) -> None:
    """A strategy as slow as a window is long says nothing in it without warm-up."""
    ranges = case.request.ranges
    vector = case.strategy.vector({"fast": 20, "slow": 200})
    start = ranges.split
    end = start + 9 * DAY
    trader = WindowTrader(case.candles, case.strategy, SimulationRules(), WARM_UP)
    found = trader.sweep(start, end).run(vector[np.newaxis], daily=True)
    expected = simulated(case, vector, start, end)
    assert expected.trades > 0
    assert found.figures[0, -1] == expected.trades
    assert found.daily is not None
    assert found.daily[0].tolist() == pytest.approx(expected.days)


def test_the_first_candle_of_a_range_may_close_at_midnight(case: Case) -> None:
    """It ends a day of its own, in a sweep as in the account."""
    ranges = case.request.ranges
    assert (ranges.start + HOUR) % DAY == 0
    trader = WindowTrader(case.candles, case.strategy, SimulationRules(), WARM_UP)
    found = trader.sweep(ranges.start, ranges.split).run(case.request.tried[:1], daily=True)
    kept = record(case.request, case.candles, ranges.start, ranges.split, AccountRules())
    assert found.daily is not None
    assert kept.daily is not None
    assert len(found.daily[0]) == len(kept.daily) == math.ceil(INSIDE / 24) + 1


BOUNDS = {
    "trades": (20, 19),
    "holdout_profit": (0.0, -1e-9),
    "holdout_sharpe": (0.0, -1e-9),
    "bootstrap": (0.9, 0.8998),
    "cost_stress": (0.0, -1e-9),
    "neighbours": (0.8, 0.7999),
    "reality_check": (0.05, 0.0501),
    "overfitting": (0.25, 0.2501),
    "loss": (0.2, 0.2001),
    "walk_forward_windows": (0.6, 0.5999),
    "walk_forward_sharpe": (0.0, -1e-9),
    "combinatorial_paths": (0.0, -1e-9),
    "drawdown": (30.0, 30.001),
    "look_ahead": (0, 1),
    "recursive": (0, 1),
}


@pytest.mark.parametrize("name", list(GATES))
def test_what_stands_exactly_at_its_bound_passes(case: Case, name: str) -> None:
    at, beyond = BOUNDS[name]
    threshold = case.gate(name).threshold
    assert at == threshold
    assert gate(name, at, threshold, "").passed
    assert not gate(name, beyond, threshold, "").passed
    assert not gate(name, None, threshold, "").passed


METRICS = dict.fromkeys(
    (
        *("net_profit_pct", "gross_win_rate", "sharpe", "sortino", "calmar", "volatility"),
        *("max_drawdown_pct", "profit_factor", "expectancy", "exposure"),
    ),
    0.0,
)


def record_of(returns: Sequence[float], profit: float = 0.0) -> Record:
    """A record with these trades and nothing else."""
    figures = Metrics(**{**METRICS, "net_profit_pct": profit}, trades=len(returns))
    empty = np.empty(0)
    return Record(figures, empty.astype(np.int64), empty, empty, (), np.array(returns), CASH)


def orders(shares: Sequence[float]) -> Iterator[float]:
    for order in itertools.permutations(shares):
        yield fallen(order)


def test_a_drawdown_is_the_bound_of_nearly_all_orders_of_both_ranges() -> None:
    inside, outside = [0.08, -0.1, 0.03, -0.07], [0.12, -0.05, -0.03]
    every = sorted(orders([*inside, *outside]))
    found = drawdown(record_of(inside), record_of(outside), Thresholds(), 4)
    assert found.figure == pytest.approx(every[int(0.95 * len(every))], abs=0.4)
    assert found.figure > every[len(every) // 2] + 3
    # fewer than five say nothing
    assert drawdown(record_of(inside), record_of([]), Thresholds(), 4).figure is None


def test_a_bootstrap_is_the_share_of_all_draws() -> None:
    shares = [0.05, -0.04, 0.03, -0.035, 0.01]
    every = [math.prod(1 + one for one in draw) > 1 for draw in itertools.product(shares, repeat=5)]
    found = bootstrap(record_of(shares), Thresholds(), 4)
    assert found.figure == pytest.approx(sum(every) / len(every), abs=0.025)
    assert found.details["lowest_5_pct"] < 0 < found.details["median_pct"]  # type: ignore[operator]  # numbers
    assert bootstrap(record_of(shares[:4]), Thresholds(), 4).figure is None
    # a draw that ends where it began has no profit
    assert bootstrap(record_of([0.0] * 5), Thresholds(), 4).figure == 0.0


def test_stressed_costs_are_judged_out_of_sample() -> None:
    found = cost_stress(record_of([0.1], 3.0), record_of([0.1], -1.5), 2.0, Thresholds())
    assert found.figure == -1.5
    assert cost_stress(record_of([0.1]), record_of([]), 2.0, Thresholds()).figure is None


def test_a_neighbour_must_earn_on_both_sides() -> None:
    profits = np.array([[1.0, 2.0], [1.0, -2.0], [-1.0, 2.0], [3.0, 0.0], [0.5, 0.5]])
    found = neighbourhood(profits, (1.0, None), Thresholds())
    assert found.figure == 2 / 5
    assert found.details["in_sample_with_profit"] == 4
    assert found.details["out_of_sample_with_profit"] == 3


def window(kind: str, profit: float, days: Sequence[float]) -> Walked:
    outside = {"net_profit_pct": profit}
    return Walked(kind, (0, 1), (1, 2), {}, {}, outside, np.array(days))  # type: ignore[arg-type]  # a kind


def test_the_worse_kind_of_walk_counts() -> None:
    rolling = [window("rolling", 1.0, [0.01, 0.02]), window("rolling", 0.0, [0.0, -0.01])]
    anchored = [window("anchored", 1.0, [0.01, 0.0]), window("anchored", 2.0, [-0.01, 0.005])]
    share, ratio = walked([*rolling, *anchored], Thresholds())
    # one that ends where it began has no profit
    assert share.figure == 0.5
    assert ratio.figure == pytest.approx(sharpe([0.01, 0.0, -0.01, 0.005]))
    still = [window("anchored", 0.0, [0.0, 0.0])]
    assert walked([*rolling, *still], Thresholds())[1].figure is None


def test_paths_that_cannot_be_are_refused() -> None:
    assert joined_paths(None, Thresholds()).figure is None


def test_the_reality_check_of_what_does_not_move() -> None:
    flat = replace(record_of([]), daily=np.zeros(30))
    found = reality_check(flat, np.zeros((30, 2)), (), 1, Thresholds())
    assert (found.figure, found.verdict) == (None, "It never traded in sample.")
    ruined = replace(flat, daily=None)
    assert reality_check(ruined, np.zeros((30, 2)), (), 1, Thresholds()).figure is None
