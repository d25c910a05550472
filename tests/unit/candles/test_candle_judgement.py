"""Every row of a file is a candle that can be used, or is told with its reason."""

from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.candle_series import START, random_walk
from tradepulse.candles.checks import first_problem
from tradepulse.market_data.files import Rows, judge, read_rows

DATA = Path(__file__).parents[4] / "shared/data"
HOUR = 3_600_000
FIGURES = ("open", "high", "low", "close", "volume")
BTC = random_walk("BTC/USD", 30, seed=3, timeframe="1h", exchange="kraken")


def frame() -> pl.DataFrame:
    return pl.DataFrame({"ts": BTC.open_time, **{n: getattr(BTC, n) for n in FIGURES}})


class TestJudgement:
    """Rows of our own layout, each with what is wrong with it."""

    def judged(self, tmp_path: Path, rows: pl.DataFrame, now: int | None = None):
        path = tmp_path / "a.parquet"
        rows.with_columns(
            exchange=pl.lit("kraken"), symbol=pl.lit("BTC/USD"), timeframe=pl.lit("1h")
        ).write_parquet(path)
        return judge(read_rows(path), now)

    def test_every_row_is_accounted_for(self, tmp_path: Path) -> None:
        rows = frame()
        again = rows[:5]
        other = rows[7:8].with_columns(volume=pl.lit(123.0))
        late = rows[3:4].with_columns(ts=pl.lit(START - HOUR))
        bad = rows[29:30].with_columns(high=pl.lit(0.001), ts=pl.lit(START + 40 * HOUR))
        judged = self.judged(tmp_path, pl.concat([rows, again, other, late, bad]))
        assert [row.row for row in judged.repeated] == [31, 32, 33, 34, 35]
        assert {row.row: row.kind for row in judged.refused} == {
            8: "contradiction",
            36: "contradiction",
            37: "order",
            38: "figures",
        }
        (series,) = judged.series
        assert series.open_time.tolist() == [t for i, t in enumerate(BTC.open_time) if i != 7]
        total = len(series) + len(judged.refused) + len(judged.repeated)
        assert total == judged.rows == 38
        told = {row.row: row.reason for row in judged.refused}
        assert told[8].endswith("is there twice, with other figures in row 36")
        assert told[36].endswith("is there twice, with other figures in row 8")

    def test_a_candle_that_is_not_over(self, tmp_path: Path) -> None:
        last = int(BTC.open_time[-1])
        assert not self.judged(tmp_path, frame(), now=last + HOUR).refused
        (row,) = self.judged(tmp_path, frame(), now=last + HOUR - 1).refused
        assert (row.row, row.kind) == (30, "unfinished")
        assert row.reason == "the candle of 2020-09-14T05:00Z is not over yet"

    def test_all_bad(self, tmp_path: Path) -> None:
        judged = self.judged(tmp_path, frame().with_columns(low=pl.lit(float("nan"))))
        assert (len(judged.refused), judged.series) == (30, [])


@st.composite
def messy_rows(draw: st.DrawFn) -> pl.DataFrame:
    """Rows of which some are moved, repeated, changed or spoilt."""
    rows = frame().head(draw(st.integers(1, 12)))
    places = draw(st.lists(st.integers(0, len(rows) - 1), max_size=8))
    rows = pl.concat([rows, *(rows[place : place + 1] for place in places)])
    rows = rows.with_columns(
        volume=pl.Series(
            draw(st.sampled_from([value, value, value, 1.0, -1.0, float("nan"), None]))
            for value in rows["volume"].to_list()
        ).cast(pl.Float64),
        ts=pl.Series(
            draw(st.sampled_from([time, time, time, time + 1, time + HOUR, 7]))
            for time in rows["ts"].to_list()
        ).cast(pl.Int64),
    )
    return rows.sample(fraction=1, shuffle=True, seed=1) if draw(st.booleans()) else rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=messy_rows(), any_order=st.booleans())
def test_no_row_vanishes_and_what_is_left_is_possible(
    tmp_path: Path, rows: pl.DataFrame, any_order: bool
) -> None:
    path = tmp_path / "a.parquet"
    names = {"exchange": pl.lit("kraken"), "symbol": pl.lit("BTC/USD"), "timeframe": pl.lit("1h")}
    rows.with_columns(**names).write_parquet(path)
    read = read_rows(path)
    judged = judge(Rows(read.path, read.layout, read.frame, any_order=any_order))
    kept = sum(map(len, judged.series))
    assert kept + len(judged.refused) + len(judged.repeated) == judged.rows == len(rows)
    told = [row.row for row in (*judged.refused, *judged.repeated)]
    assert len(set(told)) == len(told)
    given_rows = set(rows.select("ts", *FIGURES).rows())
    for series in judged.series:
        assert first_problem(series) is None
        columns = (getattr(series, name).tolist() for name in ("open_time", *FIGURES))
        assert set(zip(*columns, strict=True)) <= given_rows


class TestRecordedCandles:
    """Collected only where the recorded data is."""

    __test__ = DATA.is_dir()

    def test_real_files_give_up_what_their_description_says(self) -> None:
        def of(name: str, now: int | None = None):
            return judge(read_rows(DATA / f"{name}.parquet"), now)

        off_grid = of("gapless_binance_btc_1h_2017_2022").refused
        assert (len(off_grid), {row.kind for row in off_grid}) == (43, {"grid"})
        unfinished = of("nautilus_kraken_1m_720", 1_762_820_250_000)
        assert [(row.row, row.kind) for row in unfinished.refused] == [(721, "unfinished")]
        whole = of("genetrader_binance_1h")
        assert (len(whole.series), len(whole.refused)) == (24, 0)
