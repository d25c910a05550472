"""The trainer: a process of its own beside rl_svc, which decides and knows no torch.

`python -m rl_svc.trainer` works off trainings, one at a time, at the lowest priority.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field

from tradepulse.runtime.settings import load_settings
from tradepulse.strategies.files import StrategyFiles

NICENESS = 10
"""Training gives way to whatever trades."""
NEEDED = ("torch", "stable_baselines3")


class TrainerSettings(StrategyFiles):
    """Where the trainer keeps what it has learned so far, and how much of the machine it uses."""

    trainer_folder: Path = Path(".tradepulse/trainer")
    """Folder of the checkpoints; whoever can write there can have this process run code."""
    trainer_processes: int | None = Field(default=None, ge=1, le=256)
    """Seeds side by side; as many as there are processors by default."""
    heartbeat_s: float = Field(default=5.0, gt=0, le=300)
    """A job whose trainer is silent for three of these is taken over."""


def lacking() -> str:
    """Return the line that says what is not installed; empty where all is."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if not missing:
        return ""
    return (
        f"the trainer needs {missing[0]}, which is not installed: install it with `make rl`, or "
        "`pip install 'tradepulse[rl-train]'`"
    )


def main() -> None:
    """Run the trainer."""
    if line := lacking():
        sys.stderr.write(line + "\n")
        sys.exit(2)
    settings = load_settings(TrainerSettings)
    os.nice(NICENESS)
    from rl_svc.training.process import run_trainer  # noqa: PLC0415 - it needs torch

    run_trainer(settings)


if __name__ == "__main__":
    main()
