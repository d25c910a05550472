"""Candle files as users have them: one general layout, and nothing guessed in silence."""

import gzip
import json
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.candle_series import START, random_walk, same
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files import (
    Asked,
    CandleFileError,
    Given,
    judge,
    read_rows,
    read_series,
)
from tradepulse.market_data.files.file_names import said_by
from tradepulse.market_data.files.pairs import interval_of

FIGURES = ("open", "high", "low", "close", "volume")
DAY, HOUR = 86_400_000, 3_600_000
DAILY = Given("yahoo", "BTC/USD")


def walk(timeframe: str, count: int = 40, scale: float = 80) -> Candles:
    """Return candles with two decimals, as files have them, and a volume that is no price."""
    made = random_walk("BTC/USD", count, seed=3, timeframe=timeframe, exchange="coinbase")
    figures = (np.round(getattr(made, name) * scale, 2) for name in FIGURES[:4])
    volume = np.round(made.volume + 20, 2)
    return Candles("coinbase", "BTC/USD", timeframe, made.open_time, *figures, volume)


HOURS, DAYS = walk("1h"), walk("1d")


def as_(candles: Candles, exchange: str, symbol: str = "BTC/USD") -> Candles:
    return Candles(
        *(exchange, symbol, candles.timeframe, candles.open_time),
        *(getattr(candles, name) for name in FIGURES),
    )


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)


def lines(candles: Candles, line: Callable[[int, Sequence[float]], str]) -> list[str]:
    """Return a line for each candle: its time, epoch ms, and its five figures."""
    columns = (getattr(candles, name).tolist() for name in FIGURES)
    times = candles.open_time.tolist()
    return [line(ms, row) for ms, row in zip(times, zip(*columns, strict=True), strict=True)]


def points(figures: Sequence[float]) -> str:
    return ",".join(map(str, figures))


def write(path: Path, *rows: str, end: str = "\n", encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(rows) + end).encode(encoding))
    return path


def read(path: Path, given: Given | None = None) -> tuple[Candles, str]:
    """Return the one series of a file without a fault, and all that is told of it."""
    rows = read_rows(path, given=given)
    judged = judge(rows)
    assert (judged.refused, judged.repeated, len(judged.series)) == ([], [], 1)
    return judged.series[0], "; ".join([rows.layout, *rows.notes, *judged.told()])


def refusal(path: Path, given: Given | None = None) -> str:
    with pytest.raises(CandleFileError) as caught:
        read_rows(path, given=given)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


