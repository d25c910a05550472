"""A learned policy: its network is what it says, and nothing but NumPy is needed for it."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from tests.candle_series import random_walk
from tests.made_models import made_model
from tradepulse.research.model_files import PREFIX, learned_policy, write_model
from tradepulse.trading.policies.features import ENOUGH, LOOKBACK, observe, observe_rows, scaled
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model import Model


def made_returns(count: int = 4, seed: int = 3) -> dict[str, list[float]]:
    chance = np.random.default_rng(seed)
    scales = 0.01 * (1 + np.arange(count))
    return {f"x:{i}": chance.normal(0, s, LOOKBACK).tolist() for i, s in enumerate(scales)}


def by_hand(model: Model, returns: dict[str, list[float]], budget: float) -> dict[str, float]:
    """Return the mean of the seeds' weights, in plain Python, without bounds."""
    seen = observe(returns)
    values = scaled(seen.figures, seen.mask, model.arrays["mean"], model.arrays["scale"])[0]
    total = np.zeros(len(returns))
    for seed in range(model.manifest.seeds):
        raised = []
        for row in values.tolist():
            last = len(model.manifest.layers) - 2
            found = row
            for layer in range(last + 1):
                w = model.arrays[f"w{layer}"][seed].tolist()
                b = model.arrays[f"b{layer}"][seed].tolist()
                found = [
                    math.fsum(x * weights[unit] for x, weights in zip(found, w, strict=True)) + bias
                    for unit, bias in enumerate(b)
                ]
                if layer < last:
                    found = [math.tanh(x) for x in found]
            raised.append(math.exp(min(max(4 * found[0], -10), 10)))
        total += [budget * one / (1 + sum(raised)) for one in raised]
    return dict(zip(seen.instruments, total / model.manifest.seeds, strict=True))


@pytest.mark.parametrize("layers", [(20, 1), (20, 32, 32, 1)])
@pytest.mark.parametrize(("seeds", "budget"), [(1, 1.0), (3, 1.0), (2, 1.7)])
def test_the_weights_are_the_network_s(layers, seeds, budget):
    model = made_model(4, layers=layers, seeds=seeds, max_weight=1.0)
    policy = LearnedPolicy(model, budget)
    returns = made_returns()
    found = policy.weights(returns)
    assert found == pytest.approx(by_hand(model, returns, budget), abs=2.1e-6)
    assert len(set(found.values())) == 4
    assert sum(found.values()) <= budget
    assert all(weight == round(weight, 6) for weight in found.values())
    assert (policy.name, policy.lookback) == (f"ppo:{str(model.model_id)[:8]}", LOOKBACK)


def test_no_weight_is_above_the_model_s_bound() -> None:
    free, bound = (
        LearnedPolicy(made_model(4, seeds=1, max_weight=most)).weights(made_returns())
        for most in (1.0, 0.12)
    )
    assert max(free.values()) > 0.12 == max(bound.values())
    # what flowed over went to the others
    assert sum(bound.values()) == pytest.approx(sum(free.values()), abs=1e-5)


def test_the_order_of_instruments_and_who_is_unknown_change_nothing() -> None:
    policy, returns = LearnedPolicy(made_model(5)), made_returns()
    found = policy.weights(returns)
    assert policy.weights(dict(reversed(returns.items()))) == found
    more = policy.weights({**returns, "x:a": [0.01] * (ENOUGH - 1), "x:b": [0.0] * LOOKBACK})
    assert (more.pop("x:a"), more.pop("x:b")) == (0, 0)
    # NumPy may sum a row of another length in another order
    assert more == pytest.approx(found, abs=1.1e-6)
    assert policy.weights({}) == {}


def test_rows_of_training_are_decided_as_at_their_closes() -> None:
    policy = LearnedPolicy(made_model(6))
    series = [random_walk(f"{name}/USD", 400, seed=i) for i, name in enumerate("AB")]
    rows = observe_rows(series, series[0].close_time)
    for row in (168, 300, 398):
        returns = {
            one.instrument: np.diff([math.log(c) for c in one.close[: row + 1]])[-LOOKBACK:]
            / math.sqrt(1 / 48)
            for one in series
        }
        found = policy.weights({name: values.tolist() for name, values in returns.items()})
        assert list(found.values()) == policy.row(rows.figures[row], rows.mask[row]).tolist()
    assert not policy.row(rows.figures[100], rows.mask[100]).any()


def test_a_fresh_process_decides_the_same_and_needs_nothing_but_numpy(tmp_path) -> None:
    path = tmp_path / "m.npz"
    model = made_model(7)
    write_model(path, model)
    code = (
        "import json, sys\n"
        "from tradepulse.research.model_files import learned_policy\n"
        "policy = learned_policy(sys.argv[1])\n"
        "weights = policy.weights(json.load(sys.stdin))\n"
        "heavy = {'torch', 'numba', 'scipy', 'stable_baselines3', 'polars'} & set(sys.modules)\n"
        "print(json.dumps([policy.name, weights, sorted(heavy)]))"
    )
    returns = made_returns()
    done = subprocess.run(
        [sys.executable, "-c", code, f"{PREFIX}{path}"],
        input=json.dumps(returns),
        capture_output=True,
        text=True,
        check=True,
    )
    policy = LearnedPolicy(model)
    assert json.loads(done.stdout) == [policy.name, policy.weights(returns), []]
    assert learned_policy(f"{PREFIX}{path}").weights(returns) == policy.weights(returns)
