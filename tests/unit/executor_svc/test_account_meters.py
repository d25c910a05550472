"""What is told of an account is what the account is, also after a restart."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from contracts.events import Signal, signal_id
from executor_svc.ledger import CANDLE, EVALUATION, Ledger
from executor_svc.meters import AccountMeters, slippage_of
from executor_svc.totals import Totals
from tradepulse.trading.account import Account
from tradepulse.trading.event_time import EventTime
from tradepulse.trading.fills import Prices
from tradepulse.trading.moments import Moment, Settlement, Weights
from tradepulse.trading.sizing import AccountRules

HOUR = 3_600_000
MAIN = {"account": "main"}
HELD = {**MAIN, "exchange": "x", "symbol": "A/USD"}
SERIES = "x:A/USD:1h"


class World:
    """An account that is settled close by close, and what is told of it."""

    def __init__(self, totals: Totals) -> None:
        self.account = Account(Decimal(1000), AccountRules())
        self.event_time = EventTime((CANDLE, EVALUATION))
        ledger = Ledger(self.account, self.event_time, portfolio=None, clock_is_event_time=True)
        self.registry = CollectorRegistry()
        self.now = 0
        self.meters = AccountMeters(self.registry, "main", lambda: self.now)
        self.totals, self.ledger = totals, ledger

    def take_over(self) -> None:
        self.meters.take_over(self.ledger, self.totals)

    def close(self, number: int, price: float, action: Any = None) -> Settlement:
        signals = []
        if action is not None:
            one = UUID(int=1)
            said = Signal(
                id=signal_id(one, SERIES, number),
                configuration_id=one,
                strategy="s",
                action=action,
                reference_price=price,
                expires_at=(number + 2) * HOUR,
                share=0.5,
            )
            signals.append((SERIES, said))
        candles = {SERIES: Prices(price, price, price, price, 1e9)}
        moment = Moment(number * HOUR, candles, signals)
        done = self.account.settle(moment, None, frozenset({"x:A/USD"}))
        self.event_time.settled = number * HOUR
        self.meters.on_settled([done])
        return done

    def told(self, name: str, labels: dict[str, str] = MAIN) -> float:
        generate_latest(self.registry)
        value = self.registry.get_sample_value(f"tradepulse_{name}", labels)
        assert value is not None, name
        return value


def test_who_does_not_work_for_the_account_tells_nothing_of_it() -> None:
    world = World(Totals(Decimal(0), Decimal(0), Decimal(1000)))
    told = generate_latest(world.registry).decode()
    for name in ("equity", "cash", "ledger_imbalance", "position_notional"):
        assert f"tradepulse_{name}{{" not in told


def test_after_a_restart_it_goes_on_where_the_ledger_stood() -> None:
    world = World(Totals(Decimal(70), Decimal(5), Decimal(1500)))
    world.take_over()
    assert (world.told("equity"), world.told("equity_peak")) == (1000, 1500)
    assert (world.told("realised_profit"), world.told("fees_total")) == (70, 5)
    world.close(1, 100.0)
    assert (world.told("equity"), world.told("equity_peak")) == (1000, 1500)


def test_what_is_told_adds_up_at_every_close() -> None:
    world = World(Totals(Decimal(0), Decimal(0), Decimal(1000)))
    world.take_over()
    highest = 1000.0
    actions = {1: "enter_long", 5: "exit", 8: "enter_long"}
    for number, price in enumerate((100, 101, 120, 90, 95, 97, 97, 97, 98, 150), 1):
        done = world.close(number, float(price), actions.get(number))
        assert done.equity is not None
        equity = world.told("equity")
        assert equity == float(done.equity.equity)
        made = world.told("realised_profit") + world.told("unrealised_profit")
        assert 1000 + made == pytest.approx(equity, abs=1e-6)
        highest = max(highest, equity)
        assert world.told("equity_peak") == highest
        assert world.told("cash") == float(world.account.cash)
        held = world.registry.get_sample_value("tradepulse_position_notional", HELD)
        assert (held is not None) == bool(world.account.positions)
        if held is not None:
            assert held == world.told("exposure")
            (position,) = world.account.positions.values()
            age_s = (number * HOUR - position.entry_time) / 1000
            assert world.told("position_age_seconds", HELD) == age_s
    assert world.told("open_positions") == 1
    assert world.told("slippage_ratio_count") == 3
    assert world.told("fees_total") > 0


@pytest.mark.parametrize(
    ("side", "price", "worse"), [("buy", "101", 0.01), ("sell", "101", -0.01), ("sell", "98", 0.02)]
)
def test_slippage_is_how_much_worse_the_price_was(side: str, price: str, worse: float) -> None:
    order = SimpleNamespace(side=side, reference_price=100.0)
    fill = cast(Any, SimpleNamespace(order=order, price=Decimal(price)))
    assert slippage_of(fill) == pytest.approx(worse)


@pytest.mark.parametrize(("is_replay", "age"), [(True, 3_600), (False, 60)])
def test_the_age_of_weights_is_that_by_which_they_are_judged(is_replay: bool, age: int) -> None:
    world = World(Totals(Decimal(0), Decimal(0), Decimal(1000)))
    event_time = EventTime((CANDLE, EVALUATION), settled=3 * HOUR)
    world.ledger = Ledger(
        world.account,
        event_time,
        portfolio="p",
        weights=Weights(2 * HOUR, {}),
        clock_is_event_time=is_replay,
    )
    world.now = 2 * HOUR + 60_000
    world.take_over()
    assert world.told("weights_age_seconds", {"portfolio": "p"}) == age


def test_an_imbalance_is_told() -> None:
    world = World(Totals(Decimal(0), Decimal(0), Decimal(1000)))
    world.meters.show_imbalance(Decimal("-0.25"))
    assert world.told("ledger_imbalance") == -0.25
