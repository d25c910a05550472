"""What users' strategies do wrong: refused when it compiles, or told in one line, or counted."""

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from test_strategies import market

from tradepulse.research.simulate import SimulationRules, Simulator
from tradepulse.research.sweep import Sweep
from tradepulse.strategies import ENTER_LONG, NONE, StrategyError, get_strategy
from tradepulse.strategies import files as strategy_files
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.evaluate import (
    Configuration,
    entries_in,
    evaluations_of,
    signals_of,
)
from tradepulse.strategies.files import StrategyFileError, load_strategy_file
from tradepulse.trading.backtest import backtest
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import EqualWeights

CANDLES = market(400, 5)
"""`x:A/USD:30m` from 1970 on."""

OWN = '''\
import math

import numpy as np

from tradepulse.strategies import Answer, Feature, Param, compiled, strategy
from tradepulse.strategies import enter_long, enter_short, hold, leave
from tradepulse.strategies.answers import NO_STEPS
from tradepulse.strategies.features import sma


@compiled
def inner(column, i):
    column[i] = 0.0


@compiled
def sums(column, i):
    total = 0.0
    for value in column:
        total += value
    return total / (i - i)


@compiled
def _own(open_, high, low, close, volume, args):
    out = close * 2.0
    FEATURE
    return out


@strategy(
    name="NAME",
    space=(Param("n", 1, 20, integer=True), Param("m", 1, 20)),
    defaults={"n": 2, "m": 1},
    features={"mean": sma("n"), "own": Feature(_own, ("n",), int)},
)
def own(i, c, f, p):
    """Idea: none. Source: none."""
    DECIDE
    return hold()


def answer(action):
    return Answer(action, math.nan, math.nan, math.nan, math.nan, math.nan, NO_STEPS)


answer = compiled(answer)
'''
NOTHING = "pass"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Write a strategy file with a rule, or a feature; its strategies are forgotten afterwards."""
    before = set(STRATEGIES)

    def written(decide: str = NOTHING, *, feature: str = NOTHING, name: str = "own") -> Path:
        path = tmp_path / f"{name}.py"
        text = OWN.replace("NAME", name)
        path.write_text(
            text.replace("DECIDE", decide.replace("\n", "\n    ")).replace("FEATURE", feature)
        )
        return path

    yield written
    for name in set(STRATEGIES) - before:
        del STRATEGIES[name]
    strategy_files._loaded.clear()


def configuration(**params: float) -> Configuration:
    whole = get_strategy("own").complete(params)
    return Configuration(UUID(int=1), "own", "x", "A/USD", "30m", whole)


WRITES = [
    "c.open[i] = c.open[i] * 0.5",
    "c.close[i] += 1.0",
    "c.volume[:] = 0.0",
    "c.high[i : i + 1] = 0.0",
    "view = c.low[1:]\nview[0] = 0.0",
    "one = c.open if i > 3 else c.close\none[i] = 0.0",
    "columns = (c.open, c.close)\ncolumns[1][i] = 0.0",
    "inner(c.close, i)",
    "back = c.close[::-1]\nback[0] = 0.0",
    "np.add(c.close, 1.0, c.close)",
    "np.asarray(c.close)[i] = 0.0",
    "c.close.view(np.int64)[i] = 0",
    "c.open_time[i] = 0",
    "f.mean[i] = 0.0",
    "f.own[i - 1] = 0.0",
    "p.n = 5.0",
    "f.mean = c.close",
    "c.close.fill(1.0)",
    "c.close.sort()",
    "np.random.shuffle(c.close)",
]


@pytest.mark.parametrize("statement", WRITES)
def test_a_strategy_that_writes_into_what_it_is_shown_does_not_compile(
    write: Write, statement: str
) -> None:
    path = write(statement)
    with pytest.raises(StrategyFileError) as caught:
        load_strategy_file(path)
    said = str(caught.value)
    assert said.startswith(f"strategy file {path}")
    assert "own does not compile: it writes into its columns" in said
    assert "\n" not in said
    assert "own" not in STRATEGIES


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("c.close.flat[i] = 0.0", "flat"),
        ("for one in np.nditer(c.close):\n    one[()] = 0.0", "nditer"),
        ("with objmode:\n    c.close[0] = 0.0", "objmode"),
        ("with hidden:\n    c.close[0] = 0.0", "hidden"),
        ("around(c.close)", "flat"),
        ("np.nan_to_num(c.close, False)", "nan_to_num"),
        ("np.ascontiguousarray(c.close)[0] = 0.0", "ascontiguousarray"),
    ],
)
def test_nor_does_one_that_could_by_what_numba_does_not_judge(
    write: Write, statement: str, name: str
) -> None:
    path = write(statement)
    more = (
        "from numba import njit, objmode\n\nhidden = objmode\n\n\n"
        "@njit\ndef around(column):\n    column.flat[0] = 0.0\n"
    )
    path.write_text(more + path.read_text())
    with pytest.raises(StrategyFileError, match=f"own: (own|around) uses {name}, which may write"):
        load_strategy_file(path)


@pytest.mark.parametrize(
    "statement",
    ["close[0] = 1.0", "np.add(volume, 1.0, volume)", "inner(open_, 0)", "close.sort()"],
)
def test_nor_does_one_whose_feature_does(write: Write, statement: str) -> None:
    with pytest.raises(StrategyFileError, match="own does not compile: it writes into its columns"):
        load_strategy_file(write(feature=statement))


def test_a_feature_may_write_into_what_it_made(write: Write) -> None:
    load_strategy_file(write(feature="out[0] = 0.0; out.sort(); out.fill(3.0); inner(out, 0)"))
    found = get_strategy("own")
    columns = found.columns(CANDLES, found.vector({}))
    assert columns[1].tolist() == [0.0, *[3.0] * 399]
    # but nobody may, once it is made
    assert not any(column.flags.writeable for column in columns)


FAULTS = {
    3: ('raise ValueError("boom")', "raises ValueError: boom"),
    4: ("raise KeyError", "raises KeyError"),
    5: ("return answer(7)", "answers 7; return enter_long(…), enter_short(…), leave() or hold()"),
    # 257 is ENTER_LONG for who keeps a byte of it
    6: ("return answer(257)", "answers 257; return enter_long(…), "),
    7: ("return answer(-7)", "answers -7; return enter_long(…), "),
    8: (
        "return enter_long(stop=-math.inf, target=math.inf)",
        "answers with stop -inf; a level is a price, or NaN for none",
    ),
    9: (
        "return enter_short(target=1.0 / (i - 300))",
        "answers with target inf; a level is a price, or NaN for none",
    ),
    10: ("return hold(stop=math.inf)", "answers with stop inf; a level is a price, or NaN"),
    11: ("return enter_long(limit=math.inf)", "answers with limit inf; a level is a price, or "),
    12: ("return enter_long(trail=math.inf)", "answers with trail inf; a level is a price, or "),
    13: (
        "return enter_long(confidence=1.5)",
        "answers with confidence 1.5; it is above 0, at most 1",
    ),
    14: ("return enter_short(confidence=-0.0)", "answers with confidence -0; it is above 0, at"),
    15: (
        "return enter_long(targets=((0, 9e9), (60, math.inf)))",
        "answers with the price of step 2 inf; a level is a price, or NaN for none",
    ),
}
"""By the parameter at which each is made."""


def test_a_fault_is_one_line_with_strategy_series_and_candle(write: Write) -> None:
    rules = [f"if i >= 300 and p.n == {n}:\n    {rule}" for n, (rule, _) in FAULTS.items()]
    load_strategy_file(write("\n".join(rules)))
    found = get_strategy("own")
    # row 300 of half hours
    where = "strategy own on x:A/USD:30m, candle of 1970-01-07 06:00 UTC (301 of 400): "
    sweep = Sweep(CANDLES, found, SimulationRules(), threads=2)
    for n, (_, says) in FAULTS.items():
        with pytest.raises(StrategyError) as caught:
            backtest([CANDLES], [configuration(n=n)], AccountRules(), EqualWeights())
        assert str(caught.value).startswith(where + says)
        assert caught.value.row == 300
        for run in (
            partial(Simulator(SimulationRules()).trade, CANDLES, found, found.vector({"n": n})),
            partial(sweep.run, np.stack([found.vector({"n": k}) for k in (1, n, 2)])),
        ):
            with pytest.raises(StrategyError) as caught:
                run()
            assert str(caught.value).startswith(where + says)
            assert str(caught.value).endswith(f"; with n={n}")
            assert "\n" not in str(caught.value)


def test_a_feature_s_fault_is_told_with_the_first_candle_that_makes_it(write: Write) -> None:
    load_strategy_file(write(feature='if len(close) > 350: raise RuntimeError("too many candles")'))
    with pytest.raises(StrategyError, match=r"own on x:A/USD:30m, .* \(351 of 400\): raises Runt"):
        get_strategy("own").run(CANDLES, {})


def test_what_is_plain_python_of_a_strategy_fails_in_one_line_too(write: Write) -> None:
    path = write()
    text = path.read_text()
    path.write_text(
        text.replace("    features=", "    constraint=lambda p: p['none'],\n    features=")
    )
    with pytest.raises(StrategyFileError, match=r"own: its constraint raises KeyError: 'none'$"):
        load_strategy_file(path)
    path.write_text(text.replace('("n",), int)', '("n",), lambda n: 1 / (n - 3))'))
    load_strategy_file(path)
    with pytest.raises(StrategyError, match="own: the rows of a feature raise ZeroDivisionError"):
        get_strategy("own").lookback({"n": 3})


ENTERS = "if i % 20 == 5:\n    return enter_{side}(stop={stop}, target={target})"
STOP = "its stop is on the wrong side of the price"
TARGET = "its target is on the wrong side of the price"


LEVELS = [
    ("long", "c.close[i] * 1.05", "math.nan", STOP),
    ("long", "math.nan", "c.close[i] * 0.95", TARGET),
    ("long", "c.close[i] * 1.05", "c.close[i] * 0.95", STOP),
    # a price below zero is below the price, too
    ("long", "math.nan", "c.close[i] - 1000.0", TARGET),
    ("short", "c.close[i] * 0.95", "math.nan", STOP),
    ("short", "-1.0", "math.nan", STOP),
    ("short", "math.nan", "c.close[i] * 1.05", TARGET),
    ("long", "c.close[i]", "c.close[i]", None),
    ("short", "c.close[i]", "c.close[i]", None),
    ("long", "-1.0", "math.nan", None),
    ("short", "math.nan", "0.0", None),
]


def test_an_entry_with_a_level_on_the_wrong_side_is_refused_and_counted(write: Write) -> None:
    rules = [
        f"if i % 20 == 5 and p.m == {n}:\n    return enter_{side}(stop={stop}, target={target})"
        for n, (side, stop, target, _) in enumerate(LEVELS, 1)
    ]
    load_strategy_file(write("\n".join(rules)))
    found = get_strategy("own")
    for n, (_, _, _, reason) in enumerate(LEVELS, 1):
        said = found.run(CANDLES, {"m": n})
        entries = entries_in(said, CANDLES)
        assert entries.asked == 20
        assert entries.refused == ({} if reason is None else {reason: 20})
        assert np.count_nonzero(said.action) == (20 if reason is None else 0)
        assert entries.first_refused == (None if reason is None else 5 * 1_800_000)
        # the account and the simulator are told the same
        simulator = Simulator(SimulationRules(allows_margin=True))
        simulated = simulator.trade(CANDLES, found, found.vector({"m": n}))
        assert (len(simulated.entry) == 0) is (reason is not None)
        result = backtest([CANDLES], [configuration(m=n)], AccountRules(), EqualWeights())
        assert result.entries[UUID(int=1)] == entries
        if reason is not None:
            assert not result.trades
            assert not result.refused


def test_entries_refused_for_their_limit_are_counted_too(write: Write) -> None:
    load_strategy_file(
        write(ENTERS.format(side="long", stop="c.close[i] * 0.999", target="math.nan"))
    )
    near = entries_in(get_strategy("own").run(CANDLES, {"limit_atr": 2}), CANDLES)
    assert near.refused == {"its stop comes before its limit": near.asked}
    far = entries_in(get_strategy("own").run(market(400, 5, 0.3), {"limit_atr": 10}), CANDLES)
    assert far.refused.get("its limit is at or below zero", 0) > 0


def test_levels_that_are_no_number_are_counted(write: Write) -> None:
    # the stop of an indicator that is not defined in every second entry
    load_strategy_file(
        write(
            ENTERS.format(
                side="long",
                stop="c.close[i] - math.sqrt(-1.0 if i % 40 == 5 else 0.25)",
                target="c.close[i] + 1.0",
            )
        )
    )
    found = entries_in(get_strategy("own").run(CANDLES, {}), CANDLES)
    assert (found.asked, found.without_stop, found.without_target) == (20, 10, 0)
    # a trailing stop is one
    trailed = get_strategy("own").run(CANDLES, {"trail_atr": 2})
    assert entries_in(trailed, CANDLES).without_stop == 0
    late = entries_in(evaluations_of(configuration(), CANDLES, 200), CANDLES, 200)
    assert (late.asked, late.without_stop) == (10, 5)


def test_one_that_fails_leaves_the_results_of_others_alone(write: Write) -> None:
    good = Configuration(UUID(int=2), "sma_cross", "x", "A/USD", "30m", {"fast": 3, "slow": 8})
    alone = list(signals_of(good, CANDLES))
    before = CANDLES.close.copy()
    load_strategy_file(write("if i == 300:\n    raise ValueError"))
    with pytest.raises(StrategyError):
        list(signals_of(configuration(), CANDLES))
    assert list(signals_of(good, CANDLES)) == alone
    assert CANDLES.close.tobytes() == before.tobytes()
    assert CANDLES.close.flags.writeable


def test_the_account_never_sees_a_level_that_it_would_have_to_judge(write: Write) -> None:
    stop = "c.close[i] * (1.05 if i % 40 == 5 else 0.95)"
    load_strategy_file(write(ENTERS.format(side="long", stop=stop, target="math.nan")))
    result = backtest(
        [CANDLES], [configuration()], AccountRules(), EqualWeights(), cash=Decimal(1_000)
    )
    assert result.entries[UUID(int=1)].refused == {STOP: 10}
    said = get_strategy("own").run(CANDLES, {})
    rows = np.flatnonzero(said.action == ENTER_LONG)
    assert rows.tolist() == list(range(25, 400, 40))
    assert said.refused.tolist() == list(range(5, 400, 40))
    assert all(said.action[said.refused] == NONE)
    assert all(math.isnan(stop) for stop in said.stop[said.refused])
