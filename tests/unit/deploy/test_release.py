"""`make release` in a copy of the project: cut once, whole; refused before anything is changed."""

import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("contracts", "tradepulse", "market_ingest", "optimizer_svc", "rl_svc", "signal_svc",
            "executor_svc", "studio_svc")  # fmt: skip
STABLE = "tests/operations/RELEASE"
FILES = ("pyproject.toml", "CHANGELOG.md", "deploy/release.py", "docs/reference", STABLE)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules", "dist", "*.parquet", "*.gz")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the project as it is now, on main, without a tag."""
    folder = tmp_path_factory.mktemp("release") / "original"
    for name in (*PACKAGES, *FILES):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".gitignore").write_text("__pycache__/\n")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    commit(folder, "everything")
    return folder


@pytest.fixture
def clone(original: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "--quiet", str(original), "clone")
    return tmp_path / "clone"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(folder: Path, message: str) -> None:
    git(folder, "commit", "--quiet", "--all", "--message", message)


def release(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    identity = {f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")}  # fmt: skip
    return subprocess.run(
        [sys.executable, "deploy/release.py", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "PYTHONPATH": str(folder), **identity},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def refused(folder: Path, *arguments: str) -> str:
    before = git(folder, "rev-parse", "HEAD"), git(folder, "status", "--porcelain")
    done = release(folder, *arguments)
    assert done.returncode == 1, done
    [line] = done.stderr.splitlines()
    assert line.startswith("no release: ")
    assert (git(folder, "rev-parse", "HEAD"), git(folder, "status", "--porcelain")) == before
    assert not git(folder, "tag", "--list", "v3*")
    return line


def test_a_version_is_cut_whole(clone: Path) -> None:
    done = release(clone, "3.0.0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        "v3.0.0 is cut. Look at it (git show v3.0.0), then: git push origin main v3.0.0"
    )
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "cat-file", "-t", "v3.0.0") == "tag"
    assert git(clone, "log", "-1", "--format=%s", "v3.0.0") == "house: Release 3.0.0"
    assert 'version = "3.0.0"' in (clone / "pyproject.toml").read_text()
    assert '__version__ = "3.0.0"' in (clone / "tradepulse" / "version.py").read_text()
    # what is generated holds it, too
    assert json.loads((clone / "docs/reference/openapi.json").read_text())["info"]["version"] == (
        "3.0.0"
    )
    asyncapi = sorted((clone / "docs" / "reference" / "asyncapi").glob("*.json"))
    assert len(asyncapi) > 4
    for path in asyncapi:
        assert json.loads(path.read_text())["info"]["version"] == "3.0.0", path
    # nothing of the changelog is lost
    was, now = (ROOT / "CHANGELOG.md").read_text(), (clone / "CHANGELOG.md").read_text()
    day = datetime.now(UTC).date().isoformat()
    assert f"## [Unreleased]\n\n## [3.0.0] - {day}\n\n" in now
    assert "To become" not in now
    assert re.findall(r"(?m)^- .*$", now) == re.findall(r"(?m)^- .*$", was)

    # the release runs beside the one before it, what comes after it beside the release
    assert git(clone, "log", "--format=%s", "v3.0.0..main") == "tests: Run beside the release 3.0.0"
    assert git(clone, "diff", "--name-only", "v3.0.0..main") == STABLE
    before, *rest = (ROOT / STABLE).read_text().splitlines()
    assert git(clone, "show", f"v3.0.0:{STABLE}").splitlines() == [before, *rest]
    assert (clone / STABLE).read_text().splitlines() == ["v3.0.0", *rest]

    # the next one needs something new, and a higher number
    assert "has nothing under [Unreleased]" in refused_again(clone, "3.1.0")
    assert "3.0.0 is released already: 2.9.9 is not above it" in refused_again(clone, "2.9.9")
    assert "is released already" in refused_again(clone, "3.0.0")


def refused_again(folder: Path, version: str) -> str:
    done = release(folder, version)
    assert done.returncode == 1
    assert git(folder, "tag", "--list") == "v3.0.0"
    return done.stderr


@pytest.mark.parametrize("version", ["", "3", "3.0", "v3.0.0.0", "03.0.0", "3.0.0rc1", "3.0.0\n"])
def test_what_is_no_version_is_refused(clone: Path, version: str) -> None:
    assert "is no version" in refused(clone, version)


def test_without_a_version_it_says_how(clone: Path) -> None:
    assert "say make release VERSION=0.2.0" in refused(clone)


@pytest.mark.parametrize("name", ["CHANGELOG.md", "new.txt"])
def test_a_tree_with_changes_is_refused(clone: Path, name: str) -> None:
    with (clone / name).open("a") as file:
        file.write("more\n")
    assert "the working tree has changes" in refused(clone, "3.0.0")


def test_another_branch_is_refused(clone: Path) -> None:
    git(clone, "switch", "--quiet", "--create", "feature")
    assert "this is the branch feature" in refused(clone, "3.0.0")
