"""A sweep: the figures of single runs, whatever the batch, the threads and the cache."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_simulate import market

from tradepulse.candles.arrays import Candles
from tradepulse.research import sweep as sweep_module
from tradepulse.research.simulate import SimulationRules, Simulator
from tradepulse.research.sweep import Sweep
from tradepulse.strategies import ENTER_LONG, ENTER_SHORT, Evaluations, get_strategy
from tradepulse.trading.metrics import FIGURES, daily_returns, metrics

HOUR = 3_600_000
CANDLES = market(1_500, 7)
COMMON: Mapping[str, float] = {"trail_atr": 2.0, "limit_atr": 0.2, "max_candles": 9, "cooldown": 4}


def vectors_of(name: str, count: int, seed: int, **fixed: float) -> np.ndarray:
    """Draw parameter sets with windows short enough for a short series."""
    found = get_strategy(name)
    rng = np.random.default_rng(seed)
    drawn: list[np.ndarray] = []
    while len(drawn) < count:
        params: dict[str, Any] = dict(fixed)
        for param in found.space:
            if param.searched and param.name not in fixed:
                high = min(param.high, 40) if param.integer else param.high
                value = rng.uniform(param.low, high)
                params[param.name] = round(value) if param.integer else value
        if found.valid(params):
            drawn.append(found.vector(params))
    return np.array(drawn)


def figures_of(
    candles: Candles, name: str, vector: np.ndarray, rules: SimulationRules, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """Figures and daily returns by way of evaluations, a recorded run and `metrics`."""
    result = Simulator(rules).run(candles, get_strategy(name).evaluate(candles, vector), first)
    found = metrics(
        initial_equity=rules.initial_cash,
        close_time=candles.close_time[first:],
        equity=result.equity,
        exposure=result.exposure,
        net=result.net,
        gross=result.gross,
    ).as_dict()
    returns = daily_returns(rules.initial_cash, candles.close_time[first:], result.equity)
    assert returns is not None
    return np.array([np.nan if found[f] is None else found[f] for f in FIGURES], float), returns


@pytest.mark.parametrize("name", ["sma_cross", "liquidity_sweep"])
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    first=st.sampled_from([0, 90]),
    fixed=st.sampled_from([{}, COMMON, {"trail_atr": 1.0}, {"max_candles": 3}, {"cooldown": 2}]),
    rules=st.sampled_from(
        [
            SimulationRules(),
            SimulationRules(fee=0.002, maker_fee=0.0, slippage=0.001, impact=0.1, fraction=0.9),
            SimulationRules(initial_cash=500, risk_per_trade=0.01, allows_margin=True),
        ]
    ),
)
def test_figures_are_those_of_the_recorded_run(
    name: str, seed: int, first: int, fixed: dict[str, float], rules: SimulationRules
) -> None:
    candles = market(700, seed)
    if name == "liquidity_sweep":
        fixed = {"sweep_atr": 0.1, "volume_factor": 0.2, "allow_short": 1, **fixed}
    vectors = vectors_of(name, 3, seed, **fixed)
    result = Sweep(candles, get_strategy(name), rules, first=first).run(vectors, daily=True)
    assert result.daily is not None
    for vector, figures, daily in zip(vectors, result.figures, result.daily, strict=True):
        expected, returns = figures_of(candles, name, vector, rules, first)
        np.testing.assert_allclose(figures, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(daily, returns, rtol=1e-9, atol=1e-12)


def test_one_pass_trades_like_evaluations() -> None:
    found = get_strategy("sma_cross")
    vector = found.vector({"fast": 3, "slow": 9, "stop_atr": 1, **COMMON})
    whole = Simulator(SimulationRules()).trade(CANDLES, found, vector, 50)
    parts = Simulator(SimulationRules()).run(CANDLES, found.evaluate(CANDLES, vector), 50)
    assert len(whole.entry) > 20
    for name in whole.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_threads_batches_and_order_change_nothing() -> None:
    found = get_strategy("liquidity_sweep")
    vectors = vectors_of("liquidity_sweep", 60, 1, sweep_atr=0.0, volume_factor=0.2)
    whole = Sweep(CANDLES, found, SimulationRules()).run(vectors, daily=True)
    threaded = Sweep(CANDLES, found, SimulationRules(), threads=3).run(vectors, daily=True)
    one_by_one = Sweep(CANDLES, found, SimulationRules())
    singles = [one_by_one.run(vectors[t : t + 1]).figures[0] for t in reversed(range(60))]
    assert (whole.figures[:, FIGURES.index("trades")] > 0).sum() > 30
    assert whole.figures.tobytes() == threaded.figures.tobytes()
    assert whole.figures.tobytes() == np.array(singles[::-1]).tobytes()
    assert whole.daily is not None
    assert threaded.daily is not None
    assert whole.daily.tobytes() == threaded.daily.tobytes()


def test_a_cache_that_is_too_small_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = get_strategy("sma_cross")
    vectors = vectors_of("sma_cross", 80, 2)
    roomy = Sweep(CANDLES, found, SimulationRules())
    monkeypatch.setattr(sweep_module, "CACHE_BYTES", 0)
    narrow = Sweep(CANDLES, found, SimulationRules(), threads=2)
    assert narrow.run(vectors).figures.tobytes() == roomy.run(vectors).figures.tobytes()
    # and again, with what is left in the cache
    assert narrow.run(vectors[::3]).figures.tobytes() == (roomy.run(vectors).figures[::3].tobytes())
    assert len(narrow._columns.table) < len(roomy._columns.table)


@pytest.mark.parametrize("most", [1, 7, 80])
def test_batches_of_few_sets_change_nothing(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    found = get_strategy("sma_cross")
    vectors = vectors_of("sma_cross", 80, 2)
    whole = Sweep(CANDLES, found, SimulationRules()).run(vectors, daily=True)
    monkeypatch.setattr(sweep_module, "MAX_TRIALS", most)
    parts = Sweep(CANDLES, found, SimulationRules(), threads=3).run(vectors, daily=True)
    assert parts.figures.tobytes() == whole.figures.tobytes()
    assert whole.daily is not None
    assert parts.daily is not None
    assert parts.daily.tobytes() == whole.daily.tobytes()


def test_a_sweep_can_be_empty_short_or_without_days() -> None:
    found = get_strategy("sma_cross")
    rules = SimulationRules()
    assert Sweep(CANDLES, found, rules).run(np.empty((0, len(found.space)))).figures.shape == (
        0,
        len(FIGURES),
    )
    few = Sweep(CANDLES.rows(0, 10), found, rules).run(found.vector({})[None], daily=True)
    figures = dict(zip(FIGURES, few.figures[0].tolist(), strict=True))
    assert figures["trades"] == 0
    assert figures["net_profit_pct"] == 0
    assert np.isnan(figures["sharpe"])
    none = Sweep(CANDLES.rows(0, 0), found, rules).run(found.vector({})[None], daily=True)
    assert np.isnan(none.figures[0, :-1]).all()
    assert none.daily is not None
    assert none.daily.shape == (1, 0)


def test_a_ruined_account_has_no_daily_returns() -> None:
    # a short of the whole account, and a price that triples
    close = np.concatenate((np.full(60, 100.0), np.full(60, 300.0)))
    times = np.arange(len(close)) * HOUR
    candles = Candles("x", "A/USD", "1h", times, close, close, close, close, close)
    none = np.full(len(close), np.nan)
    action = np.zeros(len(close), np.int8)
    action[30] = ENTER_SHORT
    rules = SimulationRules(fraction=1.0, fee=0, slippage=0, allows_margin=True)
    result = Simulator(rules).run(candles, Evaluations(action, none, none, none, none))
    figures = dict(zip(FIGURES, result.figures.tolist(), strict=True))
    assert result.equity[-1] == pytest.approx(-100_000)
    assert np.isnan(result.daily).all()
    assert np.isnan([figures["sharpe"], figures["sortino"], figures["calmar"]]).all()
    assert np.isnan([figures["volatility"], figures["exposure"]]).all()
    assert figures["max_drawdown_pct"] == pytest.approx(200)
    assert figures["net_profit_pct"] == pytest.approx(-200)


@pytest.mark.parametrize("days", [2, 29, 30, 60])
def test_figures_that_no_float_holds_are_undefined(days: int) -> None:
    # up by 2,000 times in the second hour: 600 to the power of 182 in two days
    close = np.array([100.0, 100.0, 90.0, *[200_000.0] * (24 * days - 3)])
    times = np.arange(len(close)) * HOUR
    candles = Candles("x", "A/USD", "1h", times, close, close, close, close, close)
    none = np.full(len(close), np.nan)
    action = np.zeros(len(close), np.int8)
    action[0] = ENTER_LONG
    said = Evaluations(action, none, none, none, none)
    result = Simulator(SimulationRules(initial_cash=1e-3)).run(candles, said)
    figures = dict(zip(FIGURES, result.figures.tolist(), strict=True))
    assert not np.isinf(result.figures).any()
    assert figures["net_profit_pct"] > 90_000
    assert np.isfinite([figures["sharpe"], figures["max_drawdown_pct"]]).all()
    assert np.isfinite(figures["calmar"]) == (days >= 30)
    slow = metrics(
        initial_equity=1e-3, close_time=candles.close_time, equity=result.equity,
        exposure=result.exposure, net=result.net, gross=result.gross,
    ).as_dict()  # fmt: skip
    mine = {n: None if np.isnan(v) else pytest.approx(v) for n, v in figures.items()}
    assert slow == mine


@pytest.mark.parametrize("hour", range(24))
def test_a_range_that_begins_and_ends_at_any_hour_has_the_days_of_metrics(hour: int) -> None:
    # the first close of a range that begins at 23:00 is midnight, the end of a day of its own;
    # the last close of one that ends at 01:00 is the only one of its day
    found = get_strategy("sma_cross")
    vector = found.vector({"fast": 3, "slow": 9, "stop_atr": 1})
    first, candles = 240 + hour, CANDLES.rows(0, 1_440 + hour)
    result = Sweep(candles, found, SimulationRules(), first=first).run(vector[None], daily=True)
    figures, returns = figures_of(candles, "sma_cross", vector, SimulationRules(), first)
    assert result.daily is not None
    days = candles.close_time[first:]
    assert len(result.daily[0]) == len({(int(t) - 1) // (24 * HOUR) for t in days})
    np.testing.assert_allclose(result.daily[0], returns, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.figures[0], figures, rtol=1e-9, atol=1e-12)


def test_wrong_input_is_refused() -> None:
    found = get_strategy("sma_cross")
    with pytest.raises(ValueError, match="0 threads"):
        Sweep(CANDLES, found, SimulationRules(), threads=0)
    with pytest.raises(ValueError, match="first row 1500 is outside of 1500 candles"):
        Sweep(CANDLES, found, SimulationRules(), first=1_500)
    with pytest.raises(ValueError, match="3 parameters for sma_cross, which has 9"):
        Sweep(CANDLES, found, SimulationRules()).run(np.ones((1, 3)))
    with pytest.raises(ValueError, match="do not divide"):
        Sweep(CANDLES, found, SimulationRules(), finer=CANDLES)
    with pytest.raises(ValueError, match="initial cash is 0, not positive"):
        SimulationRules(initial_cash=0)
    with pytest.raises(ValueError, match="must be at least 0 and below 1"):
        SimulationRules(slippage=0.5, impact=0.5)
