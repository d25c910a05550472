"""One set of defaults: what is said nowhere is the same wherever an account is made."""

import dataclasses
from decimal import Decimal

import pytest

from executor_svc.settings import ExecutorSettings
from optimizer_svc.search.trials import Costs
from tradepulse.cli.research.account_rules import Fills, Limits, account_rules
from tradepulse.cli.research.searches import Market
from tradepulse.cli.research.training import Money
from tradepulse.research.jobs import JobSpec
from tradepulse.research.policy_spec import PolicySpec
from tradepulse.research.simulate import SimulationRules
from tradepulse.trading.sizing import AccountRules, InstrumentRules, RiskLimits

USUAL = AccountRules()
NAME = "kraken:BTC/USD"


def test_the_simulator_s_are_those_of_an_account() -> None:
    derived = SimulationRules.of(USUAL, NAME)
    assert derived == SimulationRules()
    assert derived.values() == SimulationRules().values()


def test_all_that_an_account_says_reaches_the_simulator() -> None:
    rules = AccountRules(
        fee=Decimal("0.002"),
        maker_fee=Decimal("0.0004"),
        slippage=0.003,
        impact=0.1,
        limits=RiskLimits(Decimal("0.9"), Decimal("0.3"), 7, Decimal("0.01")),
        markets={NAME: InstrumentRules(min_notional=Decimal(5), allows_margin=True)},
    )
    expected = SimulationRules(500.0, 0.002, 0.0004, 0.003, 0.1, 0.3, 0.01, 5.0, True)
    assert SimulationRules.of(rules, NAME, Decimal(500)) == expected
    elsewhere = SimulationRules.of(rules, "kraken:ETH/USD", Decimal(500))
    assert elsewhere == dataclasses.replace(expected, min_notional=0.0, allows_margin=False)


def test_backtest_s_options_are_those_of_an_account() -> None:
    found = account_rules([NAME], Fills(), Limits())
    assert found == dataclasses.replace(USUAL, markets={NAME: InstrumentRules()})


@pytest.mark.parametrize(
    "usual",
    [
        {name: field.default for name, field in ExecutorSettings.model_fields.items()},
        {name: field.default for name, field in JobSpec.model_fields.items()},
        {name: field.default for name, field in PolicySpec.model_fields.items()},
        dataclasses.asdict(Costs()),
        dataclasses.asdict(Market()),
        dataclasses.asdict(Money()),
    ],
    ids=["executor_svc", "a search", "a training", "judging", "optimize", "policy train"],
)
def test_costs_are_the_same_everywhere(usual: dict[str, object]) -> None:
    assert Decimal(str(usual["fee"])) == USUAL.fee
    assert usual.get("maker_fee") == USUAL.maker_fee
    assert (usual["slippage"], usual["impact"]) == (USUAL.slippage, USUAL.impact)
    if "max_weight" in usual:
        assert Decimal(str(usual["max_weight"])) == USUAL.limits.max_symbol_notional
