"""Cut a version: `make release VERSION=0.2.0`.

Writes the version where it stands, gives the changelog's *Unreleased* its number and date, renews
what is generated from the version, commits and tags. The commit after it names the tag as the
release that the code from then on must run beside. Nothing is pushed. It refuses before anything is
changed.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

PLACES = {
    "pyproject.toml": r'(?m)^(version = ")[^"]+(")$',
    "tradepulse/version.py": r'(?m)^(__version__ = ")[^"]+(")$',
}
"""Where the version stands: file, and what stands around it."""
GENERATED: Sequence[Sequence[str]] = (
    ("-m", "studio_svc.openapi"),
    ("-m", "tradepulse.cli.asyncapi", "docs/reference/asyncapi"),
)
CHANGELOG = Path("CHANGELOG.md")
STABLE = Path("tests/operations/RELEASE")
"""Names the last release in its first line, for the test that rolls from it to the present code."""
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_UNRELEASED = "## [Unreleased]\n"


class RefusedError(RuntimeError):
    """No version can be cut; the message says why and what to do."""


def git(*arguments: str) -> str:
    """Run git and return what it says.

    Raises:
        RefusedError: it fails.
    """
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607 - the git on the path
    if done.returncode:
        raise RefusedError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def check(version: str) -> str:
    """Return the changelog's *Unreleased*, once nothing speaks against a release.

    Raises:
        RefusedError: something does.
    """
    if not _VERSION.fullmatch(version):
        raise RefusedError(f"{version!r} is no version: say make release VERSION=0.2.0")
    if git("status", "--porcelain"):
        raise RefusedError("the working tree has changes: commit or stash them")
    if (branch := git("branch", "--show-current")) != "main":
        raise RefusedError(f"this is the branch {branch or '(none)'}: releases are cut on main")
    tags = [tag[1:] for tag in git("tag", "--list", "v*").split() if _VERSION.fullmatch(tag[1:])]
    latest = max(tags, key=numbers, default=None)
    if latest is not None and numbers(version) <= numbers(latest):
        raise RefusedError(f"{latest} is released already: {version} is not above it")
    log = CHANGELOG.read_text(encoding="utf-8")
    if log.count(_UNRELEASED) != 1:
        raise RefusedError(f"{CHANGELOG} has no single section [Unreleased]")
    unreleased = log.partition(_UNRELEASED)[2].partition("\n## [")[0]
    if "- " not in unreleased:
        raise RefusedError(f"{CHANGELOG} has nothing under [Unreleased]: say what is new")
    return unreleased


def numbers(version: str) -> list[int]:
    """Return a version's numbers, by which versions are ordered."""
    return [int(part) for part in version.split(".")]


def write(version: str, unreleased: str, today: str) -> None:
    """Write the version everywhere."""
    for name, pattern in PLACES.items():
        path = Path(name)
        text, count = re.subn(pattern, rf"\g<1>{version}\g<2>", path.read_text(encoding="utf-8"))
        if count != 1:
            raise RefusedError(f"{name} holds the version {count} times, not once")
        path.write_text(text, encoding="utf-8")
    said = re.sub(r"\n*To become [0-9.]+\.\n", "\n", unreleased)
    section = f"{_UNRELEASED}\n## [{version}] - {today}\n"
    log = CHANGELOG.read_text(encoding="utf-8")
    CHANGELOG.write_text(log.replace(_UNRELEASED + unreleased, section + said), encoding="utf-8")
    for arguments in GENERATED:
        subprocess.run([sys.executable, *arguments], check=True)  # noqa: S603 - our own programs


def name_stable(tag: str) -> None:
    """Name a tag as the last release; what follows in the file stays."""
    _, _, rest = STABLE.read_text(encoding="utf-8").partition("\n")
    STABLE.write_text(f"{tag}\n{rest}", encoding="utf-8")


def main() -> None:
    """Cut the version that is given."""
    version = sys.argv[1].removeprefix("v") if len(sys.argv) > 1 else ""
    tag = f"v{version}"
    try:
        write(version, check(version), datetime.now(UTC).date().isoformat())
        git("commit", "--all", "--message", f"house: Release {version}")
        git("tag", "--annotate", tag, "--message", f"TradePulse {version}")
        # not before it: the release itself must run beside the one before
        name_stable(tag)
        git("commit", "--all", "--message", f"tests: Run beside the release {version}")
    except RefusedError as error:
        sys.exit(f"no release: {error}")
    print(f"{tag} is cut. Look at it (git show {tag}), then: git push origin main {tag}")


if __name__ == "__main__":
    main()
