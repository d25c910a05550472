"""The strategy of docs/strategies.md: the page's own code, held to every strategy's rules."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_strategies import live_is_batch, market, prefix_is_unchanged, series

from tradepulse.trading.candles import Candles
from tradepulse.trading.strategies import ENTER_LONG, EXIT, Evaluations, Strategy, get_strategy
from tradepulse.trading.strategies._registry import STRATEGIES

PAGE = Path(__file__).parents[2] / "docs" / "strategies.md"
NAME = "donchian_breakout"
PARAMS = {"window": 6, "exit_window": 3, "stop_atr": 1.5, "atr_window": 4}


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strategy]:
    """The page's strategy, registered for the tests of this module."""
    block = r'```python title="[^"]*donchian_breakout\.py"\n(.*?)```'
    (code,) = re.findall(block, PAGE.read_text(), re.DOTALL)
    path = tmp_path_factory.mktemp("strategies") / f"{NAME}.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield get_strategy(NAME)
    del STRATEGIES[NAME]


@pytest.mark.parametrize("seed", range(6))
def test_it_is_bit_exact_and_blind_to_the_future(documented: Strategy, seed: int) -> None:
    candles = market(150, seed, noise=(0.0, 1e-4, 0.01, 0.1)[seed % 4], ticks=(2, 6)[seed % 2])

    def run(c: Candles) -> Evaluations:
        return documented.run(c, PARAMS)

    assert live_is_batch(run, candles, documented.lookback(PARAMS))
    assert all(prefix_is_unchanged(run, candles, cut) for cut in (0, 1, 7, 80, 149))
    early = slice(0, documented.lookback(PARAMS) - 1)
    assert not run(candles).action[early].any()


def test_its_lookback_is_not_longer_than_needed(documented: Strategy) -> None:
    candles = market(200, 3)
    params = {**PARAMS, "window": 10}
    assert documented.lookback(params) == 11
    assert not live_is_batch(lambda c: documented.run(c, params), candles, 10)


def test_it_buys_the_breakout_and_leaves_below_the_channel(documented: Strategy) -> None:
    candles = series([10, 10, 10, 10, 10, 10, 10, 12, 12, 12, 12, 9])
    result = documented.run(candles, {**PARAMS, "atr_window": 2})
    assert {i: int(a) for i, a in enumerate(result.action) if a} == {7: ENTER_LONG, 11: EXIT}
    assert result.stop[7] == 12  # no range before, so no distance
    assert np.isnan(result.take_profit).all()
    assert "Idea: " in documented.description
    assert "Source: " in documented.description
