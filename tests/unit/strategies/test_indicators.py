"""The indicators: batch and candle by candle the same to the bit, and right by an independent one.

TA-Lib is the oracle, Supertrend and VWAP have plain ones here as well; over real candles:
test_talib.py.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from test_strategies import market

from tradepulse.candles.arrays import Candles
from tradepulse.strategies import indicators
from tradepulse.strategies.indicators import Indicator


@dataclass(frozen=True)
class Candle:
    """One candle, as an incremental indicator takes it."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def candle(c: Candles, i: int) -> Candle:
    prices = (float(column[i]) for column in (c.open, c.high, c.low, c.close, c.volume))
    return Candle(int(c.open_time[i]), *prices)


windows = st.integers(1, 40)
factors = st.floats(0.1, 5)
EVERY: dict[str, st.SearchStrategy[Indicator]] = {
    "sma": st.builds(indicators.sma, windows),
    "ema": st.builds(indicators.ema, windows),
    "rsi": st.builds(indicators.rsi, windows),
    "atr_wilder": st.builds(indicators.atr_wilder, windows),
    "adx": st.builds(indicators.adx, st.integers(2, 40)),
    "atr": st.builds(indicators.atr, windows),
    "macd": st.builds(indicators.macd, st.integers(1, 12), st.integers(13, 40), st.integers(1, 12)),
    "bollinger": st.builds(indicators.bollinger, windows, factors),
    "donchian": st.builds(indicators.donchian, windows),
    "highest": st.builds(indicators.highest, windows),
    "lowest": st.builds(indicators.lowest, windows),
    "supertrend": st.builds(indicators.supertrend, windows, factors),
    "rolling_vwap": st.builds(indicators.rolling_vwap, windows),
    "session_vwap": st.builds(indicators.session_vwap),
}
markets = st.builds(
    market,
    n=st.integers(0, 150),
    seed=st.integers(0, 2**32 - 1),
    noise=st.sampled_from([0.0, 1e-4, 0.01, 0.1]),
    ticks=st.sampled_from([0, 2, 6]),
)


def test_every_indicator_is_tested() -> None:
    assert set(EVERY) | {"Indicator", "Live"} == set(indicators.__all__)


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), candles=markets)
def test_candle_by_candle_is_batch_to_the_bit(
    name: str, data: st.DataObject, candles: Candles
) -> None:
    indicator = data.draw(EVERY[name])
    live = indicator.live()
    batch = np.array(indicator.of(candles))
    assert batch.shape == (len(indicator.fields), len(candles))
    for i in range(len(candles)):
        values = np.array(live.update(candle(candles, i)))
        assert values.tobytes() == np.ascontiguousarray(batch[:, i]).tobytes()


def test_a_second_run_begins_anew() -> None:
    indicator = indicators.bollinger(5)
    candles = market(40, 1)
    first, second = indicator.of(candles), indicator.of(candles)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
    one, other = indicator.live(), indicator.live()
    for i in range(20):
        assert one.update(candle(candles, i)) == pytest.approx(
            tuple(float(column[i]) for column in first), nan_ok=True
        )
    assert all(math.isnan(value) for value in other.update(candle(candles, 0)))


def close_to(ours: np.ndarray, theirs: np.ndarray, scale: float) -> None:
    """Compare within 1e-9 of the scale, with the same first row."""
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * scale)


