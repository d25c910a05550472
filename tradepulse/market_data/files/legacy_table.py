"""Reads the legacy table `market_data` out of a PostgreSQL database."""

import io
import re
from pathlib import Path

import asyncpg
import polars as pl

from tradepulse.market_data.files import CandleFileError, Table
from tradepulse.runtime.database_url import readable
from tradepulse.runtime.db import UNREACHABLE

_TIMES = ("timestamp", "time", "ts")
_WANTED = ("exchange", "symbol", "open", "high", "low", "close", "volume")
_IDENTIFIER = re.compile(r"[^\x00\"]{1,63}")
_COLUMNS = """
select attname, format_type(atttypid, null) from pg_attribute
where attrelid = to_regclass($1) and attnum > 0 and not attisdropped
"""


async def read_legacy_table(database_url: str, table: str = "market_data") -> Table:
    """Read the table as it is, sorted by exchange, symbol and time; nothing is written.

    Args:
        database_url: as `postgresql://user@host/database`; it is never told to anybody.
        table: its name, with a schema or without.

    Raises:
        CandleFileError: the database cannot be used, or has no such table.
    """
    try:
        connection = await asyncpg.connect(readable(database_url), timeout=15)
    except (*UNREACHABLE, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        # the address holds a password: name only what the server said
        said = type(error).__name__ if isinstance(error, ValueError) else error
        raise CandleFileError(
            f"the database of --legacy-table cannot be used: {said}; check that it runs and that "
            "the address, as postgresql://user:password@host/database, is right"
        ) from error
    try:
        async with connection.transaction(readonly=True):
            return await _read(connection, table)
    except asyncpg.PostgresError as error:
        raise CandleFileError(f"{table}: the database refuses: {error}") from error
    finally:
        await connection.close()


async def _read(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> Table:
    parts = table.split(".")
    if not all(_IDENTIFIER.fullmatch(part) for part in parts):
        raise CandleFileError(f"--table {table}: no name of a table")
    quoted = ".".join(f'"{part}"' for part in parts)
    types: dict[str, str] = {row[0]: row[1] for row in await connection.fetch(_COLUMNS, quoted)}
    if not types:
        raise CandleFileError(f"--table {table}: the database has no such table")
    time = next((name for name in _TIMES if name in types), None)
    missing = [name for name in _WANTED if name not in types]
    if "timeframe" in types or missing or time is None:
        why = f"column {', '.join(missing)} is missing" if missing else "it has no timestamp"
        if "timeframe" in types:
            why = "it has a timeframe: it is no legacy table; export it instead"
        raise CandleFileError(f"--table {table}: {why}")
    when = f'"{time}"'
    if types[time].startswith("timestamp"):
        when = f"(extract(epoch from {when}) * 1000)::bigint"
    figures = ", ".join(f'"{name}"' for name in _WANTED[2:])
    content = io.BytesIO()
    await connection.copy_from_query(
        # every name is one of ours or checked above
        f'select exchange, symbol, {when} as "timestamp", {figures} from {quoted} '  # noqa: S608
        "order by exchange, symbol, 3",
        output=content,
        format="csv",
        header=True,
    )
    content.seek(0)
    return Table(Path(table), pl.read_csv(content, infer_schema=False), is_text=True)
