"""What venues send as candles: rows of a stream, trades, and answers of shorter timeframes."""

from dataclasses import replace
from math import inf, nan
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from market_ingest.live.bars import Bar, is_alike
from market_ingest.live.feed import _refusal
from market_ingest.live.meters import group_of
from market_ingest.live.rest_candles import (
    CandleVenue,
    ask_candles,
    asked_timeframe,
    bars_of,
    candles_of,
    merged,
    slots_per_question,
)
from market_ingest.live.rows import TradeBars, bars_of_rows
from market_ingest.live.shares import share_of, surplus
from market_ingest.live.store import candle_event
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.venues.rules import VenueRules, rules_of

MINUTE = 60_000
HOUR = 60 * MINUTE
ROW = [MINUTE, 10.0, 12.0, 9.0, 11.0, 3.0]
BAR = Bar(MINUTE, 10.0, 12.0, 9.0, 11.0, 3.0)


def test_a_row_is_a_candle_in_ccxt_s_order() -> None:
    assert bars_of_rows([ROW, [*ROW, "more"], [str(value) for value in ROW]]) == ([BAR] * 3, 0)
    quiet = [MINUTE, 10.0, 10.0, 10.0, 10.0, 0.0]
    assert bars_of_rows([quiet]) == ([Bar(MINUTE, 10.0, 10.0, 10.0, 10.0, 0.0)], 0)


@pytest.mark.parametrize(
    "row",
    [
        ROW[:5],
        [],
        None,
        [None, *ROW[1:]],
        [MINUTE, None, 12.0, 9.0, 11.0, 3.0],
        [inf, *ROW[1:]],
        *([*ROW[:k], wrong, *ROW[k + 1 :]] for k in range(1, 6) for wrong in (nan, inf, "x")),
        [MINUTE, 10.0, 12.0, 0.0, 11.0, 3.0],
        [MINUTE, 10.0, 12.0, -1.0, 11.0, 3.0],
        [MINUTE, 10.0, 12.0, 9.0, 11.0, -0.1],
        [MINUTE, 10.0, 9.5, 9.0, 9.5, 3.0],
        [MINUTE, 10.0, 10.5, 9.0, 11.0, 3.0],
        [MINUTE, 10.0, 12.0, 10.5, 11.0, 3.0],
        [MINUTE, 12.0, 12.0, 11.5, 11.0, 3.0],
    ],
)
def test_what_is_no_candle_is_left_out_and_counted(row: Any) -> None:
    assert bars_of_rows([ROW, row, ROW]) == ([BAR, BAR], 1)


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_candles_differ_where_one_figure_does(name: str) -> None:
    near, far = (replace(BAR, **{name: getattr(BAR, name) * (1 + d)}) for d in (5e-10, 1e-6))
    assert is_alike(BAR, near)
    assert not is_alike(BAR, far)


def test_trades_make_the_candles_that_have_closed() -> None:
    bars = TradeBars("x", "A/USD", "1m")
    trades = [
        {"timestamp": MINUTE + 1, "id": "1", "price": 10.0, "amount": 1.0},
        {"timestamp": MINUTE + 2, "id": None, "price": "12.0", "amount": "0.5"},
        {"timestamp": 2 * MINUTE, "id": "3", "price": 11.0, "amount": 2.0},
    ]
    assert bars.add(trades)
    assert bars.take(2 * MINUTE - 1) == []
    assert bars.take(2 * MINUTE) == [Bar(MINUTE, 10.0, 12.0, 10.0, 12.0, 1.5)]
    bars.forget()
    assert bars.take(3 * MINUTE) == []


@pytest.mark.parametrize(
    "wrong",
    [{}, {"price": None}, {"price": "x"}, {"timestamp": None}, {"amount": -1.0}, {"price": 0.0}],
)
def test_a_trade_that_cannot_be_read_is_told_and_harms_no_other(wrong: dict[str, Any]) -> None:
    right = {"timestamp": MINUTE, "id": "1", "price": 10.0, "amount": 1.0}
    bad = {**right, **wrong} if wrong else {}
    bars = TradeBars("x", "A/USD", "1m")
    assert not bars.add([bad, {**right, "id": "2"}])
    assert bars.take(2 * MINUTE) == [Bar(MINUTE, 10.0, 10.0, 10.0, 10.0, 1.0)]


def rules(*timeframes: str, per_call: int = 300) -> VenueRules:
    return replace(rules_of("kraken"), timeframes=timeframes, candles_per_call=per_call)


def test_the_longest_timeframe_that_fits_is_asked_for() -> None:
    own = rules("1m", "5m", "1h")
    assert [asked_timeframe(own, t) for t in ("1m", "3m", "15m", "1h", "4h")] == [
        "1m", "1m", "5m", "1h", "1h"
    ]  # fmt: skip
    assert [slots_per_question(own, t) for t in ("1m", "3m", "15m", "4h")] == [300, 100, 100, 75]
    assert slots_per_question(rules("1m", per_call=2), "3m") == 1


