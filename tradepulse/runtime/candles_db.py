"""Candles in PostgreSQL: `market_data`, written so that a repeat or a worse source harms nothing.

Who may overwrite whom. Each source has a rank: synthetic 0, replay and import 1, backfill 2,
live 3, repaired 4. A stored candle is changed only by other figures of the same or a higher rank;
equal figures of a higher rank raise its source. So no file ever overwrites what came from the
venue, and storing the same candles again changes nothing. A stored candle that differs and is kept
because of its rank is counted, never passed over in silence.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np

from contracts.events import CandleClosed, Source
from tradepulse.runtime.db import Connection
from tradepulse.trading.candle_checks import time_text
from tradepulse.trading.candles import Candles

_CHUNK = 20_000
_RANK = (
    "case {}.source when 'repaired' then 4 when 'live' then 3 when 'backfill' then 2 "
    "when 'synthetic' then 0 else 1 end"
)
_FIGURES = "({0}.open, {0}.high, {0}.low, {0}.close, {0}.volume)"
_DIFFERS = f"{_FIGURES.format('old')} is distinct from {_FIGURES.format('{0}')}"
_GIVEN = (
    "select * , $10::text as source from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], "
    "$5::float8[], $6::float8[], $7::float8[], $8::float8[], $9::float8[]) "
    "as given(exchange, symbol, timeframe, open_time, open, high, low, close, volume)"
)
_UPSERT = f"""
with written as (
    insert into market_data as old
        (exchange, symbol, timeframe, open_time, open, high, low, close, volume, source)
    {_GIVEN}
    on conflict (exchange, symbol, timeframe, open_time) do update set
        open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = excluded.volume, source = excluded.source
    where {_RANK.format("excluded")} >= {_RANK.format("old")}
        and ({_DIFFERS.format("excluded")}
             or {_RANK.format("excluded")} > {_RANK.format("old")})
    returning 1
)
select count(*) from written
"""  # noqa: S608 - made of the constants above only
_KEPT = f"""
select old.exchange, old.symbol, old.timeframe, old.open_time, old.source, count(*) over () as n
from market_data as old join ({_GIVEN}) as given
    using (exchange, symbol, timeframe, open_time)
where {_DIFFERS.format("given")}
order by open_time limit 1
"""  # noqa: S608 - made of the constants above only
# one aggregate of big-endian bytes: NumPy takes it as it is, where rows would be decoded singly
_LOAD = """
select string_agg(int8send(open_time) || float8send(open) || float8send(high) || float8send(low)
                  || float8send(close) || float8send(volume), ''::bytea order by open_time)
from (
    select * from market_data
    where exchange = $1 and symbol = $2 and timeframe = $3 and open_time >= $4 and open_time < $5
    order by open_time desc limit $6
) as part
"""
_COLUMNS = (
    *("exchange", "symbol", "timeframe", "open_time"),
    *("open", "high", "low", "close", "volume"),
)
_WIRE = np.dtype([("open_time", ">i8"), *((name, ">f8") for name in _COLUMNS[4:])])
_KNOWN = """
select exchange, symbol, timeframe, min(open_time) as first, max(open_time) as last, count(*) as n
from market_data group by exchange, symbol, timeframe order by exchange, symbol, timeframe
"""
_BIGINT_MIN, _BIGINT_MAX = -(2**63), 2**63 - 1


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
        candles: how many there are.
    """

    exchange: str
    symbol: str
    timeframe: str
    first_open_time: int
    last_open_time: int
    candles: int


Storable = Sequence[Candles] | Sequence[CandleClosed]


async def upsert_candles(connection: Connection, candles: Storable, source: Source) -> Stored:
    """Insert or change candles by the rule of this module.

    Large inputs are written in several statements: give a connection inside a transaction to have
    all of them or none.

    Args:
        connection: asyncpg connection.
        candles: series, or events; a candle may occur once.
        source: where they come from; an event's own `source` is not looked at.
    """
    written, kept, example = 0, 0, ""
    for columns in _chunks(candles):
        count = len(columns[3])
        changed = await connection.fetchval(_UPSERT, *columns, source)
        written += changed
        if changed == count:
            continue
        row = await connection.fetchrow(_KEPT, *columns, source)
        if row is not None:
            kept += row["n"]
            example = example or (
                f"{row['exchange']}:{row['symbol']}:{row['timeframe']} of "
                f"{time_text(row['open_time'])}, stored as {row['source']}"
            )
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
        limit_last: return the last so many of them only. At most about 20 million fit.
    """
    raw = await connection.fetchval(
        _LOAD,
        exchange,
        symbol,
        timeframe,
        _BIGINT_MIN if start is None else start,
        _BIGINT_MAX if end is None else end,
        limit_last,
    )
    rows = np.frombuffer(raw or b"", dtype=_WIRE)
    return Candles(
        exchange,
        symbol,
        timeframe,
        rows["open_time"].astype(np.int64),
        *(rows[name].astype(np.float64) for name in _COLUMNS[4:]),
    )


async def known_series(connection: Connection) -> list[KnownSeries]:
    """Return every stored series, sorted by name. Reads the whole index of the table."""
    return [KnownSeries(*row.values()) for row in await connection.fetch(_KNOWN)]


def _chunks(candles: Storable) -> Iterable[list[list[Any]]]:
    """Yield the nine columns of at most `_CHUNK` candles."""
    if not candles:
        return
    if isinstance(candles[0], CandleClosed):
        events: list[CandleClosed] = list(candles)  # type: ignore[arg-type]  # one kind, as seen
        for lo in range(0, len(events), _CHUNK):
            part = events[lo : lo + _CHUNK]
            yield [[getattr(event, name) for event in part] for name in _COLUMNS]
        return
    series: list[Candles] = list(candles)  # type: ignore[arg-type]  # one kind, as seen
    parts = chain.from_iterable(
        (s.rows(lo, lo + _CHUNK) for lo in range(0, len(s), _CHUNK)) for s in series
    )
    for rows in parts:
        names = [list(repeat(getattr(rows, name), len(rows))) for name in _COLUMNS[:3]]
        yield names + [getattr(rows, name).tolist() for name in _COLUMNS[3:]]
