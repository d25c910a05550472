"""The guide names every gate with its threshold, and every baseline."""

import re
from pathlib import Path

from tradepulse.research.policies.baselines import SCALES, TITLES
from tradepulse.research.policies.gates import COSTLY, GATES, PolicyThresholds
from tradepulse.research.policies.paired import DRAWS

PAGE = (Path(__file__).parents[4] / "docs/guides/weights-by-learning.md").read_text("utf-8")


def test_the_gates_and_their_thresholds() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| ([≥≤>]) ([\d.]+) \|$", PAGE, re.MULTILINE)
    asked = PolicyThresholds()
    of = {
        "test_days": asked.test_days,
        "seeds": asked.seeds,
        "seeds_agree": asked.agreeing,
        "overfitting": asked.overfitting,
        "deflated_sharpe": asked.deflated,
        "drawdown": asked.drawdown,
        "exposure": asked.exposure,
    }
    signs = {">=": "≥", "<=": "≤", ">": ">"}
    assert [(name, sign, float(value)) for name, sign, value in rows] == [
        (name, signs[comparison], float(of.get(name, 0)))
        for name, (_, _, comparison) in GATES.items()
    ]
    assert f"{COSTLY:g} times as high" in PAGE
    assert f"{DRAWS:,} times" in PAGE
    assert f"at most {asked.decision_ms:g} ms" in PAGE
    assert f"{asked.export_difference:.5f}" in PAGE
    assert SCALES[0] == 0.05
    assert SCALES[-1] == 1


def test_the_baselines_and_which_are_judged() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (yes|no)\b.*\|$", PAGE, re.MULTILINE)
    judged = PolicyThresholds().judged
    assert {name: told == "yes" for name, told in rows} == {name: name in judged for name in TITLES}