class Venue:
    """Answers with one-minute candles of the given minutes, and covers what it is told."""

    rules = rules("1m")

    def __init__(self, covered: tuple[int, int], *minutes: int) -> None:
        self.covered = covered
        self.minutes = minutes
        self.asked: list[tuple[str, str, int, int]] = []

    async def candles(self, symbol: str, timeframe: str, start: int, end: int) -> Any:
        self.asked.append((symbol, timeframe, start, end))
        n = np.array(self.minutes, dtype=np.int64)
        price = 100.0 + n
        candles = Candles(
            "x", "A/USD", "1m", n * MINUTE, price, price + 2, price - 2, price + 1, np.ones(len(n))
        )
        return SimpleNamespace(candles=candles, covered=self.covered)


async def test_an_own_timeframe_is_taken_as_it_is_answered() -> None:
    venue = Venue((MINUTE, 4 * MINUTE), 1, 3)
    bars, covered = await ask_candles(cast(CandleVenue, venue), "A/USD", "1m", MINUTE, 9 * MINUTE)
    assert venue.asked == [("A/USD", "1m", MINUTE, 9 * MINUTE)]
    assert [bar.open_time for bar in bars] == [MINUTE, 3 * MINUTE]
    assert covered == (MINUTE, 4 * MINUTE)


@pytest.mark.parametrize(
    ("covered", "whole", "slots"),
    [
        ((3, 12), (3, 12), {3: (3, 5), 6: (7, 7), 9: (9, 11)}),
        # half answered slots are none
        ((4, 11), (6, 9), {6: (7, 7)}),
        ((5, 12), (6, 12), {6: (7, 7), 9: (9, 11)}),
        ((3, 10), (3, 9), {3: (3, 5), 6: (7, 7)}),
        ((4, 5), (6, 6), {}),
        ((3, 3), (3, 3), {}),
    ],
)
async def test_only_slots_that_are_answered_as_a_whole_count(
    covered: tuple[int, int], whole: tuple[int, int], slots: dict[int, tuple[int, int]]
) -> None:
    venue = Venue((covered[0] * MINUTE, covered[1] * MINUTE), 3, 4, 5, 7, 9, 10, 11)
    bars, found = await ask_candles(cast(CandleVenue, venue), "A/USD", "3m", 0, HOUR)
    assert found == (whole[0] * MINUTE, whole[1] * MINUTE)
    assert {bar.open_time // MINUTE: (bar.open - 100, bar.close - 101) for bar in bars} == slots


def test_parts_make_a_candle() -> None:
    parts = [
        Bar(HOUR, 10.0, 12.0, 9.0, 11.0, 1.0),
        Bar(HOUR + MINUTE, 11.0, 15.0, 10.0, 10.5, 2.0),
        Bar(HOUR + 4 * MINUTE, 10.5, 11.0, 5.0, 6.0, 4.0),
        Bar(HOUR + 5 * MINUTE, 6.0, 7.0, 6.0, 7.0, 8.0),
    ]
    assert merged(parts, 5 * MINUTE) == [
        Bar(HOUR, 10.0, 15.0, 5.0, 6.0, 7.0),
        Bar(HOUR + 5 * MINUTE, 6.0, 7.0, 6.0, 7.0, 8.0),
    ]


def test_bars_and_candles_are_the_same_figures() -> None:
    bars = [replace(BAR, open_time=2 * MINUTE, close=10.5), BAR]
    candles = candles_of(("x", "A/USD", "1m"), bars)
    assert bars_of(candles) == bars[::-1]
    event = candle_event(("x", "A/USD", "1m"), BAR, MINUTE, "live")
    assert (event.open_time, event.close_time, event.source) == (MINUTE, 2 * MINUTE, "live")
    assert (event.open, event.high, event.low, event.close, event.volume) == tuple(ROW[1:])


def test_each_replica_follows_its_share() -> None:
    assert [share_of(units, 3) for units in (0, 1, 3, 4, 6, 7)] == [0, 1, 1, 2, 2, 3]
    # it does not see itself yet
    assert share_of(5, 0) == share_of(5, 1) == 5
    assert surplus({"c", "a", "b"}, 2) == ["c"]
    assert surplus({"c", "a", "b"}, 3) == []


def test_what_cannot_be_followed_is_refused_by_name() -> None:
    assert _refusal("kraken", "BTC/USD", "1m") is None
    for exchange, symbol, timeframe in (
        ("nowhere", "BTC/USD", "1m"), ("kraken", "BTC USD", "1m"), ("kraken", "BTC/USD", "7m"),
    ):  # fmt: skip
        assert _refusal(exchange, symbol, timeframe)


def test_a_group_is_what_is_quoted_in_one_currency() -> None:
    assert [group_of(symbol) for symbol in ("BTC/USD", "ETH/USDT", "odd")] == ["USD", "USDT", "odd"]
