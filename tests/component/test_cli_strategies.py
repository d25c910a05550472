"""A strategist's first hour: begin a file, check it, run its test, hear of what is slow."""

import html
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tradepulse as tp
from tests.command import invoke
from tradepulse.cli.research.checking import speeds
from tradepulse.strategies import Param, Strategy, enter_long, files, hold, strategy
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.columns import column
from tradepulse.strategies.made_candles import random_walk
from tradepulse.strategies.market import Market


def sleepy(c: Market, _window: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    time.sleep(0.002)
    return c.close


@pytest.fixture
def slow() -> Iterator[Strategy]:
    @strategy(
        space=(Param("window", 1, 9),),
        defaults={"window": 3},
        features={"sleepy": column(sleepy, "window", rows=64)},
    )
    def slow(i, c, f, p):  # type: ignore[no-untyped-def]  # as users write it
        if f.sleepy[i] > f.sleepy[i - 1]:
            return enter_long()
        return hold()

    yield slow
    del STRATEGIES["slow"]


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Forget afterwards what a file has registered."""
    before = dict(STRATEGIES)
    yield
    STRATEGIES.clear()
    STRATEGIES.update(before)
    files._loaded.clear()


def test_a_strategy_is_begun_checked_and_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: None
) -> None:
    monkeypatch.chdir(tmp_path)
    out, _ = invoke("strategies", "new", "dips")
    assert out == (
        "wrote dips.py and test_dips.py\ncheck it: tradepulse strategies check dips.py\n"
    )
    out, _ = invoke("strategies", "check", "dips.py")
    assert "ok    dips: look-ahead: " in out
    # Python is told the same
    found = tp.look_ahead("dips.py")
    assert found.passed
    assert len(found.lines) == 2
    assert not set(found.lines) - set(out.splitlines())
    assert found._repr_html_() == f"<pre>{html.escape(str(found))}</pre>"
    looks_back = r"it looks back 101 candles of 30m \(2 days, 2:30:00\)"
    takes = r"[\d.]+ µs a candle, [\d.]+ µs where it comes alone"
    assert re.search(rf"ok    dips: speed: {takes}; {looks_back}", out)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_dips.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_a_project_passes_its_own_test_and_its_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "cannot be the name of a strategy" in invoke("new", "no-name", status=1)[1]
    assert list(tmp_path.iterdir()) == []
    assert invoke("new", "waves")[0] == (
        "wrote waves: .gitignore, README.md, settings.env, test_waves.py, waves.ipynb, waves.py\n"
        "check it: cd waves && tradepulse strategies check waves.py\n"
    )
    line = invoke("new", "waves", status=1)[1]
    assert line == "tradepulse new: waves is there already; give another name, or remove it\n"
    monkeypatch.chdir(tmp_path / "waves")
    assert "STRATEGY_FILES=waves.py" in Path("settings.env").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    known: dict[str, Any] = {}
    for cell in json.loads(Path("waves.ipynb").read_text())["cells"]:
        exec("".join(cell["source"]), known)
    assert len(known["run"].trades) > 10


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("there", "test_there.py is there already; give another name, or remove it"),
        ("sma_cross", "there is a strategy 'sma_cross'; give another name"),
        ("no-name", "'no-name' cannot be the name of a strategy: give one of letters"),
    ],
)
def test_a_beginning_overwrites_nothing(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("test_there.py").write_text("mine")
    assert words in invoke("strategies", "new", name, status=1)[1]
    assert [one.name for one in tmp_path.iterdir()] == ["test_there.py"]
    assert Path("test_there.py").read_text() == "mine"


def test_a_slow_column_is_told(slow: Strategy) -> None:
    told = speeds(slow, random_walk(500), {})
    assert [kind for kind, _ in told] == ["ok", "note"]
    assert re.search(r"column sleepy takes [\d.]+ ms for a live candle: give fewer", told[1][1])
