"""Policies on a planted market: every baseline replayed, the report, and what it reads like."""

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache
from uuid import UUID

import numpy as np
import pytest

from tests.made_markets import FREE, HOUR
from tradepulse.candles.arrays import Candles
from tradepulse.research.policies.baselines import (
    EQUAL,
    SCALED,
    TITLES,
    Baselines,
    baselines_of,
    best_constant,
    best_scale,
    constant_table,
    records_of,
)
from tradepulse.research.policies.gates import Checks, PolicyThresholds
from tradepulse.research.policies.paired import compare
from tradepulse.research.policies.proving import Candidate, prove
from tradepulse.research.policies.replays import (
    LEAST,
    Scene,
    bought_and_held,
    follow,
    growth_of,
    held_instruments,
    in_cash,
)
from tradepulse.research.policies.report import PolicyReport
from tradepulse.research.policies.text import as_text, smallest
from tradepulse.research.policies.time_split import Part, split_time
from tradepulse.research.virtual.market import market_of
from tradepulse.research.virtual.replay import replay
from tradepulse.strategies import Evaluations
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import Evaluated, Prepared
from tradepulse.trading.metrics import daily_returns
from tradepulse.trading.sizing import AccountRules, RiskLimits

FloatArray = np.ndarray
DAY = 24 * HOUR
DAYS = 480
CHECKS = Checks(export_difference=1e-7, reload_equal=True, decision_ms=0.4)
SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD")
RULES = AccountRules(
    fee=Decimal("0.0002"),
    slippage=0.0001,
    limits=RiskLimits(max_symbol_notional=Decimal("0.9")),
    markets={f"x:{symbol}": FREE for symbol in SYMBOLS},
)


def seasons(rng: np.random.Generator) -> tuple[Prepared, FloatArray]:
    """A market whose instruments gain in turn, ten days each, and lose in the other days.

    Every sixteen hours all are bought at 100 and sold eight hours later. Also which gains by row.
    """
    cycles = DAYS * 24 // 16
    season = np.arange(cycles) * 16 // 240 % 3
    series, asked = {}, []
    for n, symbol in enumerate(SYMBOLS):
        drift = np.where(season == n, 0.012, -0.006)
        ends = 100 * np.exp(rng.normal(drift, 0.015))
        closes = np.full((cycles, 4), 100.0)
        closes[:, 2] = ends
        opens = np.full((cycles, 4), 100.0)
        opens[:, 2] = ends
        o, c = opens.ravel(), closes.ravel()
        times = np.arange(4 * cycles, dtype=np.int64) * 4 * HOUR
        candles = Candles(
            "x", symbol, "4h", times, o, np.maximum(o, c), np.minimum(o, c), c, np.full(len(c), 1e9)
        )
        action, none = np.zeros(len(c), dtype=np.int8), np.full(len(c), np.nan)
        action[0::4], action[1::4] = 1, 2
        configuration = Configuration(UUID(int=n + 1), "s", "x", symbol, "4h", {})
        series[candles.series] = candles
        asked.append(Evaluated(configuration, Evaluations(action, none, none, none, none), 0))
    # weights of a close bind at the next one
    gaining = np.roll(np.repeat(season, 4), -1)
    return Prepared(series, series, {}, asked), gaining


@cache
def planted() -> tuple[Scene, Baselines, FloatArray]:
    ready, gaining = seasons(np.random.default_rng(1))
    market = market_of(ready, RULES.markets)
    scene = Scene(market, RULES, split_time(0, DAYS * DAY, 5 * DAY))
    return scene, baselines_of(scene, ready, seed=1, draws=40), gaining


def knowing(gaining: FloatArray, sure: float) -> FloatArray:
    """Weights of one who knows which gains, and is so sure of it."""
    knows = np.eye(len(SYMBOLS))[gaining]
    return np.floor(1e6 * (sure * 0.9 * knows + (1 - sure) / 3)) / 1e6


@cache
def candidate(kind: str) -> Candidate:
    scene, baselines, gaining = planted()
    equal = baselines.tables[EQUAL]
    weights = knowing(gaining, 1.0) if kind == "better" else equal
    seeds = [knowing(gaining, 0.8 + n / 50) if kind == "better" else equal for n in range(8)]
    part = scene.split.validation
    twin = follow(scene, equal, part).daily
    tried = [knowing(gaining, sure) for sure in np.linspace(0, 1, 10)]
    checkpoints = np.column_stack([follow(scene, one, part).daily - twin for one in tried])
    return Candidate(f"ppo:{kind}", weights, seeds, checkpoints, 1, CHECKS)


