"""Candles from trades: at once, one by one, and as recorded by venues."""

from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepulse.candles.arrays import Candles
from tradepulse.candles.from_trades import (
    TradeCandleBuilder,
    Trades,
    candles_from_trades,
    trade_problem,
)
from tradepulse.candles.trade_sums import exact_sums

DATA = Path(__file__).parents[4] / "shared/data"
T0 = 1_700_006_400_000
MINUTE = 60_000
FIGURES = ("open_time", "open", "high", "low", "close", "volume")
Trade = tuple[int, str, float, float]

prices = st.decimals("0.00000001", "100000", places=8).map(float)
amounts = st.one_of(
    st.decimals("0", "1000", places=8).map(float),
    st.integers(0, 10**12).map(float),
    st.floats(0, 1e9, allow_subnormal=False),
)


@st.composite
def trade_lists(draw: st.DrawFn) -> list[Trade]:
    """Trades of a few minutes with many ties in time, each with an id of its own."""
    count = draw(st.integers(0, 30))
    numbers = draw(
        st.lists(st.integers(0, 10**6), min_size=count, max_size=count, unique=True)
        if draw(st.booleans())
        else st.lists(
            st.text("ab0123456789-", min_size=1, max_size=4),
            min_size=count,
            max_size=count,
            unique=True,
        )
    )
    times = st.integers(0, 40).map(lambda i: T0 + i * 7_500)
    return [(draw(times), str(name), draw(prices), draw(amounts)) for name in numbers]


def as_trades(rows: list[Trade]) -> Trades:
    times, ids, price, amount = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Trades(
        "kraken",
        "BTC/USD",
        np.array(times, np.int64),
        np.array(ids, np.str_),
        np.array(price, np.float64),
        np.array(amount, np.float64),
    )


def same(one: Candles, other: Candles) -> None:
    """Assert that two series are the same to the bit."""
    assert one.series == other.series
    for name in FIGURES:
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype, name
        assert a.tobytes() == b.tobytes(), name


def joined(parts: list[Candles]) -> Candles:
    first = parts[0]
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in FIGURES)
    return Candles(first.exchange, first.symbol, first.timeframe, *columns)


def built(rows: list[Trade], timeframe: str = "1m") -> Candles:
    builder = TradeCandleBuilder("kraken", "BTC/USD", timeframe)
    for row in rows:
        builder.add(*row)
    return builder.take(T0 * 2)


@given(st.data())
def test_one_by_one_in_any_order_with_repeats_gives_what_all_at_once_gives(data):
    rows = data.draw(trade_lists())
    repeats = data.draw(st.lists(st.sampled_from(rows), max_size=10)) if rows else []
    arrived = data.draw(st.permutations(rows + repeats))
    timeframe = data.draw(st.sampled_from(["1m", "3m", "1h"]))
    at_once = candles_from_trades(as_trades(rows), timeframe)
    same(built(arrived, timeframe), at_once)
    same(candles_from_trades(as_trades(arrived), timeframe), at_once)


@given(st.data())
def test_taken_while_trades_still_arrive_within_the_grace(data):
    grace = 90_000
    rows = data.draw(trade_lists())
    delays = data.draw(st.lists(st.integers(0, grace), min_size=len(rows), max_size=len(rows)))
    arrivals = sorted(zip((r[0] + d for r, d in zip(rows, delays, strict=True)), rows, strict=True))
    builder = TradeCandleBuilder("kraken", "BTC/USD", "1m")
    parts = [builder.take(T0)]
    for now, row in arrivals:
        # nothing that is yet to come can be as old as this
        parts.append(builder.take(now - grace))
        builder.add(*row)
        builder.add(*row)
    waiting = builder.forming()
    last = builder.take(T0 * 2)
    same(waiting, last)
    same(joined([*parts, last]), candles_from_trades(as_trades(rows), "1m"))
    assert (builder.late, builder.repeated) == (0, len(rows))
    assert not len(builder.forming())


@given(st.lists(st.lists(amounts, min_size=1, max_size=20), max_size=5))
def test_sums_are_the_decimal_ones_rounded_once(runs):
    flat = np.array([amount for run in runs for amount in run])
    heads = np.cumsum([0] + [len(run) for run in runs])[:-1].astype(np.intp)
    with localcontext(prec=400):
        wanted = [float(sum(Decimal(repr(amount)) for amount in run)) for run in runs]
    assert exact_sums(flat, heads).tolist() == wanted


def test_sums_of_tenths_and_of_huge_amounts():
    def sum_of(*amounts: float) -> float:
        return exact_sums(np.array(amounts), np.array([0], np.intp))[0]

    assert sum_of(0.1, 0.2) == 0.3
    assert sum_of(*[0.1] * 10) == 1.0
    assert sum_of(1e15, 0.00000001, 1e15) == float(Decimal("2000000000000000.00000001"))
    assert sum_of(1e300, 1e300) == 2e300
    assert sum_of(1 / 3, 0.25) == float(Decimal("0.3333333333333333") + Decimal("0.25"))


