"""The environment is worth what the account is worth at every decision, and says what it drew."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rl_svc.training.env import EnvSettings, SignalEnv, Step
from rl_svc.training.stepping import LEAST
from tests.made_markets import FREE, HOUR, as_candles, planted, ready_at_random, scripted
from tradepulse.research.virtual.market import VirtualMarket, decided_weights, market_of
from tradepulse.trading.account import Account
from tradepulse.trading.backtest import Decisions, Prepared, moments_of
from tradepulse.trading.moments import Weights
from tradepulse.trading.sizing import AccountRules, RiskLimits
from tradepulse.trading.weights import EqualWeights

FloatArray = NDArray[np.float64]
MARKETS = {"x:A/USD": FREE, "x:B/USD": FREE, "x:C/USD": FREE}
RULES = AccountRules(
    maker_fee=Decimal("0.0002"),
    impact=0.1,
    limits=RiskLimits(risk_per_trade=Decimal("0.05")),
    markets=MARKETS,
)
WHOLE = EnvSettings(
    days=(1_000, 1_000),
    cost_spread=0,
    drops_instrument=0,
    drops_configuration=0,
    shuffles=False,
    halflife_days=0.5,
)
"""One episode over everything, in which nothing is left to chance."""


def env_of(
    market: VirtualMarket,
    accounts: int,
    seed: int,
    chosen: EnvSettings,
    rules: AccountRules = RULES,
) -> SignalEnv:
    """Return an environment whose observations tell the close and the instrument."""
    shape = market.arrays.marks.shape
    observations = np.empty((*shape, 2), dtype=np.float32)
    observations[:, :, 0] = np.arange(shape[0])[:, None]
    observations[:, :, 1] = np.arange(shape[1]) + 1
    return SignalEnv(
        market, observations, np.ones(shape, dtype=np.bool_), rules, accounts, seed, chosen
    )


def busy(seed: int) -> tuple[Prepared, VirtualMarket]:
    """Return a market at random that has signals."""
    rng = np.random.default_rng(seed)
    while True:
        ready = ready_at_random(rng, 2)
        market = market_of(ready, MARKETS)
        if len(market.arrays.trades) > 20:
            return ready, market


def followed(
    ready: Prepared, market: VirtualMarket, weights: FloatArray, rules: AccountRules
) -> tuple[dict[int, float], list[int]]:
    """Return an account's equity by close from the second on, and where flat ones had a signal."""
    account, decisions = Account(Decimal(100_000), rules), Decisions(ready, EqualWeights())
    moments, worth, asked = moments_of(ready), {}, []
    for row in range(1, len(moments)):
        before, moment = moments[row - 1].close_time, moments[row]
        decided = dict(zip(market.instruments, weights[row - 1].tolist(), strict=True))
        settled = account.settle(
            moment, Weights(before, decided), decisions.instruments(moment.close_time)
        )
        assert settled.equity is not None
        worth[row] = float(settled.equity.equity)
        ended = {series for series, _ in moment.signals} & moment.ended
        entries = [o for o in settled.orders.values() if o.decided_at == moment.close_time]
        # one that rests after a stop is not asked
        rests = "cooling down after a stop"
        if any(o.opens_position and o.series not in ended and o.reason != rests for o in entries):
            asked.append(row)
    return worth, asked


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([7_200_000, 0]))
def test_account_and_twin_equal_accounts(seed: int, max_age: int) -> None:
    rng = np.random.default_rng(seed)
    ready, market = busy(seed)
    rules = replace(RULES, max_weight_age_ms=max_age)
    shape = market.arrays.marks.shape
    weights = np.floor(1e6 * rng.dirichlet(np.ones(shape[1]), shape[0])) / 1e6
    # who is not traded has no weight
    weights = np.where(market.arrays.traded, weights, 0.0)
    worth, asked = followed(ready, market, weights, rules)
    equal, _ = followed(ready, market, decided_weights(ready, EqualWeights()), rules)
    env = env_of(market, 1, seed, WHOLE, rules)
    observations, _ = env.reset()
    last, decided = len(market.arrays.close_time) - 1, []
    while True:
        now = int(env.state()["now"][0])
        decided.append(now)
        row = now - 1
        assert observations[0, :, 0].max() == row
        np.testing.assert_allclose(env.state()["worth"], [worth[now], equal[now]], rtol=1e-9)
        step = env.step(weights[row : row + 1])
        after = last if step.ended[0] else int(env.state()["now"][0])
        if worth[after] <= 0 or equal[after] <= 0:
            return
        mine, twins = (max(one[after] / one[now], LEAST) for one in (worth, equal))
        excess = np.log(mine) - np.log(twins)
        assert step.rewards[0] == pytest.approx(1_000 * excess, rel=1e-5, abs=1e-4)
        hours = (market.arrays.close_time[after] - market.arrays.close_time[now]) / HOUR
        assert step.discounts[0] == pytest.approx(0.5 ** (hours / 12), rel=1e-6)
        if step.ended[0]:
            break
        observations = step.observations
    assert step.cut[0]
    assert step.last[0, :, 0].max() in (last - 1, 0)
    assert decided == [row for row in asked if row < last]


