"""The tables of the ledger: their SQL, what each is ordered and filtered by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tradepulse.ledger.rows import EquityRow, OrderRow, Row, SignalRow, TradeRow, WeightRow


def epoch_ms(column: str) -> str:
    """Return the SQL of a time as epoch ms."""
    return f"(extract(epoch from {column}) * 1000)::bigint"


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the ledger.

    Attributes:
        name: as commands, routes and the library call it.
        row: its columns.
        source: what is selected from.
        where: what always holds; None for nothing.
        columns: SQL of the columns that are not called as in the row.
        time: SQL of the time of a row, by which it is ordered and a range is meant.
        key: SQL of what tells rows of one time apart; its type in `key_type`.
        of: whose rows: `account` or `portfolio`, with the SQL of it; None where nobody's.
        configuration: SQL of the configuration's id; None where rows are of no configuration.
        symbol: SQL of the symbol; None where rows are of no symbol.
    """

    name: str
    row: type[Row]
    source: str
    time: str
    key: str
    key_type: str = "uuid"
    where: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    of: tuple[str, str] | None = None
    configuration: str | None = None
    symbol: str | None = None

    def columns_sql(self) -> str:
        """Return the SQL of the columns: amounts as text, times as epoch ms."""
        return ", ".join(self._columns_sql())

    def _columns_sql(self) -> Iterator[str]:
        for name, kind in self.row.kinds().items():
            column = self.columns.get(name, name)
            if kind == "amount":
                column = f"({column})::text"
            elif kind == "time":
                column = epoch_ms(column)
            yield f"{column} as {name}"


TRADES = Table(
    "trades",
    TradeRow,
    "positions p left join trained_configurations k using (configuration_id)",
    time="p.exit_time",
    key="p.position_id",
    where="p.exit_time is not null",
    columns={name: f"p.{name}" for name in ("exchange", "symbol", "timeframe")},
    of=("account", "p.account"),
    configuration="p.configuration_id",
    symbol="p.symbol",
)
ORDERS = Table(
    "orders",
    OrderRow,
    """orders o left join trained_configurations k using (configuration_id)
left join lateral (
    select trim_scale(sum(price * quantity) / nullif(sum(quantity), 0)) as fill_price,
           sum(fee) as fee, max(filled_at) as filled_at
    from fills where fills.order_id = o.order_id
) f on true""",
    time="o.decided_at",
    key="o.order_id",
    columns={name: f"o.{name}" for name in ("exchange", "symbol", "timeframe", "order_id")}
    | {"quantity": "nullif(o.quantity, 0)"},
    of=("account", "o.account"),
    configuration="o.configuration_id",
    symbol="o.symbol",
)
EQUITY = Table(
    "equity",
    EquityRow,
    "equity e",
    time="e.close_time",
    key="e.account",
    key_type="text",
    of=("account", "e.account"),
)
WEIGHTS = Table(
    "weights",
    WeightRow,
    """portfolio_weights w left join lateral (
    select key as instrument, value::float8 as weight from jsonb_each(w.weights)
    union all
    select name, null from jsonb_array_elements_text(w.missing) as absent (name)
    where not w.weights ? name
) i on true""",
    time="w.close_time",
    key="coalesce(i.instrument, '')",
    key_type="text",
    of=("portfolio", "w.portfolio"),
    symbol="substr(i.instrument, strpos(i.instrument, ':') + 1)",
)
SIGNALS = Table(
    "signals",
    SignalRow,
    "signals s",
    time="s.decided_at",
    key="s.signal_id",
    configuration="s.configuration_id",
    symbol="s.symbol",
)
TABLES = {one.name: one for one in (TRADES, ORDERS, EQUITY, WEIGHTS, SIGNALS)}
