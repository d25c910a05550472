"""Candles from files, from the database, from frames."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradepulse.candles.arrays import Candles
from tradepulse.candles.times import Time, time_ms
from tradepulse.library.waiting import waited

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

log = logging.getLogger("tradepulse.library")


def load(
    path: Path | str,
    *,
    symbol: str | None = None,
    exchange: str | None = None,
    timeframe: str | None = None,
    start: Time | None = None,
    end: Time | None = None,
) -> Candles:
    """Read one series of candles from a file of any layout that `tradepulse import` reads.

    What was inferred of a file is logged as a warning, line by line.

    Args:
        path: a file, a zip of files, or a folder; see docs/guides/candle-files.md.
        symbol: as in `BTC/USD`: which of the file's, or what it is where no name says it.
        exchange: likewise, as in `kraken`.
        timeframe: likewise, as in `1h`.
        start: first open time, of any form that `Time` has; what has no zone is UTC.
        end: the open time before which it ends.

    Raises:
        ValueError: the file is refused, it holds no such candles, or several series of them.
    """
    found = load_all(
        path,
        symbols=None if symbol is None else [symbol],
        exchange=exchange,
        timeframe=timeframe,
        start=start,
        end=end,
    )
    if len(found) > 1:
        has = ", ".join(one.series for one in found)
        raise ValueError(
            f"{path}: holds {len(found)} series, {has}: say which by symbol=, exchange= or "
            "timeframe=, or take all by load_all"
        )
    return found[0]


def load_all(
    path: Path | str,
    *,
    symbols: Sequence[str] | None = None,
    exchange: str | None = None,
    timeframe: str | None = None,
    start: Time | None = None,
    end: Time | None = None,
) -> list[Candles]:
    """Read every series of a file or folder; see `load`.

    Args:
        path: see `load`.
        symbols: only these, each `symbol` or `exchange:symbol`; None for all.
        exchange: see `load`; so are the others.
        timeframe: see `exchange`.
        start: see `exchange`.
        end: see `exchange`.

    Raises:
        ValueError: as `load`.
    """
    from tradepulse.market_data.files import Asked, read_series, selected  # noqa: PLC0415 - polars

    first, last = time_range(start, end)
    found = read_series(Path(path), Asked(exchange, symbols, timeframe, last), log.warning)
    return selected(Path(path), found, symbols, first, None)


def stored(
    exchange: str,
    symbol: str,
    timeframe: str,
    start: Time | None = None,
    end: Time | None = None,
    *,
    state: Path | str = ".tradepulse",
) -> Candles:
    """Read a series that is stored, or made of stored shorter ones; no venue is asked.

    The database is that of `DATABASE_URL`, else of the `tradepulse up` that runs in `state`. It is
    only read.

    Args:
        exchange: as in `kraken`.
        symbol: as in `BTC/USD`.
        timeframe: as in `1h`.
        start: first open time; None for the first that is stored of this timeframe.
        end: the open time before which it ends; None for the last.
        state: state folder of a running `tradepulse up`.

    Raises:
        ValueError: no database is known, or nothing is stored of what is asked for.
        DatabaseUnavailableError: it does not answer.
    """
    from tradepulse.embedded.addresses import database_url  # noqa: PLC0415 - slow to import
    from tradepulse.library.database import read_stored  # noqa: PLC0415 - slow to import

    first, last = time_range(start, end)
    url = database_url(Path(state))
    return waited(lambda: read_stored(url, (exchange, symbol, timeframe), first, last))


def from_frame(
    frame: "pl.DataFrame | pd.DataFrame", *, exchange: str, symbol: str, timeframe: str
) -> Candles:
    """Make candles of a polars or pandas frame, checked as those of a file are.

    Args:
        frame: a row for each candle: a time of its open (or an index of times), open, high, low,
            close, volume, under the names that the general layout of files knows. A time is a
            datetime or since the epoch; what has no zone is UTC.
        exchange: any name, as in `kraken`.
        symbol: as in `BTC/USD`.
        timeframe: as in `1h`.

    Raises:
        ValueError: a column is missing or a row is no candle; the first of them is named.
    """
    from tradepulse.library.frames import of_frame  # noqa: PLC0415 - polars

    return of_frame(frame, (exchange, symbol, timeframe))


def time_range(start: Time | None, end: Time | None) -> tuple[int | None, int | None]:
    """Read both times, epoch ms.

    Raises:
        ValueError: one is no time, or they are in the wrong order.
    """
    first, last = (None if one is None else moment(what, one) for what, one in _named(start, end))
    if first is not None and last is not None and first >= last:
        raise ValueError(f"start {start} is not before end {end}")
    return first, last


def _named(start: Any, end: Any) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("start", start), ("end", end)


def moment(what: str, value: Time) -> int:
    """Read a time, epoch ms.

    Raises:
        ValueError: it is none; the line begins with `what`.
    """
    try:
        return time_ms(value)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
