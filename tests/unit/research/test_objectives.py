"""What a search looks for: undefined is never chosen, constraints hold, ties are settled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepulse.research.objectives import OBJECTIVES, Goal, fronts
from tradepulse.trading.metrics import FIGURES

NAN = float("nan")


def figures(*rows: dict[str, float]) -> np.ndarray:
    usual = {**dict.fromkeys(FIGURES, 1.0), "max_drawdown_pct": 5.0, "trades": 50.0}
    return np.array([[{**usual, **row}[name] for name in FIGURES] for row in rows])


@pytest.mark.parametrize(
    "name", ["sharpe", "sortino", "calmar", "net_profit_pct", "profit_factor", "expectancy"]
)
def test_more_is_better_and_undefined_is_never_chosen(name: str) -> None:
    found = figures({name: 1}, {name: NAN}, {name: 3}, {name: -2}, {name: float("inf")}, {name: 3})
    goal = Goal(name)
    losses, violation = goal.losses(found)
    assert losses.shape == (6, 1)
    assert losses[[0, 2, 3, 5], 0].tolist() == [-1, -3, 2, -3]
    assert violation.tolist() == [0, 1, 0, 0, 1, 0]
    # the lower row wins the tie of 2 and 5
    assert goal.rank(found).tolist() == [2, 5, 0, 3]


def test_constraints_say_how_far_a_set_is_from_being_allowed() -> None:
    goal = Goal("sharpe", min_trades=40, max_drawdown_pct=20)
    found = figures(
        {"trades": 40, "max_drawdown_pct": 20},
        {"trades": 39},
        {"trades": 10},
        {"max_drawdown_pct": 30},
        {"max_drawdown_pct": NAN},
        {"trades": 0, "sharpe": NAN, "max_drawdown_pct": 0},
        {"trades": 20, "max_drawdown_pct": 30},
    )
    _, violation = goal.losses(found)
    assert violation == pytest.approx([0, 1 / 40, 3 / 4, 0.1, 1, 2, 0.6])
    assert goal.rank(found).tolist() == [0]


def test_nothing_allowed_ranks_nothing() -> None:
    nothing = figures({"trades": 0})
    assert Goal("sharpe", min_trades=1).rank(nothing).tolist() == []
    assert Goal("profit_drawdown", min_trades=1).rank(nothing).tolist() == []
    assert Goal("profit_drawdown").rank(nothing[:0]).tolist() == []


def test_profit_against_drawdown_ranks_by_fronts_and_balance() -> None:
    rows = [
        (30.0, 20.0),  # most profit
        (10.0, 2.0),  # least drawdown
        (25.0, 6.0),  # beaten by none, nearest to 30 and 2
        (24.0, 7.0),  # beaten by the one above only
        (5.0, 25.0),  # beaten by all of them
    ]
    found = figures(*({"net_profit_pct": p, "max_drawdown_pct": d} for p, d in rows))
    goal = Goal("profit_drawdown")
    losses, _ = goal.losses(found)
    assert losses.tolist() == [[-p, d] for p, d in rows]
    # 0 and 1 are both at distance 1 from the ideal point: more profit first
    assert goal.rank(found).tolist() == [2, 0, 1, 3, 4]
    assert Goal("profit_drawdown", max_drawdown_pct=10).rank(found).tolist() == [2, 1, 3]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("figure", ["net_profit_pct", "max_drawdown_pct"])
def test_in_what_unit_a_goal_is_measured_does_not_matter(figure: str, scale: float) -> None:
    # the second is at 0.45 and 0.45 of the way from the best to the worst, the third at 0.9 and 0
    rows = [(10.0, 11.0), (5.5, 5.5), (1.0, 1.0), (9.0, 9.9), (2.0, 1.9)]
    found = figures(*({"net_profit_pct": p, "max_drawdown_pct": d} for p, d in rows))
    usual = Goal("profit_drawdown").rank(found).tolist()
    assert usual == [1, 4, 3, 0, 2]
    found[:, FIGURES.index(figure)] *= scale
    assert Goal("profit_drawdown").rank(found).tolist() == usual


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda p: (float(p[0]), float(p[1]))),
        min_size=1,
        max_size=40,
    )
)
def test_fronts_are_those_of_the_definition(rows: list[tuple[float, float]]) -> None:
    losses = np.array(rows)
    expected = np.full(len(rows), -1)
    number = 0
    while (expected < 0).any():
        left = np.flatnonzero(expected < 0)
        unbeaten = [
            i
            for i in left
            if not any((losses[j] <= losses[i]).all() and (losses[j] < losses[i]).any()
                       for j in left)
        ]  # fmt: skip
        expected[unbeaten] = number
        number += 1
    assert fronts(losses).tolist() == expected.tolist()


def test_wrong_goals_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown objective 'sharp'; known are sharpe, sortino,"):
        Goal("sharp")
    with pytest.raises(ValueError, match="min_trades is -1; it must be 0 or more"):
        Goal("sharpe", min_trades=-1)
    with pytest.raises(ValueError, match="max_drawdown_pct is 0; it must be above 0"):
        Goal("sharpe", max_drawdown_pct=0)
    with pytest.raises(ValueError, match=r"figures have shape \(2, 3\), not \(t, 11\)"):
        Goal("sharpe").losses(np.zeros((2, 3)))
    assert {name: Goal(name).goals for name in OBJECTIVES} == {
        **dict.fromkeys(OBJECTIVES, 1),
        "profit_drawdown": 2,
    }


def test_figures_at_the_end_of_what_floats_hold_are_ranked() -> None:
    found = figures(
        {"net_profit_pct": 1e308, "max_drawdown_pct": 5.0},
        {"net_profit_pct": -1e308, "max_drawdown_pct": 4.0},
        {"net_profit_pct": 1e308, "max_drawdown_pct": 1.0},
    )
    assert Goal("profit_drawdown").rank(found).tolist() == [2, 0, 1]
