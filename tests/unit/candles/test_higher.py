"""Candles of a higher timeframe, against what is worked out candle by candle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepulse.candles.arrays import Candles
from tradepulse.candles.higher import closed_higher, parts_in

MINUTE = 60_000
FIVE, HOUR = 5 * MINUTE, 60 * MINUTE


def series_of(slots: list[int], seed: int) -> Candles:
    """Five-minute candles in these slots, off nothing but each other's prices."""
    n = len(slots)
    rng = np.random.default_rng(seed)
    open_, close = rng.uniform(90, 110, (2, n))
    high, low = np.maximum(open_, close) + 1, np.minimum(open_, close) - 1
    times = np.array(slots, dtype=np.int64) * FIVE
    return Candles("v", "A/B", "5m", times, open_, high, low, close, rng.uniform(0, 9, n))


holed = st.builds(
    series_of,
    st.lists(st.integers(0, 80), min_size=1, max_size=70, unique=True).map(sorted),
    st.integers(0, 2**32 - 1),
)


def one_by_one(candles: Candles) -> list[tuple[int, float, float, float, float, float]]:
    """Hours that are closed, each from its parts alone."""
    found = []
    for hour in range(int(candles.open_time[-1]) // HOUR + 1):
        rows = [i for i, time in enumerate(candles.open_time) if time // HOUR == hour]
        if rows and candles.close_time[-1] >= (hour + 1) * HOUR:
            part = candles.rows(rows[0], rows[-1] + 1)
            volume = np.add.reduceat(part.volume.copy(), [0])[0]
            prices = part.open[0], part.high.max(), part.low.min(), part.close[-1]
            found.append((hour * HOUR, *map(float, prices), float(volume)))
    return found


@given(holed)
def test_a_higher_candle_is_there_once_a_lower_one_closes_at_or_after_its_end(
    candles: Candles,
) -> None:
    made, shown = closed_higher(candles, "1h")
    columns = (made.open_time, made.open, made.high, made.low, made.close, made.volume)
    assert list(zip(*(one.tolist() for one in columns), strict=True)) == one_by_one(candles)
    assert made.series == "v:A/B:1h"
    closes = candles.close_time.tolist()
    ends = made.close_time.tolist()
    assert shown.tolist() == [min(close for close in closes if close >= end) for end in ends]


@given(holed, st.data())
def test_what_is_closed_never_changes_with_what_comes(
    candles: Candles, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(candles)))
    early, shown = closed_higher(candles.rows(0, cut), "1h")
    late, shown_late = closed_higher(candles, "1h")
    count = len(early)
    assert count == np.count_nonzero(shown_late <= candles.close_time[cut - 1])
    assert shown.tolist() == shown_late[:count].tolist()
    for name in ("open_time", "open", "high", "low", "close", "volume"):
        assert getattr(early, name).tobytes() == getattr(late, name)[:count].tobytes()


def test_its_own_timeframe_is_the_series_itself() -> None:
    candles = series_of([0, 1, 5], 0)
    assert closed_higher(candles, "5m")[0] is candles
    assert (parts_in("4h", "30m"), parts_in("1d", "1d")) == (8, 1)


@pytest.mark.parametrize("lower", ["1d", "12h", "8h"])
def test_what_is_no_multiple_is_refused_in_words(lower: str) -> None:
    with pytest.raises(ValueError, match=f"^6h is no multiple of {lower}, the timeframe of the"):
        parts_in("6h", lower)
