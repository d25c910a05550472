"""`tradepulse trace`: an order back to the candle that it follows from, step by step.

Every id is derived, so each step is found by the one after it; nothing was written down for this.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from contracts.times import TIMEFRAME_MS
from contracts.topics import Topic
from tradepulse.cli.connections import STATE, State, database_url, kafka_address, with_database
from tradepulse.cli.errors import CliError
from tradepulse.cli.options import time_text
from tradepulse.cli.setup import present_topics
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.kafka import KafkaAddress

if TYPE_CHECKING:
    from tradepulse.runtime.db import Connection

_BEGINS_SO = """
select distinct id from (
    (select order_id as id from orders where order_id between $1 and $2 limit 2)
    union all (select signal_id from orders where signal_id between $1 and $2 limit 2)
    union all (select signal_id from signals where signal_id between $1 and $2 limit 2)
) as found limit 2
"""
_ORDERS = "select * from orders where order_id = $1 or signal_id = $1 order by decided_at, account"
_SIGNAL = "select * from signals where signal_id = $1"
_POSITIONS = "select position_id from positions where account = $1 and configuration_id = $2"
_ENTRIES = """
select order_id from orders where account = $1 and configuration_id = $2 and opens_position
"""
_CANDLE = "select * from candles_of($1, $2, $3) where open_time = $4"


_HEX = 32
"""Digits of an id."""
_BEGINNING = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database has of an id.

    Attributes:
        orders: rows, several where several accounts follow a signal.
        signal: row; None for an order that follows from none, or is deleted by now.
        entry: the order that opened what an exit leaves.
        series: exchange, symbol and timeframe.
        open_time: of the candle, epoch ms; so is `close_time`.
        candle: row, as it is stored now.
    """

    orders: list[Any]
    signal: Any | None
    entry: UUID | None
    series: tuple[str, str, str]
    open_time: int
    close_time: int
    candle: Any | None


def trace(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="Of an order or of a signal, or how it begins.")
    ],
    state: State = STATE,
) -> None:
    """Show an order or a signal with what led to it: signal, evaluation, candle."""
    start = id_.removeprefix("order:").partition(":")[0].replace("-", "").lower()
    if not _BEGINNING.fullmatch(start):
        raise CliError(f"{id_}: no id; `tradepulse trace` takes that of an order or of a signal, "
                       "as the page, the logs and the tables have it")  # fmt: skip
    known = with_database(database_url(state), lambda connection: _known(connection, start))
    kafka = kafka_address(state)
    # a consumer would wait most of a minute for a topic that is not there
    if not asyncio.run(present_topics(kafka)):
        raise CliError("the broker has no topics: run `tradepulse topics`")
    asyncio.run(_tell(kafka, known))


async def _known(connection: "Connection", start: str) -> _Known:
    from tradepulse.runtime.db import ms

    wanted = await _meant(connection, start)
    orders = await connection.fetch(_ORDERS, wanted)
    signal = await connection.fetchrow(_SIGNAL, orders[0]["signal_id"] if orders else wanted)
    if not orders and signal is None:
        raise CliError(f"no order and no signal has the id {wanted} in this database")
    first: Any = orders[0] if orders else signal
    series = first["exchange"], first["symbol"], first["timeframe"]
    close_time = ms((signal or first)["decided_at"])
    open_time = close_time - TIMEFRAME_MS[first["timeframe"]]
    candle = await connection.fetchrow(_CANDLE, *series, open_time)
    entry = None
    if orders and not first["opens_position"]:
        entry = await _entry_of(connection, first)
    return _Known(orders, signal, entry, series, open_time, close_time, candle)


async def _meant(connection: "Connection", start: str) -> UUID:
    """Return the one id that begins so; a whole one as it is."""
    first, last = (UUID(start.ljust(_HEX, digit)) for digit in "0f")
    found = await connection.fetch(_BEGINS_SO, first, last) if first != last else []
    if first == last:
        return first
    if len(found) != 1:
        which = "several orders or signals" if found else "no order and no signal in this database"
        raise CliError(f"{which} of an id that begins with {start}; give more of it, or all")
    wanted: UUID = found[0]["id"]
    return wanted