@cache
def report(kind: str) -> PolicyReport:
    scene, baselines, _ = planted()
    return prove(scene, baselines, candidate(kind))


def test_a_policy_that_is_better_by_construction_passes_all() -> None:
    found = report("better")
    assert found.passed, as_text(found)
    assert found.verdict == "Passed all 11 gates as sizing."
    assert [row.name for row in found.table] == ["ppo:better", *TITLES]
    assert [one.name for one in found.compared] == list(TITLES)
    assert {one.name for one in found.compared if not one.is_judged} == {"buy_and_hold"}
    assert found.parts["test"].days == 94
    assert found.smallest_sharpe == pytest.approx(1.645 / (94 / 365) ** 0.5, abs=0.01)


def test_what_is_judged_can_be_chosen() -> None:
    scene, baselines, _ = planted()
    asked = PolicyThresholds(judged=(EQUAL, "hrp"))
    found = prove(scene, baselines, candidate("better"), asked)
    assert {one.name for one in found.compared if one.is_judged} == {EQUAL, "hrp"}
    given = {one.name: one for one in found.compared}
    # the smallest that could have been shown is told as if equal weights were the only baseline
    assert found.smallest_excess_pct is not None
    assert found.smallest_excess_pct <= given[EQUAL].smallest_pct
    assert given["cash"].joint_chance == given["cash"].chance


def test_equal_weights_are_refused() -> None:
    found = report("equal")
    assert not found.passed
    assert found.verdict.startswith("Refused by ")
    assert "Beats every baseline" in found.verdict
    assert found.smallest_excess_pct is None
    told = next(one for one in found.compared if one.name == EQUAL)
    assert (told.excess_pct, told.smallest_pct, told.joint_chance) == (0, 0, 1)
    gate = next(one for one in found.gates if one.name == "baselines")
    assert gate.margin is not None
    assert gate.margin <= 0
    own, equal = (next(r for r in found.table if r.name == n) for n in ("ppo:equal", EQUAL))
    assert own.parts == equal.parts


@pytest.mark.parametrize("kind", ["better", "equal"])
def test_the_report_is_kept_as_json(kind: str) -> None:
    found = report(kind)
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert PolicyReport.of_json(told) == found
    assert told["passed"] == found.passed
    assert told["verdict"] == found.verdict
    assert [gate["margin"] for gate in told["gates"]] == [gate.margin for gate in found.gates]
    with pytest.raises(ValueError, match="version"):
        PolicyReport.of_json({**told, "version": 2})


def test_it_reads_well_on_a_terminal() -> None:
    found = report("equal").model_copy(update={"warnings": ("an overlap. " * 20,)})
    lines = as_text(found).splitlines()
    assert max(len(line) for line in lines) <= 100
    assert lines[0].startswith("ppo:equal: Refused by")
    assert any(line.startswith("WARNING: an overlap.") for line in lines)
    assert sum(line.startswith("REFUSED ") for line in lines) == sum(
        not gate.passed for gate in found.gates
    )
    assert any("missed by" in line for line in lines)
    assert smallest(found) == (
        "In the 94 days of the test range it did what equal weights did; an excess needs a Sharpe "
        "ratio of 3.2 to be seen in so many days."
    )
    better = smallest(report("better"))
    assert better.startswith("The smallest excess over equal weights that the 94 days of the test")
    assert "what was found is +" in better


def test_figures_of_a_part_are_those_of_the_replay() -> None:
    scene, baselines, _ = planted()
    table = baselines.tables["inverse_volatility"]
    part = scene.split.test
    record = baselines.records["inverse_volatility"]["test"]
    closes = scene.market.arrays.close_time
    span = (int((closes <= part.start).sum()), int((closes <= part.end).sum()))
    slow = replay(scene.market, table, RULES, span=span)
    growth = slow.equity[-1] / 100_000 - 1
    assert record.figures.growth_pct == pytest.approx(100 * growth)
    assert growth_of(scene, table, part) == pytest.approx(np.log1p(growth))
    assert record.daily.sum() == pytest.approx(np.log1p(growth))
    assert len(record.daily) == part.days
    returns = daily_returns(100_000, slow.close_time, slow.equity)
    assert returns is not None
    assert record.daily == pytest.approx(np.log1p(returns))
    assert record.figures.exposure == pytest.approx((slow.exposure / slow.equity).mean())
    # 0.06 % of what is traded, there and back, but for what it would have grown by
    traded = len(slow.profits[np.isfinite(slow.profits)]) / 3
    assert record.figures.costs_pct == pytest.approx(0.06 * traded * (1 + growth), rel=0.15)


