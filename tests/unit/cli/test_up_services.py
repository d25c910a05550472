"""What `tradepulse up` starts, and what each part is told."""

import sys
from pathlib import Path
from typing import Any, cast

import pytest

from tradepulse.cli.up.services import EARLY, INGEST, STUDIO, TRAINER, Services
from tradepulse.embedded.children import Children
from tradepulse.embedded.state import StateFolder


class Spawned(Children):
    """Keeps what would have been started."""

    def __init__(self) -> None:
        self.started: list[tuple[str, list[str], dict[str, str]]] = []

    def spawn(self, name: str, argv: Any, *, log: Path, env: Any = None, **_: Any) -> Any:
        self.started.append((name, list(argv), dict(env)))


def services(folder: Path, children: Children) -> Services:
    state = StateFolder.open(folder / "state")
    connections = {"DATABASE_URL": "postgresql://x@h/d"}
    return Services(state, children, connections, {}, "replay", 0)


async def test_the_trainer_is_a_part_where_torch_is_installed(tmp_path: Path) -> None:
    children = Spawned()
    made = services(tmp_path, children)
    assert made.late == (INGEST, TRAINER)
    assert made.urls.keys() == {*EARLY, INGEST, TRAINER}
    for name in (TRAINER, "rl_svc"):
        await made.program(name).start()
    (_, argv, environment), (_, other, _) = children.started
    assert argv == [sys.executable, "-m", "rl_svc.trainer"]
    assert other == [sys.executable, "-m", "rl_svc.app"]
    assert environment["TRAINER_FOLDER"] == str(tmp_path / "state" / "trainer")
    assert environment["DATABASE_URL"] == "postgresql://x@h/d"
    await made.program(STUDIO).start()
    assert TRAINER in children.started[-1][2]["STUDIO_SERVICES"]


def test_without_torch_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", cast(Any, None))
    made = services(tmp_path, Spawned())
    assert made.late == (INGEST,)
    assert TRAINER not in made.urls


def test_prometheus_is_told_of_every_service(tmp_path: Path) -> None:
    made = services(tmp_path, Spawned())
    told = {one["labels"]["job"]: one["targets"] for one in cast("Any", made.targets())}
    assert told == {name: [url.removeprefix("http://")] for name, url in made.urls.items()}
    assert told[INGEST][0].startswith("127.0.0.1:")