class TestOfWhom:
    """Each program's file, as it writes it."""

    def test_trading_view(self, tmp_path: Path) -> None:
        rows = lines(HOURS, lambda ms, f: f"{ms // 1000},{points(f)},7,7")
        path = write(
            tmp_path / "COINBASE_BTCUSD, 60.csv",
            "time,open,high,low,close,Volume,Volume MA,Volume MA",
            *rows,
        )
        candles, told = read(path)
        assert same(candles, HOURS)
        assert "time is the column time, volume Volume, taken as in BTC; times are seconds" in told
        assert "left out: column Volume MA" in told
        # days have a date, and charts other names
        for name in ("COINBASE_BTCUSD, 1D", "COINBASE_BTCUSD, D_3f2a1", "COINBASE_BTCUSD, 1D (2)"):
            rows = lines(DAYS, lambda ms, f: f"{at(ms):%Y-%m-%dT%H:%M:%SZ},{points(f)}")
            path = write(tmp_path / f"{name}.csv", "time,open,high,low,close,Volume", *rows)
            candles, told = read(path)
            assert same(candles, DAYS)
            assert "times are dates, which are UTC" in told

    def test_yahoo(self, tmp_path: Path) -> None:
        rows = lines(DAYS, lambda ms, f: f"{at(ms):%Y-%m-%d},{points(f[:4])},{f[3]},{f[4]}")
        rows[6] = f"{at(int(DAYS.open_time[6])):%Y-%m-%d},null,null,null,null,null,null"
        path = write(tmp_path / "BTC-USD.csv", "Date,Open,High,Low,Close,Adj Close,Volume", *rows)
        candles, told = read(path, Given("yahoo"))
        without = np.delete(np.arange(40), 6)
        assert candles.open_time.tolist() == DAYS.open_time[without].tolist()
        assert candles.close.tolist() == DAYS.close[without].tolist()
        for part in (
            "say no zone and are taken as UTC",
            "a hole is row 7, which has no price",
            "timeframe 1d: 97.4% of 38 steps",
            "left out: column Adj Close",
        ):
            assert part in told
        assert refusal(path).endswith("says the exchange: give --exchange")

    @pytest.mark.parametrize("time", ["Date", "Datetime"])
    def test_yfinance(self, tmp_path: Path, time: str) -> None:
        """Its header has three lines, and the volumes of days are in no order."""
        rows = lines(DAYS, lambda ms, f: f"{at(ms):%Y-%m-%d},{f[3]},{f[1]},{f[2]},{f[0]},{f[4]}")
        header = ["Price,Close,High,Low,Open,Volume", "Ticker" + ",BTC-USD" * 5, f"{time},,,,,"]
        for end in ("\n", "\r\n"):
            path = write(tmp_path / "BTC-USD.csv", *header, *rows, end=end)
            assert same(read(path, Given("yahoo"))[0], as_(DAYS, "yahoo"))
        rows[4] += ",1"
        judged = judge(read_rows(write(path, *header, *rows), given=Given("yahoo")))
        assert [str(row) for row in judged.refused] == [
            "row 5: line 8 has 7 fields, 6 are expected"
        ]

    def test_investing(self, tmp_path: Path) -> None:
        rows = lines(
            DAYS,
            lambda ms, f: (
                f'"{at(ms):%m/%d/%Y}","{f[3]:,}","{f[0]:,}","{f[1]:,}","{f[2]:,}","{f[4]}K","1%"'
            ),
        )
        header = '"Date","Price","Open","High","Low","Vol.","Change %"'
        path = write(tmp_path / "Bitcoin Historical Data.csv", header, *reversed(rows))
        candles, told = read(path, DAILY)
        assert candles.close.tolist() == DAYS.close.tolist()
        assert candles.volume == pytest.approx(DAYS.volume * 1_000)
        assert f"some figures are rounded, as {DAYS.volume[-1]}K" in told
        assert "thousands are parted by commas" in told
        assert "month first, as " in told

    def test_kaggle(self, tmp_path: Path) -> None:
        minutes = walk("1m")
        rows = lines(
            minutes,
            lambda ms, f: f"{ms / 1000},{points(f)},{round(f[4] * (f[1] + f[2]) / 2, 2)},{f[3]}",
        )
        for hole in (3, 4, 9):
            rows[hole] = f"{int(minutes.open_time[hole]) / 1000},NaN,NaN,NaN,NaN,NaN,NaN,NaN"
        path = write(
            tmp_path / "bitstampUSD_1-min_data_2012-01-01_to_2021-03-31.csv",
            "Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency),Weighted_Price",
            *rows,
        )
        candles, told = read(path, Given("bitstamp", "BTC/USD"))
        assert len(candles) == 37
        assert candles.timeframe == "1m"
        assert "volume Volume_(BTC); times are seconds" in told
        assert "3 rows without prices are holes, the first is row 4" in told
        # half a candle is no hole
        rows[3] = rows[3].replace("NaN", "81.5", 1)
        path = write(path, "Timestamp,Open,High,Low,Close,Volume,a,b", *rows)
        judged = judge(read_rows(path, given=Given("bitstamp", "BTC/USD")))
        assert [str(row) for row in judged.refused] == ["row 4: BTC/USD 1m: high is nan"]

    @pytest.mark.parametrize("header", [",timestamp", "Unnamed: 0,timestamp", "index,datetime", ""])
    def test_ccxt_and_pandas(self, tmp_path: Path, header: str) -> None:
        """With its numbered index, or with the times as the index and no name for them."""
        path = tmp_path / "binance_BTCUSDT_1h.csv"
        numbered = header != ""
        rows = lines(HOURS, lambda ms, f: f"{ms},{points(f)}")
        if numbered:
            rows = [f"{n},{row}" for n, row in enumerate(rows)]
        candles, told = read(write(path, f"{header},open,high,low,close,volume", *rows))
        assert same(candles, as_(HOURS, "binance", "BTC/USDT"))
        assert ("left out: column" in told) == numbered

    def test_ccxt_and_pandas_as_parquet(self, tmp_path: Path) -> None:
        path = tmp_path / "kraken_BTC_USD_1h.parquet"
        frame = pl.DataFrame({n: getattr(HOURS, n) for n in FIGURES})
        for index, zone in (("timestamp", None), ("__index_level_0__", "UTC")):
            times = pl.from_epoch(pl.Series(index, HOURS.open_time), "ms").cast(pl.Datetime("ns"))
            if zone:
                times = times.dt.replace_time_zone(zone)
            frame.with_columns(times).write_parquet(path)
            candles, told = read(path)
            assert same(candles, as_(HOURS, "kraken"))
            assert ("say no zone and are taken as UTC" in told) == (zone is None)

    def test_objects_of_json(self, tmp_path: Path) -> None:
        rows = [
            dict(zip(("timestamp", *FIGURES), (ms, *f), strict=True))
            for ms, *f in zip(
                HOURS.open_time.tolist(),
                *(getattr(HOURS, name).tolist() for name in FIGURES),
                strict=True,
            )
        ]
        path = tmp_path / "kraken_BTCUSD_1h.json"
        path.write_text(json.dumps(rows))
        assert same(read(path)[0], as_(HOURS, "kraken"))
        del rows[2]["close"]
        path.write_text(json.dumps(rows))
        judged = judge(read_rows(path))
        assert [str(row) for row in judged.refused] == ["row 3: BTC/USD 1h: close is empty"]

    def test_columns_of_parquet_that_hold_no_figures(self, tmp_path: Path) -> None:
        path = tmp_path / "kraken_BTCUSD_1h.parquet"
        lists = pl.Series([[1.0], [2.0]])
        pl.DataFrame(
            {"time": [START, START + HOUR], **dict.fromkeys(FIGURES, lists)}
        ).write_parquet(path)
        assert refusal(path).startswith("cannot be read: ")

    def test_hummingbot(self, tmp_path: Path) -> None:
        rows = lines(
            HOURS, lambda ms, f: f"{ms // 1000},{points(f)},{f[4] * f[3]:.4f},9,{f[4] / 2},1"
        )
        header = (
            "timestamp,open,high,low,close,volume,quote_asset_volume,n_trades,"
            "taker_buy_base_volume,taker_buy_quote_volume"
        )
        path = write(tmp_path / "candles_binance_BTC-USDT_1h.csv", header, *rows)
        assert same(read(path)[0], as_(HOURS, "binance", "BTC/USDT"))
        path = path.rename(tmp_path / "candles_binance_perpetual_BTC-USDT_1h.csv")
        assert refusal(path) == "futures are not supported, only spot markets"

    @pytest.mark.parametrize("separator", [";", "\t"])
    def test_excel(self, tmp_path: Path, separator: str) -> None:
        def line(ms: int, figures: Sequence[float]) -> str:
            texts = [f"{f:,.2f}".translate(str.maketrans(",.", ".,")) for f in figures]
            return separator.join([f"{at(ms):%d.%m.%Y}", *texts])

        header = separator.join(["Datum", "Eröffnung", "Hoch", "Tief", "Schluss", "Volumen"])
        rows = [f"sep={separator}", header, *lines(DAYS, line)]
        path = write(tmp_path / "mappe.csv", *rows, end="\r\n", encoding="utf-8-sig")
        candles, told = read(path, DAILY)
        assert same(candles, as_(DAYS, "yahoo"))
        for part in (
            "day first, as 13.09.2020 shows",
            "numbers have a decimal comma; thousands are parted by points",
            "say no zone and are taken as UTC",
            "timeframe 1d: 100.0% of 39 steps",
        ):
            assert part in told
        # as Excel saves "Unicode text"
        path = write(path, *rows[1:], end="\r\n", encoding="utf-16")
        assert same(read(path, DAILY)[0], as_(DAYS, "yahoo"))

    @pytest.mark.parametrize(
        ("form", "separator"),
        [("%Y.%m.%d\t%H:%M:%S", "\t"), ("%Y%m%d,%H%M%S", ","), ("%m/%d/%Y,%I:%M %p", ",")],
    )
    def test_date_and_time_side_by_side(self, tmp_path: Path, form: str, separator: str) -> None:
        """As MetaTrader, Stooq and Excel part them."""

        def line(ms: int, figures: Sequence[float]) -> str:
            return separator.join([at(ms).strftime(form), *map(str, figures)])

        names = ("<DATE>", "<TIME>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>")
        path = write(tmp_path / "mt.csv", separator.join(names), *lines(HOURS, line))
        candles, told = read(path, DAILY)
        assert same(candles, as_(HOURS, "yahoo"))
        assert "time is the column <DATE> and <TIME>" in told

    def test_quoted_behind_a_mark(self, tmp_path: Path) -> None:
        rows = lines(DAYS, lambda ms, f: f'"{at(ms):%Y-%m-%d}",' + ",".join(f'"{x}"' for x in f))
        header = '"Date","Open","High","Low","Close","Volume"'
        for end in ("\n", "\r\n"):
            path = write(tmp_path / "a.csv", header, *rows, end=end, encoding="utf-8-sig")
            assert same(read(path, DAILY)[0], as_(DAYS, "yahoo"))