def test_weights_that_are_too_old_give_way_to_equal_ones_of_who_is_traded_now() -> None:
    a, b = [100.0, 100, 100, 100, 120, 120, 120, 120], [50.0] * 8
    first, second = as_candles("A/USD", a), as_candles("B/USD", b)
    # four hours of nothing, at whose end B begins
    first.open_time[3:] += 4 * HOUR
    second.open_time[:] += 7 * HOUR
    series = {first.series: first, second.series: second}
    asked = [
        scripted("A/USD", a, {3: (1, np.nan), 5: (2, np.nan)}),
        scripted("B/USD", b, {5: (1, np.nan)}),
    ]
    ready = Prepared(series, series, {}, asked)
    market = market_of(ready, MARKETS)
    rules = replace(RULES, max_weight_age_ms=0)
    weights = np.zeros(market.arrays.marks.shape)
    worth, rows = followed(ready, market, weights, rules)
    equal, _ = followed(ready, market, decided_weights(ready, EqualWeights()), rules)
    assert market.arrays.traded[rows[0] - 1].tolist() == [True, False]
    assert market.arrays.traded[rows[0]].tolist() == [True, True]
    env = env_of(market, 1, 1, WHOLE, rules)
    env.reset()
    env.step(np.zeros((1, 2)))
    np.testing.assert_allclose(env.state()["worth"], [worth[rows[1]], equal[rows[1]]], rtol=1e-9)
    # a weight of 0 would have bought nothing
    assert abs(worth[rows[1]] - 100_000) > 100


def test_what_is_drawn_stays_in_its_bounds() -> None:
    _, market = busy(5)
    n = 400
    chosen = EnvSettings(days=(0.5, 1), drops_instrument=0.3, drops_configuration=0.4)
    env = env_of(market, n, 5, chosen)
    env.reset()
    state, fee = env.state(), float(RULES.fee)
    for column, base in enumerate((fee, 0.0002, RULES.slippage)):
        ratio = state["costs"][:, column] / base
        assert ratio.min() >= 0.5
        assert ratio.max() <= 1.5
        assert ratio.mean() == pytest.approx(1, abs=0.06)
        assert ratio.std() == pytest.approx(1 / 12**0.5, abs=0.03)
    assert (state["costs"][:, 3] == RULES.impact).all()
    # maker and taker fee of an episode are drawn together
    np.testing.assert_allclose(state["costs"][:, 1] / 0.0002, state["costs"][:, 0] / fee)
    orders = {tuple(order) for order in state["order"].tolist()}
    assert len(orders) == 6
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert state["kept"].any(axis=1).all()
    # those that found no decision were drawn again, so a few more are kept
    assert 0.65 < state["kept"].mean() < 0.95
    kept = np.take_along_axis(
        state["kept"], np.broadcast_to(market.arrays.instrument, (n, len(market.configurations))), 1
    )
    assert not (state["active"][:n] & ~kept).any()
    np.testing.assert_array_equal(state["active"][:n], state["active"][n:])
    close_time = market.arrays.close_time
    assert (close_time[state["until"]] >= close_time[state["now"]]).all()
    assert len(set(state["until"].tolist())) > 10


