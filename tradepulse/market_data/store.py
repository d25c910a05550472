"""Candles in PostgreSQL, written so that a repeat or a worse source harms nothing.

Who may overwrite whom. Each source has a rank: synthetic 0, replay and import 1, backfill 2,
live 3, repaired 4. A stored candle is changed only by other figures of the same or a higher rank;
equal figures of a higher rank raise its source. So no file ever overwrites what came from the
venue, and storing the same candles again changes nothing. A stored candle that differs and is kept
because of its rank is counted, never passed over in silence.

A series has a number in `candle_series`, its rows are in `candles`, and the view `market_data`
joins them for whoever asks in SQL. Rows travel as PostgreSQL's binary COPY, which NumPy reads and
writes as it is, so that no Python object is made for a row.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from contracts.events import Source
from tradepulse.candles.arrays import Candles
from tradepulse.candles.series import OnSeries
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.copy_rows import Decoder, columns_of
from tradepulse.market_data.rows import (
    FIGURES,
    READ,
    READ_WITH_SOURCE,
    Name,
    Storable,
    rows_of,
)
from tradepulse.market_data.writes import Stored, numbers_of, write
from tradepulse.runtime.db import Connection

if TYPE_CHECKING:
    import asyncpg
    import polars as pl

__all__ = [
    "CandleConflictError",
    "KnownSeries",
    "Name",
    "Storable",
    "Stored",
    "candle_counts",
    "known_series",
    "last_open_time",
    "load_candles",
    "load_frame",
    "load_range",
    "store_candles",
    "upsert_candles",
]

_SOURCES: tuple[str, ...] = get_args(Source)

_LONG = 5_000
"""Slots of a range that is worth two connections."""

_NUMBER = "select series from candle_series where exchange = $1 and symbol = $2 and timeframe = $3"
_KNOWN = """
select s.exchange, s.symbol, s.timeframe, a.open_time as first, z.open_time as last
from candle_series s,
lateral (select open_time from candles c where c.series = s.series order by 1 limit 1) a,
lateral (select open_time from candles c where c.series = s.series order by 1 desc limit 1) z
order by 1, 2, 3
"""
_LAST = f"select max(open_time) from candles where series = ({_NUMBER})"  # noqa: S608 - a constant
_COUNTS = """
select exchange, symbol, timeframe, n
from (select series, count(*) as n from candles group by 1) as counted
join candle_series using (series)
"""
_SOURCE_PLACE = f"array_position('{{{','.join(_SOURCES)}}}'::text[], source)"


class CandleConflictError(RuntimeError):
    """Stored candles of a better source differ from those given; the message is one line."""


@dataclass(frozen=True, slots=True)
class KnownSeries(OnSeries):
    """One series in the database.

    Attributes:
        exchange: venue.
        symbol: as in `BTC/USD`.
        timeframe: as in `30m`.
        first_open_time: epoch ms; `last_open_time` is the last.
    """

    exchange: str
    symbol: str
    timeframe: str
    first_open_time: int
    last_open_time: int

    @property
    def ends(self) -> tuple[int, int]:
        """The first open time, and the one before which the candles end."""
        return self.first_open_time, self.last_open_time + timeframe_ms(self.timeframe)


async def upsert_candles(
    connection: Connection, candles: Storable, source: Source, *, count_sources: bool = False
) -> Stored:
    """Insert or change candles by the rule of this module.

    Large inputs are written in several statements: give a connection inside a transaction to have
    all of them or none.

    Args:
        connection: asyncpg connection.
        candles: series, or events; a candle may occur once.
        source: where they come from; an event's own `source` is not looked at.
        count_sources: whether it is counted what was replaced and kept, by source.
    """
    names = {(one.exchange, one.symbol, one.timeframe) for one in candles}
    numbers = await numbers_of(connection, names)
    written, kept, example = 0, 0, ""
    replaced: Counter[str] = Counter()
    kept_of: Counter[str] = Counter()
    for rows in rows_of(candles, numbers):
        one = await write(connection, rows, source, count_sources=count_sources)
        written += one.written
        kept += one.kept
        example = example or one.example
        replaced.update(one.replaced)
        kept_of.update(one.kept_of)
    return Stored(written, kept, example, replaced, kept_of)


async def store_candles(connection: Connection, candles: Storable, source: Source) -> int:
    """Insert or change candles by the rule of this module, all or none.

    Returns:
        How many were inserted or changed; 0 where all were there already.

    Raises:
        CandleConflictError: a stored candle of a better source differs; nothing was written.
    """
    async with connection.transaction():
        stored = await upsert_candles(connection, candles, source)
        if stored.kept:
            raise CandleConflictError(
                f"{stored.kept} stored candles of a better source differ from those of this "
                f"{source}, the first is {stored.example}: use another database, or leave out "
                "the range that is stored"
            )
    return stored.written


async def load_candles(
    connection: Connection,
    exchange: str,
    symbol: str,
    timeframe: str,
    start: int | None = None,
    end: int | None = None,
    limit_last: int | None = None,
) -> Candles:
    """Return the stored candles with `start <= open_time < end`, in time order, to the bit.

    Args:
        connection: asyncpg connection or pool connection.
        exchange: venue.
        symbol: as in `BTC/USD`.
        timeframe: as in `30m`.
        start: epoch ms, None for the first stored.
        end: epoch ms, None for the last stored.
        limit_last: return the last so many of them only.
    """
    name = (exchange, symbol, timeframe)
    columns = await _load(connection, name, READ, start, end, limit_last)
    return Candles(*name, *(columns[figure] for figure in FIGURES))


async def load_range(
    pool: "asyncpg.Pool[asyncpg.Record]",
    exchange: str,
    symbol: str,
    timeframe: str,
    start: int,
    end: int,
) -> Candles:
    """Return what `load_candles` does, of a long range its halves over two connections at once.

    Most of the time is the server's, which works on a core for each connection. The halves are two
    reads: what is stored between them may be in one and not in the other.
    """

    async def part(first: int, last: int) -> Candles:
        async with pool.acquire() as connection:
            return await load_candles(connection, exchange, symbol, timeframe, first, last)

    if end - start < _LONG * timeframe_ms(timeframe):
        return await part(start, end)
    middle = (start + end) // 2
    halves = await asyncio.gather(part(start, middle), part(middle, end))
    columns = (np.concatenate([getattr(half, figure) for half in halves]) for figure in FIGURES)
    return Candles(exchange, symbol, timeframe, *columns)


async def load_frame(
    connection: Connection,
    exchange: str,
    symbol: str,
    timeframe: str,
    start: int | None = None,
    end: int | None = None,
    *,
    with_source: bool = False,
) -> "pl.DataFrame":
    """Return the stored candles with `start <= open_time < end`, in time order, as a frame.

    Columns: open_time (Int64, epoch ms), open, high, low, close, volume (Float64), and source
    (String) where asked for. The arguments are those of `load_candles`.
    """
    import polars as pl  # noqa: PLC0415 - who works on arrays does not need it

    row = READ_WITH_SOURCE if with_source else READ
    columns = await _load(connection, (exchange, symbol, timeframe), row, start, end)
    frame = pl.DataFrame({figure: columns[figure] for figure in FIGURES})
    if with_source:
        names = pl.Series("source", _SOURCES, pl.String)
        frame = frame.with_columns(names.gather(columns["source"] - 1))
    return frame


async def known_series(connection: Connection) -> list[KnownSeries]:
    """Return every stored series with its ends, sorted by name: two probes of the index each."""
    return [KnownSeries(*row.values()) for row in await connection.fetch(_KNOWN)]


async def series_ends(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return of every stored series its first open time and the one before which it ends."""
    return {one.series: one.ends for one in await known_series(connection)}