class TestBinance:
    """Its archive, data.binance.vision."""

    HEADER = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
        "taker_buy_volume,taker_buy_quote_volume,ignore"
    )

    def rows(self, candles: Candles = HOURS, unit: int = 1) -> list[str]:
        def line(ms: int, f: Sequence[float]) -> str:
            end = (ms + HOUR) * unit - 1
            return f"{ms * unit},{points(f)},{end},{f[4] * (f[1] + f[2]) / 2:.8f},7,1,1,0"

        return lines(candles, line)

    @pytest.mark.parametrize("header", [[], [HEADER]])
    @pytest.mark.parametrize(("unit", "told"), [(1, "milliseconds"), (1_000, "microseconds")])
    @pytest.mark.parametrize("kind", ["csv", "zip", "csv.gz", "other zip", "folder"])
    def test_a_month(
        self, tmp_path: Path, header: list[str], unit: int, told: str, kind: str
    ) -> None:
        path = tmp_path / "BTCUSDT-1h-2025-01.csv"
        write(path, *header, *self.rows(unit=unit))
        content = path.read_bytes()
        if kind == "csv.gz":
            path = path.with_suffix(".csv.gz")
            path.write_bytes(gzip.compress(content))
        elif kind != "csv":
            inner = {"zip": path.name, "other zip": "data.csv", "folder": f"spot/{path.name}"}[kind]
            path = path.with_suffix(".zip")
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr(inner, content)
                archive.writestr(f"__MACOSX/._{path.stem}.csv", b"\0")
                archive.writestr("LICENSE", b"free")
        (candles,) = read_series(path, Asked())
        assert same(candles, as_(HOURS, "binance", "BTC/USDT"))
        assert f"times are {told}" in read(path)[1]

    def test_several_months_in_one_zip(self, tmp_path: Path) -> None:
        path = tmp_path / "all.zip"
        parts = {"2024-12": (HOURS.rows(0, 20), 1), "2025-01": (HOURS.rows(20, 40), 1_000)}
        with zipfile.ZipFile(path, "w") as archive:
            for month, (candles, unit) in parts.items():
                text = "\n".join(self.rows(candles, unit))
                archive.writestr(f"BTCUSDT-1h-{month}.csv", text)
        told: list[str] = []
        (candles,) = read_series(path, Asked(), told.append)
        assert same(candles, as_(HOURS, "binance", "BTC/USDT"))
        assert len(told) == 2
        assert refusal(path).startswith("holds 2 files: read one, as ")
        assert len(read(path / "BTCUSDT-1h-2024-12.csv")[0]) == 20
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("BTCUSDT-1h-2025-02.csv", "\n".join(self.rows(HOURS.rows(39, 40))))
        with pytest.raises(CandleFileError, match=r"2020-09-14T15:00Z is in two files \(1 such"):
            read_series(path, Asked())

    def test_months_of_both_units_put_together(self, tmp_path: Path) -> None:
        rows = [*self.rows(HOURS.rows(0, 25)), *self.rows(HOURS.rows(25, 40), 1_000)]
        path = write(tmp_path / "BTCUSDT-1h-2025-01.csv", *rows)
        candles, told = read(path)
        assert same(candles, as_(HOURS, "binance", "BTC/USDT"))
        assert (
            "times: 25 rows in milliseconds, 15 rows in microseconds, each by its size, and "
            "close_time says the same"
        ) in told
        # a row in another unit that its own end contradicts
        broken = rows[30].split(",")
        broken[6] = str(int(broken[6]) + 60_000_000)
        rows[30] = ",".join(broken)
        judged = judge(read_rows(write(path, *rows)))
        assert [row.row for row in judged.refused] == [31]
        assert "close_time does not say the same time" in judged.refused[0].reason

    def test_what_is_no_spot_market_of_it(self, tmp_path: Path) -> None:
        for name in ("BTCUSD_PERP-1h-2025-01.csv", "data/futures/um/BTCUSDT-1h-2025-01.csv"):
            path = write(tmp_path / name, self.HEADER, *self.rows())
            assert refusal(path) == "futures are not supported, only spot markets"
        path = write(tmp_path / "mine.csv", *self.rows())
        assert refusal(path).endswith("the exchange and symbol: give --exchange and --symbol")
        candles, _ = read(path, Given("binanceus", "BTC/USDT"))
        assert same(candles, as_(HOURS, "binanceus", "BTC/USDT"))

    def test_zips_that_hold_none(self, tmp_path: Path) -> None:
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("README", b"no candles")
        assert refusal(path) == "the zip holds no candle file; it has README"
        path.write_bytes(path.read_bytes()[:40])
        assert refusal(path).startswith("cannot be read: ")
        book = tmp_path / "candles.csv"
        with zipfile.ZipFile(book, "w") as archive:
            archive.writestr("xl/workbook.xml", b"<x/>")
        assert refusal(book) == "is a workbook of Excel: save its sheet as CSV"


