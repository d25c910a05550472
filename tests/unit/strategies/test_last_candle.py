"""One candle asked for by itself, as live, is answered as in the evaluation of the whole series."""

from collections.abc import Iterator
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_strategies import market, markets, params_of

from tradepulse.candles.arrays import Candles
from tradepulse.strategies import (
    ENTER_LONG,
    EXIT,
    NONE,
    REFUSALS,
    Param,
    Strategy,
    enter_long,
    enter_short,
    get_strategy,
    hold,
    leave,
    strategy,
    strategy_names,
)
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.evaluate import (
    Configuration,
    Said,
    evaluations_of,
    last_of,
    signal_of,
    signals_of,
)
from tradepulse.strategies.read_only import read_only


def configured(name: str, params: dict[str, float], *, exits_only: bool = False) -> Configuration:
    return Configuration(UUID(int=7), name, "x", "A/USD", "30m", params, exits_only=exits_only)


def shown(candles: Candles) -> np.ndarray:
    """The columns in one array with room behind them, which holds anything."""
    room = np.full((5, len(candles) + 9), np.nan)
    room[:, : len(candles)] = (
        candles.open,
        candles.high,
        candles.low,
        candles.close,
        candles.volume,
    )
    return read_only(room)


def all_last(configuration: Configuration, candles: Candles) -> list[Said | None]:
    columns, times = shown(candles), read_only(candles.open_time)
    return [last_of(configuration, columns, times, row + 1) for row in range(len(candles))]


def whole(configuration: Configuration, candles: Candles) -> list[Said | None]:
    """What the evaluation of the series says, with what it refuses in its place."""
    found = evaluations_of(configuration, candles)
    actions = found.action.copy()
    actions[found.refused] = found.refused_for
    levels = (found.stop, found.take_profit, found.limit, found.trail)
    return [
        Said(
            int(actions[row]),
            *(float(level[row]) for level in levels),
            found.max_candles,
            np.nan if found.confidence is None else float(found.confidence[row]),
            () if found.targets is None else found.targets[:, row].tolist(),
            found.cooldown,
        )
        if actions[row] != NONE
        else None
        for row in range(len(candles))
    ]


def bits(said: list[Said | None]) -> bytes:
    return np.concatenate([np.hstack(one or [np.inf]) for one in said]).tobytes()


@pytest.mark.parametrize(
    # one that has other sources is evaluated as a series
    "name",
    [name for name in strategy_names() if not get_strategy(name).has_sources],
)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), candles=markets)
def test_a_candle_alone_is_answered_to_the_bit(
    name: str, data: st.DataObject, candles: Candles
) -> None:
    one = configured(name, data.draw(params_of(get_strategy(name))))
    assert bits(all_last(one, candles)) == bits(whole(one, candles))


@pytest.fixture
def every_answer() -> Iterator[Strategy]:
    """A strategy of this file: enters, with right and wrong levels, leaves, and fails, in turns."""

    @strategy(
        name="every_answer",
        space=(Param("fails_at", 0, 1_000),),
        defaults={"fails_at": 0},
        features={},
        shift=0,
    )
    def decide(i, c, f, p):
        """Idea: none. Source: none."""
        turn = int(c.volume[i])
        if turn == p.fails_at and turn > 0:
            raise ValueError("no such turn")
        if turn % 4 == 0:
            return enter_long(stop=c.close[i] * (1.1 if turn % 8 == 0 else 0.9))
        if turn % 4 == 1:
            return leave()
        if turn % 4 == 2:
            return enter_short(target=c.close[i] * 0.5)
        return hold()

    yield decide
    del STRATEGIES["every_answer"]


def turning(count: int) -> Candles:
    candles = market(count, 3)
    return Candles(
        *(candles.exchange, candles.symbol, candles.timeframe, candles.open_time, candles.open),
        *(candles.high, candles.low, candles.close, np.arange(float(count))),
    )


@pytest.mark.parametrize(
    "params",
    [{}, {"trail_atr": 2, "max_candles": 5, "atr_window": 4}, {"limit_atr": 2, "atr_window": 4}],
)
def test_what_is_refused_and_what_is_off_is_answered_too(
    every_answer: Strategy, params: dict[str, float]
) -> None:
    candles = turning(60)
    one = configured(every_answer.name, params)
    said = all_last(one, candles)
    assert bits(said) == bits(whole(one, candles))
    actions = {answer.action for answer in said if answer}
    assert {ENTER_LONG, EXIT} < actions
    assert actions & set(REFUSALS)


@pytest.mark.parametrize("exits_only", [False, True])
def test_a_candle_alone_gives_the_signal_that_the_series_gives(
    every_answer: Strategy, exits_only: bool
) -> None:
    candles = turning(60)
    one = configured(every_answer.name, {"max_candles": 5}, exits_only=exits_only)
    found = {
        row: signal
        for row, said in enumerate(all_last(one, candles))
        if said is not None
        and said.action not in REFUSALS
        and (signal := signal_of(one, said, int(candles.open_time[row]), candles.close[row]))
    }
    assert found == dict(signals_of(one, candles))
    assert {signal.action for signal in found.values()} == (
        {"exit"} if exits_only else {"enter_long", "enter_short", "exit"}
    )


def test_an_entry_at_a_limit_of_zero_gives_no_signal() -> None:
    one = configured("sma_cross", {})
    for limit, is_one in ((-1.0, False), (0.0, False), (0.1, True), (np.nan, True)):
        said = Said(ENTER_LONG, np.nan, np.nan, limit, np.nan, 0)
        assert (signal_of(one, said, 0, 100.0) is not None) is is_one


def test_a_candle_that_it_fails_at_raises_and_no_other(every_answer: Strategy) -> None:
    candles = turning(12)
    one = configured(every_answer.name, {"fails_at": 7})
    columns, times = shown(candles), read_only(candles.open_time)
    for end in (7, 9):
        last_of(one, columns, times, end)
    with pytest.raises(ValueError, match="no such turn"):
        last_of(one, columns, times, 8)


def test_of_no_candle_nothing_is_said(every_answer: Strategy) -> None:
    # this is how a strategy is compiled before its first candle comes
    columns, times = read_only(np.ones((5, 2))), read_only(np.arange(2))
    assert last_of(configured(every_answer.name, {}), columns, times, 0) is None
