"""Averages and recursions of finite memory: the same to the bit anywhere, and near the endless."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_strategies import market

from tradepulse.candles.arrays import Candles
from tradepulse.strategies import _recursions as recursions
from tradepulse.strategies import indicators
from tradepulse.strategies._windows import mean_true_range
from tradepulse.strategies.indicators._ranges import NO_BANDS, next_bands

FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]


def supertrend(c: Candles, window: int, multiplier: float) -> FloatArray:
    return recursions.window_supertrend(c.high, c.low, c.close, window, multiplier)


def same_anywhere(column: FloatArray, part: FloatArray, begin: int, rows: int) -> bool:
    """Compare rows of a column computed from row `begin` on with the whole one's, to the bit."""
    valid = part[rows - 1 :]
    assert np.isnan(part[: rows - 1]).all()
    assert not np.isnan(valid).any()
    return valid.tobytes() == column[begin + rows - 1 :].tobytes()


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 3_000),
    seed=st.integers(0, 1_000),
    window=st.integers(1, 40),
    begin=st.integers(0, 1_500),
    noise=st.sampled_from([0.0, 1e-4, 0.01]),
)
def test_a_row_is_the_same_to_the_bit_wherever_the_column_begins(
    n: int, seed: int, window: int, begin: int, noise: float
) -> None:
    close = market(n, seed, noise).close
    begin = min(begin, n)
    for column, rows in (
        (recursions.window_ema, recursions.ema_rows(window)),
        (recursions.window_rsi, recursions.rsi_rows(window)),
        (recursions.window_spread, window),
    ):
        assert same_anywhere(column(close, window), column(close[begin:], window), begin, rows)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 1_200),
    seed=st.integers(0, 1_000),
    window=st.integers(1, 20),
    multiplier=st.floats(0.1, 5),
    begin=st.integers(0, 900),
    noise=st.sampled_from([0.0, 1e-4, 0.01, 0.1]),
    ticks=st.sampled_from([0, 2, 6]),
)
def test_a_supertrend_is_the_same_to_the_bit_wherever_it_begins(
    n: int, seed: int, window: int, multiplier: float, begin: int, noise: float, ticks: int
) -> None:
    candles = market(n, seed, noise, ticks)
    begin = min(begin, n)
    rows = recursions.supertrend_rows(window, multiplier)
    part = supertrend(candles.rows(begin, n), window, multiplier)
    assert same_anywhere(supertrend(candles, window, multiplier), part, begin, rows)


def plain_supertrend(c: Candles, window: int, multiplier: float) -> FloatArray:
    """The definition: each row's recursion run from its own beginning."""
    line = np.full(len(c), np.nan)
    ranges = mean_true_range(c.high, c.low, c.close, window)
    memory = recursions.supertrend_memory.python(multiplier)
    for last in range(window + memory - 1, len(c)):
        bands = NO_BANDS
        for i in range(last - memory + 1, last + 1):
            middle = (c.high[i] + c.low[i]) / 2.0
            distance = multiplier * ranges[i]
            bands = next_bands.python(middle, distance, c.close[i], c.close[i - 1], bands)
        line[last] = max(bands[1], 0.0) if bands[2] > 0 else -bands[0]
    return line


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    window=st.integers(1, 15),
    multiplier=st.floats(0.1, 2),
    noise=st.sampled_from([0.0, 1e-4, 0.01, 0.1]),
    ticks=st.sampled_from([0, 2, 6]),
)
def test_the_fast_supertrend_is_the_plain_one_to_the_bit(
    seed: int, window: int, multiplier: float, noise: float, ticks: int
) -> None:
    candles = market(300, seed, noise, ticks)
    plain = plain_supertrend(candles, window, multiplier)
    assert supertrend(candles, window, multiplier).tobytes() == plain.tobytes()


@pytest.mark.parametrize("window", [1, 2, 9, 50, 200])
def test_an_exponential_average_is_near_the_endless_one(window: int) -> None:
    close = market(9_000, window).close
    (endless,) = indicators.ema(window).over(close)
    # its own seed must be forgotten too
    warm = slice(2 * recursions.ema_rows(window), None)
    np.testing.assert_allclose(recursions.window_ema(close, window)[warm], endless[warm], rtol=1e-8)


@pytest.mark.parametrize("window", [1, 2, 14, 100])
def test_relative_strength_is_near_the_endless_one(window: int) -> None:
    close = market(9_000, window).close
    (endless,) = indicators.rsi(window).over(close)
    warm = slice(2 * recursions.rsi_rows(window), None)
    np.testing.assert_allclose(
        recursions.window_rsi(close, window)[warm], endless[warm], rtol=1e-8, atol=1e-6
    )


@pytest.mark.parametrize(("window", "multiplier"), [(10, 3.0), (3, 1.0), (30, 5.0)])
def test_a_supertrend_is_the_endless_one_on_a_random_walk(window: int, multiplier: float) -> None:
    candles = market(20_000, window, 0.002)
    ranges = mean_true_range(candles.high, candles.low, candles.close, window)
    bands = NO_BANDS
    differ = 0
    finite = supertrend(candles, window, multiplier)
    for i in range(window, len(candles)):
        middle = (candles.high[i] + candles.low[i]) / 2.0
        before = candles.close[i - 1]
        bands = next_bands.python(middle, multiplier * ranges[i], candles.close[i], before, bands)
        differ += np.isfinite(finite[i]) and (finite[i] > 0) != (bands[2] > 0)
    assert differ == 0
    assert (finite > 0).any()
    assert (finite < 0).any()


@pytest.mark.parametrize("window", [1, 2, 3, 7, 20, 64, 100])
def test_the_spread_is_the_standard_deviation(window: int) -> None:
    close = market(400, window).close
    spread = recursions.window_spread(close, window)
    for i in range(window - 1, 400):
        expected = np.std(close[i + 1 - window : i + 1])
        assert spread[i] == pytest.approx(expected, rel=1e-9, abs=1e-13)
    assert not recursions.window_spread(np.full(50, 0.1), window)[window - 1 :].any()


def test_the_spread_of_a_high_price_keeps_its_digits() -> None:
    steps = np.array([0.0, 1e-4] * 30)
    spread = recursions.window_spread(1e6 + steps, 10)
    assert spread[9:] == pytest.approx(np.std(steps), rel=1e-4)
