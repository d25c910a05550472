"""Candles in and out of Python: files, frames, times; the database is in the integration tests."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tradepulse as tp
from tradepulse.library.waiting import waited

HOUR = 3_600_000
T0 = 1_514_764_800_000
"""2018-01-01."""


def made(n: int = 48, symbol: str = "BTC/USD", start: int = T0) -> tp.Candles:
    close = 100 + np.sin(np.arange(n))
    times = start + HOUR * np.arange(n, dtype=np.int64)
    return tp.Candles(
        "kraken", symbol, "1h", times, close, close + 1, close - 1, close, np.full(n, 2.0)
    )


def same(one: tp.Candles, other: tp.Candles) -> bool:
    names = ("open_time", "open", "high", "low", "close", "volume")
    return one.series == other.series and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in names
    )


def klines(path: Path, candles: tp.Candles) -> Path:
    """Write a zip as data.binance.vision does."""
    rows = zip(*(getattr(candles, n).tolist() for n in
                 ("open_time", "open", "high", "low", "close", "volume")), strict=True)  # fmt: skip
    lines = [f"{t},{o},{h},{lo},{c},{v},{t + HOUR - 1},1,1,1,1,0" for t, o, h, lo, c, v in rows]
    with ZipFile(path, "w") as archive:
        archive.writestr(path.with_suffix(".csv").name, "\n".join(lines))
    return path


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.WARNING, "tradepulse.library"):
        yield caplog


def test_a_zip_of_another_layout(tmp_path: Path, told: pytest.LogCaptureFixture) -> None:
    path = klines(tmp_path / "BTCUSDT-1h-2018-01.zip", made())
    found = tp.load(path)
    assert found.series == "binance:BTC/USDT:1h"
    assert len(found) == 48
    assert np.array_equal(found.close, made().close)
    assert "layout binance" in told.text, "what was inferred is told, as the command does"


def test_a_folder_holds_several_series(tmp_path: Path) -> None:
    for symbol in ("BTC", "ETH"):
        for month, at in (("01", T0), ("02", T0 + 48 * HOUR)):
            klines(tmp_path / f"{symbol}USDT-1h-2018-{month}.zip", made(start=at))
    with pytest.raises(ValueError, match=r"holds 2 series, .*: say which by symbol="):
        tp.load(tmp_path)
    one = tp.load(tmp_path, symbol="ETH/USDT", start="2018-01-02", end="2018-01-04T12:00")
    assert (one.symbol, len(one)) == ("ETH/USDT", 60)
    both = tp.load_all(tmp_path, symbols=["ETH/USDT", "BTC/USDT"])
    assert [(one.symbol, len(one)) for one in both] == [("BTC/USDT", 96), ("ETH/USDT", 96)]
    empty = tmp_path / "none"
    empty.mkdir()
    with pytest.raises(ValueError, match="the folder holds no candle file"):
        tp.load(empty)


@pytest.mark.parametrize(
    "start",
    ["2018-01-02", date(2018, 1, 2), datetime(2018, 1, 2, tzinfo=UTC), T0 + 24 * HOUR,
     pd.Timestamp("2018-01-02")],
    ids=["text", "date", "datetime", "ms", "pandas"],
)  # fmt: skip
def test_times_of_every_form(tmp_path: Path, start: tp.Time) -> None:
    path = klines(tmp_path / "BTCUSDT-1h-2018-01.zip", made())
    assert len(tp.load(path, start=start)) == 24


def test_times_that_are_refused(tmp_path: Path) -> None:
    path = klines(tmp_path / "BTCUSDT-1h-2018-01.zip", made())
    with pytest.raises(ValueError, match=r"^start: 20190101-20190601 is no time"):
        tp.load(path, start="20190101-20190601")
    with pytest.raises(ValueError, match=r"^start 2018-01-02 is not before end 2018-01-02"):
        tp.load(path, start="2018-01-02", end="2018-01-02")


def test_to_frames_and_back() -> None:
    candles = made()
    frame = candles.to_polars()
    assert frame.schema["open_time"] == pl.Datetime("ms", "UTC")
    assert frame["open_time"][0] == datetime(2018, 1, 1, tzinfo=UTC)
    table = candles.to_pandas()
    assert str(table.index[0]) == "2018-01-01 00:00:00+00:00"
    assert list(table.columns) == ["open", "high", "low", "close", "volume"]
    for one in (frame, table, table.tz_convert("Europe/Berlin"), table.reset_index()):
        assert same(
            tp.from_frame(one, exchange="kraken", symbol="BTC/USD", timeframe="1h"), candles
        )


def test_a_frame_is_judged_as_a_file_is() -> None:
    names = {"exchange": "x", "symbol": "BTC/USD", "timeframe": "1h"}
    broken = made().to_polars().with_columns(high=pl.lit(1.0))
    with pytest.raises(ValueError, match=r"^frame: row 1: BTC/USD 1h: "):
        tp.from_frame(broken, **names)
    with pytest.raises(ValueError, match="no column is known as close"):
        tp.from_frame(made().to_polars().drop("close"), **names)
    with pytest.raises(ValueError, match=r"^dict is no frame: give one of polars or pandas$"):
        tp.from_frame({}, **names)  # type: ignore[arg-type]


def test_what_a_notebook_shows() -> None:
    said = "Candles kraken:BTC/USD:1h: 48, 2018-01-01 00:00 to 2018-01-02 23:00 UTC"
    assert repr(made()) == f"<{said}>"
    assert said in made()._repr_html_()
    assert "<table" in made()._repr_html_()
    assert repr(made(0)) == "<Candles kraken:BTC/USD:1h: none>"


async def test_it_waits_where_a_loop_runs_as_in_a_notebook() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert waited(work) == 7
