"""Candle files: our own layout and those of others, read whole and judged row by row.

`read_candles` takes a file of our own layout, all or none, `read_series` one of any layout.
`read_rows` and `judge` say of every row that cannot be used why. See docs/guides/candle-files.md.
"""

from tradepulse.market_data.files.judge import Judged, RefusedRow, doubts, judge
from tradepulse.market_data.files.layouts import AUTO, LAYOUTS, read_rows, rows_of_table
from tradepulse.market_data.files.rows import CandleFileError, Given, Rows, Table
from tradepulse.market_data.files.selection import (
    Asked,
    first_refused,
    is_own,
    joined,
    otherwise,
    read_candles,
    read_series,
    selected,
)
from tradepulse.market_data.files.tables import files_in, is_candle_file
from tradepulse.market_data.files.writing import (
    PARTITION_FILE,
    months,
    partition_path,
    write_candles,
    write_frame,
)

__all__ = [
    "AUTO",
    "LAYOUTS",
    "PARTITION_FILE",
    "Asked",
    "CandleFileError",
    "Given",
    "Judged",
    "RefusedRow",
    "Rows",
    "Table",
    "doubts",
    "files_in",
    "first_refused",
    "is_candle_file",
    "is_own",
    "joined",
    "judge",
    "months",
    "otherwise",
    "partition_path",
    "read_candles",
    "read_rows",
    "read_series",
    "rows_of_table",
    "selected",
    "write_candles",
    "write_frame",
]