def test_cash_does_nothing_and_bitcoin_is_held() -> None:
    scene, baselines, _ = planted()
    for record in in_cash(scene).values():
        assert not record.daily.any()
        assert (record.figures.growth_pct, record.figures.exposure) == (0, 0)
    assert held_instruments(scene.market.instruments) == ("x:BTC/USD",)
    assert held_instruments(("x:ETH/BTC", "x:SOL/USD")) == ("x:ETH/BTC", "x:SOL/USD")
    held = bought_and_held(scene)["test"]
    closes, marks = scene.market.arrays.close_time, scene.market.arrays.marks
    inside = (closes > scene.split.test.start) & (closes <= scene.split.test.end)
    prices = marks[inside, scene.market.instruments.index("x:BTC/USD")]
    ratio = prices[-1] / prices[0] / (1.0001 * 1.0002)
    assert held.figures.growth_pct == pytest.approx(100 * (ratio - 1))
    assert held.daily.sum() == pytest.approx(np.log(ratio))
    assert held.figures.costs_pct == pytest.approx(
        100 * prices[-1] / prices[0] * (1 - 1 / (1.0001 * 1.0002))
    )
    assert held.figures.exposure == pytest.approx(1)
    assert baselines.records["buy_and_hold"]["test"].figures == held.figures


def test_what_is_chosen_is_chosen_on_its_own_part() -> None:
    scene, baselines, _ = planted()
    equal = baselines.tables[EQUAL]
    # what all of them lose on validation is lost least by the smallest
    losing = best_scale(scene.at_costs(40), equal)
    assert losing == 0.05
    grown = {
        c: growth_of(scene, np.floor(1e6 * c * equal) / 1e6, scene.split.validation, c)
        for c in (0.05, 0.5, 1.0)
    }
    assert growth_of(
        scene, baselines.tables[SCALED], scene.split.validation, baselines.scale
    ) >= max(grown.values())
    vector = np.array([baselines.constant[name] for name in scene.market.instruments])
    trained = growth_of(scene, constant_table(scene, vector), scene.split.train)
    for other in (np.full(3, 0.333333), np.array([0.9, 0, 0]), np.array([0, 0, 0.9])):
        assert trained >= growth_of(scene, constant_table(scene, other), scene.split.train)
    assert vector.sum() <= 1
    assert best_constant(scene, 1, 40).tolist() == vector.tolist()
    # ten days in which ETH alone gains: as much of it as the limits leave
    season = replace(scene.split, train=Part(10 * DAY, 20 * DAY))
    assert best_constant(replace(scene, split=season), 1, 40).tolist() == [0, 0.9, 0]


def test_a_ruined_account_counts_as_one_that_kept_a_hundredth() -> None:
    scene, baselines, _ = planted()
    dear = scene.at_costs(2_000)
    record = follow(dear, baselines.tables[EQUAL], scene.split.train)
    assert record.figures.growth_pct < -99
    assert record.daily.sum() == pytest.approx(np.log(LEAST))
    assert np.isfinite(record.daily).all()


def test_higher_costs_are_those_of_both_sides() -> None:
    scene, baselines, _ = planted()
    found = report("better")
    test = scene.split.test
    own = follow(scene.at_costs(1.5), candidate("better").weights, test).daily
    dear = records_of(scene.at_costs(1.5), baselines.tables, baselines.scale)
    judged = [name for name in TITLES if name != "buy_and_hold"]
    by_hand = compare(np.column_stack([own - dear[name]["test"].daily for name in judged]), seed=0)
    assert [one.costly_lower_pct for one in found.compared] == [
        *(one.over_all(one.lower) for one in by_hand), None,
    ]  # fmt: skip


def test_weights_that_are_no_numbers_are_told_and_not_traded() -> None:
    scene, baselines, _ = planted()
    given = candidate("better")
    weights = given.weights.copy()
    weights[100, 0] = np.nan
    broken = Candidate(given.name, weights, given.seeds, given.checkpoints, 1, CHECKS)
    found = prove(scene, baselines, broken)
    assert [gate.verdict for gate in found.gates if not gate.passed] == ["A weight is no number."]
    with pytest.raises(ValueError, match="0 looks"):
        prove(scene, baselines, Candidate("x", weights, [], given.checkpoints, 0))
