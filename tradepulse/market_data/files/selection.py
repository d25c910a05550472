"""Reads a file whole or not at all, and of it what is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import time_text
from tradepulse.market_data.files import own
from tradepulse.market_data.files.judge import Judged, RefusedRow, doubts, judge
from tradepulse.market_data.files.layouts import read_rows, rows_of_table
from tradepulse.market_data.files.rows import COLUMNS, FIGURES, CandleFileError, Given
from tradepulse.market_data.files.tables import files_in, read_table


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


def is_own(path: Path) -> bool:
    """Tell whether a path is one file of our own layout, which `read_candles` takes.

    Raises:
        CandleFileError: it cannot be read.
    """
    return files_in(path) == [path] and own.fits(read_table(path))


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for of files of any layout.

    Attributes:
        exchange: of the candles where the file or its name does not say it; else only this one.
        symbols: likewise, each `symbol` or `exchange:symbol`; None for all.
        timeframe: likewise.
        end: keep candles with `open_time < end`, epoch ms.
    """

    exchange: str | None = None
    symbols: Sequence[str] | None = None
    timeframe: str | None = None
    end: int | None = None

    def given(self) -> Given:
        """Return it as what fills in where a file does not say it."""
        return Given(otherwise=otherwise(self.exchange, self.symbols, self.timeframe))


def otherwise(exchange: str | None, symbols: Sequence[str] | None, timeframe: str | None) -> Given:
    """Return what is asked for as what a file may lack; of several symbols none."""
    symbol = symbols[0] if symbols is not None and len(symbols) == 1 else None
    venue, _, pair = (symbol or "").rpartition(":")
    return Given(exchange or venue or None, pair or None, timeframe)


def read_series(
    path: Path,
    asked: Asked,
    tell: Callable[[str], None] = lambda _: None,
    given: Given | None = None,
) -> list[Candles]:
    """Read and check a file of any layout, all of it, and return its series in their order.

    Args:
        path: the file, or a zip of files; each is read by its own layout.
        asked: which candles.
        tell: told of everything that was inferred or passed over, line by line.
        given: what a file may lack, if that is not what is asked for.

    Raises:
        CandleFileError: as of `read_candles`, or two files of a zip hold the same candle.
    """
    found: list[Candles] = []
    for file in files_in(path):
        rows = read_rows(file, given=given or asked.given())
        is_own = rows.layout == "tradepulse"
        judged = judge(rows)
        worst = first_refused(judged, repeats=is_own)
        if worst is not None:
            raise CandleFileError(f"{file}: {worst}")
        if not is_own:
            told = [rows.layout, *rows.notes, *judged.told()]
            if judged.repeated:
                first = judged.repeated[0].row
                count = len(judged.repeated)
                told.append(
                    f"{count:,} rows repeat another and are left out, the first is {first:,}"
                )
            tell(f"{file}: layout {'; '.join(told)}")
        for one in judged.series:
            for line in doubts(one):
                tell(line)
            found.append(one)
    whole = joined(path, found)
    found = [
        one
        for one in whole
        if asked.exchange in (None, one.exchange) and asked.timeframe in (None, one.timeframe)
    ]
    if not found:
        wanted = " ".join(filter(None, [asked.exchange, asked.timeframe]))
        has = ", ".join(one.series for one in whole)
        why = f" of {wanted}; it has {has}" if wanted and has else ""
        raise CandleFileError(f"{path}: the file holds no candles{why}")
    return selected(path, found, asked.symbols, None, asked.end)


def joined(path: Path, series: list[Candles]) -> list[Candles]:
    """Put the parts of each series together, in the order of time.

    Raises:
        CandleFileError: a candle is in two of them.
    """
    parts: dict[str, list[Candles]] = {}
    for one in series:
        parts.setdefault(one.series, []).append(one)
    whole = []
    for same in parts.values():
        first = same[0]
        if len(same) == 1:
            whole.append(first)
            continue
        columns = [np.concatenate([getattr(p, n) for p in same]) for n in ("open_time", *FIGURES)]
        order = np.argsort(columns[0], kind="stable")
        times = columns[0][order]
        twice = times[1:][np.diff(times) == 0]
        if len(twice):
            raise CandleFileError(
                f"{path}: {first.series} of {time_text(int(twice[0]))} is in two files "
                f"({len(twice):,} such candles): give one of them"
            )
        names = (first.exchange, first.symbol, first.timeframe)
        whole.append(Candles(*names, *(column[order] for column in columns)))
    return whole


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
