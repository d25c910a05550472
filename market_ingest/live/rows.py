"""ccxt's rows of a stream as candles: taken as they come, or built from trades."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from market_ingest.live.bars import Bar
from market_ingest.live.rest_candles import bars_of
from tradepulse.candles.from_trades import TradeCandleBuilder

_COLUMNS = 6


def bars_of_rows(rows: Iterable[Any]) -> tuple[list[Bar], int]:
    """Return the candles of ccxt's rows, and how many rows are none."""
    bars, unreadable = [], 0
    for row in rows:
        bar = _bar(row)
        if bar is None:
            unreadable += 1
        else:
            bars.append(bar)
    return bars, unreadable


def _bar(row: Any) -> Bar | None:
    try:
        bar = Bar(int(row[0]), *(float(value) for value in row[1:_COLUMNS]))
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    figures = bar.open, bar.high, bar.low, bar.close, bar.volume
    if not all(isfinite(value) for value in figures) or bar.low <= 0 or bar.volume < 0:
        return None
    if bar.high < max(bar.open, bar.close) or bar.low > min(bar.open, bar.close):
        return None
    return bar


class TradeBars:
    """Builds the candles of one series from a stream of trades."""

    def __init__(self, exchange: str, symbol: str, timeframe: str) -> None:
        self._series = exchange, symbol, timeframe
        self._builder = TradeCandleBuilder(*self._series)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> bool:
        """Take in ccxt's trades; tell whether all of them could be read."""
        readable = True
        for row in rows:
            try:
                time, identity = int(row["timestamp"]), row["id"]
                price, amount = float(row["price"]), float(row["amount"])
                self._builder.add(time, "" if identity is None else identity, price, amount)
            except (TypeError, ValueError, KeyError):
                readable = False
        return readable

    def take(self, until: int) -> list[Bar]:
        """Return the candles that close at or before a time, and are not taken yet."""
        return bars_of(self._builder.take(until))

    def forget(self) -> None:
        """Begin anew: what is forming lacks trades."""
        self._builder = TradeCandleBuilder(*self._series)
