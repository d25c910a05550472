"""A day of a model: its virtual account is that of a backtest, its figures are those it saw."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.made_waves import (
    DAY,
    DOWN,
    HOUR,
    START,
    UP,
    wave_candles,
    wave_configurations,
    wave_model,
)
from tradepulse.research.model_day import Decided, growths_of, rules_of, seen_in
from tradepulse.trading.backtest import Decisions, backtest_of, moments_of, prepared
from tradepulse.trading.policies.features import CLIP, NAMES, observe_rows
from tradepulse.trading.policies.figure_bins import FigureBins
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model import Model
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import EqualWeights

DAYS = 6
CANDLES = wave_candles(DAYS)
CONFIGURATIONS = wave_configurations()
READY = prepared(CANDLES, CONFIGURATIONS, between=(START, None))
TRADED = frozenset((UP, DOWN))


def vectors(fond_of: str) -> dict[int, dict[str, float]]:
    decisions = Decisions(READY, LearnedPolicy(wave_model(fond_of)))
    return {one.close_time: dict(decisions.after(one).by_instrument) for one in moments_of(READY)}


def decided(own: dict[int, dict[str, float]]) -> Decided:
    times = [START + n * HOUR for n in range(DAYS * 24)]
    return Decided(times, [TRADED] * len(times), own, 1.0)


@pytest.mark.parametrize("fond_of", [UP, DOWN])
def test_growth_is_that_of_the_account(fond_of: str) -> None:
    rules, model = AccountRules(), LearnedPolicy(wave_model(fond_of))
    own = vectors(fond_of)
    curves = []
    for policy in (model, EqualWeights()):
        done = backtest_of(READY, rules, policy)
        assert len(done.trades) > DAYS
        curves.append({point.close_time: float(point.equity) for point in done.equity})
    for day in (START + 2 * DAY, START + 5 * DAY):
        found = growths_of(CANDLES, CONFIGURATIONS, rules, decided(own), day)
        expected = [math.log(curve[day + DAY] / curve[day]) for curve in curves]
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert (expected[0] > expected[1]) == (fond_of == UP)


def test_where_the_model_did_not_decide_both_hold_equal_weights() -> None:
    rules, day = AccountRules(), START + 5 * DAY
    own = vectors(UP)
    nothing = growths_of(CANDLES, CONFIGURATIONS, rules, decided({}), day)
    assert nothing is not None
    assert nothing[0] == nothing[1] != 0
    # what it decides at the midnight that ends the day binds after it
    late = {time: one for time, one in own.items() if time >= day + DAY}
    assert growths_of(CANDLES, CONFIGURATIONS, rules, decided(late), day) == nothing
    some = {time: one for time, one in own.items() if time >= day}
    assert growths_of(CANDLES, CONFIGURATIONS, rules, decided(some), day) != nothing


def test_without_signals_or_closes_nothing_is_told() -> None:
    rules, own = AccountRules(), vectors(UP)
    assert growths_of(CANDLES, [], rules, decided(own), START) is None
    assert growths_of(CANDLES, CONFIGURATIONS, rules, Decided([], [], {}, 1.0), START) is None
    later = START + (DAYS + 1) * DAY
    assert growths_of(CANDLES, CONFIGURATIONS, rules, decided(own), later) is None
    assert seen_in([], [START], wave_model(UP)) == (None, ())


def test_costs_are_those_of_the_training() -> None:
    usual = AccountRules()
    assert rules_of({}, {}) == usual
    assert rules_of({"fee": None, "steps": 3}, {}) == usual
    bound = usual.limits.max_symbol_notional
    assert rules_of({"max_weight": 0.2}, {}).limits.max_symbol_notional == bound
    assert float(rules_of({"max_weight": 0.9}, {}).limits.max_symbol_notional) == 0.9
    told = rules_of({"fee": 0.002, "slippage": 0.001, "impact": 0.1}, {})
    assert (float(told.fee), told.slippage, told.impact) == (0.002, 0.001, 0.1)


def test_figures_are_counted_where_the_model_decided() -> None:
    times = [START + n * HOUR for n in range(24)]
    bins = FigureBins(
        edges=((0.0,),) * len(NAMES), shares=((0.5, 0.5),) * len(NAMES), limits=(0.25,) * len(NAMES)
    )
    plain = wave_model(UP, seen=bins)
    arrays = {**plain.arrays, "scale": plain.arrays["scale"] * np.float32(0.25)}
    model = Model.of(plain.manifest, arrays)
    # a close between two of its candles is none of its own
    clipped, counts = seen_in(CANDLES, [*times, START + 1], model)
    seen = observe_rows(CANDLES, np.array(times))
    figures = seen.figures[seen.mask] / 0.25
    assert clipped == (np.abs(figures) > CLIP).mean()
    assert 0 < clipped < 1
    assert len(figures) == 48
    below = (figures < 0).sum(axis=0)
    assert counts == tuple((int(n), 48 - int(n)) for n in below)
    without = Model.of(model.manifest.model_copy(update={"seen": None}), model.arrays)
    assert seen_in(CANDLES, times, without) == (clipped, ())
    assert replace(decided({}), budget=2.0).instruments == [DOWN, UP]
