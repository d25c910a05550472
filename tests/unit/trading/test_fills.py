"""The scalar rules say the same when Python calls them and when compiled code does."""

import math
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradepulse.trading import fills
from tradepulse.trading.fills import LONG, SHORT, FinerPrices, Prices, Scalar, to_tick

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


CALLS: list[tuple[Scalar[..., object], st.SearchStrategy[tuple[object, ...]]]] = [
    (fills.to_tick, st.tuples(st.one_of(LEVEL, st.floats(-1e12, 1e12)))),
    (fills.market_price, st.tuples(PRICE, st.booleans(), SHARE, SHARE, QUANTITY, QUANTITY)),
    (fills.limit_fill, st.tuples(SIDE, PRICE, PRICE, PRICE, PRICE)),
    (fills.exit_fill, st.tuples(SIDE, LEVEL, LEVEL, PRICE, PRICE, PRICE)),
    (
        fills.candle_exit,
        st.tuples(st.tuples(SIDE, LEVEL, LEVEL, LEVEL), finer_candles()).map(lambda t: t[0] + t[1]),
    ),
    (fills.trailed_stop, st.tuples(SIDE, LEVEL, LEVEL, PRICE, PRICE)),
    (
        fills.entry_quantity,
        st.tuples(QUANTITY, PRICE, LEVEL, SHARE, SHARE, st.just(1.001), st.just(10.0)),
    ),
    (fills.is_affordable, st.tuples(QUANTITY, PRICE, SHARE, QUANTITY)),
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


@given(st.floats(1e-9, 1e7))
def test_a_tick_is_the_ledger_s_smallest_unit(price: float) -> None:
    rounded = Decimal(repr(to_tick(price)))
    assert rounded == rounded.quantize(Decimal("1e-8"))
    # half a tick, and the roundings of the product, the quotient and the two texts
    assert abs(rounded - Decimal(repr(price))) <= Decimal("5e-9") + 3 * Decimal(math.ulp(price))
    assert to_tick(to_tick(price)) == to_tick(price)


def test_a_price_whose_own_spacing_is_wider_than_a_tick_stays() -> None:
    for price in (6e7 + 0.1, 1.5e9 + 1 / 3, -1e12, math.inf):
        assert to_tick(price) == price
