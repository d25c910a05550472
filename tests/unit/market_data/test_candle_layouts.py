"""The candle files of other programs, written here in their exact layouts."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.candle_series import START, random_walk, same
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files import (
    CandleFileError,
    Given,
    judge,
    read_candles,
    read_rows,
)
from tradepulse.market_data.files.pairs import symbol_of, timeframe_of
from tradepulse.market_data.files.times import read_times

HOUR = 3_600_000
FIGURES = ("open", "high", "low", "close", "volume")
# prices as files have them
WALK = random_walk("BTC/USD", 30, seed=3, timeframe="1h", exchange="kraken")
BTC = Candles(
    *("kraken", "BTC/USD", "1h", WALK.open_time),
    *(np.round(getattr(WALK, name), 2) for name in FIGURES),
)


def as_of(exchange: str, symbol: str = "BTC/USD", candles: Candles = BTC) -> Candles:
    figures = (getattr(candles, name) for name in ("open_time", *FIGURES))
    return Candles(exchange, symbol, candles.timeframe, *figures)


def frame(candles: Candles = BTC) -> pl.DataFrame:
    return pl.DataFrame({"ts": candles.open_time, **{n: getattr(candles, n) for n in FIGURES}})


def only(path: Path, layout: str, given: Given | None = None) -> Candles:
    """Read a file that must be told for what it is, and must hold one series without a fault."""
    rows = read_rows(path, given=given)
    assert rows.layout == layout
    judged = judge(rows)
    assert (judged.refused, judged.repeated, len(judged.series)) == ([], [], 1)
    return judged.series[0]


def refusal(path: Path, layout: str = "auto", given: Given | None = None) -> str:
    with pytest.raises(CandleFileError) as caught:
        read_rows(path, layout, given)
    line = str(caught.value)
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def refused(path: Path, layout: str = "auto", given: Given | None = None) -> list[str]:
    return [str(row) for row in judge(read_rows(path, layout, given)).refused]


class TestFreqtrade:
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "user_data/data/binance"
        folder.mkdir(parents=True)
        return folder

    @pytest.mark.parametrize("kind", ["feather", "parquet", "csv", "json", "json.gz"])
    def test_files_of_its_data_folder(self, tmp_path: Path, kind: str) -> None:
        path = self.folder(tmp_path) / f"BTC_USD-1h.{kind}"
        dated = frame().select(
            pl.from_epoch("ts", "ms").dt.replace_time_zone("UTC").alias("date"), *FIGURES
        )
        if kind == "feather":
            dated.write_ipc(path, compression="lz4")
        elif kind == "parquet":
            dated.with_columns(pl.col("date").cast(pl.Datetime("ns", "UTC"))).write_parquet(path)
        elif kind == "csv":
            dated.with_columns(pl.col("date").dt.to_string("%Y-%m-%d %H:%M:%S%:z")).write_csv(path)
        else:
            text = json.dumps([list(row) for row in frame().iter_rows()]).encode()
            path.write_bytes(gzip.compress(text) if kind == "json.gz" else text)
        assert same(only(path, "freqtrade"), as_of("binance"))

    def test_what_its_name_does_not_say_must_be_given(self, tmp_path: Path) -> None:
        path = tmp_path / "candles.csv"
        frame().rename({"ts": "date"}).write_csv(path)
        # its columns are those of many: only its name makes it one of freqtrade's
        given = Given("okx", "BTC/USD", "1h")
        assert same(only(path, "plain", given), as_of("okx"))
        for layout in ("auto", "plain"):
            assert refusal(path, layout) == (
                "neither the file nor its name says the exchange and symbol: give --exchange and "
                "--symbol"
            )
        assert refusal(path, "freqtrade") == (
            "neither the file nor its name says the exchange and symbol and timeframe: give "
            "--exchange and --symbol and --timeframe"
        )

    def test_futures_and_bad_json(self, tmp_path: Path) -> None:
        path = tmp_path / "BTC_USDT_USDT-1h-futures.json"
        path.write_text("[[1599955200000, 1, 1, 1, 1, 1]]")
        assert refusal(path).startswith("futures are not supported")
        for text, why in (
            ("{}", "is not a list of [date, open"),
            ("[[1, 2], {}]", "row 1: the file must be a list of [date"),
            ("[1", "is no JSON: "),
        ):
            path.write_text(text)
            assert refusal(path).startswith(why)

    def test_a_value_that_is_none(self, tmp_path: Path) -> None:
        path = self.folder(tmp_path) / "BTC_USD-1h.json"
        rows = [list(row) for row in frame().iter_rows()]
        rows[1][4], rows[2][0] = None, "now"
        path.write_text(json.dumps(rows))
        assert refused(path) == [
            "row 2: BTC/USD 1h: close is empty",
            "row 3: BTC/USD 1h: date 'now' is no time since the epoch",
        ]


class TestCryptoDataDownload:
    COMMENT = "https://www.CryptoDataDownload.com\n"

    def write(self, path: Path, header: str, line: str, comment: str = COMMENT) -> Path:
        """Write the newest first; `line` is formatted with the figures and the times."""
        lines = [
            line.format(
                ms=ts, s=ts // 1000, t=datetime.fromtimestamp(ts / 1000, tz=UTC), ohlc=ohlc, v=v
            )
            for ts, ohlc, v in (
                (row[0], ",".join(map(str, row[1:5])), row[5]) for row in reversed(frame().rows())
            )
        ]
        path.write_text(comment + "\n".join([header, *lines]) + "\n")
        return path

    @pytest.mark.parametrize(
        ("name", "header", "line"),
        [
            (
                "Bitstamp_BTCUSD_1h.csv",
                "unix,date,symbol,open,high,low,close,Volume BTC,Volume USD",
                "{s},{t:%Y-%m-%d %H:%M:%S},BTC/USD,{ohlc},{v},1.5",
            ),
            (
                "Bitstamp_BTCUSD_2020_1h.csv",
                "Unix,Date,Symbol,Open,High,Low,Close,Volume USD,Volume BTC,tradecount",
                "{ms},{t:%Y-%m-%d %H:%M:%S},BTCUSD,{ohlc},1.5,{v},7",
            ),
            (
                "bitstamp_BTCUSD_hour.csv",
                "date,symbol,open,high,low,close,volume_btc,volume",
                "{t:%Y-%m-%d %I-%p},BTCUSD,{ohlc},{v},1.5",
            ),
            (
                "bitstamp-1h-btc-usd.csv",
                "Date,Symbol,Open,High,Low,Close,VolumeFrom,VolumeTo",
                "{t:%Y-%m-%d %H:%M},XBTUSD,{ohlc},{v},1.5",
            ),
            (
                "Bitstamp_BTCUSD_60min_1h.csv",
                "Unix Timestamp,Date,Symbol,Open,High,Low,Close,Volume",
                "{s}.0,{t:%Y-%m-%d},BTCUSD,{ohlc},{v}",
            ),
        ],
    )
    def test_its_layouts_over_the_years(
        self, tmp_path: Path, name: str, header: str, line: str
    ) -> None:
        path = self.write(tmp_path / name, header, line)
        assert same(only(path, "cryptodatadownload"), as_of("bitstamp"))
        assert judge(read_rows(path)).unsorted == "newest first"

    def test_marks_and_line_ends_of_windows_and_compressed(self, tmp_path: Path) -> None:
        header = "unix,date,symbol,open,high,low,close,Volume BTC,Volume USD"
        plain = self.write(tmp_path / "a.csv", header, "{s},x,BTCUSD,{ohlc},{v},2").read_bytes()
        path = tmp_path / "Bitstamp_BTCUSD_1h.csv"
        path.write_bytes(b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"))
        assert same(only(path, "cryptodatadownload"), as_of("bitstamp"))
        path = tmp_path / "Bitstamp_BTCUSD_1h.csv.gz"
        path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
        assert same(only(path, "cryptodatadownload"), as_of("bitstamp"))

    def test_what_cannot_be_told(self, tmp_path: Path) -> None:
        header = "unix,date,symbol,open,high,low,close,Volume BTC,Volume USD"
        path = self.write(tmp_path / "mine.csv", header, "{s},x,BTCUSD,{ohlc},{v},2")
        assert refusal(path).endswith("give --exchange and --timeframe")
        given = Given("gemini", None, "1h")
        assert same(only(path, "cryptodatadownload", given), as_of("gemini"))
        path = self.write(tmp_path / "Bitstamp_ETHUSD_1h.csv", header, "{s},x,ETHUSD,{ohlc},{v},2")
        assert refusal(path).startswith("which volume is in ETH? There is volume_btc, volume_usd")

    def test_rows_of_another_unit_or_symbol_are_refused(self, tmp_path: Path) -> None:
        header = "unix,date,symbol,open,high,low,close,Volume BTC,Volume USD"
        path = self.write(
            tmp_path / "Bitstamp_BTCUSD_1h.csv", header, "{s},x,BTCUSD,{ohlc},{v},2", ""
        )
        lines = path.read_text().splitlines()
        lines[2] = lines[2].replace(",x", "000,x")
        lines[3] = lines[3].replace("BTCUSD", "ETHUSD")
        path.write_text("\n".join(lines))
        second = int(BTC.open_time[-2])
        unit = f"unix {second} is in milliseconds, most of the file in seconds"
        assert refused(path) == [
            f"row 2: BTC/USD 1h: {unit}, and date does not say the same time",
            "row 3: BTC/USD 1h: symbol 'ETHUSD' is another than the file's",
        ]


class TestKraken:
    def write(self, path: Path) -> Path:
        dump = frame().select(pl.col("ts") // 1000, *FIGURES, pl.lit(9).alias("trades"))
        dump.write_csv(path, include_header=False)
        return path

    def test_a_file_of_the_dump(self, tmp_path: Path) -> None:
        assert same(only(self.write(tmp_path / "XBTUSD_60.csv"), "kraken"), as_of("kraken"))
        path = self.write(tmp_path / "XDGEUR_60.csv")
        assert only(path, "kraken").symbol == "DOGE/EUR"

    def test_another_name(self, tmp_path: Path) -> None:
        # a week, and what is no timeframe anywhere: its name does say one, but none that there is
        for minutes, said in ((10_080, "1w"), (61, "61m")):
            path = self.write(tmp_path / f"XBTUSD_{minutes}.csv")
            assert refusal(path).startswith(f"its name says {said}, and there is no such timeframe")
        path = self.write(tmp_path / "bitcoin.csv")
        assert refusal(path).endswith(
            "says the symbol and timeframe: give --symbol and --timeframe"
        )
        path = self.write(tmp_path / "XBTUSD_61.csv")
        assert len(only(path, "kraken", Given(timeframe="1h"))) == len(BTC)

    def test_one_candle_without_a_header(self, tmp_path: Path) -> None:
        path = tmp_path / "XBTUSD_60.csv"
        path.write_text("1599955200,1,2,0.5,1,3,4\n")
        assert len(only(path, "kraken")) == 1
        path.write_text("1599955200,1,2,0.5,1,3\n")
        assert refusal(path, "kraken") == "has 6 columns, where Kraken's dump has 7"
        path.write_text("1599955200,1,2,0.5,1,3,4,5\n")
        assert refusal(path).startswith("has no header, and 8 columns; without one are known 6: ")


class TestLegacy:
    def rows(self) -> pl.DataFrame:
        """BTC in milliseconds and seconds, ETH of another timeframe, shuffled."""
        eth = random_walk("ETH/USD", 20, seed=4, timeframe="5m", exchange="kraken")
        parts = [
            one.select(
                pl.lit("kraken").alias("exchange"),
                pl.lit(symbol).alias("symbol"),
                pl.col("ts").alias("timestamp"),
                *FIGURES,
            )
            for symbol, one in (("BTC/USD", frame()), ("ETH/USD", frame(eth)))
        ]
        parts[0] = parts[0].with_columns(
            timestamp=pl.when(pl.int_range(pl.len()) < 10)
            .then(pl.col("timestamp") // 1000)
            .otherwise("timestamp")
        )
        return pl.concat(parts).with_row_index("id").sample(fraction=1, shuffle=True, seed=1)

    @pytest.mark.parametrize("kind", [".csv", ".parquet"])
    def test_units_and_timeframes_are_inferred_and_told(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / f"market_data{kind}"
        (self.rows().write_csv if kind == ".csv" else self.rows().write_parquet)(path)
        rows = read_rows(path)
        assert rows.layout == "legacy"
        judged = judge(rows)
        assert {one.series: len(one) for one in judged.series} == {
            "kraken:BTC/USD:1h": 30,
            "kraken:ETH/USD:5m": 20,
        }
        btc = next(one for one in judged.series if one.symbol == "BTC/USD")
        assert same(btc, BTC)
        assert judged.unsorted == "in no order"
        assert "times: 40 rows in milliseconds, 10 rows in seconds" in rows.notes
        assert "kraken:ETH/USD: timeframe 5m, 100.0% of 19 steps" in rows.notes
        assert "left out: column id" in rows.notes

    def test_what_cannot_be_inferred(self, tmp_path: Path) -> None:
        path = tmp_path / "market_data.csv"

        def why(*hours: float) -> str:
            times = [START + int(hour * HOUR) for hour in hours]
            pl.DataFrame(
                {"exchange": "kraken", "symbol": "BTC/USD", "timestamp": times}
                | dict.fromkeys(FIGURES, 1.0)
            ).write_csv(path)
            lines = refused(path)
            assert len(lines) == len(hours)
            assert lines[0].endswith("; give --timeframe")
            return lines[0].split("cannot be told: ")[1].removesuffix("; give --timeframe")

        assert why(0, 1) == "2 candles are too few"
        assert why(0, 1, 2, 3, 3.5, 5, 6) == (
            "several timeframes may be mixed (steps: 67% of 1h, 17% of 30m, 17% of 5400 s)"
        )
        assert why(0, 3, 6).startswith("the smallest step is 10800 s")
        assert why(0, 1, 2, 3, 4.5).startswith("not all steps are multiples of 1h")
        given = Given(timeframe="1h")
        assert refused(path, given=given) == [
            f"row 5: BTC/USD 1h: open_time {START + int(4.5 * HOUR)} is off the grid of 1h"
        ]

    def test_a_candle_in_both_units(self, tmp_path: Path) -> None:
        path = tmp_path / "market_data.csv"
        both = pl.concat([frame(), frame()[:2].with_columns(pl.col("ts") // 1000)])
        both = both.with_columns(exchange=pl.lit("kraken"), symbol=pl.lit("BTC/USD"))
        both.rename({"ts": "timestamp"}).write_csv(path)
        judged = judge(read_rows(path))
        assert [row.row for row in judged.repeated] == [31, 32]
        assert len(judged.series[0]) == 30


LINES = {
    "kraken": ("XBTUSD_60.csv", "", "{s},{f},9"),
    "tradepulse": (
        "own.csv",
        "exchange,symbol,timeframe,ts,open,high,low,close,volume,source",
        "kraken,BTC/USD,1h,{ms},{f},live",
    ),
    "legacy": (
        "market_data.csv",
        "exchange,symbol,timestamp,open,high,low,close,volume,id",
        "kraken,BTC/USD,{ms},{f},1",
    ),
    "freqtrade": (
        "data/kraken/BTC_USD-1h.csv",
        "date,open,high,low,close,volume",
        "{t:%Y-%m-%d %H:%M:%S},{f}",
    ),
    "cryptodatadownload": (
        "Kraken_BTCUSD_1h.csv",
        "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,n",
        "{s},x,BTC/USD,{f},",
    ),
}


@pytest.mark.parametrize("layout", LINES)
class TestLines:
    """What lines a text may have, in every layout; rows are the lines below the header."""

    def lines(self, layout: str) -> tuple[list[str], list[str]]:
        """Return the lines of the header and of the candles."""
        _, header, line = LINES[layout]
        times = [(ts, datetime.fromtimestamp(ts / 1000, tz=UTC)) for ts in frame()["ts"]]
        figures = [",".join(map(str, row[1:])) for row in frame().iter_rows()]
        return header.split("\n") if header else [], [
            line.format(ms=ts, s=ts // 1000, t=at, f=f)
            for (ts, at), f in zip(times, figures, strict=True)
        ]

    def write(
        self, folder: Path, layout: str, lines: list[str], end: str = "\n", mark: str = ""
    ) -> Path:
        path = folder / LINES[layout][0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((mark + end.join([*lines, ""])).encode())
        return path

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("row", [0, 4, 29])
    def test_fields_too_many_and_too_few(
        self, tmp_path: Path, layout: str, row: int, end: str
    ) -> None:
        header, lines = self.lines(layout)
        columns = lines[0].count(",") + 1
        line = len(header) + row + 1
        for broken, count in (
            (f"{lines[row]},1", columns + 1),
            (lines[row].replace(",", "", 1), columns - 1),
            (lines[row].rpartition(",")[0], columns - 1),
            ("1,2", 2),
        ):
            changed = [*lines[:row], broken, *lines[row + 1 :]]
            path = self.write(tmp_path, layout, [*header, *changed], end, mark="\ufeff")
            judged = judge(read_rows(path))
            assert list(map(str, judged.refused)) == [
                f"row {row + 1}: line {line} has {count} fields, {columns} are expected"
            ]
            assert (judged.rows, sum(map(len, judged.series))) == (30, 29)

    def test_lines_that_are_no_rows(self, tmp_path: Path, layout: str) -> None:
        """Blank lines, and the header again where files were put together, keep no row out."""
        header, lines = self.lines(layout)
        again = ["\ufeff" + header[0], *header[1:]] if header else []
        path = self.write(
            tmp_path, layout, ["", *header, *lines[:9], "", " \t", *again, *lines[9:], "", ""]
        )
        rows = read_rows(path)
        judged = judge(rows)
        assert (judged.rows, judged.refused, judged.repeated) == (30, [], [])
        assert same(judged.series[0], BTC)
        told = f"the header comes again in row {len(header) + 11} and is passed over"
        assert (told in rows.notes) == bool(header)

    def test_quotes(self, tmp_path: Path, layout: str) -> None:
        header, lines = self.lines(layout)

        def quoted(line: str) -> str:
            return ",".join(f'"{value}"' for value in line.split(","))

        whole = [*header[:-1], *map(quoted, [*header[-1:], *lines])]
        assert same(judge(read_rows(self.write(tmp_path, layout, whole))).series[0], BTC)
        # one that is not closed swallows no row, nor do two that lie apart
        lines[3], lines[7] = f'{lines[3][:-3]}"{lines[3][-3:]}', f'"{lines[7]}'
        lines[12] = quoted(lines[12]) + ",1"
        judged = judge(read_rows(self.write(tmp_path, layout, [*header, *lines])))
        assert judged.rows == 30
        assert [row.row for row in judged.refused] == [4, 8, 13]
        assert judged.refused[0].reason == (
            f"line {len(header) + 4} has a quote that is not around a whole field"
        )

    def test_another_unit(self, tmp_path: Path, layout: str) -> None:
        """No row in another unit than the rest is stored at a wrong time."""
        header, lines = self.lines(layout)
        ms = int(BTC.open_time[4])
        is_seconds, is_ms = f"{ms // 1000}," in lines[4], f"{ms}," in lines[4]
        for number in (ms // 1000, ms, ms * 1000, ms * 1_000_000):
            old = ms // 1000 if is_seconds else ms if is_ms else lines[4].split(",")[0]
            changed = [*lines[:4], lines[4].replace(str(old), str(number)), *lines[5:]]
            judged = judge(read_rows(self.write(tmp_path, layout, [*header, *changed])))
            if layout == "legacy" or number == old:
                assert same(judged.series[0], BTC)
            else:
                assert [row.row for row in judged.refused] == [5]
                assert sum(map(len, judged.series)) == 29


def test_rows_under_another_header_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "Kraken_BTCUSD_1h.csv"
    names = "unix,symbol,open,high,low,close,Volume BTC,Volume USD"
    others = "unix,symbol,open,high,low,close,Volume USD,Volume BTC"
    lines = [f"{START // 1000 + 3600 * n},BTCUSD,2,3,1,2,7,9" for n in range(8)]
    lines[1] += ",1"
    path.write_text("\n".join([names, *lines[:3], others, *lines[3:5], names, *lines[5:]]))
    rows = read_rows(path)
    judged = judge(rows)
    assert list(map(str, judged.refused)) == [
        "row 2: line 3 has 9 fields, 8 are expected",
        "row 4: is another header",
        "row 5: BTC/USD 1h: comes after another header, in row 4",
        "row 6: BTC/USD 1h: comes after another header, in row 4",
    ]
    assert len(judged.series[0]) == 5
    assert "the header comes again in row 7 and is passed over" in rows.notes


def test_lines_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "XBTUSD_60.csv"
    lines = [b"%d,2,3,1,2,7,9" % (START // 1000 + 3600 * n) for n in range(4)]
    path.write_bytes(b"\n".join([*lines[:2], lines[2] + b"\xff", lines[3]]))
    assert refused(path) == ["row 3: line 3 is no UTF-8 text"]
    path.write_bytes(b"\r".join(lines))  # as old Macs write
    assert len(only(path, "kraken")) == 4
    path.write_bytes(b"\n".join([*lines, b"1", lines[3] + b"\x1f"]))
    assert refusal(path).startswith("cannot be read: ")
    for nothing in (b"\xef\xbb\xbf", b"\n\r\n", b" "):
        path.write_bytes(nothing)
        assert refusal(path) == "the file is empty"
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(b"\n".join(lines))[:-9] + b"\0" * 9)
    assert refusal(path.with_suffix(".csv.gz")).startswith("cannot be read: ")


def test_json_rows_of_another_length(tmp_path: Path) -> None:
    path = tmp_path / "data" / "kraken" / "BTC_USD-1h.json"
    path.parent.mkdir(parents=True)
    rows: list[object] = [list(row) for row in frame().iter_rows()]
    rows[3:4] = [[1, 2], None]
    path.write_text(json.dumps(rows))
    judged = judge(read_rows(path))
    assert list(map(str, judged.refused)) == [
        "row 4: is no list of 6 values",
        "row 5: is no list of 6 values",
    ]
    assert (judged.rows, len(judged.series[0])) == (31, 29)


def test_no_known_layout(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    assert refusal(path).startswith("no known layout has the columns a, b. Known are kraken: no ")
    path.write_text("a,A\n1,2\n")
    assert refusal(path) == "a column is there twice: a, a"


@pytest.mark.parametrize(
    ("name", "text", "layout"),
    [
        ("mine.csv", "https://www.cryptodatadownload.com\nunix,symbol,open,high,low,close\n", None),
        ("BTC_USD-1h.csv", "date,open,high,low,close,volume\r\n", "freqtrade"),
        ("BTC_USD-1h.json", "[]", "freqtrade"),
        ("mine.csv", "date,open,high,low,close,volume\r\n", "plain"),
        ("mine.json", "[]", "plain"),
        ("a.csv", "exchange,symbol,timestamp,open,high,low,close,volume\n", "legacy"),
        ("a.csv", "exchange,symbol,timeframe,open_time,open,high,low,close,volume", "tradepulse"),
    ],
)
def test_a_header_only(tmp_path: Path, name: str, text: str, layout: str | None) -> None:
    path = tmp_path / name
    path.write_text(text)
    rows = read_rows(path)
    assert rows.layout == (layout or "cryptodatadownload")
    judged = judge(rows)
    assert (judged.rows, judged.series, judged.refused) == (0, [], [])


def test_other_layouts_are_no_file_to_replay(tmp_path: Path) -> None:
    path = tmp_path / "BTC_USD-1h.csv"
    frame().rename({"ts": "date"}).write_csv(path)
    with pytest.raises(CandleFileError, match=r"is not of our own layout.*`tradepulse import` re"):
        read_candles(path)


@pytest.mark.parametrize("layout", ["freqtrade", "cryptodatadownload", "legacy", "tradepulse"])
def test_a_layout_that_the_file_has_not(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    assert " is missing" in refusal(path, layout)
    assert refusal(path, "kraken") == "has a header, which Kraken's dump has not"


def test_names_that_a_file_says_itself_are_not_given(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    own = frame().rename({"ts": "open_time"})
    own.with_columns(exchange=pl.lit("x"), symbol=pl.lit("A/B"), timeframe=pl.lit("1h")).write_csv(
        path
    )
    line = refusal(path, given=Given(symbol="C/D"))
    assert line == "says the symbol of each candle itself; leave out --symbol-name"


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTCUSD", "BTC/USD"),
        ("btc-usd", "BTC/USD"),
        ("XBT/EUR", "BTC/EUR"),
        ("XXBTZUSD", "BTC/USD"),
        ("XDGXBT", "DOGE/BTC"),
        ("DOTUSD", "DOT/USD"),
        ("BTCTUSD", "BTC/TUSD"),
        ("1INCHUSD", "1INCH/USD"),
        ("ETHUSDT", "ETH/USDT"),
        # D in OTUSD, or FOO in TUSD, or FOOT in USD? asked rather than guessed
        ("FOOTUSD", None),
        ("USD", None),
        ("A/B/C", None),
    ],
)
def test_symbols(text: str, symbol: str | None) -> None:
    assert symbol_of(text) == symbol


def test_timeframes() -> None:
    names = ("1h", "hour", "d", "daily", "minute", "1min", "15m", "4H", "1w", "2020", "7m", "")
    wanted = ["1h", "1h", "1d", "1d", "1m", "1m", "15m", "4h", None, None, None, None]
    assert [timeframe_of(name) for name in names] == wanted


def test_times_in_every_unit_and_zone() -> None:
    for per_second in (1, 1_000, 1_000_000, 1_000_000_000):
        column = pl.Series([START // 1000 * per_second])
        assert read_times(column, "t").values.to_list() == [START]
    texts = ["2020-09-13 00:00:00", "2020-09-13T02:00:00+02:00", "2020-09-13", "2020-09-13 12-AM"]
    times = read_times(pl.Series([*texts, "2020-09-13T00:00:00Z", "soon", None]), "t")
    assert times.values.to_list() == [START] * 5 + [None] * 2
    assert times.problems.to_list()[5:] == [
        "t 'soon' is no time, as 2019-10-17 09:00",
        "t is empty",
    ]
    one_number = read_times(pl.Series([texts[0], "7", texts[2]]), "t")
    assert one_number.values.to_list() == [START, None, START]
    numbers = read_times(pl.Series([float(START), float("nan"), 5.0, START + 0.5, 9.9e18]), "t")
    assert numbers.values.to_list() == [START, None, None, None, None]
    assert read_times(pl.Series([None], dtype=pl.String), "t").problems.to_list() == ["t is empty"]
    with pytest.raises(CandleFileError, match="column t holds Boolean, not times"):
        read_times(pl.Series([True]), "t")
