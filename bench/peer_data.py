"""The naive ways that `bench/data.py` measures: another layout, other wires, other statements."""

from collections.abc import Sequence
from operator import itemgetter

import numpy as np
import polars as pl

from tradepulse.candles.arrays import Candles
from tradepulse.market_data.rows import FIGURES, Name
from tradepulse.runtime.db import Connection

# one table whose key is the names: what most projects have, and this one had
TEXT_KEY_TABLE = """
create table text_key (
    exchange text not null, symbol text not null, timeframe text not null,
    open_time bigint not null, open double precision not null, high double precision not null,
    low double precision not null, close double precision not null,
    volume double precision not null, source text not null
        check (source in ('live', 'backfill', 'replay', 'import', 'repaired', 'synthetic')),
    primary key (exchange, symbol, timeframe, open_time)
)
"""
# the same candles in the same scattered order: a scan of one worker gives them as they lie
FILL_TEXT_KEY = """
insert into text_key
select s.exchange, s.symbol, s.timeframe, c.open_time, c.open, c.high, c.low, c.close, c.volume,
       c.source
from candles c join candle_series s using (series) where c.open_time >= $1
"""
_ROWS = """
select open_time, open, high, low, close, volume from {}
where exchange = $1 and symbol = $2 and timeframe = $3 and open_time >= $4 and open_time < $5
order by open_time
"""
_ONE_VALUE = """
select string_agg(int8send(open_time) || float8send(open) || float8send(high) || float8send(low)
                  || float8send(close) || float8send(volume), ''::bytea order by open_time)
from text_key
where exchange = $1 and symbol = $2 and timeframe = $3 and open_time >= $4 and open_time < $5
"""
_ONE_VALUE_ROW = np.dtype([("open_time", ">i8"), *((name, ">f8") for name in FIGURES[1:])])
UPSERT_ONE = """
insert into text_key as old values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (exchange, symbol, timeframe, open_time) do update set
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume, source = excluded.source
where (old.open, old.high, old.low, old.close, old.volume)
    is distinct from (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume)
"""


async def rows_to_arrays(
    connection: Connection, name: Name, start: int, end: int, table: str
) -> Candles:
    """Fetch rows, and make an array of each column of them."""
    rows = await connection.fetch(_ROWS.format(table), *name, start, end)
    columns = (np.array(list(map(itemgetter(i), rows))) for i in range(len(FIGURES)))
    return Candles(*name, *columns)


async def rows_to_frame(
    connection: Connection, name: Name, start: int, end: int, table: str
) -> Candles:
    """Fetch rows, and make a polars frame of them."""
    rows = await connection.fetch(_ROWS.format(table), *name, start, end)
    frame = pl.DataFrame([tuple(row) for row in rows], schema=list(FIGURES), orient="row")
    return Candles(*name, *(frame[figure].to_numpy() for figure in FIGURES))


async def one_value(connection: Connection, name: Name, start: int, end: int) -> Candles:
    """Let the database concatenate all rows into one value, as this project did before."""
    raw = await connection.fetchval(_ONE_VALUE, *name, start, end)
    rows = np.frombuffer(raw or b"", _ONE_VALUE_ROW)
    return Candles(*name, *(rows[f].astype(rows[f].dtype.newbyteorder("=")) for f in FIGURES))


def records(candles: Sequence[Candles]) -> list[tuple[object, ...]]:
    """Return a tuple for every candle, as `executemany` takes it."""
    return [
        (one.exchange, one.symbol, one.timeframe, *row, "import")
        for one in candles
        for row in zip(*(getattr(one, figure).tolist() for figure in FIGURES), strict=True)
    ]
