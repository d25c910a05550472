"""Commands without a server read the files of others by the same code, and tell what they took."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.candle_series import random_walk
from tests.command import invoke
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files import write_candles

FIGURES = ("open", "high", "low", "close", "volume")
MADE = random_walk("BTC/USDT", 1_500, seed=1, timeframe="1h", exchange="binance")
WALK = Candles(
    *("binance", "BTC/USDT", "1h", MADE.open_time),
    *(np.round(getattr(MADE, name), 4) for name in FIGURES),
)
NEW = ("--strategy", "sma_cross", "--params", '{"fast": 5, "slow": 20}')


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    write_candles(tmp_path / "own.csv", [WALK])
    return


def rows(unit: int = 1) -> list[str]:
    figures = zip(*(getattr(WALK, name).tolist() for name in FIGURES), strict=True)
    times = (WALK.open_time * unit).tolist()
    return [",".join(map(str, [t, *f])) for t, f in zip(times, figures, strict=True)]


def plain(path: str, header: str = "Date,Open,High,Low,Close,Adj Close,Volume") -> str:
    lines = [",".join([*row.split(",")[:5], "1", row.split(",")[5]]) for row in reversed(rows())]
    Path(path).write_text("\n".join([header, *lines]))
    return path


def archive() -> str:
    """Write two parts of a series to a zip, as Binance's archive has them."""
    ended = [f"{row},0,{i},1,0,0,0" for i, row in enumerate(rows())]
    micros = [f"{row},0,{i},1,0,0,0" for i, row in enumerate(rows(1_000))]
    with zipfile.ZipFile("two.zip", "w") as file:
        file.writestr("BTCUSDT-1h-2024-12.csv", "\n".join(ended[:900]))
        file.writestr("BTCUSDT-1h-2025-01.csv", "\n".join(micros[900:]))
    return "two.zip"


def test_a_backtest_is_that_of_our_own_layout() -> None:
    own = invoke("backtest", "--candles", "own.csv", *NEW)
    assert own[1] == ""
    names = ("--exchange", "binance", "--symbol", "BTC/USDT")
    out, told = invoke("backtest", "--candles", plain("prices.csv"), *NEW, *names)
    assert out == own[0]
    assert "prices.csv: layout plain; time is the column Date" in told
    assert "timeframe 1h: 100.0% of 1,499 steps; left out: column Adj Close" in told
    assert "rows were newest first, and are sorted by time" in told
    out, told = invoke("backtest", "--candles", archive(), *NEW)
    assert out == own[0]
    assert "two.zip/BTCUSDT-1h-2025-01.csv: layout binance; no header" in told


def test_what_a_backtest_must_be_told() -> None:
    path = plain("prices.csv")
    line = invoke("backtest", "--candles", path, *NEW, status=1)[1]
    assert line == (
        "tradepulse backtest: prices.csv: neither the file nor its name says the exchange and "
        "symbol: give --exchange and --symbol\n"
    )
    month = plain("BTC_USDT-1M.csv")
    for names in ((), ("--exchange", "kraken")):
        line = invoke("backtest", "--candles", month, *NEW, *names, status=1)[1]
        assert "its name says 1M (a month), and there is no such timeframe here; there are" in line
    wrong = ("--candles", "own.csv", *NEW, "--timeframe", "5m")
    line = invoke("backtest", *wrong, status=1)[1]
    assert "own.csv: the file holds no candles of 5m; it has binance:BTC/USDT:1h" in line


def test_a_check_of_strategies() -> None:
    Path("mine.py").write_text(
        (Path(__file__).parents[2] / "tradepulse/strategies/sma_cross.py")
        .read_text()
        .replace("def sma_cross(", "def mine(")
    )
    names = ("--exchange", "x", "--symbol", "A/B")
    for arguments in (("--candles", plain("prices.csv"), *names), ("--candles", archive())):
        out, told = invoke("strategies", "check", "mine.py", *arguments)
        assert "ok    mine: look-ahead: " in out
        assert ": layout " in told


def test_gaps_and_coverage_of_files() -> None:
    names = ("--exchange", "x", "--symbol", "A/B", "--timeframe", "1h")
    path = plain("prices.csv")
    lines = Path(path).read_text().splitlines()
    hole = lines[40].split(",")[0]
    lines[40] = f"{hole},null,null,null,null,null,null"
    Path(path).write_text("\n".join(lines))
    out, told = invoke("gaps", "scan", "--file", path, *names)
    assert "x:A/B:1h" in out
    assert "hole" in out
    assert "a hole is row 40, which has no price" in told
    out, _ = invoke("coverage", "--file", path, *names)
    assert "1,499" in out
    out, _ = invoke("coverage", "--file", archive())
    assert "binance:BTC/USDT:1h" in out
    assert "1,500" in out
    line = invoke("gaps", "scan", "--file", path, status=1)[1]
    assert "neither the file nor its name says the exchange and symbol: give --exchange" in line
