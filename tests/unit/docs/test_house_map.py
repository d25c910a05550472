"""CONTRIBUTING's map of the house: every room is in it, and all that it names is there."""

import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[3]
HOUSE = (
    (ROOT / "CONTRIBUTING.md").read_text().partition("\n## The house\n")[2].partition("\n## ")[0]
)
PACKAGES = ("contracts", "tradepulse", "market_ingest", "optimizer_svc", "rl_svc", "signal_svc",
            "executor_svc", "studio_svc")  # fmt: skip


def pattern(path: str) -> str:
    """Return a glob pattern: `<page>` stands for any name."""
    return re.sub(r"<\w+>", "*", path.rstrip("/"))


def test_every_path_of_the_map_is_there() -> None:
    paths = re.findall(r"`([\w.<>-]+/[\w./<>-]*)`", HOUSE)
    assert len(paths) > 60
    missing = sorted({path for path in paths if not any(ROOT.glob(pattern(path)))})
    assert not missing


def test_every_room_is_in_the_map() -> None:
    rooms = [pattern(room) for room in re.findall(r"(?m)^\| `([\w/<>]+/)` \|", HOUSE)]
    packages = [
        folder.parent.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for folder in sorted((ROOT / package).rglob("__init__.py"))
        if "node_modules" not in folder.parts
    ]
    assert len(packages) > 20
    # a room stands for itself only: `*` must not reach over a slash
    missing = [
        package
        for package in packages
        if not any(
            fnmatchcase(package, room) and package.count("/") == room.count("/") for room in rooms
        )
    ]
    assert not missing


def test_the_layers_are_those_that_import_linter_holds() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layered = [
        contract
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    (house,) = (c["layers"] for c in layered if "tradepulse" in c["layers"])
    (library,) = (c["layers"] for c in layered if c.get("containers") == ["tradepulse"])
    place = house.index("tradepulse")
    house[place : place + 1] = library
    drawn = re.search(r"(?s)```text\n(.*?)\n```", HOUSE)
    assert drawn is not None
    assert drawn[1].splitlines() == house