def test_a_candle_of_each_interval_that_has_trades():
    candles = candles_from_trades(
        as_trades(
            [
                (T0 + 180_000, "5", 9.0, 1.0),
                (T0 + 59_999, "3", 11.0, 0.2),
                (T0, "1", 10.0, 0.1),
                (T0 + 30_000, "2", 12.5, 0.0),
                (T0 + 60_000, "4", 10.5, 2.0),
            ]
        ),
        "1m",
    )
    rows = list(zip(*(getattr(candles, name).tolist() for name in FIGURES), strict=True))
    assert rows == [
        (T0, 10.0, 12.5, 10.0, 11.0, 0.3),
        (T0 + MINUTE, 10.5, 10.5, 10.5, 10.5, 2.0),
        (T0 + 3 * MINUTE, 9.0, 9.0, 9.0, 9.0, 1.0),
    ]


def test_ids_order_the_trades_of_one_time_by_number():
    rows = [(T0, "10", 3.0, 1.0), (T0, "9", 2.0, 1.0), (T0, "8", 1.0, 1.0)]
    candles = candles_from_trades(as_trades(rows), "1m")
    assert (candles.open[0], candles.close[0]) == (1.0, 3.0)
    numbers = as_trades(rows)
    numbers = Trades(
        "kraken", "BTC/USD", numbers.time, np.array([10, 9, 8]), numbers.price, numbers.amount
    )
    same(candles_from_trades(numbers, "1m"), candles)
    builder = TradeCandleBuilder("kraken", "BTC/USD", "1m")
    for row in rows:
        builder.add(row[0], int(row[1]), *row[2:])
    same(builder.forming(), candles)


def test_trades_without_ids_keep_their_order_and_lose_their_repeats():
    rows = [(T0, "", 3.0, 1.0), (T0, "", 2.0, 1.0), (T0, "", 3.0, 1.0), (T0, "", 2.0, 0.5)]
    candles = candles_from_trades(as_trades(rows), "1m")
    assert [getattr(candles, name)[0] for name in FIGURES[1:]] == [3.0, 3.0, 2.0, 2.0, 2.5]
    same(built(rows), candles)
    mixed = [*rows, (T0, "7", 5.0, 1.0), (T0, "7", 5.0, 1.0)]
    candles = candles_from_trades(as_trades(mixed), "1m")
    assert [getattr(candles, name)[0] for name in FIGURES[1:]] == [3.0, 5.0, 2.0, 5.0, 3.5]
    same(built(mixed), candles)


def test_an_id_that_comes_again_with_another_time_counts_once():
    # bitstamp's socket gives microseconds, its REST answers whole seconds
    rows = [(T0 + 1_234, "1", 3.0, 1.0), (T0 + 1_000, "1", 3.0, 1.0), (T0 + 1_100, "2", 4.0, 1.0)]
    candles = candles_from_trades(as_trades(rows), "1m")
    assert [getattr(candles, name)[0] for name in FIGURES[1:]] == [4.0, 4.0, 3.0, 3.0, 2.0]
    same(built(rows), candles)


