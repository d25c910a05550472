"""Features over other candles: a higher timeframe, another instrument, both."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradepulse.candles.arrays import Candles
from tradepulse.candles.higher import closed_higher
from tradepulse.cli.up.kernels import compile_all
from tradepulse.research.simulate import SimulationRules, Simulator
from tradepulse.research.sweep import Sweep
from tradepulse.strategies import (
    Choice,
    Param,
    Strategy,
    enter_long,
    get_strategy,
    hold,
    leave,
    strategy,
)
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.detectors import look_ahead, recursive
from tradepulse.strategies.features import change, ema, highest, mean_volume, sma
from tradepulse.strategies.made_candles import random_walk, random_walks
from tradepulse.strategies.sources import Sources, reference_of

SPACE = (Param("n", 1, 30, integer=True), Param("m", 1, 30, integer=True))
EVERY = {
    "own": sma("n"),
    "higher": ema("m", on="2h"),
    "volume": mean_volume("n", on="1h"),
    "btc": change("m", of="BTC"),
    "ceiling": highest("n", of="BTC", on="1h"),
}


def looking(i, c, f, p):  # type: ignore[no-untyped-def]
    if f.own[i] > f.higher[i] and f.btc[i] > 0 and f.btc_age[i] < 3 and f.ceiling_age[i] < 2:
        return enter_long(stop=f.own[i] - 0.001 * f.volume[i], target=2 * f.ceiling[i])
    if f.own[i] < f.higher[i - 1]:
        return leave()
    return hold()


@pytest.fixture(scope="module")
def everywhere() -> Iterator[Strategy]:
    yield strategy(space=SPACE, defaults={"n": 3, "m": 2}, features=EVERY)(looking)
    del STRATEGIES["looking"]


def with_holes(candles: Candles, seed: int, share: float) -> Candles:
    """Take candles away at random, of the references, too."""
    kept = np.random.default_rng(seed).random(len(candles)) >= share
    kept[-1] = True
    columns = ("open_time", "open", "high", "low", "close", "volume")
    others = {
        name: with_holes(one, seed + k, share)
        for k, (name, one) in enumerate(candles.references.items(), 1)
    }
    there = {name: getattr(candles, name)[kept] for name in columns}
    return replace(candles, **there, references=others)


@st.composite
def holed(draw: st.DrawFn) -> Candles:
    seed = draw(st.integers(0, 1_000))
    whole = random_walk(draw(st.integers(20, 160)), seed)
    others = {"none:BTC/WALK": random_walk(draw(st.integers(1, 180)), seed + 1)}
    whole = replace(whole, references=others)
    return with_holes(whole, seed, draw(st.sampled_from([0.0, 0.1, 0.6])))


@settings(max_examples=60)
@given(candles=holed(), n=st.integers(1, 4), m=st.integers(1, 2), data=st.data())
def test_prefix_and_window_equal_the_whole_to_the_bit(
    everywhere: Strategy, candles: Candles, n: int, m: int, data: st.DataObject
) -> None:
    params = {"n": n, "m": m}
    lookback = everywhere.lookback(params, "30m")
    whole = everywhere.run(candles, params)
    row = data.draw(st.integers(min(lookback, len(candles)) - 1, len(candles) - 1))
    # of the references there is live what closed by then
    until = int(candles.close_time[row])
    others = {
        name: one.between(None, until - 30 * 60_000 + 1) for name, one in candles.references.items()
    }
    shown = replace(candles, references=others)
    for begin in (0, max(0, row + 1 - lookback)):
        part = everywhere.run(shown.rows(begin, row + 1), params)
        for name in ("action", "stop", "take_profit"):
            assert getattr(part, name)[-1:].tobytes() == getattr(whole, name)[row:][:1].tobytes()
    assert not whole.action[: lookback - 1].any()


@settings(max_examples=40)
@given(candles=holed(), n=st.integers(1, 5))
def test_a_column_has_the_value_of_the_last_source_candle(candles: Candles, n: int) -> None:
    sources = Sources(candles)
    other = candles.references["none:BTC/WALK"]
    for (source, shown), feature in (
        (closed_higher(candles, "2h"), sma("n", on="2h")),
        (closed_higher(other, "30m"), sma("n", of="BTC")),
        (closed_higher(other, "2h"), sma("n", on="2h", of="none:BTC/WALK")),
    ):
        column = sources.column(feature, [n])
        for row, close_time in enumerate(candles.close_time.tolist()):
            last = source.rows(0, np.count_nonzero(shown <= close_time))
            if len(last) < n:
                assert np.isnan(column[row])
            else:
                mean = last.close[-n:].sum() / n
                assert column[row] == pytest.approx(mean, rel=1e-12)


def test_an_age_counts_the_candles_since_the_value(everywhere: Strategy) -> None:
    candles = random_walks(40, everywhere)
    # the reference's candles of rows 12 to 14 are not there, and nothing before row 4
    kept = np.r_[4:12, 15:40]
    btc = candles.references["none:BTC/WALK"]
    columns = ("open_time", "open", "high", "low", "close", "volume")
    btc = replace(btc, **{name: getattr(btc, name)[kept] for name in columns})
    candles = replace(candles, references={"none:BTC/WALK": btc})
    shown = dict(
        zip(everywhere.names, everywhere.columns(candles, everywhere.vector({})), strict=False)
    )
    age = shown["btc_age"]
    assert np.isnan(age[:4]).all()
    assert age[4:18].tolist() == [0] * 8 + [1, 2, 3, 0, 0, 0]
    # in hours: those of rows 12 and 13 were not there
    assert shown["ceiling_age"][11:18].tolist() == [0, 0, 1, 1, 0, 0, 0]


def test_detectors_look_at_all_sources(everywhere: Strategy) -> None:
    candles = with_holes(random_walks(700, everywhere), 5, 0.1)
    ahead = look_ahead(everywhere, {}, candles)
    never = recursive(everywhere, {}, candles)
    assert (ahead.passed, never.passed) == (True, True)
    assert min(ahead.acted, never.acted) > 50


def test_a_base_is_of_the_same_venue_and_quote() -> None:
    walk = random_walk(2)
    perpetual = replace(walk, exchange="okx", symbol="ETH/USDT:USDT")
    assert reference_of("BTC", perpetual) == "okx:BTC/USDT:USDT"
    assert reference_of("BTC", walk) == "none:BTC/WALK"
    assert reference_of("kraken:BTC/USD", walk) == "kraken:BTC/USD"


def test_lookback_is_of_the_timeframe_of_the_series(everywhere: Strategy) -> None:
    # ema of 2: 22 candles of 2h; of 30m ones 4 each, and 3 of one that is not closed
    assert everywhere.lookback({}, "30m") == 22 * 4 + 3 + 1
    assert everywhere.lookback({}, "1h") == 22 * 2 + 1 + 1
    with pytest.raises(ValueError, match=r"^looking: 1h is no multiple of 2h, the timeframe"):
        everywhere.lookback({}, "2h")
    with pytest.raises(ValueError, match="needs the timeframe of the series"):
        everywhere.lookback({})


def test_a_timeframe_that_is_the_series_own_is_the_column_itself() -> None:
    candles = random_walk(50)
    own = Sources(candles).column(sma("n"), [4])
    assert Sources(candles).column(sma("n", on="30m"), [4]).tobytes() == own.tobytes()
    itself = replace(candles, symbol="BTC/WALK")
    looked = Sources(itself).column(sma("n", of="BTC"), [4])
    assert looked[3:].tobytes() == own[3:].tobytes()


def test_what_cannot_be_is_refused_in_words(everywhere: Strategy) -> None:
    with pytest.raises(ValueError, match=r"RANDOM/WALK:30m: it looks at none:BTC/WALK, whose 30m"):
        everywhere.run(random_walk(200), {})
    for source, words in (
        ({"on": "7h"}, r"^bad: feature 'x' is on '7h', which is no timeframe; there are 1m, 3m"),
        ({"of": "BTC/USD"}, r"^bad: feature 'x' is of 'BTC/USD': write a base, as 'BTC', for"),
    ):
        with pytest.raises(ValueError, match=words):
            strategy(
                space=SPACE,
                defaults={"n": 3, "m": 2},
                features={"x": sma("n", **source)},  # type: ignore[typeddict-item]
                name="bad",
            )(looking)
    assert "bad" not in STRATEGIES


def test_what_looks_at_others_is_compiled_before_a_system_starts() -> None:
    compile_all(["relative_strength", "trend_pullback"])
    assert get_strategy("relative_strength")._evaluate_given.dispatcher.signatures


def trending(i, c, f, p):  # type: ignore[no-untyped-def]
    if f.own[i] > f.trend[i] and f.own[i - 1] <= f.trend[i - 1]:
        return enter_long(stop=f.own[i] - 1.0)
    return leave() if f.own[i] < f.trend[i] else hold()


def test_a_parameter_chooses_the_timeframe() -> None:
    space = (*SPACE, Param("trend_on", 0, 2, integer=True))
    defaults = {"n": 3, "m": 4, "trend_on": 1}
    frames = ("30m", "1h", "2h")

    def made(name: str, on: str | Choice) -> Strategy:
        features = {"own": sma("n"), "trend": ema("m", on=on)}
        return strategy(space=space, defaults=defaults, features=features, name=name)(trending)

    free, fixed = made("free", Choice("trend_on", *frames)), made("fixed", "2h")
    candles, params = random_walk(900, 5), {"trend_on": 2.0}
    try:
        assert free.higher("30m") == {"1h", "2h"}
        vectors = np.array([free.vector({"trend_on": k}) for k in range(3)])
        found = Sweep(candles, free, SimulationRules()).run(vectors).figures
        assert len({figures.tobytes() for figures in found}) == 3
        assert free.lookback(params, "30m") == fixed.lookback({}, "30m")
        run = fixed.run(candles, {})
        assert free.run(candles, params).action.tobytes() == run.action.tobytes()
        simulated = Simulator(SimulationRules()).run(candles, run).figures
        np.testing.assert_array_equal(found[2], simulated)
        assert look_ahead(free, {"trend_on": 2.0}, candles).passed
    finally:
        del STRATEGIES["free"], STRATEGIES["fixed"]


@pytest.mark.parametrize(
    ("param", "frames"),
    [
        (Param("trend_on", 0, 1), ("1h", "2h")),
        (Param("trend_on", 0, 2, integer=True), ("1h", "2h")),
        (Param("trend_on", 0, 0, integer=True), ("1h",)),
    ],
)
def test_a_choice_and_its_parameter_fit(param: Param, frames: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"'trend_on' chooses among 1h.*Param\('trend_on', 0, 1"):
        strategy(
            space=(*SPACE, param),
            defaults={"n": 3, "m": 4, "trend_on": 0},
            features={"trend": ema("m", on=Choice("trend_on", *frames))},
        )(trending)


def test_a_choice_among_what_is_no_timeframe_is_refused() -> None:
    with pytest.raises(ValueError, match="'trend' is on '7h', which is no timeframe"):
        strategy(
            space=(*SPACE, Param("trend_on", 0, 1, integer=True)),
            defaults={"n": 3, "m": 4, "trend_on": 0},
            features={"trend": ema("m", on=Choice("trend_on", "1h", "7h"))},
        )(trending)
