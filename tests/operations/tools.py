"""The tools of Prometheus that these tests run."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTMANAGER = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
PACKAGES = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
    "prometheus-node-exporter": "prometheus-node-exporter",
}
"""Debian's packages by the programs in them."""


def program(name: str) -> str:
    """Give the path of a program."""
    found = shutil.which(name)
    if found is None:
        raise AssertionError(
            f"{name} is not on the path, and these tests run the real one: on Debian and Ubuntu "
            f"apt install {PACKAGES[name]}"
        )
    return found


def ran(name: str, *arguments: str | Path) -> str:
    """Run a program to its end; give what it said, and fail with it where it failed."""
    done = subprocess.run(
        [program(name), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
