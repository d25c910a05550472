"""What a rule is shown by its names, and all that it may answer."""

import math
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from test_strategies import market

from tradepulse.candles.arrays import Candles
from tradepulse.strategies import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    MOVE,
    NONE,
    Evaluations,
    Param,
    Strategy,
    StrategyError,
    _names,
    compiled,
    enter_long,
    enter_short,
    hold,
    leave,
    strategy,
    times,
)
from tradepulse.strategies._names import FEATURES, PARAMETERS, named
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.features import highest, sma
from tradepulse.strategies.market import columns_of
from tradepulse.strategies.read_only import read_only

CANDLES = market(200, 4)
"""Half hours from 1970-01-01 on, a Thursday."""


@compiled
def _above(i, c, f):
    return c.close[i] > f.mean[i]


def _every(i, c, f, p):  # noqa: PLR0911 - one for each turn
    """Idea: none. Source: none."""
    turn = c.open_time[i] // 1_800_000 % 10
    if turn == 0:
        return enter_long(stop=c.low[i] * 0.9, target=c.close[i] * 1.5, confidence=0.25)
    if turn == 1:
        return enter_short(limit=c.close[i] * 1.01, trail=f.top[i] * 0.1)
    if turn == 2:
        return enter_long(
            c.low[i] * 0.5, targets=((0, c.close[i] * 2.0), (120, c.close[i] * 1.1), (1440, 7))
        )
    if turn == 3:
        return leave()
    if turn == 4:
        return hold(stop=c.low[i])
    if turn == 5:
        return hold(stop=math.nan)
    if turn == 6:
        return hold(stop=-1.0)
    if turn == 7:
        return enter_long(stop=c.close[i] - times(p.factor, f.top[i]), trail=0.0)
    if turn == 8 and _above(i, c, f):
        return enter_short(stop=int(c.high[i]) + 1)
    return hold()


@pytest.fixture(scope="module")
def every() -> Iterator[Strategy]:
    yield strategy(
        space=(Param("factor", 0, 1),),
        defaults={"factor": 0},
        features={"mean": sma("atr_window"), "top": highest("atr_window")},
        name="every",
    )(_every)
    del STRATEGIES["every"]


def at(found: Evaluations, turn: int) -> dict[str, list[float]]:
    rows = slice(40 + turn, None, 10)
    names = ("action", "stop", "take_profit", "limit", "trail", "confidence")
    return {name: getattr(found, name)[rows].tolist() for name in names}


def test_every_answer_says_what_it_names(every: Strategy) -> None:
    found = every.run(CANDLES, {})
    assert found.confidence is not None
    assert found.targets is not None
    rows = np.arange(40, 200, 10)
    low, close = CANDLES.low, CANDLES.close
    first = at(found, 0)
    assert first["action"] == [ENTER_LONG] * 16
    assert first["stop"] == (low[rows] * 0.9).tolist()
    assert first["take_profit"] == (close[rows] * 1.5).tolist()
    assert first["confidence"] == [0.25] * 16
    short = at(found, 1)
    top = every.columns(CANDLES, every.vector({}))[1]
    assert short["action"] == [ENTER_SHORT] * 16
    assert short["limit"] == (close[rows + 1] * 1.01).tolist()
    assert short["trail"] == (top[rows + 1] * 0.1).tolist()
    assert np.isnan(short["confidence"]).all()
    falling = found.targets[:, rows + 2]
    assert at(found, 2)["stop"] == (low[rows + 2] * 0.5).tolist()
    assert falling[:6].tolist() == [
        [0.0] * 16, (close[rows + 2] * 2.0).tolist(),
        [120.0] * 16, (close[rows + 2] * 1.1).tolist(),
        [1440.0] * 16, [7.0] * 16,
    ]  # fmt: skip
    assert np.isnan(falling[6:]).all()
    assert np.isnan(found.targets[:, rows]).all()
    assert at(found, 3)["action"] == [EXIT] * 16
    moved = at(found, 4)
    assert moved["action"] == [MOVE] * 16
    assert moved["stop"] == low[rows + 4].tolist()
    assert np.isnan([moved["take_profit"], moved["limit"], moved["trail"]]).all()
    # no level, one that no price reaches, and nothing said
    assert [at(found, turn)["action"] for turn in (5, 6, 9)] == [[NONE] * 16] * 3


def test_a_factor_of_zero_is_no_level_and_a_trail_of_zero_none(every: Strategy) -> None:
    off, on = at(every.run(CANDLES, {}), 7), at(every.run(CANDLES, {"factor": 0.5}), 7)
    assert off["action"] == on["action"] == [ENTER_LONG] * 16
    assert np.isnan([off["stop"], off["trail"], on["trail"]]).all()
    top = every.columns(CANDLES, every.vector({}))[1]
    assert on["stop"] == (CANDLES.close[47::10] - 0.5 * top[47::10]).tolist()


def test_common_parameters_come_before_an_entry_s_own(every: Strategy) -> None:
    found = at(every.run(CANDLES, {"limit_atr": 0.5, "trail_atr": 2, "atr_window": 5}), 1)
    own = at(every.run(CANDLES, {"atr_window": 5}), 1)
    unit = np.array(found["trail"]) / 2
    np.testing.assert_allclose(found["limit"], CANDLES.close[41::10] + 0.5 * unit)
    assert not set(found["trail"]) & set(own["trail"])


