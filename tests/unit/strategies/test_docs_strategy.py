"""The strategy of docs/guides/strategies.md: its own code, held to every strategy's rules."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_strategies import live_is_batch, market, prefix_is_unchanged, series

from tradepulse.candles.arrays import Candles
from tradepulse.strategies import (
    COMMON,
    ENTER_LONG,
    EXIT,
    Evaluations,
    Feature,
    Strategy,
    features,
    get_strategy,
    strategy_names,
)
from tradepulse.strategies import files as strategy_files
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.detectors import look_ahead, recursive
from tradepulse.strategies.files import load_strategy_file
from tradepulse.strategies.made_candles import random_walk

PAGE = (Path(__file__).parents[3] / "docs" / "guides" / "strategies.md").read_text()
NAME = "momentum"
PARAMS = {"window": 6, "threshold": 0.05, "stop_atr": 1.5, "atr_window": 4}


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strategy]:
    """The page's strategy, loaded as a user's file for the tests of this module."""
    (code,) = re.findall(r'```python title="momentum\.py"\n(.*?)```', PAGE, re.DOTALL)
    path = tmp_path_factory.mktemp("strategies") / f"{NAME}.py"
    path.write_text(code)
    assert load_strategy_file(path) == (NAME,)
    yield get_strategy(NAME)
    del STRATEGIES[NAME]
    del strategy_files._loaded[path.resolve()]


@pytest.mark.parametrize("seed", range(6))
def test_it_is_bit_exact_and_blind_to_the_future(documented: Strategy, seed: int) -> None:
    candles = market(150, seed, noise=(0.0, 1e-4, 0.01, 0.1)[seed % 4], ticks=(2, 6)[seed % 2])

    def run(c: Candles) -> Evaluations:
        return documented.run(c, PARAMS)

    assert live_is_batch(run, candles, documented.lookback(PARAMS))
    assert all(prefix_is_unchanged(run, candles, cut) for cut in (0, 1, 7, 80, 149))


def test_the_detectors_find_nothing(documented: Strategy) -> None:
    candles = random_walk(2_000)
    for found in (look_ahead(documented, PARAMS, candles), recursive(documented, PARAMS, candles)):
        assert found.passed, found.sentence
        assert found.acted > 5


def test_its_lookback_is_not_longer_than_needed(documented: Strategy) -> None:
    candles = market(200, 3)
    params = {**PARAMS, "window": 10}
    assert documented.lookback(params) == 12
    assert not live_is_batch(lambda c: documented.run(c, params), candles, 10)


def test_it_buys_the_rise_and_leaves_when_it_is_gone(documented: Strategy) -> None:
    candles = series([10, 10, 10, 10, 10, 10, 10, 10, 12, 12, 12, 9])
    result = documented.run(candles, {**PARAMS, "target_atr": 4})
    assert {i: int(a) for i, a in enumerate(result.action) if a} == {8: ENTER_LONG, 11: EXIT}
    # the mean of three true ranges of 0 and one of 2
    assert result.stop[8] == 12 - 1.5 * 0.5
    assert result.take_profit[8] == 12 + 4 * 0.5
    without = documented.run(candles, {**PARAMS, "stop_atr": 0, "target_atr": 4})
    assert np.isnan(without.stop).all()
    assert np.isnan(without.take_profit).all()


def test_the_page_names_every_strategy_feature_and_common_parameter() -> None:
    names = {*strategy_names(), *(param.name for param in COMMON)} - {NAME}
    names |= {
        f"{name}(window"
        for name, made in vars(features).items()
        if callable(made) and getattr(made, "__annotations__", {}).get("return") is Feature
    }
    assert len(names) >= 18
    assert not [name for name in names if f"`{name}" not in PAGE]
