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

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from contracts.events import Source
from tradepulse.runtime.candle_rows import (
    FIGURES,
    READ,
    READ_WITH_SOURCE,
    Name,
    Storable,
    rows_of,
)
from tradepulse.runtime.copy_rows import Decoder, columns_of, encoded
from tradepulse.runtime.db import Connection
from tradepulse.trading.candle_checks import time_text
from tradepulse.trading.candles import Candles

if TYPE_CHECKING:
    import polars as pl

_SOURCES: tuple[str, ...] = get_args(Source)

_STATED_UP_TO = 1_000
"""Rows that go as parameters of the statement; more are faster through a temporary table."""

_RANK = (
    "case {}.source when 'repaired' then 4 when 'live' then 3 when 'backfill' then 2 "
    "when 'synthetic' then 0 else 1 end"
)
_DIFFERS = (
    "(old.open, old.high, old.low, old.close, old.volume) is distinct from "
    "({0}.open, {0}.high, {0}.low, {0}.close, {0}.volume)"
)
_COLUMNS = "series, open_time, open, high, low, close, volume"
_STATED = (
    "unnest($2::integer[], $3::bigint[], $4::float8[], $5::float8[], $6::float8[], $7::float8[], "
    f"$8::float8[]) as given({_COLUMNS})"
)
_STAGED = "given_candles as given"
_STAGE = """
create temporary table given_candles (
    series integer, open_time bigint, open float8, high float8, low float8, close float8,
    volume float8
) on commit drop
"""
_UNSTAGE = "drop table pg_temp.given_candles"
_UPSERT = f"""
with written as (
    insert into candles as old ({_COLUMNS}, source)
    select {_COLUMNS}, $1::text from {{given}}
    on conflict (series, open_time) do update set
        open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = excluded.volume, source = excluded.source
    where {_RANK.format("excluded")} >= {_RANK.format("old")}
        and ({_DIFFERS.format("excluded")}
             or {_RANK.format("excluded")} > {_RANK.format("old")})
    returning 1
)
select count(*) from written
"""  # noqa: S608 - made of the constants above only
# one probe of the index a row, however many are given
_KEPT = f"""
select exchange, symbol, timeframe, open_time, source, n
from (
    select old.series, old.open_time, old.source, count(*) over () as n
    from {{given}}, lateral (
        select * from candles as c
        where c.series = given.series and c.open_time = given.open_time limit 1
    ) as old
    where old.source <> $1::text and {_DIFFERS.format("given")}
    order by old.series, old.open_time limit 1
) as first join candle_series using (series)
"""  # noqa: S608 - made of the constants above only
_NUMBER = "select series from candle_series where exchange = $1 and symbol = $2 and timeframe = $3"
_NUMBERS = """
select exchange, symbol, timeframe, series
from unnest($1::text[], $2::text[], $3::text[]) as given(exchange, symbol, timeframe)
join candle_series using (exchange, symbol, timeframe)
"""
# in one order for all, so that two who enter the same series wait, but never for each other
_ENTER = """
insert into candle_series (exchange, symbol, timeframe)
select * from unnest($1::text[], $2::text[], $3::text[]) order by 1, 2, 3
on conflict do nothing
"""
_KNOWN = """
select s.exchange, s.symbol, s.timeframe, a.open_time as first, z.open_time as last
from candle_series s,
lateral (select open_time from candles c where c.series = s.series order by 1 limit 1) a,
lateral (select open_time from candles c where c.series = s.series order by 1 desc limit 1) z
order by 1, 2, 3
"""
_COUNTS = """
select exchange, symbol, timeframe, n
from (select series, count(*) as n from candles group by 1) as counted
join candle_series using (series)
"""
_SOURCE_PLACE = f"array_position('{{{','.join(_SOURCES)}}}'::text[], source)"


class CandleConflictError(RuntimeError):
    """Stored candles of a better source differ from those given; the message is one line."""


class Stored(NamedTuple):
    """What an upsert did."""

    written: int
    """Candles inserted or changed."""
    kept: int
    """Stored candles that differ, and were kept because their source is the better one."""
    example: str
    """The first of those, in words; empty where there is none."""


@dataclass(frozen=True, slots=True)
class KnownSeries:
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


async def upsert_candles(connection: Connection, candles: Storable, source: Source) -> Stored:
    """Insert or change candles by the rule of this module.

    Large inputs are written in several statements: give a connection inside a transaction to have
    all of them or none.

    Args:
        connection: asyncpg connection.
        candles: series, or events; a candle may occur once.
        source: where they come from; an event's own `source` is not looked at.
    """
    numbers = await _numbers_of(
        connection, {(one.exchange, one.symbol, one.timeframe) for one in candles}
    )
    written, kept, example = 0, 0, ""
    for rows in rows_of(candles, numbers):
        if len(rows) <= _STATED_UP_TO:
            columns = [rows[name].tolist() for name in ("series", *FIGURES)]
            one = await _write(connection, _STATED, len(rows), source, *columns)
        else:
            async with connection.transaction():
                await connection.execute(_STAGE)
                await connection.copy_to_table(
                    "given_candles",
                    schema_name="pg_temp",
                    source=encoded(rows),
                    format="binary",
                )
                one = await _write(connection, _STAGED, len(rows), source)
                await connection.execute(_UNSTAGE)
        written += one.written
        kept += one.kept
        example = example or one.example
    return Stored(written, kept, example)


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


async def candle_counts(connection: Connection) -> dict[Name, int]:
    """Return how many candles each stored series has. Reads the whole index of the table."""
    return {(row[0], row[1], row[2]): row[3] for row in await connection.fetch(_COUNTS)}


async def _write(
    connection: Connection, given: str, count: int, source: Source, *columns: list[float]
) -> Stored:
    """Upsert the `count` rows of `given`, and look for kept ones if not all were written."""
    written = await connection.fetchval(_UPSERT.format(given=given), source, *columns)
    row = None
    if written < count:
        row = await connection.fetchrow(_KEPT.format(given=given), source, *columns)
    if row is None:
        return Stored(written, 0, "")
    series = f"{row['exchange']}:{row['symbol']}:{row['timeframe']}"
    example = f"{series} of {time_text(row['open_time'])}, stored as {row['source']}"
    return Stored(written, row["n"], example)


async def _numbers_of(connection: Connection, names: set[Name]) -> dict[Name, int]:
    """Return the numbers of series; new ones are entered."""
    numbers = await _known_numbers(connection, names)
    if new := names - numbers.keys():
        await connection.execute(_ENTER, *zip(*new, strict=True))
        numbers |= await _known_numbers(connection, new)
    return numbers


async def _known_numbers(connection: Connection, names: set[Name]) -> dict[Name, int]:
    if not names:
        return {}
    rows = await connection.fetch(_NUMBERS, *zip(*names, strict=True))
    return {(row[0], row[1], row[2]): row[3] for row in rows}


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
