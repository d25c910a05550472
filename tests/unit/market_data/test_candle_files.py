"""Candle files: every refusal names its row, what is written comes back to the bit."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.candle_series import START, random_walk, same
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import TIMEFRAMES_MS, timeframe_ms
from tradepulse.market_data.files import CandleFileError, read_candles, write_candles

KINDS = [".parquet", ".csv"]
BTC = random_walk("BTC/USD", 6, seed=1)
ETH = random_walk("ETH/USD", 4, seed=2)


def rows() -> pl.DataFrame:
    """Two series, BTC in rows 1 to 6, ETH in rows 7 to 10."""
    return pl.concat(
        pl.DataFrame(
            {
                "exchange": s.exchange,
                "symbol": s.symbol,
                "timeframe": s.timeframe,
                **{n: getattr(s, n) for n in ("open_time", "open", "high", "low", "close")},
                "volume": s.volume,
            }
        )
        for s in (BTC, ETH)
    )


def changed(row: int, **values: object) -> pl.DataFrame:
    """Return the two series with values of one row (from 1) replaced."""
    frame = rows().with_row_index("n", offset=1)
    for name, value in values.items():
        new = pl.lit(value, dtype=frame.schema[name])
        frame = frame.with_columns(
            pl.when(pl.col("n") == row).then(new).otherwise(name).alias(name)
        )
    return frame.drop("n")


def write(frame: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    return path


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(CandleFileError) as caught:
        read_candles(path, **options)  # type: ignore[arg-type]  # the cases name them
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


T = int(BTC.open_time[2])
BAD_ROWS = {
    "duplicate time": (changed(3, open_time=int(BTC.open_time[1])), "row 3: BTC/USD 30m: the time"),
    "unsorted": (changed(3, open_time=START - 1_800_000), "row 3: BTC/USD 30m: times are not so"),
    "off the grid": (changed(3, open_time=T + 1), f"row 3: BTC/USD 30m: open_time {T + 1} is off"),
    "seconds": (changed(1, open_time=START // 1000), "row 1: BTC/USD 30m: open_time 15999"),
    "far future": (changed(10, open_time=10**15), "row 10: ETH/USD 30m: open_time 10000"),
    "negative price": (changed(8, low=-1.0), "row 8: ETH/USD 30m: low -1.0 is not above zero"),
    "zero price": (changed(8, open=0.0), "row 8: ETH/USD 30m: open 0.0 is not above zero"),
    "high below low": (changed(2, high=1.0), "row 2: BTC/USD 30m: high 1.0 is below low"),
    "low above close": (changed(2, low=BTC.high[1]), "row 2: BTC/USD 30m: "),
    "NaN": (changed(7, close=float("nan")), "row 7: ETH/USD 30m: close is nan"),
    "infinite": (changed(7, high=float("inf")), "row 7: ETH/USD 30m: high is inf"),
    "negative volume": (changed(9, volume=-0.5), "row 9: ETH/USD 30m: volume -0.5 is below zero"),
    "timeframe": (changed(9, timeframe="7m"), "row 9: ETH/USD 7m: unknown timeframe '7m'; known"),
    "name": (changed(9, symbol="ETH USD"), "row 9: ETH USD 30m: symbol 'ETH USD' must be"),
    "empty figure": (changed(5, close=None), "row 5: BTC/USD 30m: close is empty"),
    "empty name": (changed(5, symbol=None), "row 5: 30m: symbol is empty"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_named(tmp_path: Path, case: str, kind: str) -> None:
    frame, start = BAD_ROWS[case]
    assert refusal(write(frame, tmp_path / f"c{kind}")).startswith(start)


def test_seconds_are_recognised(tmp_path: Path) -> None:
    path = write(changed(1, open_time=START // 1000), tmp_path / "c.csv")
    assert refusal(path).endswith("it looks like seconds")


def test_of_several_bad_rows_the_first_in_the_file_is_named(tmp_path: Path) -> None:
    frame = changed(9, close=-1.0)
    frame = pl.concat([frame[6:], changed(2, volume=-1.0)[:6]])  # ETH first, bad in row 3
    assert refusal(write(frame, tmp_path / "c.parquet")).startswith("row 3: ETH/USD")


@pytest.mark.parametrize("kind", KINDS)
def test_columns(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"c{kind}"
    line = refusal(write(rows().drop("volume", "low"), path))
    assert line.startswith("column low, volume is missing; columns are exchange, symbol")
    line = refusal(write(rows().rename({"low": "lowest"}), path))
    assert line.startswith("column low is missing and column lowest is unknown")
    write(
        rows()
        .rename({"open_time": "ts"})
        .select(sorted(rows().rename({"open_time": "ts"}).columns)),
        path,
    )
    assert [s.symbol for s in read_candles(path)] == ["BTC/USD", "ETH/USD"]


def test_types(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    text = rows().with_columns(pl.col("close").cast(pl.String))
    assert refusal(write(text, path)) == "column close holds String, not numbers"
    dates = rows().with_columns(pl.from_epoch("open_time", "ms"))
    assert refusal(write(dates, path)).startswith("column open_time holds Datetime")
    numbers = rows().with_columns(symbol=pl.lit(7))
    assert refusal(write(numbers, path)).startswith("column symbol holds Int32, not text")


def test_text_where_a_number_belongs_in_a_csv(tmp_path: Path) -> None:
    path = write(rows().with_columns(pl.col("close").cast(pl.String)), tmp_path / "c.csv")
    text = path.read_text().splitlines()
    text[3] = text[3].rsplit(",", 2)[0] + ",cheap,1.0"
    path.write_text("\n".join(text))
    assert refusal(path) == "row 3: BTC/USD 30m: close 'cheap' is no number"
    text[3] = text[3].replace("cheap", "1.0").replace(str(BTC.open_time[2]), "1.5e12")
    path.write_text("\n".join(text))
    assert refusal(path).startswith("row 3: BTC/USD 30m: open_time '1.5e12' is no whole")


def test_files_that_are_none(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.parquet") == "cannot be read: No such file or directory"
    assert refusal(tmp_path) == "cannot be read: Is a directory"
    empty = tmp_path / "empty.parquet"
    empty.touch()
    assert refusal(empty) == "the file is empty"
    text = tmp_path / "text.parquet"
    text.write_text("exchange,symbol")
    assert refusal(text) == "not a parquet file"
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(write(rows(), tmp_path / "whole.parquet").read_bytes()[:-40])
    assert refusal(cut).startswith("cannot be read: ")
    other = tmp_path / "candles.txt"
    other.write_text("exchange,symbol")
    assert refusal(other).startswith("not a kind that is read; these are .parquet, .fea")
    ragged = write(rows(), tmp_path / "ragged.csv")
    ragged.write_text(ragged.read_text() + "test,BTC/USD,30m,1,2,3,4,5,6,7,8\n")
    assert refusal(ragged) == "row 11: line 12 has 11 fields, 9 are expected"
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x80" * 50)
    refusal(binary)


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"c{kind}"
    assert refusal(write(rows()[:0], path)) == "the file holds no candles"
    write_candles(path, [])
    assert refusal(path) == "the file holds no candles"


def test_a_choice_of_symbols_and_times(tmp_path: Path) -> None:
    path = write(rows(), tmp_path / "c.parquet")
    (eth,) = read_candles(path, ["ETH/USD"])
    assert same(eth, ETH)
    (btc,) = read_candles(path, ["test:BTC/USD"], int(BTC.open_time[1]), int(BTC.open_time[4]))
    assert same(btc, BTC.rows(1, 4))
    line = refusal(path, symbols=["BTC/USD", "DOGE/USD"])
    assert line == "has no symbol DOGE/USD; it has BTC/USD, ETH/USD"
    late = int(BTC.open_time[4])
    assert [s.symbol for s in read_candles(path, start=late)] == ["BTC/USD"]
    assert "no candles of ETH/USD in the range" in refusal(path, symbols=["ETH/USD"], start=late)
    assert "2020-09-13T00:00Z to 2020-09-13T02:30Z" in refusal(path, end=START)


def test_interleaved_series_are_told_apart(tmp_path: Path) -> None:
    path = write(rows().sort("open_time", maintain_order=True), tmp_path / "c.csv")
    btc, eth = read_candles(path)
    assert same(btc, BTC)
    assert same(eth, ETH)


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    write_candles(path, [BTC])
    with pytest.raises(CandleFileError, match=r"written to \.parquet or \.csv"):
        write_candles(tmp_path / "c.json", [BTC])
    with pytest.raises(CandleFileError, match="cannot be written: No such file"):
        write_candles(tmp_path / "none" / "c.csv", [BTC])
    assert list(tmp_path.iterdir()) == [path]


prices = st.floats(min_value=5e-324, max_value=1e300, allow_subnormal=True)


@st.composite
def series(draw: st.DrawFn) -> Candles:
    timeframe = draw(st.sampled_from(sorted(TIMEFRAMES_MS)))
    steps = sorted(draw(st.sets(st.integers(0, 5_000), min_size=1, max_size=20)))
    step = timeframe_ms(timeframe)
    first = START // step * step
    bodies = [sorted(draw(st.tuples(*[prices] * 4))) for _ in steps]
    low, open_, close, high = (np.array(column) for column in zip(*bodies, strict=True))
    if draw(st.booleans()):
        open_, close = close, open_
    volume = draw(st.lists(st.floats(0, 1e300), min_size=len(steps), max_size=len(steps)))
    times = np.array([first + step * n for n in steps], dtype=np.int64)
    return Candles("ex", "A/B", timeframe, times, open_, high, low, close, np.array(volume))


@pytest.mark.parametrize("kind", KINDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(candles=series())
def test_round_trip_to_the_bit(tmp_path: Path, kind: str, candles: Candles) -> None:
    path = tmp_path / f"c{kind}"
    write_candles(path, [candles, BTC])
    first, second = read_candles(path)
    assert same(first, candles)
    assert same(second, BTC)