Oracle = Callable[[Candles], tuple[np.ndarray, ...]]
TALIB: list[tuple[Indicator, Oracle, float]] = [
    (indicators.sma(1), lambda c: (talib.SMA(c.close, 1),), 0),
    (indicators.sma(30), lambda c: (talib.SMA(c.close, 30),), 0),
    (indicators.ema(5), lambda c: (talib.EMA(c.close, 5),), 0),
    (indicators.ema(50), lambda c: (talib.EMA(c.close, 50),), 0),
    (indicators.rsi(2), lambda c: (talib.RSI(c.close, 2),), 100),
    (indicators.rsi(14), lambda c: (talib.RSI(c.close, 14),), 100),
    (
        indicators.atr(14),
        lambda c: (talib.SMA(talib.TRANGE(c.high, c.low, c.close), 14),),
        1,
    ),
    (indicators.atr_wilder(14), lambda c: (talib.ATR(c.high, c.low, c.close, 14),), 0),
    (indicators.atr_wilder(3), lambda c: (talib.ATR(c.high, c.low, c.close, 3),), 0),
    (
        indicators.adx(14),
        lambda c: tuple(
            f(c.high, c.low, c.close, 14) for f in (talib.ADX, talib.PLUS_DI, talib.MINUS_DI)
        ),
        100,
    ),
    (
        indicators.adx(2),
        lambda c: tuple(
            f(c.high, c.low, c.close, 2) for f in (talib.ADX, talib.PLUS_DI, talib.MINUS_DI)
        ),
        100,
    ),
    (indicators.bollinger(20, 2), lambda c: talib.BBANDS(c.close, 20, 2, 2)[::-1], 1),
    (indicators.bollinger(5, 0.5), lambda c: talib.BBANDS(c.close, 5, 0.5, 0.5)[::-1], 1),
    (indicators.highest(20), lambda c: (talib.MAX(c.high, 20),), 0),
    (indicators.lowest(20), lambda c: (talib.MIN(c.low, 20),), 0),
    (
        indicators.donchian(55),
        lambda c: (
            talib.MIN(c.low, 55),
            (talib.MIN(c.low, 55) + talib.MAX(c.high, 55)) / 2,
            talib.MAX(c.high, 55),
        ),
        0,
    ),
]


@pytest.mark.parametrize(
    ("indicator", "oracle", "scale"), TALIB, ids=[case[0].name for case in TALIB]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_it_agrees_with_ta_lib(
    indicator: Indicator, oracle: Oracle, scale: float, seed: int
) -> None:
    candles = market(2_000, seed)
    for ours, theirs in zip(indicator.of(candles), oracle(candles), strict=True):
        close_to(ours, theirs, scale)


@pytest.mark.parametrize("lengths", [(12, 26, 9), (3, 10, 1), (1, 2, 5)])
def test_macd_agrees_with_ta_lib(lengths: tuple[int, int, int]) -> None:
    candles = market(2_000, 3)
    line, signal, histogram = indicators.macd(*lengths).of(candles)
    fast, slow, smooth = lengths
    # TA-Lib takes no average of one row, and hides the line until the signal begins
    quick = np.full(len(candles), np.nan)
    quick[slow - fast :] = (
        talib.EMA(candles.close[slow - fast :], fast) if fast > 1 else candles.close[slow - fast :]
    )
    theirs = quick - talib.EMA(candles.close, slow)
    close_to(line, theirs, 100)
    if fast > 1:
        whole, its_signal, its_histogram = talib.MACD(candles.close, fast, slow, smooth)
        begun = slow + smooth - 2
        close_to(line[begun:], whole[begun:], 100)
        close_to(signal, its_signal, 100)
        close_to(histogram, its_histogram, 100)


def plain_supertrend(c: Candles, window: int, multiplier: float) -> tuple[list[float], list[float]]:
    """Supertrend by its words, with its own average true range."""
    n = len(c)
    high, low, close = c.high.tolist(), c.low.tolist(), c.close.tolist()
    ranges = [math.nan] + [
        max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1]))
        for i in range(1, n)
    ]
    line, directions = [math.nan] * n, [math.nan] * n
    atr = upper = lower = 0.0
    up = False
    for i in range(window, n):
        if i == window:
            atr = sum(ranges[1 : window + 1]) / window
        else:
            atr += (ranges[i] - atr) / window
        middle = (high[i] + low[i]) / 2
        if i == window:
            upper, lower = middle + multiplier * atr, middle - multiplier * atr
        else:
            if close[i - 1] > upper:
                upper = middle + multiplier * atr
            else:
                upper = min(upper, middle + multiplier * atr)
            if close[i - 1] < lower:
                lower = middle - multiplier * atr
            else:
                lower = max(lower, middle - multiplier * atr)
            up = close[i] >= lower if up else close[i] > upper
        line[i], directions[i] = (lower, 1.0) if up else (upper, -1.0)
    return line, directions


