"""Compiled code is cached, and forgotten when any rule changes."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tradepulse.strategies.compiled import Compiled, instance, reordered

ALONE = """
import fcntl, os, sys
from numba.core.caching import IndexDataCacheFile as Files
sys.path.insert(0, sys.argv[1])
held = []
def noted(call):
    def note(self, *args):
        folder = os.open(self._cache_path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.append(call.__name__)
        os.close(folder)
        return call(self, *args)
    return note
Files.load, Files.save = noted(Files.load), noted(Files.save)
import rule
print(rule.inner(1.0), *held)
"""

CALL = """
import sys
from pathlib import Path
from tradepulse.strategies import compiled
compiled.RULES = (Path(sys.argv[1]),)
sys.path.insert(0, sys.argv[1])
import rule
print(rule.outer(1.0), sum(rule.outer.dispatcher.stats.cache_hits.values()))
"""

INSTANCE = """
import sys
sys.path.insert(0, sys.argv[1])
from tradepulse.strategies.compiled import compiled, instance
import template, user
loop = instance(template.loop, "user", {"_decide": user.decide})
print(loop(3), sum(loop.dispatcher.stats.cache_hits.values()))
"""


def called(code: str, folder: Path, cache: Path) -> str:
    return subprocess.run(
        [sys.executable, "-B", "-c", code, str(folder)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_a_change_in_a_users_file_compiles_the_instance_of_a_template_anew(
    tmp_path: Path,
) -> None:
    def decide(step: int) -> None:
        (tmp_path / "user.py").write_text(
            "from tradepulse.strategies.compiled import compiled\nfrom helper import add\n"
            "@compiled\ndef decide(i):\n    return add(i)\n"
        )
        (tmp_path / "helper.py").write_text(
            "from tradepulse.strategies.compiled import compiled\n"
            f"@compiled\ndef add(i):\n    return i + {step}\n"
        )

    (tmp_path / "template.py").write_text(
        "def _decide(i):\n    raise NotImplementedError\n"
        "def loop(n):\n    total = 0\n    for i in range(n):\n        total += _decide(i)\n"
        "    return total\n"
    )
    decide(0)
    assert called(INSTANCE, tmp_path, tmp_path / "cache") == "3 0"
    assert called(INSTANCE, tmp_path, tmp_path / "cache") == "3 1"
    decide(10)
    assert called(INSTANCE, tmp_path, tmp_path / "cache") == "33 0"
    assert called(INSTANCE, tmp_path, tmp_path / "cache") == "33 1"


def test_two_instances_of_a_template_keep_their_own_code() -> None:
    def apart(function: Callable[[int], int]) -> int:
        return instance(twice, "one_name", {"_inner": Compiled(function)})(5)

    assert apart(lambda i: i + 1) == 12
    assert apart(lambda i: i + 2) == 14


def _inner(i: int) -> int:
    raise NotImplementedError


def twice(i: int) -> int:
    return _inner(i) * 2


def test_a_function_over_variables_is_compiled_without_the_cache() -> None:
    def made(step: int) -> Compiled[[int], int]:
        def add(i: int) -> int:
            return i + step

        return Compiled(add)

    assert made(1)(5) == 6
    assert made(2)(5) == 7


def test_division_by_zero_is_infinite_as_in_numpy() -> None:
    assert Compiled(lambda x: 1.0 / x)(0.0) == float("inf")


def test_a_change_in_a_called_file_compiles_anew(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "inner.py").write_text("def inner(x):\n    return x + 1\n")
    (rules / "rule.py").write_text(
        "from inner import inner\nfrom tradepulse.strategies.compiled import compiled\n"
        "fast_inner = compiled(inner)\n@compiled\ndef outer(x):\n    return fast_inner(x)\n"
    )

    def call() -> str:
        return called(CALL, rules, tmp_path / "cache")

    assert call() == "2.0 0"
    assert call() == "2.0 1"
    (rules / "inner.py").write_text("def inner(x):\n    return x + 10\n")
    assert call() == "11.0 0"
    assert call() == "11.0 1"


def test_one_process_at_a_time_uses_the_cache(tmp_path: Path) -> None:
    (tmp_path / "rule.py").write_text(
        "from tradepulse.strategies.compiled import compiled\n"
        "@compiled\ndef inner(x):\n    return x + 1\n"
    )
    assert called(ALONE, tmp_path, tmp_path / "cache") == "2.0 load save"
    assert called(ALONE, tmp_path, tmp_path / "cache") == "2.0 load"


def test_a_reordered_sum_is_close_and_keeps_what_is_not_finite() -> None:
    total = reordered(_total)
    some = np.random.default_rng(1).normal(size=10_001)
    assert total(some) == pytest.approx(math.fsum(some), rel=1e-12)
    some[7] = np.nan
    assert math.isnan(total(some))


def _total(some: np.ndarray) -> float:
    made = 0.0
    for one in some:
        made += one
    return made
