"""Compiled code is cached, and forgotten when any rule changes."""

import os
import subprocess
import sys
from pathlib import Path

CALL = """
import sys
from pathlib import Path
from tradepulse.trading import compiled
compiled.RULES = Path(sys.argv[1])
sys.path.insert(0, sys.argv[1])
import rule
print(rule.outer(1.0), sum(rule.outer.dispatcher.stats.cache_hits.values()))
"""


def test_a_change_in_a_called_file_compiles_anew(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "inner.py").write_text("def inner(x):\n    return x + 1\n")
    (rules / "rule.py").write_text(
        "from inner import inner\nfrom tradepulse.trading.compiled import compiled\n"
        "fast_inner = compiled(inner)\n@compiled\ndef outer(x):\n    return fast_inner(x)\n"
    )

    def call() -> str:
        return subprocess.run(
            [sys.executable, "-B", "-c", CALL, str(rules)],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert call() == "2.0 0"
    assert call() == "2.0 1"
    (rules / "inner.py").write_text("def inner(x):\n    return x + 10\n")
    assert call() == "11.0 0"
    assert call() == "11.0 1"
