"""`backtest` by a trained model, and with a budget."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.candle_series import random_walk
from tests.made_models import made_model
from tradepulse.cli import main
from tradepulse.market_data.files import write_candles
from tradepulse.research.model_files import write_model
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import backtest
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.sizing import AccountRules

SERIES = [random_walk("BTC/USD", 900, seed=1), random_walk("ETH/USD", 900, seed=2)]
FAST = '{"fast": 5, "slow": 20}'
BASE = ("backtest", "--candles", "c.parquet", "--strategy", "sma_cross", "--params", FAST)
MODEL = made_model(1, max_weight=0.9)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    write_candles(tmp_path / "c.parquet", SERIES)
    write_model(tmp_path / "m.npz", MODEL)
    return


def ran(*more: str) -> tuple[str, dict[str, Any]]:
    result = CliRunner().invoke(main.app, (*BASE, *more, "--json", "o.json"))
    assert result.exit_code == 0, result.output
    return result.stdout, json.loads(Path("o.json").read_text())


def refusal(*more: str) -> str:
    result = CliRunner().invoke(main.app, (*BASE, *more))
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    return line


def test_a_model_decides_the_weights() -> None:
    text, found = ran("--weights", "model:m.npz", "--budget", "1.5")
    policy = LearnedPolicy(MODEL, 1.5)
    assert found["account"]["weights"] == policy.name
    assert found["account"]["budget"] == 1.5
    told = ("configuration_id", "strategy", "exchange", "symbol", "timeframe", "params")
    configurations = [
        Configuration(*(one[name] for name in told)) for one in found["configurations"]
    ]
    expected = backtest(SERIES, configurations, AccountRules(), policy)
    assert [Decimal(one["profit"]) for one in found["trades"]] == [
        one.profit for one in expected.trades
    ]
    assert len(expected.trades) > 20
    # one close for each return that is not there yet, the first one has none
    assert found["fallbacks"] == expected.fallbacks == {"history": 168}
    assert "168 of 900 closes decided by inverse volatility in place of the policy" in " ".join(
        text.split()
    )


def test_a_budget_sizes_all_entries_alike() -> None:
    # a hundredth, so that no limit is reached
    runs = [ran("--params", FAST, "--budget", budget)[1] for budget in ("0.01", "0.02")]
    once, twice = ([Decimal(one["quantity"]) for one in run["trades"]] for run in runs)
    assert len(once) == len(twice) > 20
    assert all(b / a == pytest.approx(2, rel=0.01) for a, b in zip(once, twice, strict=True))
    assert [run["account"]["budget"] for run in runs] == [0.01, 0.02]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--weights", "model:no.npz"), "--weights: model no.npz: cannot be read: No such file"),
        (("--weights", "model:c.parquet"), "--weights: model c.parquet: it is no model file"),
        (("--weights", "model:"), "--weights: model .: cannot be read: Is a directory"),
        (("--budget", "0"), "--budget: a budget of 0 cannot be"),
        (("--budget", "nan"), "--budget: a budget of nan cannot be"),
        (("--budget", "0.5", "--weights", '{"BTC/USD": 0.6}'), "--weights: fixed weights sum to"),
        (("--weights", "model:hours.npz"), "--weights: the model sees candles of 1h, and there"),
    ],
)
def test_refusals(arguments: tuple[str, ...], line: str) -> None:
    write_model(Path("hours.npz"), made_model(1, timeframe="1h"))
    assert refusal(*arguments).removeprefix("tradepulse backtest: ").startswith(line)
