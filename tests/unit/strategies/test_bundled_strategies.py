"""What the rules of the strategies mean, by hand-made candles, and long runs of them all.

`test_strategies.py` holds every strategy to the properties; the four here remember more rows than
its short markets have, so the properties are asked again with short windows.
"""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_strategies import live_is_batch, market, prefix_is_unchanged, series

from tradepulse.candles.arrays import Candles
from tradepulse.research.simulate import SimulationRules, Simulator
from tradepulse.strategies import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    Evaluations,
    get_strategy,
    strategy_names,
)

SHORT = {
    "donchian_breakout": {"window": 8, "exit_window": 5, "atr_window": 4},
    "rsi_reversion": {"window": 2, "oversold": 30, "trend_window": 20, "atr_window": 4},
    "bollinger_squeeze": {"window": 6, "deviations": 1.5, "squeeze_atr": 2, "atr_window": 6},
    "supertrend": {"window": 3, "multiplier": 0.8},
}


def actions(found: Evaluations) -> dict[int, int]:
    return {i: int(action) for i, action in enumerate(found.action) if action}


@pytest.mark.parametrize("name", SHORT)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    noise=st.sampled_from([0.0, 1e-4, 0.01, 0.1]),
    ticks=st.sampled_from([0, 2, 6]),
    allow_short=st.sampled_from([0, 1]),
    cut=st.integers(0, 250),
)
def test_live_equals_batch_and_the_future_changes_nothing(
    name: str, seed: int, noise: float, ticks: int, allow_short: int, cut: int
) -> None:
    found = get_strategy(name)
    params = {**SHORT[name], "allow_short": allow_short}
    candles = market(250, seed, noise, ticks)

    def run(c: Candles) -> Evaluations:
        return found.run(c, params)

    assert live_is_batch(run, candles, found.lookback(params))
    assert prefix_is_unchanged(run, candles, cut)


@pytest.mark.parametrize("name", SHORT)
@pytest.mark.parametrize("allow_short", [0, 1])
def test_it_acts_and_sells_short_only_where_allowed(name: str, allow_short: int) -> None:
    found = get_strategy(name)
    result = found.run(market(4_000, 5, 0.005), {**SHORT[name], "allow_short": allow_short})
    counts = {action: int((result.action == action).sum()) for action in (1, -1, 2)}
    assert counts[ENTER_LONG] >= 10
    assert counts[EXIT] >= 10
    assert (counts[ENTER_SHORT] >= 10) == bool(allow_short)
    longs, shorts = result.action == ENTER_LONG, result.action == ENTER_SHORT
    close = market(4_000, 5, 0.005).close
    assert np.isfinite(result.stop[longs]).mean() > 0.9
    assert not (result.stop[longs] > close[longs]).any()
    assert not (result.stop[shorts] < close[shorts]).any()


def plain_positions(found: Evaluations) -> list[tuple[int, str]]:
    """Walk the actions as an account without stops: (row, what happens to the position)."""
    held, events = 0, []
    for i, action in enumerate(found.action.tolist()):
        if held and action == EXIT:
            held = 0
            events.append((i, "exit"))
        elif not held and action in (ENTER_LONG, ENTER_SHORT):
            held = action
            events.append((i, "long" if action == ENTER_LONG else "short"))
    return events


@pytest.mark.parametrize("name", SHORT)
def test_the_mirrored_market_is_traded_the_other_way_round(name: str) -> None:
    """Turn the market upside down: with shorts allowed, longs become shorts at the same rows."""
    up = market(3_000, 11, 0.003)
    # around 1000, where a difference is nearly a ratio; ranges and averages are exact mirrors
    top = 1_000.0

    def shifted(c: Candles, sign: float) -> Candles:
        high, low = (c.high, c.low) if sign > 0 else (c.low, c.high)
        columns = (top + sign * column for column in (c.open, high, low, c.close))
        return Candles("x", "A/USD", "30m", c.open_time, *columns, c.volume)

    params = {**SHORT[name], "allow_short": 1}
    right = get_strategy(name).run(shifted(up, 1.0), params).action
    mirrored = get_strategy(name).run(shifted(up, -1.0), params).action
    swapped = np.where(np.abs(mirrored) == 1, -mirrored, mirrored)
    # Supertrend begins downwards in both
    assert (swapped != right).mean() < 0.002
    assert (right != 0).sum() > 100


