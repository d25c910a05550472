"""Stores the candles of files, all or none, or all that can be used; accounts for every row.

Files are read one after another, all in one transaction. Of every row it is known what became of
it: stored, there already, kept as a better source has it, left out as a repeat, not asked for, or
refused with a reason.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import time_text
from tradepulse.market_data.files import (
    CandleFileError,
    Judged,
    Rows,
    doubts,
    first_refused,
    judge,
)
from tradepulse.market_data.files.accounts import FileAccount, SeriesPart
from tradepulse.market_data.store import upsert_candles
from tradepulse.runtime.db import Connection

_CHUNK = 50_000


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or what stands for one.

    Attributes:
        path: what to call it.
        read: reads its rows; raises `CandleFileError`.
    """

    path: Path
    read: Callable[[], Rows]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which candles of the files are asked for.

    Attributes:
        symbols: each `symbol` or `exchange:symbol`; None for all.
        start: `open_time >= start`, epoch ms.
        end: `open_time < end`, epoch ms.
    """

    symbols: Sequence[str] | None = None
    start: int | None = None
    end: int | None = None


class RowsRefusedError(CandleFileError):
    """A file has rows that cannot be used, and nothing was stored.

    Attributes:
        accounts: of the files read so far, this one being the last.
    """

    def __init__(self, message: str, accounts: list[FileAccount]) -> None:
        super().__init__(message)
        self.accounts = accounts


async def import_candles(
    connection: Connection,
    path: Path,
    sources: Iterable[Source],
    wanted: Wanted,
    *,
    now: int,
    skip_bad_rows: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] = lambda _stored, _read: None,
) -> list[FileAccount]:
    """Store what is asked for of the files, in one transaction.

    Args:
        connection: not in a transaction.
        path: what to call them all, a file or a folder.
        sources: the files, read when their turn comes.
        wanted: which candles.
        now: epoch ms; candles that close later are refused, as they are not over.
        skip_bad_rows: store the good rows of a file with bad ones; else it is refused.
        dry_run: do everything and take it back. Files with bad rows are accounted for, too.
        on_progress: told how many candles are stored, of how many that were read so far.

    Raises:
        RowsRefusedError: a file has bad rows, and they are not skipped; nothing is stored.
        CandleFileError: a file, or what is asked for, is refused; nothing is stored.
    """
    work = _Import(connection, wanted, now, on_progress)
    transaction = connection.transaction()
    await transaction.start()
    try:
        for source in sources:
            await work.take(source, skip_bad_rows=skip_bad_rows, tell_bad_rows=dry_run)
        work.refuse_nothing(path)
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.rollback() if dry_run else transaction.commit())
    return work.accounts


def _and_others(count: int) -> str:
    """Return how many more rows are refused, and what to do."""
    more = {1: "", 2: "; 1 more row is refused; --dry-run lists both"}.get(
        count, f"; {count - 1:,} more rows are refused; --dry-run lists all"
    )
    return f"{more}; --skip-bad-rows stores the others"


def _enter(account: FileAccount, rows: Rows, judged: Judged) -> None:
    account.layout = rows.layout
    account.rows = judged.rows
    account.refused, account.repeated = judged.refused, judged.repeated
    account.notes = list(rows.notes)
    account.notes += judged.told()
    for series in judged.series:
        account.warnings += doubts(series)


@dataclass(slots=True)
class _Found:
    """What the files have of one series."""

    symbol: str
    instrument: str
    first: int
    last: int
    chosen: int = 0


class _Import:
    """One import under way: what was read, stored and found so far."""

    def __init__(
        self,
        connection: Connection,
        wanted: Wanted,
        now: int,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self.accounts: list[FileAccount] = []
        self._connection = connection
        self._wanted = wanted
        self._now = now
        self._on_progress = on_progress
        self._found: dict[str, _Found] = {}
        self._times: dict[str, list[tuple[Path, NDArray[np.int64]]]] = {}
        self._read = 0
        self._stored = 0

    async def take(self, source: Source, *, skip_bad_rows: bool, tell_bad_rows: bool) -> None:
        """Read a file and store what is asked for."""
        account = FileAccount(source.path)
        self.accounts.append(account)
        try:
            rows = source.read()
        except CandleFileError as error:
            if not skip_bad_rows:
                raise
            account.problem = str(error)
            return
        judged = judge(rows, self._now)
        _enter(account, rows, judged)
        worst = first_refused(judged)
        if worst is not None and not (skip_bad_rows or tell_bad_rows):
            others = _and_others(len(judged.refused))
            raise RowsRefusedError(f"{source.path}: {worst}{others}", self.accounts)
        chosen = self._chosen(judged.series)
        account.unwanted = sum(map(len, judged.series)) - sum(map(len, chosen))
        self._read += sum(map(len, chosen))
        for series in chosen:
            self._refuse_overlap(source.path, series)
            first, last = int(series.open_time[0]), int(series.open_time[-1])
            account.series.append(SeriesPart(series.series, len(series), first, last))
            for low in range(0, len(series), _CHUNK):
                await self._store(series.rows(low, low + _CHUNK), account)

    async def _store(self, part: Candles, account: FileAccount) -> None:
        stored = await upsert_candles(self._connection, [part], "import", count_sources=True)
        account.written += stored.written
        account.kept += stored.kept
        account.replaced.update(stored.replaced)
        account.kept_of.update(stored.kept_of)
        account.same += len(part) - stored.written - stored.kept
        account.example = account.example or stored.example
        self._stored += len(part)
        self._on_progress(self._stored, self._read)

    def _chosen(self, whole: list[Candles]) -> list[Candles]:
        for one in whole:
            first, last = int(one.open_time[0]), int(one.open_time[-1])
            known = self._found.setdefault(
                one.series, _Found(one.symbol, one.instrument, first, last)
            )
            known.first, known.last = min(known.first, first), max(known.last, last)
        wanted = self._wanted
        asked = [one for one in whole if _is_asked_for(one, wanted.symbols)]
        parts = [one.between(wanted.start, wanted.end) for one in asked]
        for one in parts:
            self._found[one.series].chosen += len(one)
        return [part for part in parts if len(part)]

    def _refuse_overlap(self, path: Path, series: Candles) -> None:
        """Refuse a candle that is in two files of one import: which one is right?"""
        known = self._times.setdefault(series.series, [])
        for other, times in known:
            if times[0] > series.open_time[-1] or series.open_time[0] > times[-1]:
                continue
            both = np.intersect1d(times, series.open_time)
            if len(both):
                raise CandleFileError(
                    f"{path}: {series.series} of {time_text(int(both[0]))} is in {other} too "
                    f"({len(both):,} such candles): import one file after the other"
                )
        known.append((path, series.open_time.copy()))

    def refuse_nothing(self, path: Path) -> None:
        """Refuse files that hold no candles, or none of what is asked for.

        Raises:
            CandleFileError: so it is.
        """
        if not any(account.rows or account.problem for account in self.accounts):
            raise CandleFileError(f"{path}: the file holds no candles")
        found, symbols = list(self._found.values()), self._wanted.symbols
        names = {one.symbol for one in found} | {one.instrument for one in found}
        unknown = [symbol for symbol in symbols or () if symbol not in names]
        if unknown:
            has = ", ".join(dict.fromkeys(one.symbol for one in found)) or "none"
            raise CandleFileError(
                f"{path}: has no symbol {', '.join(unknown)}; it has {has}"
                "; where that is only its name, --symbol-name says otherwise"
            )
        asked = [one for one in found if _is_asked_for(one, symbols)]
        lost = [one for one in asked if not one.chosen]
        if lost and (symbols is not None or len(lost) == len(asked)):
            raise CandleFileError(
                f"{path}: no candles of {lost[0].symbol} in the range asked for; there are some "
                f"from {time_text(lost[0].first)} to {time_text(lost[0].last)}"
            )


def _is_asked_for(one: Candles | _Found, symbols: Sequence[str] | None) -> bool:
    return symbols is None or one.symbol in symbols or one.instrument in symbols
