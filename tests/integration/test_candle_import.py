"""`tradepulse import` and `export` on a real database: every row is accounted for."""

import asyncio
import json
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.candle_series import START, random_walk, same
from tests.command import invoke
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files import PARTITION_FILE, read_candles, write_candles
from tradepulse.market_data.store import load_candles, store_candles
from tradepulse.runtime.db import connect, migrate

pytestmark = pytest.mark.integration

HOUR = 3_600_000
FIGURES = ("open", "high", "low", "close", "volume")
BTC = random_walk("BTC/USD", 2_000, seed=1, timeframe="1h", exchange="kraken")
ETH = random_walk("ETH/USD", 300, seed=2, timeframe="1h", exchange="kraken", without=range(50, 90))


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database_url)
    asyncio.run(migrate(database_url))
    return database_url


def on(url: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        connection = await connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def count(url: str) -> int:
    return int(on(url, lambda c: c.fetchval("select count(*) from market_data")))


def stored(url: str, like: Candles) -> Candles:
    names = (like.exchange, like.symbol, like.timeframe)
    loaded: Candles = on(url, lambda c: load_candles(c, *names))
    return loaded


def frame(candles: Candles) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "exchange": candles.exchange,
            "symbol": candles.symbol,
            "timeframe": candles.timeframe,
            "open_time": candles.open_time,
            **{name: getattr(candles, name) for name in FIGURES},
        }
    )


def with_bad_rows(path: Path) -> Path:
    """Write ETH with two impossible rows, a repeat, and one time with two figures."""
    good = frame(ETH)
    bad = good[:2].with_columns(high=pl.lit(0.001), open_time=pl.col("open_time") + 1_000 * HOUR)
    two = good[10:11].with_columns(volume=pl.lit(5.0))
    pl.concat([good, good[20:21], two, bad]).write_csv(path)
    return path


class TestBadRows:
    def test_refused_whole_by_default(self, database: str, tmp_path: Path) -> None:
        path = with_bad_rows(tmp_path / "eth.csv")
        report = tmp_path / "bad.csv"
        line = invoke("import", path, "--report", report, status=1)[1]
        assert line == (
            f"tradepulse import: {path}: row 262: ETH/USD 1h: the time 2020-09-13T10:00Z is there "
            "twice, with other figures in row 11; 3 more rows are refused; --dry-run lists all; "
            "--skip-bad-rows stores the others\n"
        )
        assert count(database) == 0
        told = pl.read_csv(report)
        assert told["row"].to_list() == [11, 262, 263, 264, 261]
        assert told["kind"].to_list() == [*["contradiction"] * 2, *["figures"] * 2, "repeated"]
        assert told["open_time"][0] == START + 10 * HOUR

    def test_a_dry_run_tells_all_of_them(self, database: str, tmp_path: Path) -> None:
        path = with_bad_rows(tmp_path / "eth.csv")
        told, line = invoke("import", path, "--dry-run", status=1)
        assert "refused, rows that contradict each other: 2, the first is" in told
        assert (
            f"refused, rows that have impossible figures: 2, the first is {path}: row 263" in told
        )
        assert "264 rows: 259 candles, 4 refused, 1 there twice, 0 not asked for" in told
        assert "would change 259 of 259 candles" in told
        assert "4 rows are refused, so nothing would be stored; mend them, or give" in line
        assert count(database) == 0

    def test_the_good_ones_are_stored_if_asked(self, database: str, tmp_path: Path) -> None:
        path, report = with_bad_rows(tmp_path / "eth.csv"), tmp_path / "bad.json"
        arguments = ("import", path, "--skip-bad-rows", "--report", report)
        told, warned = invoke(*arguments)
        assert "264 rows: 259 candles, 4 refused, 1 there twice, 0 not asked for" in told
        assert "stored 259 of 259 candles; 0 were there already" in told
        assert warned == ""
        assert count(database) == 259
        rows = json.loads(report.read_text())
        assert (rows[0]["file"], rows[0]["row"], rows[0]["symbol"]) == (str(path), 11, "ETH/USD")
        again, _ = invoke(*arguments, "--from", START + 100 * HOUR)
        assert "264 rows: 200 candles, 4 refused, 1 there twice, 59 not asked for" in again
        assert "stored 0 of 200 candles; 200 were there already" in again

    def test_lines_with_fields_too_many_or_too_few(self, database: str, tmp_path: Path) -> None:
        path, report = tmp_path / "eth.csv", tmp_path / "bad.csv"
        frame(ETH).write_csv(path)
        lines = path.read_text().splitlines()
        lines[3] += ",1"
        lines[5] = lines[5].rpartition(",")[0]
        path.write_text("\n".join([*lines[:9], "", lines[0], *lines[9:]]))
        first = f"{path}: row 3: line 4 has 10 fields, 9 are expected"
        line = invoke("import", path, "--report", report, status=1)[1]
        assert line.startswith(f"tradepulse import: {first}; 1 more row is refused; --dry-run")
        second = pl.read_csv(report).select("row", "kind", "reason").rows()[1]
        assert second == (5, "value", "line 6 has 8 fields, 9 are expected")
        told, line = invoke("import", path, "--dry-run", status=1)
        assert f"refused, rows that cannot be read: 2, the first is {first}" in told
        assert "the header comes again in row 10 and is passed over" in told
        assert "260 rows: 258 candles, 2 refused, 0 there twice, 0 not asked for" in told
        assert "2 rows are refused, so nothing would be stored" in line
        assert count(database) == 0
        told, _ = invoke("import", path, "--skip-bad-rows")
        assert "stored 258 of 258 candles; 0 were there already" in told
        assert count(database) == 258

    def test_a_candle_that_is_not_over(self, database: str, tmp_path: Path) -> None:
        soon = 4_000_000_000_000 // HOUR * HOUR
        write_candles(tmp_path / "c.csv", [random_walk("A/B", 3, timeframe="1h", start=soon)])
        line = invoke("import", tmp_path / "c.csv", status=1)[1]
        assert "is not over yet; 2 more rows are refused" in line


