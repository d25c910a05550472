"""Which series are followed live: the table that the page, the CLI and market_ingest share.

market_ingest looks at it every second; nobody has to be told or restarted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tradepulse.candles.series import OnSeries
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.venues.rules import rules_of
from tradepulse.runtime.db import Connection
from tradepulse.runtime.refusals import RefusedError

REPLICA_LOCK = 7_251_002
"""Advisory lock (with 0) that every live replica of market_ingest shares while it works."""
UNIT_LOCK_SEED = 7_251_003
"""Seed of the hash that names the advisory lock of an `exchange:symbol`."""

FEED_PREFIX = "live-"
"""Of the names of the feeds of live series."""

_LATE_MS = 60_000
"""How long after it is due a candle may be asked for before somebody is told."""
_LIST = """
select s.exchange, s.symbol, s.timeframe, s.trouble, f.published_until
from subscriptions s left join feeds f
    on f.feed = 'live-' || s.exchange || '-' || s.symbol || '-' || s.timeframe and not f.finished
order by 1, 2, 3
"""
_ADD = """
insert into subscriptions (exchange, symbol, timeframe) values ($1, $2, $3)
on conflict (exchange, symbol, timeframe) do nothing returning 1
"""
_REMOVE = """
delete from subscriptions where exchange = $1 and symbol = $2 and timeframe = $3 returning 1
"""
_ACTIVE = """
select count(*) from trained_configurations
where exchange = $1 and symbol = $2 and timeframe = $3 and is_active
"""
_OPEN = """
select count(*) from positions
where exchange = $1 and symbol = $2 and timeframe = $3 and exit_time is null
"""
_REPLICAS = """
select count(*) from pg_locks
where locktype = 'advisory' and classid = $1::bigint::oid and objid = 0 and objsubid = 2 and granted
    and database = (select oid from pg_database where datname = current_database())
"""


def feed_of(exchange: str, symbol: str, timeframe: str) -> str:
    """Return the name of a live series' feed; the query of `list_subscriptions` makes it alike."""
    return FEED_PREFIX + f"{exchange}-{symbol}-{timeframe}"


class SubscriptionError(RefusedError):
    """A series cannot be subscribed to, or not be given up; one line says why and what to do."""


@dataclass(frozen=True, slots=True)
class Subscription(OnSeries):
    """One series that is to be followed.

    Attributes:
        exchange: venue.
        symbol: as in `BTC/USD`.
        timeframe: as in `5m`.
        trouble: why market_ingest cannot follow it, None where it can.
        published_until: close time of the last candle that was published, epoch ms; None before
            market_ingest has begun with it.
    """

    exchange: str
    symbol: str
    timeframe: str
    trouble: str | None
    published_until: int | None


def not_followed(rows: Sequence[Subscription], now: int) -> str | None:
    """Say in one line which of the series are not followed, and why; None where all are.

    Args:
        rows: all that are to be followed.
        now: epoch ms.
    """
    lacking = [(row, why) for row in rows if (why := _why(row, now)) is not None]
    if not lacking:
        return None
    row, why = lacking[0]
    more = len(lacking) - 1
    besides = f" ({more} more of {len(rows)} series have trouble)" if more else ""
    before = "The market" if len(lacking) == len(rows) else "A part of the market"
    return f"{before} is not followed: {row.series}: {why}{besides}"


def _why(row: Subscription, now: int) -> str | None:
    if row.trouble is not None or row.published_until is None:
        return row.trouble
    length = timeframe_ms(row.timeframe)
    # the candle after it ended a length later
    if now - row.published_until <= 2 * length + _LATE_MS:
        return None
    since = datetime.fromtimestamp(row.published_until / 1000, tz=UTC)
    return f"no candle since {since:%Y-%m-%d %H:%M} UTC"


async def list_subscriptions(connection: Connection) -> list[Subscription]:
    """Return all, sorted by name."""
    return [Subscription(*row.values()) for row in await connection.fetch(_LIST)]


async def subscribe(connection: Connection, exchange: str, symbol: str, timeframe: str) -> bool:
    """Follow a series from now on; tell whether that is new.

    Whether the venue has the symbol is not looked at here: market_ingest does, and says so.

    Raises:
        SubscriptionError: the symbol cannot be one, or the timeframe is unknown.
        VenueRefusedError: the venue is unknown.
    """
    rules_of(exchange)
    check_names(symbol, timeframe)
    return await connection.fetchval(_ADD, exchange, symbol, timeframe) is not None


async def unsubscribe(
    connection: Connection, exchange: str, symbol: str, timeframe: str, *, force: bool = False
) -> bool:
    """Give a series up; tell whether it was followed.

    Raises:
        SubscriptionError: something trades it, and `force` is not given.
    """
    series = exchange, symbol, timeframe
    if not force:
        active = await connection.fetchval(_ACTIVE, *series)
        opened = await connection.fetchval(_OPEN, *series)
        held = [f"{active} active configurations"] if active else []
        held += [f"{opened} open positions"] if opened else []
        if held:
            raise SubscriptionError(
                "in_use",
                f"{':'.join(series)} is used by {' and '.join(held)}, which would see no candle "
                "any more: deactivate and let them close first, or force it",
            )
    return await connection.fetchval(_REMOVE, *series) is not None


async def replicas(connection: Connection) -> int:
    """Return how many processes of market_ingest follow the market now."""
    count: int = await connection.fetchval(_REPLICAS, REPLICA_LOCK)
    return count


def check_names(symbol: str, timeframe: str) -> None:
    """Refuse what cannot be a symbol or a timeframe.

    Raises:
        SubscriptionError: what is wrong, and how it is written.
    """
    base, slash, quote = symbol.partition("/")
    if not (base and slash and quote) or ":" in symbol or symbol.split() != [symbol]:
        raise SubscriptionError(
            "wrong_symbol",
            f"{symbol!r} is no spot symbol; write base and quote in ccxt's unified names, "
            "as BTC/USD",
        )
    if len(symbol) > 32:  # noqa: PLR2004 - with venue and timeframe it names a feed of 64 letters
        raise SubscriptionError("wrong_symbol", f"{symbol!r} is longer than 32 letters")
    try:
        timeframe_ms(timeframe)
    except ValueError as error:
        raise SubscriptionError("unknown_timeframe", str(error)) from None