class TestTimeframes:
    """What a name says, and what there is not."""

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("data/binance/BTC_USDT-1M.csv", "1M (a month)"),
            ("data/binance/BTC_USDT-3M.csv", "3M (3 months)"),
            ("data/binance/BTC_USDT-1w.csv", "1w"),
            ("data/binance/BTC_USDT-3d.csv", "3d"),
            ("Bitstamp_BTCUSD_1w.csv", "1w"),
            ("BTCUSDT-1w-2024-01.csv", "1w"),
            ("BTCUSDT-1mo-2024-01.csv", "1M (a month)"),
            ("BTCUSDT-1s-2024-01.csv", "1s"),
            ("KRAKEN_XBTUSD, 1W.csv", "1w"),
            ("KRAKEN_XBTUSD, 1M.csv", "1M (a month)"),
            ("KRAKEN_XBTUSD, 10.csv", "10m"),
            ("kraken_btc_usd_weekly.csv", "1w"),
            ("kraken_btc_usd_monthly.csv", "1M (a month)"),
        ],
    )
    def test_none_of_ours_is_refused(self, tmp_path: Path, name: str, said: str) -> None:
        days = lines(DAYS, lambda ms, f: f"{ms},{points(f)}")
        header = "date,open,high,low,close,volume"
        if name.startswith("Bitstamp"):
            header = "unix,symbol,open,high,low,close,volume"
            days = [row.replace(",", ",BTC/USD,", 1) for row in days]
        line = refusal(write(tmp_path / name, header, *days), Given("kraken"))
        assert line.startswith(f"its name says {said}, and there is no such timeframe here; there ")

    def test_of_names(self) -> None:
        texts = ("1M", "1m", "60min", "1440m", "1W", "7d", "15M", "hourly", "1-h", "2020", "12hr")
        wanted = ["1M", "1m", "1h", "1d", "1w", "1w", "15M", "1h", None, None, "12h"]
        assert [interval_of(text) for text in texts] == wanted

    def test_by_the_steps(self, tmp_path: Path) -> None:
        path = tmp_path / "btc_usd.csv"
        header = "time,open,high,low,close,volume"
        given = Given("kraken")
        write(path, header, *lines(HOURS, lambda ms, f: f"{ms},{points(f)}"))
        assert read(path, given)[1].endswith("timeframe 1h: 100.0% of 39 steps")
        for step, why in ((7, "the smallest step is 604800 s"), (3, "the smallest step is 259200")):
            rows = lines(DAYS, lambda ms, f, s=step: f"{START + (ms - START) * s},{points(f)}")
            line = refusal(write(path, header, *rows), given)
            assert "says the timeframe, nor do the times: " in line
            assert why in line
        write(path, header, *lines(HOURS, lambda ms, f: f"{ms},{points(f)}")[:2])
        assert "2 candles are too few: give --timeframe, one of 1m, 3m" in refusal(path, given)

    def test_given_counts_more_than_the_name_and_is_told(self, tmp_path: Path) -> None:
        rows = lines(HOURS, lambda ms, f: f"{ms},{points(f)}")
        path = write(tmp_path / "btc_usd_1d.csv", "time,open,high,low,close,volume", *rows)
        candles, told = read(path, Given("kraken", None, "1h"))
        assert candles.timeframe == "1h"
        assert "timeframe 1h as given, where the name says 1d" in told