def test_donchian_buys_the_breakout_and_leaves_below_the_middle() -> None:
    params = {"window": 5, "exit_window": 3, "stop_atr": 1.5, "atr_window": 2}
    closes = [10.0] * 8 + [12, 13, 14, 15, 14, 12.9, 13]
    result = get_strategy("donchian_breakout").run(series(closes), params)
    # row 13: highs of the three before 15, 15, 14... and lows 13, 14, 14: the middle is 14
    assert actions(result) == {8: 1, 9: 1, 10: 1, 11: 1, 13: EXIT}
    # true ranges of 0 and 2 before the first entry
    assert result.stop[8] == 12 - 1.5 * 1.0


def test_donchian_needs_a_close_beyond_the_channel() -> None:
    params = {"window": 5, "exit_window": 3, "atr_window": 2}
    wick = series([10.0] * 9, high={8: 15.0})
    assert not get_strategy("donchian_breakout").run(wick, params).action.any()
    level = series([10.0] * 8 + [15.0], high={6: 15.0})
    assert not get_strategy("donchian_breakout").run(level, params).action.any()


def test_donchian_leaves_first_where_a_candle_crosses_and_breaks_out() -> None:
    params = {"window": 5, "exit_window": 5, "atr_window": 2}
    closes = [10.0, 10, 10, 10, 10, 10, 10, 8, 7, 13, 14, 14]
    found = get_strategy("donchian_breakout")
    # 8 is below the middle but lows of 10 are below no close before: row 7 breaks down
    assert actions(found.run(series(closes), params)) == {9: 1, 10: 1}
    both = actions(found.run(series(closes), {**params, "allow_short": 1}))
    assert both == {7: ENTER_SHORT, 8: ENTER_SHORT, 9: EXIT, 10: ENTER_LONG}


RSI = {"window": 2, "oversold": 30, "trend_window": 20, "atr_window": 2}


def risen(*then: float) -> Candles:
    """Sixty candles of slow rises and small falls, then the given closes."""
    closes = [100.0 + i + (0.8 if i % 2 else 0.0) for i in range(60)]
    return series([*closes, *then])


def test_rsi_buys_a_fall_in_a_rising_market_and_leaves_at_the_middle() -> None:
    result = get_strategy("rsi_reversion").run(risen(157, 155, 156, 160, 161), RSI)
    # gains of 1.8 and 0.2 by turns average 1.27; the falls of 2.8 and 2 give indices of 31 and 16
    assert {i: a for i, a in actions(result).items() if i >= 60} == {61: ENTER_LONG, 63: EXIT}
    # those falls are the true ranges too
    assert result.stop[61] == pytest.approx(155 - 3 * 2.4)


def test_rsi_ignores_a_fall_below_the_long_average() -> None:
    found = get_strategy("rsi_reversion")
    crash = risen(120, 110, 100)
    assert ENTER_LONG not in found.run(crash, RSI).action[60:]
    assert ENTER_LONG in found.run(crash, {**RSI, "trend_filter": 0}).action[60:]
    falling = series([200.0 - i - (0.8 if i % 2 else 0.0) for i in range(60)] + [146, 147, 140])
    assert actions(found.run(falling, RSI)) == {60: EXIT}
    # the rise passes 50 and the level at once, so a long would be left first
    shorts = actions(found.run(falling, {**RSI, "allow_short": 1}))
    assert shorts == {60: EXIT, 61: ENTER_SHORT, 62: EXIT}


def test_rsi_without_a_stop() -> None:
    result = get_strategy("rsi_reversion").run(risen(157, 155), {**RSI, "stop_atr": 0})
    assert ENTER_LONG in result.action[60:]
    assert np.isnan(result.stop).all()


SQUEEZE = {"window": 5, "deviations": 2, "squeeze_atr": 1.5, "stop_atr": 1, "atr_window": 2}


