"""The scalar rules say the same when Python calls them and when compiled code does."""

import math
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradepulse.trading import fills
from tradepulse.trading.fills import LONG, SHORT, FinerPrices, Prices, Scalar, to_digits

SIDE = st.sampled_from([LONG, SHORT])
PRICE = st.one_of(st.floats(90, 110), st.sampled_from([95.0, 100.0, 105.0]))
LEVEL = st.one_of(PRICE, st.just(math.nan))
SHARE = st.sampled_from([0.0, 0.01, 0.5])
QUANTITY = st.floats(0, 1e6)


@st.composite
def finer_candles(draw: Callable[..., float]) -> tuple[object, ...]:
    """Draw the last four arguments of `candle_exit`: a candle and its finer ones."""
    rows = [sorted(draw(PRICE) for _ in range(3)) for _ in range(3)]
    low, open_, high = np.array(rows).T.copy()
    begin = int(draw(st.integers(0, 3)))
    candle = Prices(open_[0], high.max(), low.min(), open_[-1], 1.0)
    return (candle, FinerPrices(open_, high, low), begin, 3)


ANY_SCALE = st.one_of(LEVEL, st.floats(-1e17, 1e17), st.floats(0, 1e-6))
CALLS: list[tuple[Scalar[..., object], st.SearchStrategy[tuple[object, ...]]]] = [
    (fills.to_digits, st.tuples(ANY_SCALE)),
    (fills.market_price, st.tuples(PRICE, st.booleans(), SHARE, SHARE, QUANTITY, QUANTITY)),
    (
        fills.entry_price,
        st.tuples(QUANTITY, PRICE, st.booleans(), SHARE, SHARE, SHARE, QUANTITY),
    ),
    (fills.within_limit, st.tuples(PRICE, st.booleans(), PRICE)),
    (fills.limit_fill, st.tuples(SIDE, PRICE, PRICE, PRICE, PRICE)),
    (fills.exit_fill, st.tuples(SIDE, LEVEL, LEVEL, PRICE, PRICE, PRICE)),
    (fills.quiet_range, st.tuples(SIDE, LEVEL, LEVEL)),
    (
        fills.candle_exit,
        st.tuples(st.tuples(SIDE, LEVEL, LEVEL, LEVEL), finer_candles()).map(lambda t: t[0] + t[1]),
    ),
    (fills.trailed_stop, st.tuples(SIDE, LEVEL, LEVEL, PRICE, PRICE)),
]


@pytest.mark.parametrize(("rule", "arguments"), CALLS, ids=lambda v: getattr(v, "__name__", ""))
def test_compiled_rules_are_the_written_ones(
    rule: Scalar[..., object], arguments: st.SearchStrategy[tuple[object, ...]]
) -> None:
    @settings(max_examples=300, deadline=None)
    @given(arguments)
    def agree(given_arguments: tuple[object, ...]) -> None:
        written, compiled = rule(*given_arguments), rule.dispatcher(*given_arguments)
        np.testing.assert_array_equal(np.array(written), np.array(compiled))

    agree()


@given(st.integers(1, 10**15 - 1), st.integers(-22, 10))
def test_a_price_of_fifteen_digits_keeps_them(digits: int, exponent: int) -> None:
    price = float(f"{digits}e{exponent}")
    assert to_digits(price) == price
    assert to_digits(-price) == -price


@given(st.floats(1e-11, 1e10))
def test_a_computed_price_is_the_nearest_of_fifteen_digits(price: float) -> None:
    found = Decimal(repr(to_digits(price)))
    assert len(found.normalize().as_tuple().digits) <= 15
    # half of the last digit, and the roundings of the product and of the two texts
    unit = max(Decimal(10) ** (Decimal(repr(price)).adjusted() - 14), Decimal("1e-22"))
    assert abs(found - Decimal(repr(price))) <= unit / 2 + 3 * Decimal(math.ulp(price))
    assert to_digits(to_digits(price)) == to_digits(price)


@given(
    st.one_of(st.floats(1e-25, 1e16), st.floats(0.999999, 1.000001), st.just(1.0)),
    st.integers(-25, 16),
)
def test_a_price_is_scaled_by_the_least_power_of_ten_that_shows_its_digits(
    size: float, exponent: int
) -> None:
    price = size * 10.0**exponent
    if 0.0 < price < 1e15:
        powers = [float(f"1e{k}") for k in range(23)]
        power = next((p for p in powers if price * p >= 1e14), 1e22)
        assert to_digits(price) == round(price * power) / power


@pytest.mark.parametrize("scale", range(-11, 11))
def test_what_is_computed_meets_what_is_written_at_any_scale(scale: int) -> None:
    missed = [
        (price, percent)
        for price in range(101, 999, 7)
        for percent in range(1, 40)
        if to_digits(float(f"{price}e{scale - 2}") * (1 - percent / 100))
        != float(f"{price * (100 - percent)}e{scale - 4}")
    ]
    assert not missed


def test_a_price_without_more_digits_than_a_float_stays() -> None:
    for price in (1.5e15 + 0.5, -1e18, math.inf, 0.0):
        assert to_digits(price) == price
    assert math.isnan(to_digits(math.nan))


@given(SIDE, LEVEL, LEVEL, st.floats(1e-11, 1e10), st.floats(-1e-15, 1e-15))
def test_a_candle_within_the_quiet_range_touches_nothing(
    side: int, stop: float, target: float, scale: float, noise: float
) -> None:
    stop, target = to_digits(stop * scale), to_digits(target * scale)
    for level in (stop, target):
        if not math.isnan(level):
            price = level * (1 + noise)
            found, _ = fills.exit_fill(side, stop, target, price, price, price)
            below, above = fills.quiet_range(side, stop, target)
            assert found == fills.NO_EXIT or price <= below or price >= above


def test_a_level_is_touched_in_spite_of_a_candle_s_last_bits() -> None:
    # 0.29 x 0.95 is 0.27549999999999997
    stop = fills.trailed_stop(LONG, 0.29 * 0.95, math.nan, 0.29, 0.29)
    assert fills.exit_fill(LONG, stop, math.nan, 0.29, 0.3, 0.2755) == (fills.STOP, 0.2755)
    # as some files have it: 4e-8 x 0.99
    low = 3.9600000000000004e-08
    assert fills.exit_fill(LONG, 3.96e-08, math.nan, 4e-8, 4e-8, low) == (fills.STOP, 3.96e-08)
    assert fills.limit_fill(LONG, 3.96e-08, 4e-8, 4e-8, 3.9599999999999996e-08)[0] == fills.EXPIRED
