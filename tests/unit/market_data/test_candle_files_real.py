"""Files that users of other systems brought are read as they are, where they are there."""

from pathlib import Path

import numpy as np
import pytest

from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files import Asked, CandleFileError, read_series

DATA = Path(__file__).parents[4] / "shared/cases/files"
HOUR, DAY = 3_600_000, 86_400_000
YEAR = 1_704_067_200_000
"""2024-01-01."""


def read(name: str, asked: Asked | None = None) -> tuple[Candles, str]:
    told: list[str] = []
    (candles,) = read_series(DATA / name, asked or Asked(), told.append)
    return candles, "\n".join(told)


def is_whole(candles: Candles, count: int, first: int, step: int) -> bool:
    return candles.open_time.tolist() == [first + n * step for n in range(count)]


class TestRecordedFiles:
    """Collected only where the recorded files are."""

    __test__ = DATA.is_dir()

    def test_a_month_is_no_minute(self) -> None:
        with pytest.raises(CandleFileError, match=r"says 1M \(a month\), and there is no such"):
            read("month/binance/BTC_USDT-1M.csv")
        candles, _ = read("month/binance/BTC_USDT-1m.csv")
        assert candles.series == "binance:BTC/USDT:1m"
        assert is_whole(candles, 60, YEAR, 60_000)
        assert candles.high.max() < 250

    def test_volumes_that_change_sides(self) -> None:
        candles, told = read("volume_sides/Bitstamp_BTCUSD_1h.csv")
        assert len(candles) == 240
        assert (candles.volume < 1_000).all()
        assert "have changed sides in 130 of 240 rows" in told

    def test_two_units_in_one_file(self) -> None:
        candles, told = read("mixed_units/Binance_BTCUSDT_1h.csv")
        assert is_whole(candles, 240, 1_526_342_400_000, HOUR)
        assert "180 rows in seconds, 60 rows in milliseconds" in told
        assert "and date says the same" in told

    @pytest.mark.parametrize("kind", ["csv", "zip"])
    @pytest.mark.parametrize(
        ("month", "first", "unit"),
        [
            ("2024-01", YEAR, "milliseconds"),
            ("2024-12", 1_733_011_200_000, "milliseconds"),
            ("2025-01", 1_735_689_600_000, "microseconds"),
        ],
    )
    def test_the_archive_of_binance(self, kind: str, month: str, first: int, unit: str) -> None:
        candles, told = read(f"vision/BTCUSDT-1h-{month}.{kind}")
        assert candles.series == "binance:BTC/USDT:1h"
        assert is_whole(candles, 48, first, HOUR)
        assert (candles.close[0], candles.volume[0]) == (7960.0, 200.0)
        assert f"times are {unit}" in told

    @pytest.mark.parametrize(
        ("name", "asked", "series", "step"),
        [
            ("COINBASE_BTCUSD, 60.csv", Asked(), "coinbase:BTC/USD:1h", HOUR),
            ("binance_BTCUSDT_1h.csv", Asked(), "binance:BTC/USDT:1h", HOUR),
            ("candles_binance_BTC-USDT_1h.csv", Asked(), "binance:BTC/USDT:1h", HOUR),
            ("BTC-USD.csv", Asked("yahoo", None, "1d"), "yahoo:BTC/USD:1d", DAY),
            ("excel_german.csv", Asked("x", ["BTC/EUR"], "1d"), "x:BTC/EUR:1d", DAY),
        ],
    )
    def test_of_many_programs(self, name: str, asked: Asked, series: str, step: int) -> None:
        candles, told = read(f"plain/{name}", asked)
        assert candles.series == series
        assert is_whole(candles, 48, YEAR, step)
        assert (candles.open[0], candles.close[-1]) == (8000.0, 7942.25)
        assert (candles.volume[0], candles.volume[-1]) == (200.0, 261.0)
        assert "time is the column " in told

    def test_rows_of_nan_are_holes(self) -> None:
        candles, told = read("plain/btcusd_1-min_data.csv", Asked("bitstamp"))
        assert candles.series == "bitstamp:BTC/USD:1m"
        assert (len(candles), int(np.diff(candles.open_time).sum())) == (43, 47 * 60_000)
        assert "5 rows without prices are holes, the first is row 5" in told
