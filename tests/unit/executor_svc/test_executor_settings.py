"""What executor_svc is told: the bounds are allowed, what is beyond them is refused by name."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from executor_svc.settings import ExecutorSettings

PLACE = {"kafka_bootstrap_servers": "k:1", "database_url": "postgresql://u@h/d"}


def test_in_a_replay_it_waits_without_limit() -> None:
    assert ExecutorSettings(**PLACE).waits_ms == 5_000
    assert ExecutorSettings(**PLACE).clock_tolerance_s == 60
    assert ExecutorSettings(**PLACE).rules().max_weight_age_ms == 7_200_000
    assert ExecutorSettings(**PLACE, clock="replay", grace_ms=7).waits_ms is None
    assert ExecutorSettings(**PLACE, clock="wall", grace_ms=7).waits_ms == 7


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("grace_ms", [1], [0]),
        ("clock_tolerance_s", [0], [-1]),
        ("initial_cash", [Decimal("0.01")], [0]),
        ("fee", [Decimal(0), Decimal("0.99")], [1, "-0.1"]),
        ("maker_fee", [Decimal(0), Decimal("0.99")], [1, "-0.1"]),
        ("slippage", [0, 0.99], [1, -0.1]),
        ("impact", [0, 0.99], [1, -0.1]),
        ("max_symbol_notional", [Decimal("0.01"), Decimal(2)], [0]),
        ("max_total_notional", [Decimal("0.01"), Decimal(1)], [0, "1.01"]),
        ("max_open_positions", [1], [0]),
        ("risk_per_trade", [Decimal("0.01")], [0, 1]),
        ("max_weight_age_s", [1], [0]),
        ("account", ["a" * 64], ["", "a" * 65, "a b", "a:b"]),
        ("portfolio", ["", "p" * 64], ["p" * 65, "a b", "a:b"]),
    ],
)
def test_bounds(name: str, allowed: list[object], refused: list[object]) -> None:
    costs = {"slippage": 0.0}
    for value in allowed:
        assert getattr(ExecutorSettings(**PLACE, **{**costs, name: value}), name) == value
    for value in refused:
        with pytest.raises(ValidationError):
            ExecutorSettings(**PLACE, **{**costs, name: value})


def test_a_market_has_positive_steps() -> None:
    name = "x:A/USD"
    told = {"price_tick": "0.01", "quantity_step": "0.001", "min_notional": 0}
    market = ExecutorSettings(**PLACE, markets={name: told}).rules().market(name)
    assert (market.price_tick, market.quantity_step) == (Decimal("0.01"), Decimal("0.001"))
    assert not market.allows_margin
    for wrong in ({"price_tick": 0}, {"quantity_step": 0}, {"min_notional": -1}):
        with pytest.raises(ValidationError):
            ExecutorSettings(**PLACE, markets={name: wrong})