class TestWithoutAHeader:
    def test_the_six_columns_of_ccxt(self, tmp_path: Path) -> None:
        for separator, mark, form in ((",", ".", ""), (";", ",", "%Y%m%d %H%M%S")):

            def line(ms: int, f: Sequence[float], s: str = separator, m: str = mark) -> str:
                time = at(ms).strftime(form) if form else str(ms)  # noqa: B023 - used at once
                return s.join([time, *(str(one).replace(".", m) for one in f)])

            path = write(tmp_path / "kraken_BTCUSD_1h.csv", *lines(HOURS, line))
            candles, told = read(path)
            assert same(candles, as_(HOURS, "kraken"))
            assert "no header, columns taken as time, open, high, low, close, volume" in told

    def test_another_order_is_refused(self, tmp_path: Path) -> None:
        """Coinbase's own API has low and high first: rows are impossible then."""
        rows = lines(HOURS, lambda ms, f: f"{ms // 1000},{f[2]},{f[1]},{f[0]},{f[3]},{f[4]}")
        rows_read = read_rows(write(tmp_path / "coinbase_BTCUSD_1h.csv", *rows))
        assert len(judge(rows_read).refused) > 10


class TestNames:
    @pytest.mark.parametrize(
        ("name", "exchange", "symbol", "timeframe"),
        [
            ("BTC-USD.csv", None, "BTC/USD", None),
            ("binance_BTCUSDT_1h.csv", "binance", "BTC/USDT", "1h"),
            ("binance_us-btc_usdt-15min.csv", "binanceus", "BTC/USDT", "15m"),
            ("candles_binance_BTC-USDT_1h.csv", "binance", "BTC/USDT", "1h"),
            ("wbtc_usdt_5m.csv", None, "WBTC/USDT", "5m"),
            ("btcusd_1-min_data.csv", None, "BTC/USD", "1m"),
            ("industry_country_data.csv", None, None, None),
            ("btc_usd_eth_usd.csv", None, None, None),
            ("BINANCE_ETHBTC, 240.csv", "binance", "ETH/BTC", "4h"),
            ("CRYPTO_BTCUSD, 1D.csv", None, "BTC/USD", "1d"),
            ("kraken/ETH_EUR.parquet", "kraken", "ETH/EUR", None),
            ("ETHUSDT-15m-2024-01-31.csv", None, "ETH/USDT", "15m"),
            ("a.zip/gemini_BTCUSD_1h.csv", "gemini", "BTC/USD", "1h"),
            ("gemini_BTCUSD_1h.zip/data.csv", "gemini", "BTC/USD", "1h"),
        ],
    )
    def test_said(
        self, name: str, exchange: str | None, symbol: str | None, timeframe: str | None
    ) -> None:
        said = said_by(Path("/x") / name)
        assert (said.exchange, said.symbol, said.timeframe) == (exchange, symbol, timeframe)

    @pytest.mark.parametrize("name", ["BYBIT_BTCUSDT.P, 60.csv", "okx_swap_BTC-USDT_1h.csv"])
    def test_futures(self, name: str) -> None:
        with pytest.raises(CandleFileError, match="futures are not supported"):
            said_by(Path(name))

    def test_in_columns(self, tmp_path: Path) -> None:
        rows = lines(HOURS, lambda ms, f: f"{ms},{points(f)},XBTUSD,60min")
        header = "time,open,high,low,close,volume,ticker,interval"
        path = write(tmp_path / "kraken.csv", header, *rows)
        assert same(read(path)[0], as_(HOURS, "kraken"))
        rows[3] = rows[3].replace("XBTUSD", "ETHUSD")
        assert refusal(write(path, header, *rows)).startswith(
            "column ticker has XBTUSD, ETHUSD and so on: only files of our own layout hold several"
        )


