"""Which of the stored series a backtest without a file trades."""

import pytest

from tradepulse.cli.errors import CliError
from tradepulse.cli.research.candles_of import chosen
from tradepulse.market_data.files import Asked
from tradepulse.market_data.store import KnownSeries


def known(*names: str) -> list[KnownSeries]:
    return [KnownSeries(*name.split(":"), 0, 1) for name in names]


STORED = known("a:BTC/USD:1h", "a:ETH/USD:1h", "b:ETH/USD:1h", "b:LTC/USD:1h", "b:LTC/USD:5m")


@pytest.mark.parametrize(
    ("asked", "series"),
    [
        (Asked(exchange="a"), ["a:BTC/USD:1h", "a:ETH/USD:1h"]),
        (Asked(symbols=["BTC/USD"]), ["a:BTC/USD:1h"]),
        (Asked(symbols=["b:ETH/USD", "BTC/USD"]), ["b:ETH/USD:1h", "a:BTC/USD:1h"]),
        (Asked(symbols=["LTC/USD"], timeframe="5m"), ["b:LTC/USD:5m"]),
        (Asked(exchange="b", timeframe="1h"), ["b:ETH/USD:1h", "b:LTC/USD:1h"]),
    ],
)
def test_what_is_meant(asked: Asked, series: list[str]) -> None:
    assert [one.series for one in chosen(STORED, asked)] == series


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(), "ETH/USD is stored at several exchanges, a, b: choose one with --exchange"),
        (
            Asked(exchange="b"),
            "LTC/USD is stored at several timeframes, 1h, 5m: choose one with --timeframe",
        ),
        (
            Asked(symbols=["BTC/USD", "XRP/USD"]),
            (
                "no candles of XRP/USD are stored; there are a:BTC/USD:1h, a:ETH/USD:1h, "
                "b:ETH/USD:1h, b:LTC/USD:1h, b:LTC/USD:5m"
            ),
        ),
        (
            Asked(exchange="c", timeframe="1h"),
            (
                "no candles of c 1h are stored; there are a:BTC/USD:1h, a:ETH/USD:1h, "
                "b:ETH/USD:1h, b:LTC/USD:1h, b:LTC/USD:5m"
            ),
        ),
    ],
)
def test_what_is_refused(asked: Asked, said: str) -> None:
    with pytest.raises(CliError) as refused:
        chosen(STORED, asked)
    assert str(refused.value) == said


def test_nothing_is_stored() -> None:
    with pytest.raises(CliError) as refused:
        chosen([], Asked())
    assert str(refused.value) == (
        "no candles are stored; import a file first, or name one by --candles"
    )