@pytest.mark.parametrize(("window", "multiplier"), [(10, 3.0), (3, 1.0), (1, 0.7)])
def test_supertrend_follows_its_words(window: int, multiplier: float) -> None:
    candles = market(1_500, 5)
    line, direction = indicators.supertrend(window, multiplier).of(candles)
    plain_line, plain_direction = plain_supertrend(candles, window, multiplier)
    assert np.array_equal(direction, plain_direction, equal_nan=True)
    close_to(line, np.array(plain_line), 0)
    assert 1 in direction
    assert -1 in direction[window + 1 :]


def test_session_vwap_begins_anew_each_utc_day() -> None:
    candles = market(200, 7)  # 48 candles a day
    (ours,) = indicators.session_vwap().of(candles)
    price = (candles.high + candles.low + candles.close) / 3
    for i in range(200):
        today = slice(i - i % 48, i + 1)
        expected = np.average(price[today], weights=candles.volume[today])
        assert ours[i] == pytest.approx(expected, rel=1e-12)


def test_rolling_vwap_weighs_the_window() -> None:
    candles = market(300, 8)
    (ours,) = indicators.rolling_vwap(24).of(candles)
    price = (candles.high + candles.low + candles.close) / 3
    for i in range(23, 300):
        part = slice(i - 23, i + 1)
        expected = np.average(price[part], weights=candles.volume[part])
        assert ours[i] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(ours[:23]).all()


def test_nothing_traded_has_no_average_price() -> None:
    quiet = market(60, 9)
    quiet.volume[10:30] = 0.0
    (rolling,) = indicators.rolling_vwap(5).of(quiet)
    assert np.isnan(rolling[14:30]).all()
    assert np.isfinite(rolling[30:]).all()
    quiet.volume[:] = 0.0
    assert np.isnan(indicators.session_vwap().of(quiet)[0]).all()


def test_a_large_value_leaves_no_rounding_behind() -> None:
    close = np.array([1e15, *[0.1] * 50])
    (mean,) = indicators.sma(5).over(close)
    assert mean[5:] == pytest.approx(0.1, rel=1e-15)
    lower, middle, upper = indicators.bollinger(5).over(close)
    assert middle[5:] == pytest.approx(0.1, rel=1e-15)
    assert (upper - lower)[5:] == pytest.approx(0, abs=1e-15)


def test_a_high_price_that_hardly_moves_has_a_spread() -> None:
    steps = np.array([0.0, 1e-4] * 30)
    lower, middle, upper = indicators.bollinger(10, 1).over(1e6 + steps)
    assert (upper - lower)[9:] / 2 == pytest.approx(np.std(steps), rel=1e-4)
    assert middle[9:] == pytest.approx(1e6 + 5e-5, rel=1e-15)


def test_a_flat_market_is_undecided() -> None:
    flat = market(120, 1, noise=0.0)
    assert set(indicators.rsi(5).of(flat)[0][5:]) == {50.0}
    assert not indicators.adx(5).of(flat)[0][9:].any()
    lower, _, upper = indicators.bollinger(7).of(flat)
    assert np.array_equal(lower[6:], upper[6:])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: indicators.sma(0), "window is 0; it must be a whole number of at least 1"),
        (lambda: indicators.ema(2.5), "window is 2.5; it must be a whole number"),
        (lambda: indicators.rsi(True), "window is True; it must be a whole number"),
        (lambda: indicators.adx(1), "window is 1; it must be a whole number of at least 2"),
        (lambda: indicators.macd(26, 12), r"fast \(26\) must be less than slow \(12\)"),
        (lambda: indicators.bollinger(20, 0), "deviations is 0; it must be a number above 0"),
        (lambda: indicators.supertrend(10, math.nan), "multiplier is nan; it must be a number"),
        (
            lambda: indicators.atr_wilder(3).over(np.zeros(4), np.zeros(4), np.zeros(5)),
            r"atr_wilder\(3\) reads high, low, close, equally long; .* of 4, 4, 5 rows",
        ),
        (lambda: indicators.sma(3).over(), "was given columns of nothing rows"),
    ],
)
def test_wrong_arguments_are_told(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
