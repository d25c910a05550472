"""What rl_svc is told: the bounds are allowed, what is beyond them is refused by name."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from rl_svc.settings import PortfolioSettings
from tests.made_models import made_model
from tradepulse.research.model_files import write_model

PLACE = {"kafka_bootstrap_servers": "k:1", "database_url": "postgresql://u@h/d"}


def test_by_default_it_goes_by_the_wall_clock_and_by_volatility() -> None:
    settings = PortfolioSettings(**PLACE)
    assert (settings.clock, settings.waits_ms, settings.clock_tolerance_s) == ("wall", 5_000, 60)
    assert (settings.policy, settings.policy_lookback) == ("inverse_volatility", 96)
    assert settings.weight_policy().lookback == 96


def test_the_budget_reaches_every_policy(tmp_path: Path) -> None:
    write_model(tmp_path / "m.npz", made_model(1))
    names = ("equal", "inverse_volatility", "hrp", "min_variance", "fixed")
    for policy in (*names, f"model:{tmp_path / 'm.npz'}"):
        told = {"policy": policy, "budget": 1.5, "fixed_weights": {"x:A": 1.0, "x:B": 0.5}}
        assert PortfolioSettings(**PLACE, **told).weight_policy().budget == 1.5
        assert PortfolioSettings(**PLACE, **told | {"budget": 2.0}).weight_policy().budget == 2.0
    settings = PortfolioSettings(**PLACE, policy=f"model:{tmp_path / 'no'}")
    with pytest.raises(ValueError, match="no: cannot be read: No such file"):
        settings.weight_policy()


def test_in_a_replay_it_waits_without_limit() -> None:
    assert PortfolioSettings(**PLACE, clock="replay", grace_ms=7).waits_ms is None
    assert PortfolioSettings(**PLACE, clock="wall", grace_ms=7).waits_ms == 7


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("grace_ms", [1], [0]),
        ("clock_tolerance_s", [0], [-1]),
        ("policy_lookback", [2, 100_000], [1, 100_001]),
        ("portfolio", ["p" * 64], ["", "p" * 65, "a b", "a:b"]),
        (
            "policy",
            ["equal", "hrp", "min_variance", "fixed", "model:m.npz"],
            ["", "best", "model:", "equal2"],
        ),
        ("budget", [1e-3, 1_000.0], [0.0, -1.0, 1_000.1, float("nan"), float("inf")]),
        ("fixed_weights", [{"x:A": 0.0}, {"x:A": 1.0}], [{"x:A": -0.1}, {"x:A": 1.1}]),
    ],
)
def test_bounds(name: str, allowed: list[object], refused: list[object]) -> None:
    for value in allowed:
        assert getattr(PortfolioSettings(**PLACE, **{name: value}), name) == value
    for value in refused:
        with pytest.raises(ValidationError, match=name):
            PortfolioSettings(**PLACE, **{name: value})
