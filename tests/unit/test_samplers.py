"""What a search tries next: allowed, new, repeatable, and better than chance."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from optimizer_svc.samplers import METHODS, Sampler, make_sampler
from tradepulse.trading.strategies import Param, Strategy, get_strategy

CROSS = get_strategy("sma_cross")

Surface = Callable[[Mapping[str, float]], tuple[float, ...]]


def toy(space: tuple[Param, ...], constraint: Callable[..., str | None] | None = None) -> Strategy:
    return replace(
        CROSS,
        name="toy",
        space=space,
        defaults={param.name: param.low for param in space},
        constraint=constraint or (lambda _: None),
    )


def searched(sampler: Sampler, surface: Surface, count: int | None = None) -> list[dict]:
    tried: list[dict] = []
    while sets := sampler.ask(count or sampler.batch):
        tried += sets
        told = sets[::-1]
        sampler.tell(told, np.array([surface(params) for params in told]), np.zeros(len(told)))
    return tried


SMALL = toy((Param("a", 1, 4, integer=True), Param("b", 1, 5, integer=True)),
            lambda p: None if p["a"] < p["b"] else "a must be less than b")  # fmt: skip


def small(params: Mapping[str, float]) -> tuple[float]:
    return ((params["a"] - 2) ** 2 + (params["b"] - 4) ** 2,)


@pytest.mark.parametrize("method", METHODS)
def test_a_small_space_is_exhausted_without_repeats(method: str) -> None:
    tried = searched(make_sampler(method, SMALL, {}, trials=500, seed=3), small)
    assert sorted(tuple(params.values()) for params in tried) == [
        (a, b) for a in range(1, 5) for b in range(1, 6) if a < b
    ]


@pytest.mark.parametrize("method", METHODS)
def test_sets_are_complete_allowed_new_and_at_most_the_trials(method: str) -> None:
    sampler = make_sampler(method, CROSS, {"stop_atr": 2}, trials=90, seed=1)
    tried = searched(sampler, lambda params: (abs(params["fast"] - 10),))
    assert 45 <= len(tried) <= 90
    assert method == "grid" or len(tried) == 90
    assert len({tuple(params.values()) for params in tried}) == len(tried)
    for params in tried:
        assert params == CROSS.complete(params)
        assert params["stop_atr"] == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_search_asks_for_the_same(method: str) -> None:
    def surface(params: Mapping[str, float]) -> tuple[float]:
        return ((np.log(params["fast"] / 12)) ** 2 + params["stop_atr"] / 100,)

    whole = searched(make_sampler(method, CROSS, {}, trials=150, seed=5), surface)
    assert whole == searched(make_sampler(method, CROSS, {}, trials=150, seed=5), surface)

    # by other numbers at a time, told in another order
    assert whole == searched(make_sampler(method, CROSS, {}, trials=150, seed=5), surface, 7)
    if method != "grid":
        assert whole != searched(make_sampler(method, CROSS, {}, trials=150, seed=6), surface)