class TestVolumes:
    HEADER = "unix,date,symbol,open,high,low,close,Volume BTC,Volume USD"

    def rows(self, swapped: range, candles: Candles = HOURS) -> list[str]:
        made = lines(
            candles, lambda ms, f: f"{ms // 1000},{at(ms):%Y-%m-%d %H:%M:%S},BTC/USD,{points(f)}"
        )
        volumes = []
        for index, row in enumerate(made):
            base = float(row.rpartition(",")[2])
            quote = round(base * (candles.low[index] + candles.high[index]) / 2, 2)
            both = (quote, base) if index in swapped else (base, quote)
            volumes.append(f"{row.rpartition(',')[0]},{both[0]},{both[1]}")
        return volumes

    def test_that_change_sides(self, tmp_path: Path) -> None:
        path = tmp_path / "Bitstamp_BTCUSD_1h.csv"
        candles, told = read(write(path, self.HEADER, *self.rows(range(10, 27))))
        assert same(candles, as_(HOURS, "bitstamp"))
        assert (
            "volume_btc and volume_usd have changed sides in 17 of 40 rows, as quote = base * "
            "price tells"
        ) in told
        candles, told = read(write(path, self.HEADER, *self.rows(range(0))))
        assert same(candles, as_(HOURS, "bitstamp"))
        assert "volume_usd" not in told

    def test_in_the_general_layout_too(self, tmp_path: Path) -> None:
        path = tmp_path / "gemini_BTCUSD_1h.csv"
        header = "time,open,high,low,close,volume,quote_volume"
        for swapped in (range(0), range(5), range(40)):
            rows = [",".join([*r.split(",")[:1], *r.split(",")[3:]]) for r in self.rows(swapped)]
            candles, told = read(write(path, header, *rows))
            assert same(candles, as_(HOURS, "gemini"))
            assert ("changed sides in" in told) == bool(len(swapped))

    def test_that_fit_neither_way_are_counted(self, tmp_path: Path) -> None:
        rows = self.rows(range(0))
        rows[3] = rows[3].rpartition(",")[0] + ",1.5"
        rows[4] = rows[4].rsplit(",", 2)[0] + ",0,0"
        candles, told = read(write(tmp_path / "Bitstamp_BTCUSD_1h.csv", self.HEADER, *rows))
        assert candles.volume[3] == HOURS.volume[3]
        assert candles.volume[4] == 0
        assert (
            "volume_usd is not volume_btc * price in 1 of 40 rows: there volume_btc is taken"
            in told
        )

    def test_at_a_price_near_one_the_header_counts(self, tmp_path: Path) -> None:
        near = walk("1h", scale=0.01)
        rows = self.rows(range(0), near)
        candles, told = read(write(tmp_path / "Bitstamp_BTCUSD_1h.csv", self.HEADER, *rows))
        assert candles.volume.tolist() == near.volume.tolist()
        assert "changed sides" not in told

    def test_of_venues_that_name_them_the_other_way(self, tmp_path: Path) -> None:
        """Huobi's `amount` is in the base currency and its `vol` in the quote currency."""
        path = tmp_path / "htx_BTCUSD_1h.csv"
        rows = [",".join([*r.split(",")[:1], *r.split(",")[3:]]) for r in self.rows(range(40))]
        candles, told = read(write(path, "time,open,high,low,close,vol,amount", *rows))
        assert same(candles, as_(HOURS, "htx"))
        assert "vol and amount have changed sides in 40 of 40 rows" in told
        header = "ts,openPrice,highPrice,lowPrice,closePrice,quoteVol,baseVol"
        candles, told = read(write(path, header, *rows))
        assert same(candles, as_(HOURS, "htx"))
        assert "changed sides" not in told

    def test_none_in_the_base_currency(self, tmp_path: Path) -> None:
        rows = lines(HOURS, lambda ms, f: f"{ms},{points(f)}")
        path = write(
            tmp_path / "gemini_BTCUSD_1h.csv", "time,open,high,low,close,quote_volume", *rows
        )
        assert refusal(path).startswith(
            "no column is known as volume in BTC; quote_volume is in the other currency; there are "
        )
        path = write(path, "time,open,high,low,close,oi", *rows)
        assert refusal(path).startswith("no column is known as volume in BTC; there are time, ")


