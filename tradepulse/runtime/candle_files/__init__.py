"""Candle files: our own layout and those of others, read whole and judged row by row.

`read_candles` takes a file of our own layout, all or none. `read_rows` and `judge` take any layout
and say of every row that cannot be used why. See docs/candle-files.md.
"""

from tradepulse.runtime.candle_files.judge import Judged, RefusedRow, judge
from tradepulse.runtime.candle_files.layouts import AUTO, LAYOUTS, read_rows
from tradepulse.runtime.candle_files.rows import CandleFileError, Given, Rows
from tradepulse.runtime.candle_files.selection import read_candles
from tradepulse.runtime.candle_files.writing import write_candles

__all__ = [
    "AUTO",
    "LAYOUTS",
    "CandleFileError",
    "Given",
    "Judged",
    "RefusedRow",
    "Rows",
    "judge",
    "read_candles",
    "read_rows",
    "write_candles",
]