async def last_open_time(
    connection: Connection, exchange: str, symbol: str, timeframe: str
) -> int | None:
    """Return when the last stored candle of a series opened, epoch ms; None where there is none."""
    found: int | None = await connection.fetchval(_LAST, exchange, symbol, timeframe)
    return found


async def candle_counts(connection: Connection) -> dict[Name, int]:
    """Return how many candles each stored series has. Reads the whole index of the table."""
    return {(row[0], row[1], row[2]): row[3] for row in await connection.fetch(_COUNTS)}


async def _load(
    connection: Connection,
    name: Name,
    row: np.dtype[np.void],
    start: int | None,
    end: int | None,
    limit_last: int | None = None,
) -> dict[str, NDArray[Any]]:
    """Return the columns of the candles in `[start, end)`, or of the last of them, in order."""
    decoder = Decoder(row)
    series = await connection.fetchval(_NUMBER, *name)
    if series is not None:
        # COPY has no parameters; what goes into its text are whole numbers
        asked = [
            f"series = {int(series)}",
            *([] if start is None else [f"open_time >= {int(start)}"]),
            *([] if end is None else [f"open_time < {int(end)}"]),
        ]
        columns = ", ".join(FIGURES) + (f", {_SOURCE_PLACE}" if "source" in columns_of(row) else "")
        last = "" if limit_last is None else f" desc limit {int(limit_last)}"
        await connection.copy_from_query(
            f"select {columns} from candles where {' and '.join(asked)} order by open_time{last}",  # noqa: S608 - see above
            output=decoder.take,
            format="binary",
        )
    found = decoder.columns()
    if limit_last is not None:
        return {column: np.ascontiguousarray(values[::-1]) for column, values in found.items()}
    return found
