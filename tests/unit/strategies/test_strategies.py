"""The kernels: the same to the bit live and in the backtest, blind to the future, and right."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.candle_series import beside_bitcoin
from tradepulse.candles.arrays import Candles
from tradepulse.strategies import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    NONE,
    Evaluations,
    Param,
    Strategy,
    enter_long,
    enter_short,
    get_strategy,
    hold,
    leave,
    strategy,
    strategy_names,
)
from tradepulse.strategies._feature import Feature
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies._windows import (
    BLOCK,
    mean_true_range,
    window_max,
    window_min,
    window_sum,
)
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.features import sma

Run = Callable[[Candles], Evaluations]


def market(n: int, seed: int, noise: float = 0.01, ticks: int = 6) -> Candles:
    """Make a random walk; few digits give ties and flat candles, which is where rules slip."""
    rng = np.random.default_rng(seed)
    close = np.round(50 * np.exp(np.cumsum(rng.normal(0, noise, n))), ticks) + 1
    open_ = np.concatenate((close[:1], close[:-1]))
    high = np.round(np.maximum(open_, close) * (1 + rng.exponential(noise / 2, n)), ticks)
    low = np.round(np.minimum(open_, close) * (1 - rng.exponential(noise / 2, n)), ticks)
    high = np.maximum(high, np.maximum(open_, close))
    low = np.minimum(low, np.minimum(open_, close))
    volume = np.round(rng.exponential(10, n), 2)
    times = np.arange(n, dtype=np.int64) * 1_800_000
    walk = Candles("x", "A/USD", "30m", times, open_, high, low, close, volume)
    return beside_bitcoin(walk, seed)


def series(
    close: list[float],
    low: dict[int, float] | None = None,
    high: dict[int, float] | None = None,
    volume: dict[int, float] | None = None,
) -> Candles:
    """Candles by their closes; each opens at the close before; single values are overridden."""
    c = np.array(close, dtype=np.float64)
    o = np.concatenate((c[:1], c[:-1]))
    lows, highs, volumes = np.minimum(o, c), np.maximum(o, c), np.full(len(c), 10.0)
    for column, changes in ((lows, low), (highs, high), (volumes, volume)):
        for row, value in (changes or {}).items():
            column[row] = value
    return Candles("x", "A/USD", "1h", np.arange(len(c)) * 3_600_000, o, highs, lows, c, volumes)


def same(a: Evaluations, b: Evaluations, rows_a: slice, rows_b: slice) -> bool:
    """Compare to the bit."""
    return all(
        x[rows_a].tobytes() == y[rows_b].tobytes()
        for x, y in (
            (a.action, b.action),
            (a.stop, b.stop),
            (a.take_profit, b.take_profit),
            (a.limit, b.limit),
            (a.trail, b.trail),
        )
    )


def live_is_batch(run: Run, candles: Candles, lookback: int) -> bool:
    batch = run(candles)
    last = slice(-1, None)
    return all(
        same(run(candles.rows(max(0, i + 1 - lookback), i + 1)), batch, last, slice(i, i + 1))
        for i in range(len(candles))
    )


def prefix_is_unchanged(run: Run, candles: Candles, cut: int) -> bool:
    return same(run(candles.rows(0, cut)), run(candles), slice(0, cut), slice(0, cut))


@st.composite
def params_of(draw: st.DrawFn, found: Strategy) -> dict[str, float]:
    values = {}
    for param in found.space:
        # short windows leave rows to compare in a short series
        high = min(param.high, 30) if param.integer else param.high
        values[param.name] = (
            draw(st.integers(int(param.low), int(high)))
            if param.integer
            else draw(st.floats(param.low, high, allow_nan=False))
        )
    if found.name == "liquidity_sweep":
        # most draws would filter out every candle
        values["volume_factor"] /= 4
        values["sweep_atr"] /= 6
    if found.name == "trend_pullback":
        # of four hours
        values["trend_window"] = min(values["trend_window"], 8)
    assume(found.valid(values))
    return values


markets = st.builds(
    market,
    n=st.integers(1, 150),
    seed=st.integers(0, 2**32 - 1),
    noise=st.sampled_from([0.0, 1e-4, 0.01, 0.1]),
    ticks=st.sampled_from([0, 2, 6]),
)


@pytest.mark.parametrize("name", strategy_names())
@settings(max_examples=60, deadline=None)
@given(data=st.data(), candles=markets)
def test_live_equals_batch_at_every_candle(
    name: str, data: st.DataObject, candles: Candles
) -> None:
    found = get_strategy(name)
    params = data.draw(params_of(found))
    assert live_is_batch(lambda c: found.run(c, params), candles, found.lookback(params, "30m"))


@pytest.mark.parametrize("name", strategy_names())
@settings(max_examples=60, deadline=None)
@given(data=st.data(), candles=markets, cut=st.integers(0, 150))
def test_later_candles_change_nothing(
    name: str, data: st.DataObject, candles: Candles, cut: int
) -> None:
    found = get_strategy(name)
    params = data.draw(params_of(found))
    assert prefix_is_unchanged(lambda c: found.run(c, params), candles, min(cut, len(candles)))


@pytest.mark.parametrize("name", strategy_names())
@settings(max_examples=40, deadline=None)
@given(data=st.data(), candles=markets)
def test_too_little_history_gives_no_action(
    name: str, data: st.DataObject, candles: Candles
) -> None:
    found = get_strategy(name)
    params = data.draw(params_of(found))
    result = found.run(candles, params)
    early = slice(0, found.lookback(params, "30m") - 1)
    assert not result.action[early].any()
    assert np.isnan(result.stop[early]).all()
    assert np.isnan(result.take_profit[early]).all()
    assert np.isnan(result.limit[early]).all()
    assert np.isnan(result.trail[early]).all()


@pytest.mark.parametrize("name", strategy_names())
@settings(max_examples=40, deadline=None)
@given(data=st.data(), candles=markets)
def test_levels_belong_to_entries_and_lie_on_their_side(
    name: str, data: st.DataObject, candles: Candles
) -> None:
    found = get_strategy(name)
    params = data.draw(params_of(found))
    result = found.run(candles, params)
    for i, action in enumerate(result.action):
        stop, target, close = result.stop[i], result.take_profit[i], candles.close[i]
        limit, trail = result.limit[i], result.trail[i]
        assert not trail <= 0
        assert not limit <= 0
        if action in (NONE, EXIT):
            assert np.isnan([stop, target, limit, trail]).all()
        elif action == ENTER_LONG:
            assert not stop > close
            assert not stop <= 0
            assert not target < close
            assert not limit > close
            assert not stop >= limit
        else:
            assert action == ENTER_SHORT
            assert params["allow_short"] == 1
            assert not stop < close
            assert not target > close
            assert not limit < close
            assert not stop <= limit


def test_the_properties_catch_a_running_sum() -> None:
    def running(candles: Candles) -> Evaluations:
        total = np.cumsum(candles.close)
        mean = np.full(len(candles), np.nan)
        mean[5:] = (total[5:] - total[:-5]) / 5
        above = candles.close > mean
        return Evaluations(above.astype(np.int8), mean, mean, mean, mean)

    candles = market(200, 3)
    assert not live_is_batch(running, candles, 6)
    assert prefix_is_unchanged(running, candles, 120)


def test_the_properties_catch_a_look_ahead() -> None:
    def peeking(candles: Candles) -> Evaluations:
        rises = np.append(candles.close[1:] > candles.close[:-1], False)
        nothing = np.full(len(candles), np.nan)
        return Evaluations(rises.astype(np.int8), nothing, nothing, nothing, nothing)

    candles = market(200, 3)
    assert not all(prefix_is_unchanged(peeking, candles, cut) for cut in range(1, 200))
    assert not live_is_batch(peeking, candles, 2)


def test_the_property_catches_a_lookback_that_is_too_short() -> None:
    found = get_strategy("sma_cross")
    params = {"fast": 3, "slow": 10}
    candles = market(200, 3)
    assert live_is_batch(lambda c: found.run(c, params), candles, 11)
    assert not live_is_batch(lambda c: found.run(c, params), candles, 10)


@settings(max_examples=80, deadline=None)
@given(
    x=st.lists(st.floats(0.001, 1e6), max_size=70),
    window=st.integers(1, 80),
)
def test_windows_equal_the_plain_definition(x: list[float], window: int) -> None:
    values = np.array(x, dtype=np.float64)
    sums, least = window_sum(values, window), window_min(values, window)
    most = window_max(values, window)
    for i in range(len(x)):
        if i < window - 1:
            assert np.isnan(sums[i])
            assert np.isnan(least[i])
            assert np.isnan(most[i])
        else:
            part = values[i + 1 - window : i + 1]
            assert sums[i] == pytest.approx(part.sum(), rel=1e-13)
            assert least[i] == part.min()
            assert most[i] == part.max()


@pytest.mark.parametrize("window", [1, 2, 3, 20, 127, 128, 400, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_windows_are_the_same_to_the_bit_wherever_they_begin(window: int) -> None:
    values = np.random.default_rng(window).normal(size=4 * BLOCK + 7) ** 3
    for function in (window_sum, window_min, window_max):
        whole = function(values, window)
        for begin in (1, 17, BLOCK - 1, BLOCK, BLOCK + 1):
            part = function(values[begin:].copy(), window)
            assert part[window - 1 :].tobytes() == whole[begin + window - 1 :].tobytes()


def test_average_true_range_uses_the_close_before() -> None:
    high = np.array([11.0, 12, 20, 9])
    low = np.array([9.0, 11, 19, 8])
    close = np.array([10.0, 11, 19, 8])
    # true ranges from the second: 12-10, 20-11, 19-8
    assert mean_true_range(high, low, close, 2)[2:].tolist() == [5.5, 10.0]
    assert np.isnan(mean_true_range(high, low, close, 2)[:2]).all()


def test_sma_cross_enters_and_leaves_at_the_crosses() -> None:
    result = get_strategy("sma_cross").run(
        series([10, 10, 10, 10, 10, 13, 13, 13, 13, 13, 4, 4, 4]), {"fast": 2, "slow": 5}
    )
    assert {i: int(a) for i, a in enumerate(result.action) if a} == {5: ENTER_LONG, 10: EXIT}
    assert np.isnan(result.stop).all()


def test_sma_cross_places_levels_by_the_average_true_range() -> None:
    candles = series([10, 10, 10, 10, 10, 13], high={4: 11, 5: 13.5}, low={4: 9, 5: 10})
    result = get_strategy("sma_cross").run(
        candles, {"fast": 2, "slow": 5, "stop_atr": 2, "target_atr": 3, "atr_window": 2}
    )
    # true ranges 2 and 3.5, mean 2.75
    assert result.stop[5] == 13 - 2 * 2.75
    assert result.take_profit[5] == 13 + 3 * 2.75


def test_a_flat_market_never_crosses() -> None:
    found = get_strategy("sma_cross")
    for price in (0.1, 0.3, 7777.77, 1e-7):
        for fast, slow in ((2, 7), (3, 11), (13, 37)):
            result = found.run(series([price] * 120), {"fast": fast, "slow": slow})
            assert not result.action.any()


SWEEP = {
    "window": 5, "sweep_atr": 1.0, "volume_factor": 2.0,
    "stop_atr": 0.5, "target_atr": 3.0, "atr_window": 4,
}  # fmt: skip
CALM = dict.fromkeys(range(7), 100.5)
FLOOR = dict.fromkeys(range(7), 99.5)  # each candle 99.5..100.5: a true range of 1


@pytest.mark.parametrize(
    ("low", "close", "volume", "enters"),
    [
        (98.4, 100.0, 20.0, True),
        (98.6, 100.0, 20.0, False),  # undercut by less than one range
        (98.4, 99.4, 20.0, False),  # closes below the swept low
        (98.4, 100.0, 19.0, False),  # too little volume
    ],
)
def test_liquidity_sweep_needs_depth_reclaim_and_volume(
    low: float, close: float, volume: float, enters: bool
) -> None:
    candles = series([100.0] * 7 + [close], high=CALM, low={**FLOOR, 7: low}, volume={7: volume})
    result = get_strategy("liquidity_sweep").run(candles, SWEEP)
    assert result.action.tolist() == [0] * 7 + [ENTER_LONG if enters else NONE]
    if enters:
        assert result.stop[7] == pytest.approx(98.4 - 0.5)
        assert result.take_profit[7] == pytest.approx(100.0 + 3.0)


def test_liquidity_sweep_sells_only_where_allowed_and_never_both_ways() -> None:
    found = get_strategy("liquidity_sweep")
    sweep_up = series([100.0] * 8, high={**CALM, 7: 101.6}, low=FLOOR, volume={7: 20.0})
    assert not found.run(sweep_up, SWEEP).action.any()
    result = found.run(sweep_up, {**SWEEP, "allow_short": 1})
    assert result.action[7] == ENTER_SHORT
    assert result.stop[7] == pytest.approx(101.6 + 0.5)
    assert result.take_profit[7] == pytest.approx(100.0 - 3.0)
    both = series([100.0] * 8, high={**CALM, 7: 101.6}, low={**FLOOR, 7: 98.4}, volume={7: 20.0})
    assert not found.run(both, {**SWEEP, "allow_short": 1}).action.any()


def test_a_stop_that_could_never_be_touched_is_none() -> None:
    candles = series(
        [1.0] * 7 + [1.0], high=dict.fromkeys(range(7), 1.3), low={**dict.fromkeys(range(7), 0.7),
        7: 0.01}, volume={7: 20.0},
    )  # fmt: skip
    result = get_strategy("liquidity_sweep").run(candles, {**SWEEP, "stop_atr": 2})
    assert result.action[7] == ENTER_LONG
    assert np.isnan(result.stop[7])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fsat": 3}, "sma_cross has no parameter 'fsat'; it has fast, slow, "),
        ({"fast": 1}, "sma_cross: parameter 'fast' is 1; it must be from 2 to 200"),
        ({"fast": float("nan")}, "'fast' is nan"),
        ({"fast": 2.5}, "'fast' is 2.5; it must be a whole number"),
        ({"fast": True}, "'fast' is True, not a number"),
        ({"fast": "9"}, "'fast' is '9', not a number"),
        ({"fast": 60}, r"fast \(60\) must be less than slow \(50\)"),
    ],
)
def test_wrong_parameters_are_told_apart(params: dict[str, float], message: str) -> None:
    found = get_strategy("sma_cross")
    with pytest.raises(ValueError, match=message):
        found.vector(params)
    assert not found.valid(params)


def test_vector_fills_defaults_in_the_order_of_the_space() -> None:
    found = get_strategy("sma_cross")
    assert found.vector({"slow": 30, "fast": 5.0}).tolist() == [5, 30, 0, 0, 14, 0, 0, 0, 0]
    assert found.lookback({"fast": 5, "slow": 30}) == 31
    assert found.lookback({"fast": 5, "slow": 6, "stop_atr": 1, "atr_window": 40}) == 42
    assert found.lookback({"fast": 5, "slow": 6, "atr_window": 40}) == 7
    assert found.lookback({"fast": 5, "slow": 6, "atr_window": 40, "trail_atr": 1}) == 42


def test_an_unknown_strategy_names_the_known() -> None:
    with pytest.raises(ValueError, match=r"unknown strategy 'macd'; known are .*, sma_cross"):
        get_strategy("macd")


A = (Param("a", 0, 1),)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "sma_cross"}, "two strategies are called 'sma_cross'"),
        ({"name": "a b"}, "'a b' is no identifier"),
        ({"space": (Param("a", 2, 1),), "defaults": {"a": 2}}, "bounds of 'a' are empty"),
        ({"defaults": {"b": 0}}, "name different parameters"),
        ({"defaults": {"a": 9}}, "it must be from 0 to 1"),
        ({"space": (*A, *A)}, "there are two parameters 'a'"),
        ({"space": (Param("trail_atr", 0, 1),), "defaults": {"trail_atr": 0}}, "two parameters"),
        ({"space": (Param("a", 0, 1, only_if="b"),)}, "'a' depends on 'b', which must stand"),
        ({"space": (Param("a b", 0, 1),)}, "parameter 'a b' is no name"),
        ({"features": {"x": sma("window")}}, "a feature names no parameter: 'window'"),
        ({"features": {"x": sma("a", only_if=("b",))}}, "a feature names no parameter: 'b'"),
        ({"features": {f"x{k}": sma("a") for k in range(8)}}, "9 features with the common one; at"),
        ({"features": {"if": sma("a")}}, "feature 'if' is no name"),
        ({"features": {"_x": sma("a")}}, "feature '_x' is no name"),
        ({"features": (sma("a"),)}, "new is not of the form of a strategy: name the features"),
    ],
)
def test_a_wrong_strategy_is_refused_when_registered(changed: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"name": "new", "space": A, "defaults": {"a": 0}, "features": {}}
    with pytest.raises(ValueError, match=message):
        strategy(**{**given, **changed})(lambda i, c, f, p: hold())
    assert "new" not in STRATEGIES


def test_what_is_read_by_its_place_is_refused_when_registered() -> None:
    def first(i, c, f, p):  # type: ignore[no-untyped-def]
        return leave() if f[0][i] > 0.0 else hold()

    def second(i, c, features, params):  # type: ignore[no-untyped-def]
        return leave() if features.a[i] > params[1] else hold()

    for rule, said in ((first, "f[0]"), (second, "params[1]")):
        with pytest.raises(ValueError, match=re.escape(f"by their names, not {said}: docs/")):
            strategy(space=A, defaults={"a": 0}, features={"a": sma("a")}, name="new")(rule)
        assert "new" not in STRATEGIES


@pytest.fixture
def gated() -> Iterator[Strategy]:
    """A strategy of this file: enters at every close, long above the open, else short."""

    @strategy(
        space=(
            Param("on", 0, 1),
            Param("width", 1, 50, integer=True, only_if="on"),
        ),
        defaults={"on": 0, "width": 3},
        features={"half": Feature(_doubled, ("width",), int, only_if=("on",))},
        shift=0,
    )
    def gated(i, c, f, p):
        """Idea: none. Source: none."""
        if c.close[i] >= c.open[i]:
            return enter_long(stop=f.half[i])
        return enter_short(stop=f.half[i])

    yield gated
    del STRATEGIES["gated"]


@compiled
def _doubled(open_, high, low, close, volume, args):
    return close * 0.5 + args[0] * 0.0


def test_a_parameter_counts_only_where_its_switch_is_on(gated: Strategy) -> None:
    assert gated.complete({"on": 0, "width": 9})["width"] == 3
    assert gated.complete({"on": 0.5, "width": 9})["width"] == 9
    with pytest.raises(ValueError, match="'width' is 99"):
        gated.complete({"on": 0, "width": 99})


def test_a_feature_that_is_off_reads_as_none_and_needs_no_rows(gated: Strategy) -> None:
    candles = market(30, 1)
    assert gated.lookback({"on": 0, "width": 20}) == 1
    assert gated.lookback({"on": 1, "width": 20}) == 20
    assert np.isnan(gated.run(candles, {"on": 0}).stop).all()
    result = gated.run(candles, {"on": 1, "width": 20})
    assert np.isnan(result.stop[:19]).all()
    longs = candles.close[19:] >= candles.open[19:]
    assert 3 < longs.sum() < len(longs)
    assert result.stop[19:][longs].tolist() == (candles.close[19:][longs] * 0.5).tolist()
    # a short's stop below the price is on the wrong side: the entry is refused
    assert np.isnan(result.stop[19:][~longs]).all()


def test_every_strategy_can_enter_by_limit_and_trail(gated: Strategy) -> None:
    candles = market(60, 2)
    params = {"trail_atr": 2, "limit_atr": 0.5, "max_candles": 7, "atr_window": 5}
    result = gated.run(candles, params)
    ranges = mean_true_range(candles.high, candles.low, candles.close, 5)
    assert gated.lookback(params) == 6
    assert result.max_candles == 7
    assert not result.action[:5].any()
    for i in range(5, 60):
        side = 1 if candles.close[i] >= candles.open[i] else -1
        assert result.action[i] == side
        assert result.trail[i] == 2 * ranges[i]
        assert result.limit[i] == candles.close[i] - side * 0.5 * ranges[i]
    plain = gated.run(candles, {})
    assert np.isnan(plain.limit).all()
    assert np.isnan(plain.trail).all()
    assert plain.max_candles == 0


def test_a_limit_beyond_the_stop_is_no_entry(gated: Strategy) -> None:
    # stops are at half the close: right for a long, wrong for a short
    candles = market(60, 2)
    result = gated.run(candles, {"on": 1, "width": 1, "limit_atr": 0.5, "atr_window": 5})
    rises = candles.close[5:] >= candles.open[5:]
    assert (result.action[5:] == np.where(rises, ENTER_LONG, NONE)).all()
    assert np.isnan(result.stop[5:][~rises]).all()


def test_live_rows_are_asked_for_alone() -> None:
    found = get_strategy("sma_cross")
    candles = market(300, 4)
    vector = found.vector({"fast": 3, "slow": 8, "stop_atr": 2})
    whole, late = found.evaluate(candles, vector), found.evaluate(candles, vector, 200)
    assert same(whole, late, slice(200, None), slice(200, None))
    assert not late.action[:200].any()
    assert whole.action[:200].any()


def test_each_strategy_tells_its_idea_and_source() -> None:
    for name in strategy_names():
        assert "Idea: " in get_strategy(name).description
        assert "Source: " in get_strategy(name).description


def test_metadata_needs_no_numba() -> None:
    code = (
        "import sys; from tradepulse.strategies import get_strategy;"
        " get_strategy('sma_cross').vector({}); sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
