"""What a search tries: allowed, evenly spread, the same for a seed."""

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tradepulse.research.objectives import OBJECTIVES
from tradepulse.research.search.samplers import METHODS
from tradepulse.research.space import grid, grid_within, points, random, space_of
from tradepulse.strategies import Param, Strategy, get_strategy, strategy_names

CROSS = get_strategy("sma_cross")


def first_cells(page: str, title: str) -> list[str]:
    """Return the names in the first column of the table under a heading."""
    section = page.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_the_page_names_every_method_and_objective() -> None:
    page = (Path(__file__).parents[3] / "docs" / "guides" / "search.md").read_text()
    assert first_cells(page, "Methods") == list(METHODS)
    assert first_cells(page, "Objectives") == list(OBJECTIVES)


def replaced(space: tuple[Param, ...]) -> Strategy:
    return replace(
        CROSS,
        name="made_up",
        space=space,
        defaults={param.name: param.low for param in space},
        constraint=lambda _: None,
    )


def test_points_are_even_and_reach_both_bounds() -> None:
    assert points(Param("a", 0, 1), 5) == [0, 0.25, 0.5, 0.75, 1]
    assert points(Param("a", 1, 100, log=True), 3) == pytest.approx([1, 10, 100])
    assert points(Param("a", 1, 4, integer=True), 4) == [1, 2, 3, 4]
    assert points(Param("a", 1, 3, integer=True), 50) == [1, 2, 3]
    assert points(Param("a", 0, 1), 1) == [0.5]
    assert points(Param("a", 7, 7), 3) == [7]


def test_a_grid_holds_every_allowed_combination_once() -> None:
    found = list(grid(CROSS, {"fast": [5, 10, 20], "slow": [10, 20]}, {"stop_atr": 2}))
    pairs = [(params["fast"], params["slow"]) for params in found]
    assert pairs == [(5, 10), (5, 20), (10, 20)]
    assert all(params["stop_atr"] == 2 and params["atr_window"] == 14 for params in found)


def test_a_grid_by_points_leaves_out_what_is_not_searched() -> None:
    found = list(grid(get_strategy("liquidity_sweep"), 2))
    assert len(found) == 2**5
    assert {params["allow_short"] for params in found} == {0}


@pytest.mark.parametrize("name", strategy_names())
@pytest.mark.parametrize("trials", [1, 2, 17, 100, 1_000])
def test_a_grid_within_a_number_of_trials(name: str, trials: int) -> None:
    found = get_strategy(name)
    tried = grid_within(found, trials)
    assert 1 <= len(tried) <= trials
    assert len({tuple(params.values()) for params in tried}) == len(tried)
    if trials >= 100:
        assert len(tried) > trials / 16


@pytest.mark.parametrize("name", strategy_names())
def test_random_draws_are_allowed_and_repeatable(name: str) -> None:
    found = get_strategy(name)
    tried = list(random(found, 200, seed=7))
    assert tried == list(random(found, 200, seed=7))
    assert tried[:50] == list(random(found, 50, seed=7))
    assert tried != list(random(found, 200, seed=8))
    assert all(found.valid(params) for params in tried)
    assert all(
        params[p.name].is_integer() for params, p in itertools.product(tried, found.space)
        if p.integer
    )  # fmt: skip


def test_log_draws_spread_evenly_in_the_logarithm() -> None:
    space = (Param("a", 1, 10_000, log=True),)
    logs = [math.log10(params["a"]) for params in random(replaced(space), 4_000, seed=1)]
    for decade in range(4):
        share = sum(decade <= x < decade + 1 for x in logs) / len(logs)
        assert share == pytest.approx(0.25, abs=0.03)


def test_each_whole_number_is_as_likely_as_the_next() -> None:
    space = (Param("a", 1, 4, integer=True),)
    drawn = [params["a"] for params in random(replaced(space), 4_000, seed=1)]
    for number in (1, 2, 3, 4):
        assert drawn.count(number) / len(drawn) == pytest.approx(0.25, abs=0.03)