def test_only_whole_intervals_of_a_range():
    rows = [(T0 + i * 30_000, str(i), 1.0 + i, 1.0) for i in range(8)]

    def opens(start: int | None, end: int | None) -> list[int]:
        found = candles_from_trades(as_trades(rows), "1m", start=start, end=end)
        return ((found.open_time - T0) // MINUTE).tolist()

    assert opens(None, None) == [0, 1, 2, 3]
    assert opens(T0, T0 + 4 * MINUTE) == [0, 1, 2, 3]
    assert opens(T0 + 1, T0 + 4 * MINUTE - 1) == [1, 2]
    assert opens(T0 + 4 * MINUTE, None) == []


def test_late_trades_are_counted_and_change_nothing():
    builder = TradeCandleBuilder("kraken", "BTC/USD", "1m")
    builder.add(T0, "1", 10.0, 1.0)
    builder.add(T0 + MINUTE, "2", 11.0, 1.0)
    assert builder.take(T0 + MINUTE - 1).open_time.tolist() == []
    assert builder.take(T0 + MINUTE).open_time.tolist() == [T0]
    builder.add(T0, "1", 10.0, 1.0)
    assert (builder.late, builder.repeated) == (0, 1)
    builder.add(T0 + 1, "0", 10.0, 1.0)
    builder.add(T0 - MINUTE, "9", 10.0, 1.0)
    assert (builder.late, builder.repeated) == (2, 1)
    assert builder.take(T0 + 2 * MINUTE).close.tolist() == [11.0]
    # an interval without a trade was judged too
    assert builder.take(T0 + 5 * MINUTE).open_time.tolist() == []
    builder.add(T0 + 4 * MINUTE, "5", 12.0, 1.0)
    assert builder.late == 3
    assert builder.take(T0).open_time.tolist() == []


@pytest.mark.parametrize(
    ("trade", "reason"),
    [
        ((-1, 1.0, 1.0), "time -1 is not in epoch milliseconds"),
        ((T0 * 1000, 1.0, 1.0), f"time {T0 * 1000} is not in epoch milliseconds"),
        ((T0, 0.0, 1.0), "price 0.0 is not above zero"),
        ((T0, float("nan"), 1.0), "price nan is not above zero"),
        ((T0, 1.0, -1.0), "amount -1.0 is not zero or more"),
        ((T0, 1.0, float("inf")), "amount inf is not zero or more"),
    ],
)
def test_impossible_trades(trade, reason):
    time, price, amount = trade
    assert trade_problem(*trade) == reason
    builder = TradeCandleBuilder("kraken", "BTC/USD", "1m")
    with pytest.raises(ValueError, match=f"kraken:BTC/USD: trade 7: {reason}"):
        builder.add(time, "7", price, amount)
    assert not len(builder.forming())
    rows = as_trades([(T0, "1", 1.0, 1.0), (time, "2", price, amount)])
    with pytest.raises(ValueError, match=f"kraken:BTC/USD: trade 1: {reason}"):
        candles_from_trades(rows, "1m")


class TestRecordedTrades:
    """Collected only where the recorded data is."""

    __test__ = DATA.is_dir()

    @staticmethod
    def recorded(exchange: str, symbol: str) -> Trades:
        frame = pl.read_parquet(DATA / "trades_ticks.parquet").filter(
            (pl.col("exchange") == exchange) & (pl.col("symbol") == symbol)
        )
        columns = (frame[name].to_numpy() for name in ("ts", "price", "amount"))
        time, price, amount = columns
        return Trades(exchange, symbol, time, np.array(frame["id"].to_list()), price, amount)

    @staticmethod
    def one_by_one(trades: Trades, timeframe: str) -> Candles:
        builder = TradeCandleBuilder(trades.exchange, trades.symbol, timeframe)
        columns = (trades.time, trades.id, trades.price, trades.amount)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            builder.add(*row)
        return builder.take(T0 * 2)

    def test_an_hour_of_kraken_is_the_recorded_candle_to_the_bit(self):
        trades = self.recorded("kraken", "BTC/USD")
        frame = pl.read_parquet(DATA / "kraken_1h_2013_2021.parquet").filter(
            (pl.col("symbol") == "BTC/USD") & (pl.col("ts") == 1_561_939_200_000)
        )
        names = ("ts", *FIGURES[1:])
        recorded = Candles("kraken", "BTC/USD", "1h", *(frame[name].to_numpy() for name in names))
        same(candles_from_trades(trades, "1h"), recorded)
        same(self.one_by_one(trades, "1h"), recorded)
        # added as doubles, the same trades give another volume
        assert sum(np.delete(trades.amount, 1_000)) != recorded.volume[0]

    def test_59_hours_of_xrp_are_the_recorded_candles(self):
        candles = candles_from_trades(self.recorded("binance", "XRP/ETH"), "1m")
        same(self.one_by_one(self.recorded("binance", "XRP/ETH"), "1m"), candles)
        rows = list(zip(*(getattr(candles, name).tolist() for name in FIGURES), strict=True))
        # the venue's own; its flat candles of minutes without a trade are left out
        venue = [
            (1570752060000, 0.00141597, 0.00141658, 0.00141597, 0.00141658, 522.0),
            (1570752120000, 0.00141438, 0.0014158, 0.00141438, 0.0014158, 163.0),
            (1570752240000, 0.00141266, 0.00141266, 0.00141192, 0.00141192, 1311.0),
            (1570752300000, 0.00141331, 0.00141469, 0.00141192, 0.00141192, 2392.0),
            (1570752420000, 0.00141179, 0.00141266, 0.00141179, 0.00141266, 221.0),
            (1570752540000, 0.00141162, 0.00141162, 0.00141159, 0.00141161, 565.0),
            (1570752600000, 0.00141327, 0.00141328, 0.00141327, 0.00141328, 33.0),
        ]
        assert rows[1:8] == venue
        # where the venue has a flat candle, in the first hour
        minutes = [(row[0] - 1570752000000) // MINUTE for row in rows]
        quiet = [3, 6, 8, 14, 17, 18, 21, 33, 44, 50, 58]
        assert [minute for minute in range(60) if minute not in minutes] == quiet
        busy = (1570754160000, 0.00141651, 0.00141886, 0.0014158, 0.00141884, 38071.0)
        assert busy in rows
        assert (1570764720000, 0.00141087, 0.00141205, 0.00141, 0.0014112, 8658.0) in rows