def test_rows_that_repeat_are_left_out_and_told(tmp_path: Path) -> None:
    rows = lines(HOURS, lambda ms, f: f"{ms},{points(f)}")
    path = tmp_path / "kraken_BTCUSD_1h.csv"
    header = "time,open,high,low,close,volume"
    write(path, header, *rows[:9], rows[3], *rows[9:])
    told: list[str] = []
    (candles,) = read_series(path, Asked(), told.append)
    assert same(candles, as_(HOURS, "kraken"))
    assert told[0].endswith("1 rows repeat another and are left out, the first is 10")
    write(path, header, *rows[:9], rows[3] + "1", *rows[9:])
    with pytest.raises(CandleFileError, match=r"is there twice, with other figures in row 4$"):
        read_series(path, Asked())


class TestUnits:
    """A row's unit by its size, with its date as witness."""

    def rows(self) -> list[str]:
        made = []
        for index, row in enumerate(lines(HOURS, lambda ms, f: f"{ms} {points(f)}")):
            ms, figures = row.split()
            unix = ms if index % 3 else f"{int(ms) // 1000}.0"
            date = (
                f"{at(int(ms)):%Y-%m-%d %H:%M:%S}" if index % 2 else f"{at(int(ms)):%Y-%m-%d %I-%p}"
            )
            made.append(f"{unix},{date},BTC/USD,{figures}")
        return made

    def test_mixed(self, tmp_path: Path) -> None:
        for header in (
            "unix,date,symbol,open,high,low,close,Volume BTC",
            "unix,date,pair,open,high,low,close,volume",
        ):
            path = write(tmp_path / "Binance_BTCUSD_1h.csv", header, *reversed(self.rows()))
            candles, told = read(path)
            assert same(candles, as_(HOURS, "binance"))
            assert (
                "times: 26 rows in milliseconds, 14 rows in seconds, each by its size, and date "
                "says the same"
            ) in told
            assert "rows were newest first, and are sorted by time" in told

    def test_a_date_that_says_another_time(self, tmp_path: Path) -> None:
        rows = self.rows()
        rows[6] = rows[6].replace("2020-09-13", "2020-09-12")
        header = "unix,date,symbol,open,high,low,close,Volume BTC"
        judged = judge(read_rows(write(tmp_path / "Binance_BTCUSD_1h.csv", header, *rows)))
        (row,) = judged.refused
        assert str(row) == (
            "row 7: BTC/USD 1h: unix 1599976800.0 is in seconds, most of the file in "
            "milliseconds, and date does not say the same time"
        )

    def test_two_columns_that_differ_are_told(self, tmp_path: Path) -> None:
        zone = timezone(timedelta(hours=2))
        told_of = "date says another time than unix in 40 of the first 40 rows: unix counts"
        for header in (
            "unix,date,symbol,open,high,low,close,Volume BTC",
            "unix,date,pair,open,high,low,close,volume",
        ):
            for local, is_told in ((zone, True), (UTC, False)):
                rows = lines(
                    HOURS,
                    lambda ms, f, z=local: (
                        f"{ms},{at(ms).astimezone(z):%Y-%m-%d %H:%M:%S},BTC/USD,{points(f)}"
                    ),
                )
                candles, told = read(write(tmp_path / "Kraken_BTCUSD_1h.csv", header, *rows))
                assert same(candles, as_(HOURS, "kraken"))
                assert (told_of in told) == is_told

    @pytest.mark.parametrize(
        ("unit", "told"),
        [(0.001, "seconds"), (1, "milliseconds"), (1_000, "microseconds"), (10**6, "nanoseconds")],
    )
    def test_each(self, tmp_path: Path, unit: float, told: str) -> None:
        rows = lines(HOURS, lambda ms, f: f"{int(ms * unit)},{points(f)}")
        path = write(tmp_path / "kraken_BTCUSD_1h.csv", "timestamp,open,high,low,close,vol", *rows)
        candles, notes = read(path)
        assert same(candles, as_(HOURS, "kraken"))
        assert f"times are {told}" in notes