@pytest.mark.parametrize(("closes", "enters"), [
    ([100, 100.1] * 6 + [103], True),
    ([100, 100.1] * 6 + [100.15], False),  # inside the band
    ([100, 104, 108, 112] * 3 + [130], False),  # was not quiet
])  # fmt: skip
def test_squeeze_needs_quiet_and_a_break(closes: list[float], enters: bool) -> None:
    # candles a point high and low around their closes: true ranges of about 2
    candles = series(
        closes,
        high={i: c + 1 for i, c in enumerate(closes)},
        low={i: c - 1 for i, c in enumerate(closes)},
    )
    result = get_strategy("bollinger_squeeze").run(candles, SQUEEZE)
    last = len(closes) - 1
    assert (result.action[last] == ENTER_LONG) == enters
    if enters:
        # the last candle's range reaches down to the close before
        ranges = (candles.high[last - 1] - candles.low[last - 1], 104 - 100.1)
        assert result.stop[last] == pytest.approx(103 - sum(ranges) / 2)


def test_squeeze_leaves_at_the_average() -> None:
    closes = [100, 100.1] * 6 + [103, 104, 105, 102]
    candles = series(
        closes,
        high={i: c + 1 for i, c in enumerate(closes)},
        low={i: c - 1 for i, c in enumerate(closes)},
    )
    result = get_strategy("bollinger_squeeze").run(candles, SQUEEZE)
    # the average of 100, 100.1, 103, 104 and 105 is 102.42
    assert plain_positions(result) == [(12, "long"), (15, "exit")]


def test_a_flat_close_does_not_break_out_by_rounding() -> None:
    for price in (0.1, 0.3, 7777.77, 1e-7):
        closes = [price] * 60
        candles = series(
            closes,
            high=dict.fromkeys(range(60), price * 1.01),
            low=dict.fromkeys(range(60), price * 0.99),
        )
        for window in (5, 7, 13):
            params = {"window": window, "allow_short": 1}
            assert not get_strategy("bollinger_squeeze").run(candles, params).action.any()


TREND = {"window": 2, "multiplier": 0.5}


def trending() -> Candles:
    """Falls for 80 candles, rises for 15, falls again."""
    return series([*(200.0 - i for i in range(80)), *(124.0 + 3 * i for i in range(15)), 150, 140])


def test_supertrend_buys_the_turn_with_the_line_as_stop() -> None:
    candles = trending()
    result = get_strategy("supertrend").run(candles, TREND)
    assert plain_positions(result) == [(80, "long"), (95, "exit")]
    # from 121 to 124: the middle less half the mean of ranges of 1 and 3
    assert result.stop[80] == 122.5 - 0.5 * 2
    without = get_strategy("supertrend").run(candles, {**TREND, "line_stop": 0})
    assert np.isnan(without.stop).all()


def test_supertrend_with_shorts_leaves_at_the_turn_and_enters_after_it() -> None:
    result = get_strategy("supertrend").run(trending(), {**TREND, "allow_short": 1})
    late = {i: a for i, a in actions(result).items() if i >= 80}
    assert late == {80: EXIT, 81: ENTER_LONG, 95: EXIT, 96: ENTER_SHORT}
    assert result.stop[96] >= trending().close[96]


@pytest.mark.parametrize(
    ("name", "params", "rows"),
    [
        ("donchian_breakout", {"window": 55, "exit_window": 40, "stop_atr": 0}, 57),
        ("donchian_breakout", {"window": 10, "exit_window": 4, "atr_window": 20}, 23),
        ("rsi_reversion", {"window": 4, "trend_window": 200}, 202),
        ("rsi_reversion", {"window": 14, "trend_window": 20}, 21 * 14 + 3),
        ("rsi_reversion", {"window": 4, "trend_filter": 0, "trend_window": 300}, 87),
        ("bollinger_squeeze", {"window": 20, "atr_window": 14}, 22),
        ("supertrend", {"window": 10, "multiplier": 3}, 50 + 360 + 10 + 2),
    ],
)
def test_lookbacks(name: str, params: Mapping[str, float], rows: int) -> None:
    assert get_strategy(name).lookback(params) == rows


def test_a_longer_exit_channel_than_the_entry_s_is_refused() -> None:
    with pytest.raises(ValueError, match=r"exit_window \(40\) must be at most window \(30\)"):
        get_strategy("donchian_breakout").vector({"window": 30})


@pytest.mark.parametrize("name", strategy_names())
def test_every_strategy_trades_by_its_defaults(name: str) -> None:
    candles = market(6_000, 21, 0.004)
    found = get_strategy(name).run(candles, {})
    simulation = Simulator(SimulationRules()).run(candles, found)
    assert len(simulation.entry) >= 10
