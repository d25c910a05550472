"""Reads a file whole or not at all, and of it what is asked for."""

from collections.abc import Sequence
from pathlib import Path

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import time_text
from tradepulse.market_data.files import own
from tradepulse.market_data.files.judge import Judged, RefusedRow, judge
from tradepulse.market_data.files.layouts import rows_of_table
from tradepulse.market_data.files.rows import COLUMNS, CandleFileError
from tradepulse.market_data.files.tables import read_table


def read_candles(
    path: Path | str,
    symbols: Sequence[str] | None = None,
    start: int | None = None,
    end: int | None = None,
) -> list[Candles]:
    """Read and check a parquet or CSV file, all of it, and return its series in their order.

    Args:
        path: a file in our own layout (see `own`). The kind is told by its content and its name.
        symbols: keep these only, each `symbol` or `exchange:symbol`; None keeps all.
        start: keep candles with `open_time >= start`, epoch ms.
        end: keep candles with `open_time < end`, epoch ms.

    Raises:
        CandleFileError: the file, or what is asked of it, is refused. The line names the file, the
            first bad row (counted from 1, a CSV's header not counted), the symbol, and the reason.
    """
    path = Path(path)
    table = read_table(path)
    if not own.fits(table):
        raise CandleFileError(
            f"{path}: is not of our own layout, which has the columns {', '.join(COLUMNS)}; "
            "`tradepulse import` reads others, and `tradepulse export` writes ours"
        )
    judged = judge(rows_of_table(table, "tradepulse"))
    if not judged.rows:
        raise CandleFileError(f"{path}: the file holds no candles")
    worst = first_refused(judged, repeats=True)
    if worst is not None:
        raise CandleFileError(f"{path}: {worst}")
    return selected(path, judged.series, symbols, start, end)


def first_refused(judged: Judged, *, repeats: bool = False) -> RefusedRow | None:
    """Return the row at which a reader of the file first sees that something is wrong, or None."""
    rows = [*judged.refused, *(judged.repeated if repeats else ())]
    return min(rows, key=lambda one: (one.seen_at, one.row != one.seen_at), default=None)


def selected(
    path: Path,
    series: list[Candles],
    symbols: Sequence[str] | None,
    start: int | None,
    end: int | None,
) -> list[Candles]:
    """Return the candles of some symbols and of a range.

    Raises:
        CandleFileError: a symbol, or the range, has none.
    """
    if symbols is not None:
        known = {s.symbol for s in series} | {s.instrument for s in series}
        unknown = [symbol for symbol in symbols if symbol not in known]
        if unknown:
            has = ", ".join(dict.fromkeys(s.symbol for s in series))
            raise CandleFileError(f"{path}: has no symbol {', '.join(unknown)}; it has {has}")
        series = [s for s in series if s.symbol in symbols or s.instrument in symbols]
    kept = [s.between(start, end) for s in series]
    # a symbol that was asked for by name must not vanish unseen
    lost = [s for s in kept if not len(s)]
    if lost and (symbols is not None or len(lost) == len(kept)):
        whole = next(s for s, part in zip(series, kept, strict=True) if not len(part))
        raise CandleFileError(
            f"{path}: no candles of {whole.symbol} in the range asked for; the file has "
            f"{time_text(int(whole.open_time[0]))} to {time_text(int(whole.open_time[-1]))}"
        )
    return [s for s in kept if len(s)]
