"""The trainer as a process: what it needs, and what it does without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rl_svc.training.process import locked
from tradepulse.runtime.settings import RefusedError

SET = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **SET, "TRAINER_FOLDER": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_without_torch_it_ends_at_once_with_one_line(tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from rl_svc.trainer import main; main()"
    ended = run(code, tmp_path / "unused")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "the trainer needs torch, which is not installed: install it with `make rl`, or "
        "`pip install 'tradepulse[rl-train]'`\n"
    )
    assert not (tmp_path / "unused").exists()


def test_a_trainer_without_work_does_not_load_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom rl_svc.trainer import TrainerSettings\n"
        "from rl_svc.training.process import TrainerProcess\n"
        "TrainerProcess(TrainerSettings())\n"
        "assert 'torch' not in sys.modules and 'stable_baselines3' not in sys.modules"
    )
    ended = run(code, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_without_its_database_it_ends_with_one_line(tmp_path: Path) -> None:
    ended = run("from rl_svc.trainer import main; main()", tmp_path)
    assert ended.returncode == 1
    settings, line = (ended.stdout + ended.stderr).splitlines()
    assert '"message": "settings"' in settings
    assert "the database of DATABASE_URL cannot be used" in line


def test_a_folder_is_for_one_trainer(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(RefusedError, match=f"another trainer works in {tmp_path}: one at a time"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(RefusedError, match="cannot be written: "), locked(tmp_path / "file" / "x"):
        pass
