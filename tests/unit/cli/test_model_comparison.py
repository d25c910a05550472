"""Two models side by side."""

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from tradepulse.cli.research.model_comparison import comparison
from tradepulse.research.model_registry import StoredModel
from tradepulse.research.policies.report import (
    Compared,
    Figures,
    PolicyGate,
    PolicyReport,
    Row,
    Span,
)

DAY = 86_400_000
START = 1_514_764_800_000


def report(growth: float, *, passed: bool, end: int = 400) -> dict[str, Any]:
    days = {"train": (0, 200), "validation": (214, 270), "test": (284, end)}
    parts = {
        name: Span(start=START + a * DAY, end=START + b * DAY, days=b - a)
        for name, (a, b) in days.items()
    }
    figures = {
        name: Figures(
            growth_pct=growth + n, sharpe=1.25, max_drawdown_pct=7.5, exposure=0.123,
            costs_pct=2.5, trades=40 + n,
        )
        for n, name in enumerate(days)
    }  # fmt: skip
    return PolicyReport(
        policy="ppo:12345678", label="sizing", parts=parts, embargo_days=14, looks=2, seeds=8,
        budget=1, rival="equal", smallest_excess_pct=3.2, smallest_sharpe=2.1, scale=0.5,
        constant={}, held=(), table=(Row(name="ppo", title="ppo", parts=figures),),
        compared=(
            Compared(
                name="equal", title="equal weights", is_judged=True, excess_pct=growth / 2,
                lower_pct=growth / 2 - 3, smallest_pct=3.2, chance=0.2, joint_chance=0.3,
            ),
        ),
        gates=(
            PolicyGate(
                name="drawdown", title="Drawdown", passed=passed, figure=7.5, unit="%",
                threshold=8, comparison="<=", verdict="a sentence",
            ),
        ),
    ).as_json()  # fmt: skip


def stored(name: str, told: dict[str, Any], **changed: Any) -> StoredModel:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    gates = told.get("gates", [])
    row = StoredModel(
        UUID(int=len(name)), "main", None, now, name, "SHADOW", now, [], "1h", ["x:A/USD"],
        "signals", {}, [{"configuration_id": "c"}], {}, [1], 9, {}, {}, gates, told,
        all(gate["passed"] for gate in gates) if gates else None, "", {"seeds": 8},
    )  # fmt: skip
    return replace(row, **changed)


def shown(*models: StoredModel) -> tuple[str, Sequence[str]]:
    table, lines = comparison(models)
    written = io.StringIO()
    Console(file=written, width=160).print(table)
    return written.getvalue(), lines


def test_figures_gates_and_excess_stand_beside_each_other() -> None:
    text, lines = shown(stored("a", report(4, passed=True)), stored("bb", report(-6, passed=False)))
    rows = {
        cells[0]: cells[1:]
        for line in text.splitlines()
        if len(cells := re.split(r" {2,}", line.strip())) == 3
    }
    assert rows["growth, %"] == ["+6.00", "-4.00"]
    assert rows["test"] == ["2018-10-12 to 2019-02-04, 116 days"] * 2
    assert rows["over equal weights"] == ["+2.00 (-1.00)", "-3.00 (-6.00)"]
    assert rows["Drawdown"] == ["passed, 7.50 %", "refused, 7.50 %"]
    assert [rows[name][0] for name in ("Sharpe ratio", "drawdown, %", "exposure", "costs, %")] == [
        *("1.25", "7.50", "0.123", "2.50")
    ]
    assert rows["trades"] == ["42", "42"]
    assert text.count("growth, %") == 3
    assert lines == ["both were judged on the same test range, 2018-10-12 to 2019-02-04, 116 days"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"report": report(1, passed=True, end=401)}, "were judged on other test ranges (2018-10-"),
        ({"instruments": ["x:B/USD"]}, "on other instruments or another timeframe: their figures"),
        ({"configurations": []}, "on the signals of other configurations"),
        ({"report": {}}, "bb was not evaluated, so there is nothing to compare it by"),
    ],
)
def test_what_cannot_be_compared_is_said(changed: dict[str, Any], words: str) -> None:
    told = report(4, passed=True)
    text, (line,) = shown(stored("a", told), stored("bb", told, **changed))
    assert words in line
    assert "+6.00" in text


def test_a_gate_without_a_figure_is_said_to_be_undefined() -> None:
    told = report(4, passed=False)
    told["gates"][0]["figure"] = None
    assert "refused, undefined" in shown(stored("a", told), stored("bb", told))[0]


def test_a_report_of_another_program_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"report of model .* cannot be read: use the program"):
        comparison([stored("a", {"label": "sizing"}), stored("bb", {})])
