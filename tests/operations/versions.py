"""Other versions of this project as folders of code: the stable release, and one that may come."""

import re
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
        # from where they are compiled already: numba's cache goes by the path, and to compile them
        # anew takes longer than the whole test
        shutil.rmtree(code / kernels)
        with (code / "tradepulse" / "__init__.py").open("a") as package:
            package.write(f"\n__path__.append({str(ROOT / 'tradepulse')!r})\n")
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


TAKES_AWAY = re.compile(
    r"\bdrop\s+(?:table|view|column|function|trigger)\s+(?:if\s+exists\s+)?(\w+)"
    r"|\brename\s+(?:column\s+)?(\w+)\s+to\b"
    r"|\balter\s+table\s+(\w+)\s+rename\s+to\b"
    r"|\balter\s+column\s+(\w+)\s+(?:set\s+data\s+)?(?:type|set\s+not\s+null|drop\s+default)"
    r"|\badd\s+column\s+(?:if\s+not\s+exists\s+)?(\w+)(?![^,;]*\bdefault\b)[^,;]*\bnot\s+null\b",
    re.IGNORECASE,
)
"""What older code would miss or be refused by; of a new column, that it must be given."""


def taken_away(sql: str) -> set[str]:
    """Return the names of what a migration takes from the code that ran before it."""
    spoken = re.sub(r"--[^\n]*", "", sql)
    return {name for found in TAKES_AWAY.findall(spoken) for name in found if name}


def uses(code: Path, name: str) -> list[str]:
    """Return the files of a version that say a name of the database."""
    word = re.compile(rf"\b{name}\b")
    packages = (path for path in code.iterdir() if (path / "__init__.py").is_file())
    files = (file for package in packages for file in sorted(package.rglob("*.py")))
    return [str(file.relative_to(code)) for file in files if word.search(file.read_text())]