def shares(env: SignalEnv, mask: NDArray[np.bool_]) -> FloatArray:
    """Return weights that tell slots apart."""
    slots = mask.shape[1]
    return np.where(mask, np.arange(1, slots + 1) / (slots * (slots + 1)), 0.5)


def test_a_weight_sizes_the_instrument_that_its_slot_shows() -> None:
    _, market = busy(11)
    env = env_of(market, 200, 3, EnvSettings(days=(0.5, 2), drops_instrument=0.4))
    observations, mask = env.reset()
    for _ in range(30):
        before = env.state()
        instrument = observations[:, :, 1].astype(int) - 1
        # a masked slot shows nothing
        assert (observations[~mask] == 0).all()
        np.testing.assert_array_equal(instrument[mask], before["order"][mask])
        assert np.take_along_axis(before["kept"], before["order"], 1)[mask].all()
        weights = shares(env, mask)
        step = env.step(weights)
        by_instrument = np.zeros_like(weights)
        np.put_along_axis(by_instrument, before["order"], np.where(mask, weights, 0.0), 1)
        np.testing.assert_array_equal(env._fleet.weights[:200], by_instrument)
        observations, mask = step.observations, step.mask


def test_chance_is_the_seeds_and_goes_on_where_it_stood() -> None:
    _, market = busy(2)
    chosen = EnvSettings(days=(0.5, 1))

    def run(env: SignalEnv, mask: NDArray[np.bool_], steps: int) -> list[Step]:
        found = []
        for _ in range(steps):
            found.append(env.step(shares(env, mask)))
            mask = found[-1].mask
        return found

    first, again, other = (env_of(market, 16, seed, chosen) for seed in (1, 1, 2))
    mask = first.reset()[1]
    again.reset()
    told, same = run(first, mask, 40), run(again, mask, 25)
    for one, two in zip(told, same, strict=False):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)
    assert sum(step.ended.sum() for step in told) > 16
    third = env_of(market, 16, 1, chosen)
    third.restore(again.state())
    for one, two in zip(told[25:], run(third, told[24].mask, 15), strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)
    other.reset()
    assert not np.array_equal(other.state()["now"], again.state()["now"])


def test_an_account_alone_differs_in_nothing_from_one_among_many() -> None:
    _, market = busy(2)
    many, one = (env_of(market, n, 1, EnvSettings(days=(0.5, 1))) for n in (8, 1))
    mask, alone = many.reset()[1], one.reset()[1]
    for _ in range(20):
        whole, single = many.step(shares(many, mask)), one.step(shares(one, alone))
        assert whole.rewards[0] == single.rewards[0]
        np.testing.assert_array_equal(whole.observations[0], single.observations[0])
        mask, alone = whole.mask, single.mask


def test_weight_on_what_gains_is_rewarded() -> None:
    market = market_of(planted(200, np.random.default_rng(1)), {})
    rules = AccountRules(limits=RiskLimits(max_symbol_notional=Decimal(1)))
    rewards = {}
    for name, weights in {"a": (1.0, 0.0), "b": (0.0, 1.0), "equal": (0.5, 0.5)}.items():
        env, total = env_of(market, 1, 1, WHOLE, rules), 0.0
        env.reset()
        ended = False
        while not ended:
            step = env.step(np.array([weights]))
            total, ended = total + float(step.rewards[0]), bool(step.ended[0])
        rewards[name] = total
    # 200 trades of 1 %, less what equal weights lose by costs
    assert rewards["a"] > 1_500
    assert rewards["b"] < -1_500
    assert rewards["equal"] == 0


