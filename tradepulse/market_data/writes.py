"""Rows into the table of candles, by the rule of `store`, the fastest way that fits them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import asyncpg
import numpy as np

from contracts.events import Source
from tradepulse.candles.checks import time_text
from tradepulse.market_data.copy_rows import Rows, encoded
from tradepulse.market_data.rows import FIGURES, Name, sourced
from tradepulse.runtime.db import Connection

_STATED_UP_TO = 1_000
"""Rows that go as parameters of the statement; more are faster by COPY."""

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
_TAKEN = """
select exists (
    select from unnest($1::integer[], $2::bigint[], $3::bigint[]) as range(series, first, last),
    lateral (
        select from candles as c
        where c.series = range.series and c.open_time between range.first and range.last limit 1
    ) as stored
)
"""
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
# which of the rows given find another candle in their place, before they are written
_OTHERS = f"""
select old.source, {_RANK.format("old")} > {_RANK.format("said")} as better, count(*) as n
from {{given}}, (select $1::text as source) as said, lateral (
    select * from candles as c
    where c.series = given.series and c.open_time = given.open_time limit 1
) as old
where {_DIFFERS.format("given")}
group by 1, 2
"""  # noqa: S608 - made of the constants above only
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


_NONE: Mapping[str, int] = MappingProxyType({})


class _Given(NamedTuple):
    """Rows as a statement finds them."""

    table: str
    total: int
    source: Source
    columns: list[list[float]]


class Stored(NamedTuple):
    """What an upsert did."""

    written: int
    """Candles inserted or changed."""
    kept: int
    """Stored candles that differ, and were kept because their source is the better one."""
    example: str
    """The first of those, in words; empty where there is none."""
    replaced: Mapping[str, int] = _NONE
    """Stored candles whose figures were changed, by their source; where that was asked for."""
    kept_of: Mapping[str, int] = _NONE
    """Those of `kept` by their source; where that was asked for."""


async def write(
    connection: Connection, rows: Rows, source: Source, *, count_sources: bool = False
) -> Stored:
    """Insert or change rows that are in the order of `candle_rows.rows_of`.

    Args:
        connection: asyncpg connection.
        rows: of candles.
        source: where they come from.
        count_sources: whether it is counted what was replaced and kept, by source.
    """
    if len(rows) <= _STATED_UP_TO:
        columns = [rows[name].tolist() for name in ("series", *FIGURES)]
        given = _Given(_STATED, len(rows), source, columns)
        return await _upsert(connection, given, count_sources=count_sources)
    if await _copied(connection, rows, source):
        return Stored(len(rows), 0, "")
    return await _write_staged(connection, rows, source, count_sources=count_sources)


async def _copied(connection: Connection, rows: Rows, source: Source) -> bool:
    """Copy rows straight into the table where nothing is stored between the first and the last.

    Returns:
        False where a candle is in the way; nothing was written then.
    """
    series, first = np.unique(rows["series"], return_index=True)
    last = np.append(first[1:], len(rows)) - 1
    ends = (rows["open_time"][first].tolist(), rows["open_time"][last].tolist())
    if await connection.fetchval(_TAKEN, series.tolist(), *ends):
        return False
    try:
        async with connection.transaction():
            await connection.copy_to_table(
                "candles",
                columns=["series", *FIGURES, "source"],
                source=encoded(sourced(rows, source)),
                format="binary",
            )
    except asyncpg.UniqueViolationError:
        return False  # another writer was faster
    return True


async def _write_staged(
    connection: Connection, rows: Rows, source: Source, *, count_sources: bool
) -> Stored:
    async with connection.transaction():
        await connection.execute(_STAGE)
        await connection.copy_to_table(
            "given_candles", schema_name="pg_temp", source=encoded(rows), format="binary"
        )
        given = _Given(_STAGED, len(rows), source, [])
        stored = await _upsert(connection, given, count_sources=count_sources)
        await connection.execute(_UNSTAGE)
    return stored


async def _upsert(connection: Connection, given: _Given, *, count_sources: bool) -> Stored:
    """Upsert the rows given, and look for kept ones if not all were written."""
    table, count, source, columns = given
    others = []
    if count_sources:
        others = await connection.fetch(_OTHERS.format(given=table), source, *columns)
    replaced = {row["source"]: row["n"] for row in others if not row["better"]}
    kept_of = {row["source"]: row["n"] for row in others if row["better"]}
    written = await connection.fetchval(_UPSERT.format(given=table), source, *columns)
    row = None
    if written < count:
        row = await connection.fetchrow(_KEPT.format(given=table), source, *columns)
    if row is None:
        return Stored(written, 0, "", replaced, kept_of)
    series = f"{row['exchange']}:{row['symbol']}:{row['timeframe']}"
    example = f"{series} of {time_text(row['open_time'])}, stored as {row['source']}"
    return Stored(written, row["n"], example, replaced, kept_of)


async def numbers_of(connection: Connection, names: set[Name]) -> dict[Name, int]:
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