def test_live_says_confidence_and_steps_too(every: Strategy) -> None:
    vector, lookback = every.vector({}), every.lookback({})
    found = every.evaluate(CANDLES, vector)
    shown = read_only(np.array(columns_of(CANDLES)[:5]))
    times_ = read_only(CANDLES.open_time)
    levels = (found.stop, found.take_profit, found.limit, found.trail, found.confidence)
    assert found.targets is not None
    whole = np.array([found.action, *levels, *found.targets]).T
    # the actions of refused entries are asked for elsewhere
    rows = np.setdiff1d(np.arange(200), found.refused)
    alone = [every.last(shown, times_, row + 1, lookback, vector) for row in rows.tolist()]
    assert np.array(alone)[rows[rows >= lookback - 1] - rows[0]].tobytes() != b""
    for answer, row in zip(alone, rows.tolist(), strict=True):
        said = [whole[row, 0]] + [math.nan] * 13 if answer[0] == NONE else whole[row]
        np.testing.assert_array_equal(answer, said)


def test_who_gives_no_confidence_has_no_array_of_it() -> None:
    found = STRATEGIES["sma_cross"]
    said = found.run(CANDLES, {"fast": 3, "slow": 8})
    assert (said.confidence, said.targets) == (None, None)
    assert not found.is_confident
    assert not found.has_steps


def _by_place(i, c, f, p):
    return enter_long(math.nan, math.nan, math.nan, math.nan, 0.5) if i == 30 else hold()


def _clocked(i, c, f, p):
    if c.weekday[i] == 4 and c.hour[i - 1] < 14 <= c.hour[i]:
        return enter_long(stop=c.close[i] - c.hour[i] * 0.01)
    return leave() if c.weekday[i] >= 5 else hold()


@pytest.fixture(scope="module")
def clocked() -> Iterator[Strategy]:
    yield strategy(space=(), defaults={}, features={}, name="clocked")(_clocked)
    del STRATEGIES["clocked"]


def test_confidence_given_by_its_place_is_said_at_the_first_entry() -> None:
    made = strategy(space=(), defaults={}, features={}, name="wrong")(_by_place)
    try:
        with pytest.raises(StrategyError, match="raises ValueError: confidence and targets are gi"):
            made.run(CANDLES, {})
    finally:
        del STRATEGIES["wrong"]


def test_hour_and_weekday_are_those_of_the_open_in_utc(clocked: Strategy) -> None:
    rng = np.random.default_rng(3)
    opens = np.sort(rng.choice(60 * 365 * 48, 500, replace=False)) * 1_800_000
    columns = (np.ones(500),) * 5
    c = columns_of(Candles("x", "A/USD", "30m", opens, *columns))
    told = [datetime.fromtimestamp(one / 1000, UTC) for one in opens.tolist()]
    assert c.hour.tolist() == [one.hour for one in told]
    assert c.weekday.tolist() == [one.weekday() for one in told]
    # two weeks of half hours from a Thursday on: compiled code reads the same
    weeks = market(672, 8)
    found = clocked.run(weeks, {})
    shown = columns_of(weeks)
    fridays = np.flatnonzero((shown.weekday == 4) & (shown.hour == 14))[::2]
    assert np.flatnonzero(found.action == ENTER_LONG).tolist() == fridays.tolist()
    assert found.stop[fridays].tolist() == (weeks.close[fridays] - 0.14).tolist()
    assert (found.action == EXIT).tolist() == (shown.weekday >= 5).tolist()


def test_a_named_tuple_is_found_by_its_fields_in_any_process() -> None:
    made = named(FEATURES, ("fast", "slow"))
    assert made is named(FEATURES, ("fast", "slow"))
    assert made is not named(PARAMETERS, ("fast", "slow"))
    code = (
        "import pickle, sys; one = pickle.loads(bytes.fromhex(sys.argv[1]));"
        "print(one._fields, one(1, slow=2).slow)"
    )
    passed = pickle.dumps(made).hex()
    done = subprocess.run([sys.executable, "-c", code, passed], capture_output=True, check=True)
    assert done.stdout.decode() == "('fast', 'slow') 2\n"
    with pytest.raises(AttributeError):
        _ = _names.nothing


HELPED = """
from tradepulse.strategies import Param, compiled, enter_long, hold, strategy
from tradepulse.strategies.features import sma


@compiled
def above(i, c, f, p):
    return c.close[i] > f.mean[i] + p.rise


@strategy(space=(Param("n", 2, 9), Param("rise", 0, 9)), defaults={"n": 3, "rise": 0.5},
          features={"mean": sma("n")})
def helped(i, c, f, p):
    return enter_long() if above(i, c, f, p) else hold()
"""
RUN = """
import sys
import numpy as np
from tradepulse.candles.arrays import Candles
from tradepulse.strategies import get_strategy
from tradepulse.strategies.files import load_strategy_file
from tradepulse.strategies.read_only import read_only
load_strategy_file(sys.argv[1])
found, x = get_strategy("helped"), np.arange(10.0) + 100
said = found.run(Candles("x", "A/B", "1h", np.arange(10), x, x, x, x, x), {})
found.last(read_only(np.ones((5, 9))), read_only(np.arange(9)), 9, 4, found.vector({}))
hits = [sum(one.dispatcher.stats.cache_hits.values()) for one in (found._evaluate, found.last)]
print(int(said.action.sum()), *hits)
"""


def test_code_with_names_in_it_is_found_in_the_cache(tmp_path: Path) -> None:
    path, cache = tmp_path / "helped.py", tmp_path / "cache"
    path.write_text(HELPED)

    def call() -> tuple[str, int]:
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(path)],
            env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip(), len(list(cache.rglob("*.nbc")))

    said, stored = call()
    assert said == "7 0 0"
    # nor does it store anything again
    assert call() == ("7 1 1", stored)