def test_fixed_parameters_are_kept() -> None:
    for params in random(CROSS, 20, seed=1, fixed={"slow": 30, "stop_atr": 0}):
        assert params["slow"] == 30
        assert params["stop_atr"] == 0
        assert params["fast"] < 30


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ((Param("a", 2, 1),), "'a': the lower bound 2 is above the upper 1"),
        ((Param("a", 0, 1, log=True),), "'a': a log scale needs a lower bound above 0"),
        ((Param("a", 1.2, 1.8, integer=True),), "'a': no whole number from 1.2 to 1.8"),
        ((), "nothing is left to search"),
    ],
)
def test_an_impossible_space_is_refused(space: tuple[Param, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(random(replaced(space), 3, seed=1))
    with pytest.raises(ValueError, match=message):
        list(grid(replaced(space), 3))


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="sma_cross has no parameter 'fats'; it has fast, slow"):
        space_of(CROSS, {"fats": 1})
    with pytest.raises(ValueError, match="'fast' is 1000"):
        list(random(CROSS, 1, 1, {"fast": 1000}))
    with pytest.raises(ValueError, match="every parameter is fixed"):
        space_of(CROSS, CROSS.defaults)
    with pytest.raises(ValueError, match="no combination of this grid is allowed"):
        list(grid(CROSS, {"fast": [50], "slow": [20]}))
    with pytest.raises(ValueError, match="the grid of 'fast' is empty"):
        list(grid(CROSS, {"fast": []}))
    with pytest.raises(ValueError, match="'slow' is 1;"):
        list(grid(CROSS, {"slow": [1]}))
    with pytest.raises(ValueError, match="has no parameter 'sloe'"):
        list(grid(CROSS, {"sloe": [1]}))
    with pytest.raises(ValueError, match="0 trials; at least 1"):
        grid_within(CROSS, 0)
    with pytest.raises(ValueError, match="0 points; at least 1"):
        points(Param("a", 0, 1), 0)
    with pytest.raises(ValueError, match="1000 random draws broke its constraints"):
        list(random(CROSS, 1, 1, {"fast": 200, "slow": 5}))


def test_what_means_nothing_is_not_searched() -> None:
    space = (
        Param("stop", 0, 20),
        Param("window", 2, 100, integer=True, only_if="stop"),
        Param("step", 0, 1, only_if="window"),
        Param("length", 5, 50, integer=True),
    )
    found = replaced(space)
    assert [param.name for param in space_of(found, {})] == ["stop", "window", "step", "length"]
    assert [param.name for param in space_of(found, {"stop": 3})] == ["window", "step", "length"]
    # the default of window is 2, so step has a meaning even where stop is off
    assert [param.name for param in space_of(found, {"stop": 0})] == ["step", "length"]
    tried = list(random(found, 2_000, seed=1))
    off = [params for params in tried if params["stop"] == 0]
    assert len(off) / len(tried) == pytest.approx(0.1, abs=0.02)
    assert {params["window"] for params in off} == {2}
    assert max(params["stop"] for params in tried) > 19.9


def test_a_grid_holds_each_set_once_where_parameters_mean_nothing() -> None:
    space = (Param("stop", 0, 2, integer=True), Param("window", 1, 3, integer=True, only_if="stop"))
    tried = [tuple(params.values()) for params in grid(replaced(space), 3)]
    assert tried == [(0, 1), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
    assert len(grid_within(replaced(space), 100)) == 7


def test_a_grid_that_fits_exactly_is_taken_whole() -> None:
    # fast must be below slow, so fewer are allowed than there are points
    for trials in (10, 50, 100):
        found = grid_within(CROSS, trials, {"stop_atr": 2, "target_atr": 3})
        exact = grid_within(CROSS, len(found), {"stop_atr": 2, "target_atr": 3})
        assert exact == found


def test_a_grid_uses_its_trials() -> None:
    # two points on each of five axes are 32 sets, three on each 243: 108 are between
    space = tuple(Param(name, 0, 1) for name in "abcde")
    for trials in (108, 110):
        assert len(grid_within(replaced(space), trials)) == 3 * 3 * 3 * 2 * 2