class TestOtherLayouts:
    def test_what_was_inferred_is_told(self, database: str, tmp_path: Path) -> None:
        path = tmp_path / "XBTUSD_60.csv"
        dump = frame(BTC).select(pl.col("open_time") // 1000, *FIGURES, pl.lit(1))
        dump.write_csv(path, include_header=False)
        told, _ = invoke("import", path)
        assert f"{path}: layout kraken; times are seconds" in told
        assert "kraken:BTC/USD:1h: 2,000 candles, 2020-09-13 00:00 to 2020-12-05 07:00" in told
        assert same(stored(database, BTC), BTC)
        _, warned = invoke("import", path, "--timeframe", "1m")
        assert "no two candles are 1m apart, the smallest step is 1h: is the timeframe" in warned
        _, line = invoke("import", path, "--format", "legacy", status=1)
        assert "column exchange, symbol is missing" in line

    def test_files_of_others(self, database: str, tmp_path: Path) -> None:
        rows = [",".join(map(str, row)) for row in frame(BTC).select("open_time", *FIGURES).rows()]
        path = tmp_path / "prices.csv"
        path.write_text("\n".join(["timestamp,open,high,low,close,volume", *reversed(rows)]))
        given = ("--exchange", "kraken", "--symbol", "BTC/USD", "--timeframe", "1h")
        told, _ = invoke("import", path, *given)
        assert (
            f"{path}: layout plain; time is the column timestamp, volume volume, taken as in BTC; "
            "times are milliseconds; rows were newest first, and are sorted by time\n"
        ) in told
        assert same(stored(database, BTC), BTC)
        line = invoke("import", path, status=1)[1]
        assert "says the exchange and symbol: give --exchange and --symbol" in line
        named = path.rename(tmp_path / "kraken_ETHUSD_1h.csv")
        line = invoke("import", named, *given[2:4], status=1)[1]
        assert "has no symbol BTC/USD; it has ETH/USD; where that is only its name, --symb" in line
        told, _ = invoke("import", named, "--symbol-name", "BTC/USD")
        assert "symbol BTC/USD as given, where the name says ETH/USD" in told
        assert "stored 0 of 2,000 candles; 2,000 were there already" in told

    def test_zips(self, database: str, tmp_path: Path) -> None:
        """Months of an archive, several in one zip and one in each of a folder."""
        months = (("2024-12", BTC.rows(0, 900), 1), ("2025-01", BTC.rows(900, 2_000), 1_000))
        texts = {}
        for month, one, unit in months:
            part = frame(one).select(pl.col("open_time") * unit, *FIGURES)
            extra = [pl.lit(0).alias(f"x{n}") for n in range(6)]
            name = f"BTCUSD-1h-{month}.csv"
            texts[name] = part.select(pl.all(), *extra).write_csv(include_header=False)
        for name, text in texts.items():
            for path in (tmp_path / "all.zip", tmp_path / f"folder/{name}.zip"):
                path.parent.mkdir(exist_ok=True)
                with zipfile.ZipFile(path, "a") as archive:
                    archive.writestr(name, text)
        for path in (tmp_path / "all.zip", tmp_path / "folder"):
            told, _ = invoke("import", path, "--exchange", "kraken")
            assert "layout binance; no header" in told
            assert "times are microseconds" in told
            assert "of 2,000 candles" in told
            assert same(stored(database, BTC), BTC)

    def test_wrong_options(self, database: str, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        for arguments, line in (
            ((path, "--format", "x"), "--format x: unknown; layouts are auto, tradepulse,"),
            ((path, "--report", "a.txt"), "--report a.txt: write it to a .csv or .json file"),
            ((), "give a file or folder to import, or --legacy-table with an address"),
            ((tmp_path,), f"{tmp_path}: the folder holds no .parquet, .feather, .csv or .json"),
            ((path,), "a.csv: cannot be read: No such file"),
        ):
            assert line in invoke("import", *arguments, status=1)[1]


class TestLegacyTable:
    @pytest.fixture
    def old(self, database: str) -> str:
        """A table as the old collector and the old reader left it, in the same database."""

        async def make(connection: Any) -> None:
            await connection.execute(
                "create schema old; create table old.market_data (id serial, exchange text, "
                "symbol text, timestamp bigint, open numeric, high numeric, low numeric, "
                "close numeric, volume numeric, created_at timestamptz default now(), "
                "unique (exchange, symbol, timestamp))"
            )
            rows = []
            for one in (BTC, ETH):
                figures = (getattr(one, name).tolist() for name in FIGURES)
                for index, (time, *values) in enumerate(
                    zip(one.open_time.tolist(), *figures, strict=True)
                ):
                    unit = 1000 if index % 5 == 0 else 1
                    texts = [f"{value:.8f}" for value in values]
                    rows.append((one.exchange, one.symbol, time // unit, *texts))
            insert = (
                "insert into old.market_data (exchange, symbol, timestamp, open, high, low, close, "
                "volume) select e, s, t, o::numeric, h::numeric, l::numeric, c::numeric, v::numeric"
                " from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], "
                "$6::text[], $7::text[], $8::text[]) as r(e, s, t, o, h, l, c, v)"
            )
            await connection.execute(insert, *zip(*rows, strict=True))

        on(database, make)
        return database

    def test_units_and_timeframes_are_inferred(self, old: str) -> None:
        arguments = ("import", "--legacy-table", old, "--table", "old.market_data")
        told, _ = invoke(*arguments, "--dry-run")
        assert "times: 1,808 rows in milliseconds, 452 rows in seconds" in told
        assert "kraken:ETH/USD: timeframe 1h, 99.6% of 259 steps" in told
        assert "would change 2,260 of 2,260 candles" in told
        assert count(old) == 0
        told, _ = invoke(*arguments)
        assert "stored 2,260 of 2,260 candles" in told
        loaded = stored(old, BTC)
        assert (loaded.open_time == BTC.open_time).all()
        assert loaded.close.tolist() == [float(f"{value:.8f}") for value in BTC.close.tolist()]

    def test_times_as_timestamps(self, old: str) -> None:
        sql = (
            "alter table old.market_data alter column timestamp type timestamptz using "
            "to_timestamp(case when timestamp < 1e11 then timestamp else timestamp / 1000 end)"
        )
        on(old, lambda c: c.execute(sql))
        told, _ = invoke("import", "--legacy-table", old, "--table", "old.market_data")
        assert "times: 2,260 rows in milliseconds" in told
        assert (stored(old, ETH).open_time == ETH.open_time).all()

    def test_what_is_refused(self, old: str) -> None:
        def line(address: str, table: str) -> str:
            return invoke("import", "--legacy-table", address, "--table", table, status=1)[1]

        assert "--table old.none: the database has no such table" in line(old, "old.none")
        assert "it has a timeframe: it is no legacy table" in line(old, "market_data")
        assert "column exchange, symbol, open" in line(old, "migrations")
        assert '--table a"b: no name of a table' in line(old, 'a"b')
        told = line("postgresql://me:secret@127.0.0.1:1/none", "market_data")
        assert "the database of --legacy-table cannot be used" in told
        assert "secret" not in told


class TestFolders:
    def test_a_folder_of_files(self, database: str, tmp_path: Path) -> None:
        folder = tmp_path / "dump"
        folder.mkdir()
        for name, one in (("XBTUSD_60.csv", BTC), ("ETHUSD_60.csv", ETH)):
            dump = frame(one).select(pl.col("open_time") // 1000, *FIGURES, pl.lit(1))
            dump.write_csv(folder / name, include_header=False)
        (folder / "README.txt").write_text("about")
        told, _ = invoke("import", folder)
        assert "ETHUSD_60.csv, XBTUSD_60.csv: layout kraken; times are seconds" in told
        assert "stored 2,260 of 2,260 candles" in told
        assert same(stored(database, ETH), ETH)

        write_candles(folder / "again.parquet", [BTC.rows(5, 7)])
        line = invoke("import", folder, status=1)[1]
        assert "kraken:BTC/USD:1h of 2020-09-13T05:00Z is in" in line
        assert "(2 such candles): import one file after the other" in line
        (folder / "again.parquet").write_text("nothing")
        assert "not a parquet file" in invoke("import", folder, status=1)[1]
        told, warned = invoke("import", folder, "--skip-bad-rows")
        assert "0 of 2,260 candles; 2,260 were there already" in told
        assert f"passed over: {folder / 'again.parquet'}: not a parquet file" in warned

    def test_a_later_file_that_is_refused_takes_all_back(
        self, database: str, tmp_path: Path
    ) -> None:
        write_candles(tmp_path / "a.parquet", [BTC])
        with_bad_rows(tmp_path / "b.csv")
        assert "row 262: ETH/USD" in invoke("import", tmp_path, status=1)[1]
        assert count(database) == 0

    def test_partitions_there_and_back(self, database: str, tmp_path: Path) -> None:
        folder = tmp_path / "lake"
        on(database, lambda c: store_candles(c, [BTC.rows(0, 100)], "live"))
        on(database, lambda c: store_candles(c, [ETH, BTC.rows(100, 2_000)], "backfill"))
        told, _ = invoke("export", folder, "--partitioned")
        # from mid-September to the fifth of December, and one month of ETH
        assert told == f"{folder}: 2,260 candles of 2 series in 5 files\n"
        files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        assert files[0] == (
            f"exchange=kraken/symbol=BTC%2FUSD/timeframe=1h/year=2020/month=09/{PARTITION_FILE}"
        )
        # a reader that knows nothing of us
        lake = pl.read_parquet(folder).filter(pl.col("symbol") == "BTC/USD").sort("open_time")
        assert lake["open_time"].to_numpy().tobytes() == BTC.open_time.tobytes()
        assert lake["close"].to_numpy().tobytes() == BTC.close.tobytes()
        assert lake["source"].value_counts(sort=True).rows() == [("backfill", 1_900), ("live", 100)]
        assert lake["month"].unique().sort().to_list() == [9, 10, 11, 12]

        line = invoke("export", folder, "--partitioned", status=1)[1]
        assert "is not empty; give another folder, or --force" in line
        part = ("--symbol", "ETH/USD", "--from", "2020-09-14")
        told, _ = invoke("export", folder, "--partitioned", "--force", *part)
        assert "236 candles of 1 series in 1 files" in told
        invoke("export", folder, "--partitioned", "--force")
        line = invoke("export", folder / files[0], "--partitioned", status=1)[1]
        assert "is no folder" in line

        on(database, lambda c: c.execute("truncate candles"))
        told, _ = invoke("import", folder)
        assert f"5 files, the first {files[0]}: layout tradepulse; the column source" in told
        assert "the column source is left out: what is imported has the source import" in told
        assert "stored 2,260 of 2,260 candles" in told
        assert same(stored(database, BTC), BTC)
        assert same(stored(database, ETH), ETH)
        sources = on(database, lambda c: c.fetch("select distinct source from market_data"))
        assert [row["source"] for row in sources] == ["import"]
        told, _ = invoke("import", folder / files[0])
        assert "0 of 432 candles; 432 were there already" in told

    def test_one_file_again(self, database: str, tmp_path: Path) -> None:
        on(database, lambda c: store_candles(c, [BTC], "live"))
        told, _ = invoke("export", tmp_path / "o.parquet")
        assert told == f"{tmp_path / 'o.parquet'}: 2,000 candles of 1 series\n"
        (btc,) = read_candles(tmp_path / "o.parquet")
        assert same(btc, BTC)
        other = Candles(
            *(BTC.exchange, BTC.symbol, BTC.timeframe, BTC.open_time, BTC.open, BTC.high, BTC.low),
            *(BTC.close, np.where(np.arange(len(BTC)) == 3, 1.0, BTC.volume)),
        )
        write_candles(tmp_path / "other.csv", [other])
        told, warned = invoke("import", tmp_path / "other.csv")
        assert "stored 0 of 2,000 candles; 1,999 were there already" in told
        assert "1 stored candles of a better source differ and were kept, the first is" in warned
        assert warned.endswith("stored as live; they are 1 of live\n")

    @pytest.mark.parametrize("rows", [300, 2_000])
    def test_another_import_says_what_it_replaces(
        self, database: str, tmp_path: Path, rows: int
    ) -> None:
        """By source, whatever way the rows take into the database."""
        whole = BTC.rows(0, rows)
        sources = (("replay", 0, 50), ("import", 50, 150), ("synthetic", 150, 160))
        better = (("backfill", 160, 200), ("live", 200, 205), ("import", 205, rows - 20))
        for source, first, end in (*sources, *better):
            part = whole.rows(first, end)
            on(database, lambda c, p=part, s=source: store_candles(c, [p], s))
        figures = [getattr(whole, name) for name in FIGURES[:4]]
        volume = np.where(np.arange(rows) < 210, whole.volume + 1, whole.volume)
        names = (whole.exchange, whole.symbol, whole.timeframe)
        path = tmp_path / "other.csv"
        write_candles(path, [Candles(*names, whole.open_time, *figures, volume)])
        for arguments, verb in ((("--dry-run",), "would replace"), ((), "replaced")):
            told, warned = invoke("import", path, *arguments)
            assert f"{185:,} of {rows:,} candles; {rows - 230:,} were there already" in told
            assert told.endswith(
                f"{verb} 165 stored candles that differ: 105 of import, 50 of replay, 10 of "
                "synthetic\n"
            )
            assert "45 stored candles of a better source differ and were kept, the" in warned
            assert warned.endswith("; they are 40 of backfill, 5 of live\n")
        told, warned = invoke("import", path)
        assert "stored 0 of" in told
        assert "replaced" not in told
        assert "45 stored candles of a better source differ" in warned
