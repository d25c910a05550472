"""Other versions of this project as folders of code: the stable release, and one that may come."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RELEASE = Path(__file__).with_name("RELEASE")
"""Names the stable release in its first line."""
NEXT = (
    ("contracts/events.py", 'Source = Literal["live", ', 'Source = Literal["resampled", "live", '),
    ("contracts/events.py", "    source: Source\n", "    source: Source\n    trades: int = 0\n"),
    ("market_ingest/replay.py", 'source="replay",', 'source="resampled",\n trades=7,'),
)
"""What the version after this one changes, in its files: candles gain a source and a field."""


def stable_release(folder: Path) -> Path:
    """Unpack the stable release; return where it lies."""
    name = RELEASE.read_text().split()[0]
    # whoever owns the checkout: nothing of it is run by git
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT)]
    archive = folder / "release.tar"
    made = subprocess.run(
        [*git, "archive", "-o", str(archive), name], check=False, capture_output=True, text=True
    )
    if made.returncode:
        pytest.fail(
            f"the stable release {name} (tests/operations/RELEASE) is not in this checkout: "
            f"{' '.join(made.stderr.split())}; in a shallow clone say "
            "`git fetch --unshallow --tags`, and run this in a clone, not in a copy without .git"
        )
    code = folder / "release"
    shutil.unpack_archive(archive, code, filter="data")
    kernels = Path("tradepulse/strategies")
    if sources(code / kernels) == sources(ROOT / kernels):
        # the same compiled kernels: to compile them anew takes longer than the whole test
        shutil.rmtree(code / kernels)
        (code / kernels).symlink_to(ROOT / kernels)
    return code


def sources(folder: Path) -> dict[Path, bytes]:
    """Return the Python files of a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.py")}


def next_version(folder: Path) -> Path:
    """Copy the present code as the version after it would be; return where it lies."""
    code = folder / "next"
    for package in ("contracts", "tradepulse", "market_ingest"):
        ignored = shutil.ignore_patterns("__pycache__", "*.parquet")
        shutil.copytree(ROOT / package, code / package, ignore=ignored)
    for name, before, after in NEXT:
        text = (code / name).read_text()
        assert text.count(before) == 1, f"{name} has no longer one {before!r}"
        (code / name).write_text(text.replace(before, after))
    return code
