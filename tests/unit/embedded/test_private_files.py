"""Other users of the machine see nothing of a run; libraries are what they should be."""

import os
import stat
import sys
from pathlib import Path

from tradepulse.embedded import jars
from tradepulse.embedded.children import Children
from tradepulse.embedded.state import StateFolder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_state_folder_and_what_it_keeps_are_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    StateFolder.open(folder).close()
    # an older version left these open
    (folder / "kafka").mkdir()
    for path in (folder, folder / "logs", folder / "kafka"):
        path.chmod(0o755)
    state = StateFolder.open(folder)
    state.token()
    state.close()
    assert {mode(folder / name) for name in (".", "logs", "kafka")} == {0o700}
    assert mode(state.token_file) == 0o600


async def test_a_log_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        async with Children() as children:
            argv = [sys.executable, "-c", "print('a secret trade')"]
            child = children.spawn("a", argv, log=tmp_path / "a.log")
            assert await child.wait(60)
    finally:
        os.umask(before)
    assert mode(tmp_path / "a.log") == 0o600


def test_a_library_with_another_checksum_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jar").write_bytes(b"a")
    (tmp_path / "b.jar").write_bytes(b"b")
    # pragma: allowlist nextline secret
    right = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    wanted = {"a.jar": right, "b.jar": right, "c.jar": right}
    assert jars.wrong_jars(tmp_path, wanted) == ["b.jar", "c.jar"]
    assert jars.wrong_jars(tmp_path, {"a.jar": right}) == ["b.jar"]
    assert not jars.present(tmp_path)


def test_every_library_has_a_checksum() -> None:
    assert len(jars.SHA256) > 40
    assert all(name.endswith(".jar") and len(value) == 64 for name, value in jars.SHA256.items())
    assert "kafka-server-4.4.0.jar" in jars.SHA256