class TestDates:
    """Every order, every zone; what may be read in two ways is refused."""

    HEADER = "Date,open,high,low,close,volume"

    def file(self, folder: Path, candles: Candles, form: str, header: str = HEADER) -> Path:
        rows = lines(candles, lambda ms, f: f'"{at(ms).strftime(form)}",{points(f)}')
        return write(folder / "kraken_BTCUSD.csv", header, *rows)

    @pytest.mark.parametrize(
        "form",
        [
            *("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y/%m/%d %H:%M", "%Y.%m.%d %H:%M"),
            *("%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p"),
            *("%Y%m%d %H%M%S", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S+00:00"),
            *("%d-%m-%Y %H:%M", "%Y-%m-%d %I-%p", "%Y-%m-%d %H:%M:%S.000", "%d %b %Y %H:%M"),
            *("%Y-%m-%d %H:%M:%S UTC", "%b %d, %Y %H:%M", "%d.%m.%Y %H:%M:%S.000 GMT+0000"),
        ],
    )
    def test_forms(self, tmp_path: Path, form: str) -> None:
        candles = walk("1h", 24 * 20)
        assert same(read(self.file(tmp_path, candles, form))[0], as_(candles, "kraken"))

    @pytest.mark.parametrize("hours", [2, -5, 5.5])
    @pytest.mark.parametrize("colon", [":", ""])
    def test_offsets(self, tmp_path: Path, hours: float, colon: str) -> None:
        zone = timezone(timedelta(hours=hours))

        def line(ms: int, figures: Sequence[float]) -> str:
            text = at(ms).astimezone(zone).isoformat()
            return f"{text[:-3]}{colon}{text[-2:]},{points(figures)}"

        path = write(tmp_path / "kraken_BTCUSD.csv", self.HEADER, *lines(HOURS, line))
        candles, told = read(path)
        assert same(candles, as_(HOURS, "kraken"))
        assert "times are dates, which say their zone" in told
        assert "taken as UTC" not in told

    @pytest.mark.parametrize("form", ["%d.%m.%Y", "%m/%d/%Y", "%d-%m-%Y"])
    def test_that_may_be_read_in_two_ways(self, tmp_path: Path, form: str) -> None:
        # 2020-09-01 to 2020-09-12: no day is above 12
        days = random_walk("BTC/USD", 12, timeframe="1d", start=START - 12 * DAY)
        line = refusal(self.file(tmp_path, days, form))
        example = at(START - 12 * DAY).strftime(form)
        assert line == (
            f"Date '{example}' may be day.month or month.day, and no date of the file says which: "
            "write dates as 2024-01-31"
        )
        candles, told = read(self.file(tmp_path, DAYS, form))
        assert candles.open_time.tolist() == DAYS.open_time.tolist()
        first = "month first" if form.startswith("%m") else "day first"
        assert f"{first}, as {at(START).strftime(form)} shows" in told

    def test_both_orders_in_one_file(self, tmp_path: Path) -> None:
        path = self.file(tmp_path, DAYS, "%d.%m.%Y")
        path.write_text(path.read_text().replace("20.09.2020", "09.20.2020"))
        assert "'13.09.2020' and '09.20.2020' differ: write dates as" in refusal(path)

    def test_a_zone_that_is_not_known_is_no_time(self, tmp_path: Path) -> None:
        path = self.file(tmp_path, HOURS, "%Y-%m-%d %H:%M", "Local time,open,high,low,close,volume")
        assert refusal(path).startswith("no known layout has the columns Local time, open, ")
        for name in ("Date (UTC)", "Gmt time", "time_utc"):
            path = self.file(tmp_path, HOURS, "%Y-%m-%d %H:%M", f"{name},open,high,low,close,vol")
            assert same(read(path)[0], as_(HOURS, "kraken"))


class TestFigures:
    def file(self, folder: Path, separator: str, *texts: str) -> Path:
        rows = [
            separator.join([f"2020-09-{13 + n}", *[text] * 4, "7"]) for n, text in enumerate(texts)
        ]
        header = separator.join(["date", *FIGURES])
        return write(folder / "kraken_BTCUSD_1d.csv", header, *rows)

    @pytest.mark.parametrize(
        ("separator", "texts", "values"),
        [
            (";", ("8000,5", "8000"), (8000.5, 8000)),
            (";", ("8.000,5", "12.345.678,25"), (8000.5, 12_345_678.25)),
            (";", ("1.234.567", "8.000"), (1_234_567, 8000)),
            (";", ("8 000,5", "8\u00a0000"), (8000.5, 8000)),
            (";", ("8'000.5", "8\u2019000"), (8000.5, 8000)),
            (";", ("0,123", "1,234"), (0.123, 1.234)),
            (";", ("0.123", "1.234"), (0.123, 1.234)),
            (";", ("1.234", "1234.5"), (1.234, 1234.5)),
            ("\t", ("8,000.5", "1,234"), (8000.5, 1234)),
            (",", ('"8,000.50"', '"1,234"'), (8000.5, 1234)),
            (",", ('"8000,5"', '"8.001,5"'), (8000.5, 8001.5)),
            (",", ("1.234", "1e3"), (1.234, 1000)),
        ],
    )
    def test_marks(
        self, tmp_path: Path, separator: str, texts: tuple[str, ...], values: tuple[float, ...]
    ) -> None:
        candles, _ = read(self.file(tmp_path, separator, *texts))
        assert candles.open.tolist() == list(values)

    @pytest.mark.parametrize(
        ("separator", "text"), [(";", "1.234"), (";", "1,234"), (",", '"1,234"')]
    )
    def test_that_may_be_read_in_two_ways(self, tmp_path: Path, separator: str, text: str) -> None:
        text_told = text.strip('"')
        assert refusal(self.file(tmp_path, separator, text, text)) == (
            f"'{text_told}' may be thousands or have three decimals, and no figure of the file "
            "says which: write figures as 1234.5"
        )

    def test_two_marks_in_one_file(self, tmp_path: Path) -> None:
        line = refusal(self.file(tmp_path, ";", "8000.5", "8000,5"))
        assert line == "'8000.5' and '8000,5' have different decimal marks"
        # a comma that parts no thousands is not passed over
        judged = judge(read_rows(self.file(tmp_path, ";", "8000.5", "8000.5", "1,23,456")))
        assert [row.reason for row in judged.refused] == ["open '1,23,456' is no number"]
