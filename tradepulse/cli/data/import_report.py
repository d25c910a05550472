"""What `import` tells: what each file was taken for, and what became of every row."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tradepulse.cli.options import time_text

if TYPE_CHECKING:
    from tradepulse.market_data.files import RefusedRow
    from tradepulse.market_data.files.accounts import FileAccount

KINDS = {
    "value": "cannot be read",
    "name": "have an impossible name",
    "time": "have an impossible time",
    "grid": "are off the grid",
    "figures": "have impossible figures",
    "unfinished": "are not over yet",
    "contradiction": "contradict each other",
    "order": "are out of order",
}
_FILES_TOLD = 3


def lines_of(path: Path, accounts: "list[FileAccount]", *, dry_run: bool) -> Iterator[str]:
    """Yield what became of the files, line by line.

    Args:
        path: the file or folder that was asked for.
        accounts: of its files.
        dry_run: whether it was taken back.
    """
    yield from _taken_for(path, accounts)
    yield from _series(accounts)
    yield from _refused(accounts)
    rows = sum(a.rows for a in accounts)
    repeated = sum(len(a.repeated) for a in accounts)
    refused = sum(len(a.refused) for a in accounts)
    unwanted = sum(a.unwanted for a in accounts)
    written, same = sum(a.written for a in accounts), sum(a.same for a in accounts)
    count = rows - repeated - refused - unwanted
    if count != rows:
        yield (
            f"{rows:,} rows: {count:,} candles, {refused:,} refused, {repeated:,} there twice, "
            f"{unwanted:,} not asked for"
        )
    yield (
        f"{'would change' if dry_run else 'stored'} {written:,} of {count:,} candles; "
        f"{same:,} were there already"
    )
    replaced = sum((a.replaced for a in accounts), Counter[str]())
    if replaced:
        verb = "would replace" if dry_run else "replaced"
        told = _by_source(replaced)
        yield f"{verb} {replaced.total():,} stored candles that differ: {told}"


def warnings_of(accounts: "list[FileAccount]") -> Iterator[str]:
    """Yield what looks wrong, and what was kept or passed over."""
    for account in accounts:
        yield from account.warnings
        if account.problem:
            yield f"passed over: {account.problem}"
    kept = sum(a.kept for a in accounts)
    if kept:
        example = next(a.example for a in accounts if a.example)
        of = _by_source(sum((a.kept_of for a in accounts), Counter[str]()))
        yield (
            f"{kept:,} stored candles of a better source differ and were kept, the first is "
            f"{example}; they are {of}"
        )


def _by_source(counts: "Counter[str]") -> str:
    return ", ".join(f"{count:,} of {source}" for source, count in counts.most_common())


def refused_rows(accounts: "Iterable[FileAccount]") -> "Iterator[tuple[FileAccount, RefusedRow]]":
    """Yield every refused row with its file."""
    for account in accounts:
        for row in account.refused:
            yield account, row


def write_report(path: Path | None, accounts: "list[FileAccount]") -> None:
    """Write every refused and repeated row to a CSV or JSON file, if one is asked for.

    Raises:
        CandleFileError: it cannot be written.
    """
    if path is None:
        return
    import polars as pl

    from tradepulse.market_data.files import write_frame

    columns: dict[str, list[object]] = {
        name: [] for name in ("file", "row", "exchange", "symbol", "timeframe", "open_time", "kind")
    }
    columns["reason"] = []
    for account in accounts:
        listed: list[tuple[str, RefusedRow]] = [(row.kind, row) for row in account.refused]
        listed += [("repeated", row) for row in account.repeated]
        for kind, row in listed:
            values = (row.row, row.exchange, row.symbol, row.timeframe, row.time)
            told = (str(account.path), *values, kind, row.reason)
            for column, value in zip(columns.values(), told, strict=True):
                column.append(value)
    numbers = {"row", "open_time"}
    schema = {name: pl.Int64 if name in numbers else pl.String for name in columns}
    write_frame(path, pl.DataFrame(columns, schema=schema))


def _taken_for(path: Path, accounts: "list[FileAccount]") -> Iterator[str]:
    groups: dict[tuple[str, ...], list[Path]] = {}
    for account in accounts:
        if account.layout:
            groups.setdefault((account.layout, *account.notes), []).append(account.path)
    for told, files in groups.items():
        names = ", ".join(_short(path, file) for file in files[:_FILES_TOLD])
        if len(files) > _FILES_TOLD:
            names = f"{len(files):,} files, the first {_short(path, files[0])}"
        yield f"{names}: layout {'; '.join(told)}"


def _short(path: Path, file: Path) -> str:
    return str(file.relative_to(path)) if path != file and file.is_relative_to(path) else str(file)


def _series(accounts: "list[FileAccount]") -> Iterator[str]:
    ranges: dict[str, list[int]] = {}
    for account in accounts:
        for part in account.series:
            known = ranges.setdefault(part.series, [0, part.first, part.last])
            known[0] += part.candles
            known[1], known[2] = min(known[1], part.first), max(known[2], part.last)
    for series, (count, first, last) in ranges.items():
        yield f"{series}: {count:,} candles, {time_text(first)} to {time_text(last)}"


def _refused(accounts: "list[FileAccount]") -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for account, row in refused_rows(accounts):
        groups.setdefault(row.kind, []).append(f"{account.path}: {row}")
    for kind, rows in groups.items():
        yield f"refused, rows that {KINDS[kind]}: {len(rows):,}, the first is {rows[0]}"
