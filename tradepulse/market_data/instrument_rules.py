"""What venues accept as an order, kept in PostgreSQL with its date, and which of it binds.

The account of the executor, the backtest and the trials of a search all take their rules from
`market_rules`, so that they are the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, Literal, Self

from tradepulse.runtime.db import Connection, at, ms
from tradepulse.trading.sizing import InstrumentRules

RuleSource = Literal["ccxt", "file", "hand"]

FIELDS = ("price_tick", "quantity_step", "min_quantity", "min_notional")
NOT_KNOWN = (
    "no rules of the venue are known: prices keep their digits, the least notional is 0; "
    "`tradepulse rules` keeps some"
)

_KEPT = """
select exchange, symbol, price_tick, quantity_step, min_quantity, min_notional, source, valid_from
from instrument_rules where exchange = any($1::text[]) order by valid_from, source
"""
_BINDING = """
select distinct on (exchange, symbol) exchange, symbol, price_tick, quantity_step, min_quantity,
    min_notional, source, valid_from
from instrument_rules
-- clocks of two machines differ a little
where valid_from <= now() + interval '1 minute'
    and ($1::text[] is null or exchange || ':' || symbol = any($1))
order by exchange, symbol, valid_from desc, source desc
"""
_ADD = """
insert into instrument_rules (exchange, symbol, price_tick, quantity_step, min_quantity,
    min_notional, source, valid_from)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (exchange, symbol, valid_from, source) do update set
    price_tick = excluded.price_tick, quantity_step = excluded.quantity_step,
    min_quantity = excluded.min_quantity, min_notional = excluded.min_notional
"""


@dataclass(frozen=True, slots=True)
class KeptRules:
    """What one venue accepts for one instrument, and since when that is known.

    Attributes:
        exchange: venue.
        symbol: as in `BTC/USD`.
        price_tick: see `InstrumentRules`; None where it is not known. So are the next three.
        quantity_step: base currency.
        min_quantity: base currency, 0 for none.
        min_notional: quote currency, 0 for none.
        source: where it is from: the venue itself through ccxt, a markets file, a person.
        valid_from: since when it is known, epoch ms; None where nobody says, so that the tick
            binds on every candle.

    Raises:
        ValueError: no market has such rules.
    """

    exchange: str
    symbol: str
    price_tick: Decimal | None = None
    quantity_step: Decimal | None = None
    min_quantity: Decimal = Decimal(0)
    min_notional: Decimal = Decimal(0)
    source: RuleSource = field(kw_only=True)
    valid_from: int | None = field(kw_only=True)

    def __post_init__(self) -> None:
        self.rules()

    @property
    def instrument(self) -> str:
        """Return `exchange:symbol`."""
        return f"{self.exchange}:{self.symbol}"

    @property
    def accepted(self) -> tuple[Any, ...]:
        """What the venue accepts, without where it is known from."""
        return tuple(getattr(self, name) for name in FIELDS)

    def rules(self) -> InstrumentRules:
        """Return the rules by which an account trades it."""
        told = dict(zip(FIELDS, self.accepted, strict=True))
        return InstrumentRules(**told, tick_is_of_now=self.valid_from is not None)

    def as_json(self) -> dict[str, Any]:
        """Return all, decimals as texts; see `from_json`."""
        told = asdict(self)
        return {n: f"{v:f}" if isinstance(v, Decimal) else v for n, v in told.items()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Return what `as_json` has written."""
        numbers = {n: None if told[n] is None else Decimal(told[n]) for n in FIELDS}
        return cls(**{**told, **numbers})


def market_rules(
    instruments: Iterable[str],
    kept: Mapping[str, KeptRules],
    by_hand: Mapping[str, Mapping[str, Any]],
) -> dict[str, InstrumentRules]:
    """Return the rules that bind, of each instrument that is asked for: the one place for all.

    Args:
        instruments: `exchange:symbol` each.
        kept: by instrument, what binds now.
        by_hand: by instrument, fields of `InstrumentRules` that are given instead. A tick by hand
            binds on every candle: what it cannot write is refused.
    """
    found = {}
    for name in instruments:
        rules = kept[name].rules() if name in kept else InstrumentRules()
        given = dict(by_hand.get(name, {}))
        if "price_tick" in given:
            given["tick_is_of_now"] = False
        found[name] = replace(rules, **given)
    return found


async def binding_rules(
    connection: Connection, instruments: Iterable[str] | None = None
) -> dict[str, KeptRules]:
    """Return what binds now, by instrument; of all that is kept unless some are named."""
    names = None if instruments is None else list(instruments)
    found = [_kept(row) for row in await connection.fetch(_BINDING, names)]
    return {one.instrument: one for one in found}


async def history(connection: Connection, exchange: str) -> list[KeptRules]:
    """Return all that was ever kept of a venue, the oldest first."""
    return [_kept(row) for row in await connection.fetch(_KEPT, [exchange])]


async def exchanges(connection: Connection) -> list[str]:
    """Return the venues of which rules are kept, sorted."""
    rows = await connection.fetch("select distinct exchange from instrument_rules order by 1")
    return [row["exchange"] for row in rows]


async def keep_rules(connection: Connection, found: Sequence[KeptRules]) -> list[KeptRules]:
    """Keep what is news; return that.

    What a venue lists as it did before is none, even where a file has been imported since. What a
    file or a person says is none only where it binds already.

    Args:
        connection: the database.
        found: each with its date.
    """
    known: dict[str, list[KeptRules]] = {}
    names = sorted({one.exchange for one in found})
    for row in await connection.fetch(_KEPT, names):
        before = _kept(row)
        known.setdefault(before.instrument, []).append(before)
    new = []
    for one in found:
        if is_news(one, known.get(one.instrument, ())):
            new.append(one)
            known.setdefault(one.instrument, []).append(one)
    await connection.executemany(
        _ADD,
        [(o.exchange, o.symbol, *o.accepted, o.source, at(_dated(o))) for o in new],
    )
    return new


def is_news(one: KeptRules, known: Sequence[KeptRules]) -> bool:
    """Tell whether rules change what is known of an instrument.

    Args:
        one: with its date.
        known: of the same instrument, in any order.
    """
    before = [k for k in known if _dated(k) <= _dated(one)]
    if one.source == "ccxt":
        before = [k for k in before if k.source == "ccxt"]
    if not before:
        return True
    last = max(before, key=lambda k: (_dated(k), k.source))
    return (last.accepted, last.source) != (one.accepted, one.source)


def newest(found: Iterable[KeptRules], now: int) -> dict[str, KeptRules]:
    """Return what binds of what a file holds, by instrument.

    Args:
        found: of any instruments.
        now: epoch ms; later rules do not bind yet.
    """
    binding: dict[str, KeptRules] = {}
    for one in sorted(found, key=lambda o: o.valid_from or 0):
        if (one.valid_from or 0) <= now:
            binding[one.instrument] = one
    return binding


def _dated(one: KeptRules) -> int:
    if one.valid_from is None:
        raise ValueError(f"rules of {one.instrument} are kept with their date, and have none")
    return one.valid_from


def _kept(row: Any) -> KeptRules:
    told = {one.name: row[one.name] for one in fields(KeptRules)}
    return KeptRules(**{**told, "valid_from": ms(row["valid_from"])})