def ruinous() -> VirtualMarket:
    a = [100.0, 100, 100, 100, 350, 350, 350, 350, 350, 350]
    series = {one.series: one for one in (as_candles("A/USD", a),)}
    asked = [scripted("A/USD", a, {1: (-1, np.nan), 6: (1, np.nan), 7: (1, np.nan)})]
    return market_of(Prepared(series, series, {}, asked), MARKETS)


def test_ruin_ends_an_episode_for_good_at_a_finite_price() -> None:
    chosen = replace(WHOLE, reward="log_growth")
    rules = AccountRules(limits=RiskLimits(max_symbol_notional=Decimal(1)), markets=MARKETS)
    env = env_of(ruinous(), 1, 1, chosen, rules)
    env.reset()
    step = env.step(np.ones((1, 1)))
    assert (step.ended[0], step.cut[0]) == (True, False)
    assert step.rewards[0] == pytest.approx(1_000 * np.log(LEAST))
    safe = env_of(ruinous(), 1, 1, chosen, rules)
    safe.reset()
    # no entry, no loss; the next signal is asked
    step = safe.step(np.zeros((1, 1)))
    assert (step.ended[0], step.rewards[0]) == (False, 0)


def test_a_growing_drawdown_costs_its_penalty() -> None:
    market = ruinous()
    plain = replace(WHOLE, reward="log_growth")
    rules = AccountRules(limits=RiskLimits(max_symbol_notional=Decimal(1)), markets=MARKETS)
    rewards = []
    for penalty in (0.0, 0.5):
        env = env_of(market, 1, 1, replace(plain, risk_penalty=penalty), rules)
        env.reset()
        rewards.append(float(env.step(np.full((1, 1), 0.1)).rewards[0]))
    fallen = 1 - np.exp(rewards[0] / 1_000)
    assert rewards[1] == pytest.approx(rewards[0] - 1_000 * 0.5 * fallen, rel=1e-5)


def test_what_cannot_be_is_refused_in_words() -> None:
    _, market = busy(2)
    shape = market.arrays.marks.shape
    mask = np.ones(shape, dtype=np.bool_)
    nothing = np.zeros((*shape, 2), dtype=np.float32)
    with pytest.raises(ValueError, match="closes of 3 instruments"):
        SignalEnv(market, nothing[1:], mask, RULES, 1, 1)
    with pytest.raises(ValueError, match="not finite"):
        SignalEnv(market, nothing + np.float32("nan"), mask, RULES, 1, 1)
    with pytest.raises(ValueError, match="no two closes"):
        env_of(market, 1, 1, EnvSettings(span=(5, 6)))
    quiet = market_of(replace(busy(2)[0], evaluated=[]), MARKETS)
    with pytest.raises(ValueError, match="no episode finds an entry signal"):
        env_of(quiet, 1, 1, EnvSettings())
    # too short for any decision; and none begins at the last close
    short = env_of(market, 50, 1, EnvSettings(days=(1e-9, 1e-9)))
    with pytest.raises(ValueError, match="no episode finds an entry signal"):
        short.reset()
    assert short._terms.latest == shape[0] - 2
    env = env_of(market, 2, 1, EnvSettings())
    with pytest.raises(ValueError, match="reset first"):
        env.step(np.zeros((2, 3)))
    env.reset()
    with pytest.raises(ValueError, match=r"weights \(2, 4\)"):
        env.step(np.zeros((2, 4)))
    for wrong in (-0.1, np.nan):
        with pytest.raises(ValueError, match="nothing was traded"):
            env.step(np.full((2, 3), wrong))
    with pytest.raises(ValueError, match="another environment"):
        env.restore(env_of(market, 3, 1, EnvSettings()).state())
    for name, bad in {
        "days": (3, 2), "cost_spread": 1, "budget": 0, "drops_instrument": -1, "reward": "much",
        "risk_penalty": -1, "halflife_days": 0, "cash": np.nan, "drops_configuration": 1,
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=name):
            EnvSettings(**{name: bad})  # type: ignore[arg-type]
