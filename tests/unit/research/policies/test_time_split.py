"""Time is cut without a day that two parts share, and what was searched there is told."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.made_markets import HOUR, as_candles, scripted
from tradepulse.research.policies.time_split import (
    Part,
    Searched,
    check_overlaps,
    embargo_of,
    overlaps_of,
    rows_of,
    split_time,
)
from tradepulse.research.virtual.market import market_of
from tradepulse.trading.backtest import Prepared

DAY = 86_400_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_two_years_are_cut() -> None:
    split = split_time(at("2024-01-01 00:30"), at("2025-12-31 10:00"), 7 * DAY + HOUR)
    # 729 whole days, two embargoes of eight
    assert split.embargo_days == 8
    assert (split.train.days, split.validation.days, split.test.days) == (429, 142, 142)
    assert str(split.train) == "2024-01-02 to 2025-03-05"
    assert str(split.test) == "2025-08-11 to 2025-12-30"
    assert split.validation.start - split.train.end == 8 * DAY
    assert split.test.start - split.validation.end == 8 * DAY


@given(
    start=st.integers(0, 10**12),
    length=st.integers(0, 3_000 * DAY),
    embargo=st.integers(0, 30 * DAY),
)
def test_parts_are_apart_and_in_the_range(start: int, length: int, embargo: int) -> None:
    end = start + length
    try:
        split = split_time(start, end, embargo)
    except ValueError as error:
        needed = int(str(error).rpartition("show nothing: give a range of at least ")[2].split()[0])
        # so long a range is enough
        split = split_time(start, start + (needed + 1) * DAY, embargo)
        end = start + (needed + 1) * DAY
    assert start <= split.train.start < split.train.end
    assert split.train.end + embargo <= split.validation.start < split.validation.end
    assert split.validation.end + embargo <= split.test.start < split.test.end <= end
    assert split.test.days >= 90
    assert end - split.test.end < 4 * DAY


def test_a_range_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError) as refused:
        split_time(at("2025-01-01"), at("2025-07-01"), 9 * DAY)
    assert str(refused.value) == (
        "2025-01-01 to 2025-06-30 has 181 whole days; after two embargoes of 9 days 20% of it are "
        "32 days to test on, and fewer than 90 show nothing: give a range of at least 468 days"
    )
    with pytest.raises(ValueError, match="do not sum to 1"):
        split_time(0, 900 * DAY, 0, shares=(0.6, 0.2, 0.1))


def test_a_close_at_midnight_belongs_to_the_day_that_it_ends() -> None:
    close_time = np.arange(1, 97, dtype=np.int64) * HOUR
    assert rows_of(Part(DAY, 2 * DAY), close_time) == (24, 48)
    with pytest.raises(ValueError, match="no candle closes from 1970-01-11 to 1970-01-11"):
        rows_of(Part(10 * DAY, 11 * DAY), close_time)


def test_the_embargo_knows_how_long_trades_are_held() -> None:
    prices = [100.0] * 40
    # held for two, three and twenty hours
    said = {0: (1, np.nan), 2: (2, np.nan), 4: (1, np.nan), 7: (2, np.nan), 10: (1, np.nan)}
    said |= {30: (2, np.nan)}
    candles = as_candles("A/USD", prices)
    ready = Prepared(
        {candles.series: candles}, {candles.series: candles}, {}, [scripted("A/USD", prices, said)]
    )
    market = market_of(ready, {})
    # bought at the open of one hour and sold at that of another, whose candle counts
    assert embargo_of(market, 5 * HOUR) == (5 + 21) * HOUR
    idle = market_of(Prepared(ready.warm, ready.traded, {}, [scripted("A/USD", prices, {})]), {})
    assert embargo_of(idle, 5 * HOUR) == 5 * HOUR


def test_what_was_searched_where_it_is_judged_is_refused() -> None:
    split = split_time(0, 800 * DAY, 10 * DAY)
    begin, end = split.validation.start, split.validation.end
    assert check_overlaps(overlaps_of(split, [Searched("a", -50 * DAY, 0)]), None) == ()
    # inside the embargo nothing is judged
    assert not overlaps_of(split, [Searched("a", split.train.end, begin)])
    trained = overlaps_of(split, [Searched("a", 0, begin), Searched("b", 5 * DAY, 6 * DAY)])
    assert [(one.configuration, one.part, one.days) for one in trained] == [
        ("a", "train", split.train.days), ("b", "train", 1),
    ]  # fmt: skip
    (line,) = check_overlaps(trained, None)
    assert line.startswith("2 configurations had been searched on days that the policy learns from")
    grave = overlaps_of(split, [Searched("a", 0, begin + DAY // 2), Searched("c", end, end + DAY)])
    assert [(one.part, one.days) for one in grave] == [
        ("train", split.train.days), ("validation", 0.5),
    ]  # fmt: skip
    with pytest.raises(ValueError) as refused:
        check_overlaps(grave, "  ")
    assert "1 configuration (first a) had been searched on days of validation" in str(refused.value)
    assert "\n" not in str(refused.value)
    told = check_overlaps(grave, "a demonstration")
    assert told[0].endswith("the figures prove nothing. Allowed because: a demonstration")
    assert len(told) == 2
