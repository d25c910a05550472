"""Which layout a file has, and its rows in our terms."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from tradepulse.market_data.files import legacy, others, own, plain
from tradepulse.market_data.files.joined import as_in_the_file, without_headers
from tradepulse.market_data.files.rows import CandleFileError, Given, Rows, Table, no_rows
from tradepulse.market_data.files.tables import files_in, line_of, read_table

AUTO: Final = "auto"


@dataclass(frozen=True, slots=True)
class Layout:
    """How one program writes candles.

    Attributes:
        fits: whether a file looks so.
        convert: its rows; raises `CandleFileError` where the file cannot be one.
        columns: what it has, in words.
    """

    fits: Callable[[Table], bool]
    convert: Callable[[Table, Given], Rows]
    columns: str


# tried in this order: the first that fits is taken
LAYOUTS: Final[dict[str, Layout]] = {
    "kraken": Layout(others.fits_kraken, others.convert_kraken, "no header, 7 columns"),
    "binance": Layout(
        *(plain.fits_binance, plain.convert_binance),
        "open_time, prices, volume, close_time, … ignore, or no header and 12 columns",
    ),
    "tradepulse": Layout(
        own.fits, own.convert, "exchange, symbol, timeframe, open_time, prices, volume"
    ),
    "legacy": Layout(
        legacy.fits, legacy.convert, "exchange, symbol, timestamp, prices, volume, no timeframe"
    ),
    "freqtrade": Layout(
        others.fits_freqtrade, others.convert_freqtrade, "date, prices, volume, no more"
    ),
    "cryptodatadownload": Layout(
        others.fits_cryptodatadownload,
        others.convert_cryptodatadownload,
        "unix or date, symbol, prices, volumes",
    ),
    "plain": Layout(
        plain.fits, plain.convert, "time or date, open, high, low, close, volume, in any order"
    ),
}


def read_rows(path: Path, layout: str = AUTO, given: Given | None = None) -> Rows:
    """Read a file of any layout.

    Args:
        path: the file, or a zip that holds one; one of several in a zip is `a.zip/b.csv`.
        layout: a key of `LAYOUTS`, or `auto` to tell it by the columns.
        given: what the file does not say.

    Raises:
        CandleFileError: it cannot be read, or has no layout that is known.
    """
    files = files_in(path)
    if len(files) > 1:
        raise CandleFileError(f"{path}: holds {len(files)} files: read one, as {files[0]}")
    return rows_of_table(read_table(files[0]), layout, given)


def rows_of_table(table: Table, layout: str = AUTO, given: Given | None = None) -> Rows:
    """Return the rows of a table that was read; see `read_rows`."""
    found = layout if layout != AUTO else layout_of(table)
    if table.frame.is_empty():
        rows = Rows(table.path, found, no_rows())
    else:
        try:
            rows = LAYOUTS[found].convert(table, given or Given())
        except CandleFileError as error:
            if str(error).startswith(str(table.path)):
                raise
            raise CandleFileError(f"{table.path}: {error}") from None
        except pl.exceptions.PolarsError as error:
            # a column of a parquet file that holds what no candle has, as lists
            raise CandleFileError(f"{table.path}: cannot be read: {line_of(error)}") from error
        if table.is_text:
            rows = without_headers(rows, table)
    return as_in_the_file(rows, table)


def layout_of(table: Table) -> str:
    """Return which layout a table has.

    Raises:
        CandleFileError: none that is known.
    """
    for name, known in LAYOUTS.items():
        if known.fits(table):
            return name
    table.lower()  # refuses columns that are there twice
    wanted = "; ".join(f"{name}: {known.columns}" for name, known in LAYOUTS.items())
    raise CandleFileError(
        f"{table.path}: no known layout has the columns {', '.join(table.frame.columns)}. "
        f"Known are {wanted}"
    )
