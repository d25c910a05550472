"""What the ledger publishes is what the contract would write, value for value."""

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts.events import AccountEvent
from executor_svc.events import account_events
from tradepulse.trading.moments import Settlement
from tradepulse.trading.orders import EquityPoint, Fill, Order, Trade

CONTRACT: TypeAdapter[AccountEvent] = TypeAdapter(AccountEvent)

money = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False),
    st.decimals(places=18, allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [Decimal("0E-18"), Decimal("1E+3"), Decimal("-0"), Decimal("1e-30"), Decimal(0)]
    ),
)
price = st.floats(allow_nan=False, allow_infinity=False)
time = st.integers(0, 4_102_444_800_000)
on_series = {
    "exchange": st.sampled_from(["kraken", "x"]),
    "symbol": st.sampled_from(["BTC/USD", "ÄÖ/€", 'quo"te\\']),
    "timeframe": st.sampled_from(["1m", "1d"]),
}
orders = st.builds(
    Order,
    **on_series,
    quantity=money,
    reference_price=price,
    decided_at=time,
    reason=st.text(max_size=20),
    limit_price=money | st.none(),
    notional=money | st.none(),
)
fills = st.builds(Fill, order=orders, quantity=money, price=money, fee=money, filled_at=time)
trades = st.builds(
    Trade,
    **on_series,
    quantity=money,
    entry_time=time,
    entry_price=money,
    exit_time=time,
    exit_price=money,
    fees=money,
    profit=money,
)
points = st.builds(
    EquityPoint,
    close_time=time,
    cash=money,
    equity=money,
    exposure=money,
    open_positions=st.integers(0, 1_000),
)


def fields(value: str | bytes) -> object:
    """Return names and values in their order; numbers may be written in two ways."""
    return json.loads(value, object_pairs_hook=list)


@given(
    st.lists(orders, max_size=2),
    st.lists(fills, max_size=2),
    st.lists(trades, max_size=2),
    points | st.none(),
)
def test_an_event_is_written_as_its_contract_writes_it(
    decided: list[Order], filled: list[Fill], closed: list[Trade], equity: EquityPoint | None
) -> None:
    settled = Settlement(
        1, {order.order_id: order for order in decided}, filled, closed=closed, equity=equity
    )
    values = list(account_events("main", [settled]))
    read = [CONTRACT.validate_json(value) for value in values]
    assert [fields(event.model_dump_json()) for event in read] == list(map(fields, values))
    told = ["order"] * len(settled.orders) + ["fill"] * len(filled) + ["trade"] * len(closed)
    assert [event.type for event in read] == told + ["equity"] * (equity is not None)
    assert {event.account for event in read} <= {"main"}