async def _entry_of(connection: "Connection", order: Any) -> UUID | None:
    """Return the entry whose position an exit leaves: both ids are derived from the entry's."""
    from uuid import uuid5

    from tradepulse.trading.orders import position_id

    account = order["account"], order["configuration_id"]
    left = [
        row["position_id"]
        for row in await connection.fetch(_POSITIONS, *account)
        if uuid5(row["position_id"], order["exit_reason"]) == order["order_id"]
    ]
    return next(
        (
            row["order_id"]
            for row in await connection.fetch(_ENTRIES, *account)
            if position_id(row["order_id"]) in left
        ),
        None,
    )


async def _tell(kafka: KafkaAddress, known: _Known) -> None:
    from contracts.events import trace_id
    from contracts.topics import ACCOUNT, CANDLES, EVALUATIONS
    from tradepulse.runtime.finding import Wanted, find_messages

    instrument, series = ":".join(known.series[:2]), ":".join(known.series)
    typer.echo(f"trace_id    {trace_id(series, known.close_time)}")
    for order in known.orders:
        wanted = Wanted(ACCOUNT, order["account"], str(order["order_id"]),
                        partial(_is_of_order, order["order_id"]),
                        known.close_time, repeats=True)  # fmt: skip
        found = await find_messages(kafka, wanted)
        _print("order", _order(order, known.entry), _places(ACCOUNT, found))

    async def of_candle(topic: Topic) -> list[Delivery]:
        wanted = Wanted(topic, instrument, str(known.open_time),
                        lambda event: (event.series, event.open_time) == (series, known.open_time),
                        known.close_time)  # fmt: skip
        return await find_messages(kafka, wanted)

    found = await of_candle(EVALUATIONS)
    _print("signal", _signal(known, found), [])
    _print("evaluation", _evaluation(found), _places(EVALUATIONS, found))
    _print("candle", _candle(known), _places(CANDLES, await of_candle(CANDLES)))


def _is_of_order(order_id: UUID, event: Any) -> bool:
    # the end of a position and the equity are of no order
    return getattr(event, "order_id", None) == order_id


def _print(step: str, what: str, places: list[str]) -> None:
    typer.echo(f"{step:<11} {what}")
    for place in places:
        typer.echo(f"{'':<11} {place}")


def _places(topic: Topic, found: list[Delivery]) -> list[str]:
    if not found:
        kept = topic.retention_ms // 86_400_000
        return [f"not found in {topic.name}: it is deleted after {kept} days, or was never there"]
    return [
        f"{event.id}  {record.topic}/{record.partition} offset {record.offset}, "
        f"{_written(record.timestamp)}"
        for event, record in found
    ]


def _written(timestamp: int) -> str:
    time = datetime.fromtimestamp(timestamp / 1000, tz=UTC)
    return f"{time:%Y-%m-%d %H:%M:%S}.{timestamp % 1000:03}"


def _order(order: Any, entry: UUID | None) -> str:
    def parts() -> Iterator[str]:
        size = f"{order['quantity']:f} " if order["quantity"] else ""
        yield f"{order['side']} {size}{order['symbol']}, {order['order_type']}, {order['status']}"
        yield f"account {order['account']}"
        yield f"decided at the close of {_at(order['decided_at'])}"
        if order["exit_reason"]:
            opened = f" of the position that order {entry} opened" if entry else ""
            yield f"exit by {order['exit_reason']}{opened}"
        if order["reason"]:
            yield order["reason"]

    return "; ".join(parts())


def _signal(known: _Known, evaluations: list[Delivery]) -> str:
    if known.orders and known.orders[0]["signal_id"] is None:
        return f"none: {known.orders[0]['exit_reason']} needs none"
    if known.signal is None:
        return f"{known.orders[0]['signal_id']} is not in the table signals any more"
    row = known.signal
    said = (
        f"{row['signal_id']}  {row['action']} by {row['strategy']} at {row['reference_price']:g}, "
        f"configuration {row['configuration_id']}"
    )
    inside = [one.id for found in evaluations for one in found.event.signals]
    if evaluations and row["signal_id"] not in inside:
        said += "; the evaluation below does not hold it"
    return said


def _evaluation(found: list[Delivery]) -> str:
    if not found:
        return "not kept"
    event = found[0].event
    return f"{event.configurations} configurations asked, {len(event.signals)} signals"


def _candle(known: _Known) -> str:
    row = known.candle
    if row is None:
        return "not stored"
    return (
        f"open {row['open']:g}, high {row['high']:g}, low {row['low']:g}, close {row['close']:g}, "
        f"volume {row['volume']:g}, {row['source']}; as it is stored now"
    )


def _at(time: datetime) -> str:
    return time_text(round(time.timestamp() * 1000))
