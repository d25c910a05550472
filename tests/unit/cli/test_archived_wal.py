"""Which archived WAL a kept backup still needs."""

import json
from pathlib import Path

import pytest

from tradepulse.cli.backup.physical import drop_wal
from tradepulse.cli.errors import CliError


def backup(folder: Path, day: int, server: int, timeline: int, lsn: str) -> None:
    made = folder / f"tradepulse-201801{day:02}T000000Z.base"
    made.mkdir(parents=True)
    manifest = {
        "System-Identifier": server,
        "WAL-Ranges": [{"Timeline": timeline, "Start-LSN": lsn, "End-LSN": "9/0"}],
    }
    (made / "backup_manifest").write_text(json.dumps(manifest))


def segment(timeline: int, high: int, low: int) -> str:
    return f"{timeline:08X}{high:08X}{low:08X}"


def test_what_comes_before_the_oldest_backup_of_this_server_goes(tmp_path: Path) -> None:
    folder, archive = tmp_path / "backups", tmp_path / "archive"
    archive.mkdir()
    # of a server that was lost; its places in the log are others
    backup(folder, 1, server=1, timeline=1, lsn="7/5000028")
    backup(folder, 2, server=2, timeline=1, lsn="1/2000028")
    backup(folder, 3, server=2, timeline=2, lsn="1/8000028")
    goes = [segment(1, 0, 255), segment(1, 1, 0), segment(1, 1, 1), segment(2, 1, 1)]
    stays = [segment(1, 1, 2), segment(1, 1, 3), segment(2, 1, 2), segment(2, 2, 0)]
    goes.append(f"{segment(1, 1, 1)}.00000028.backup")
    stays += ["00000002.history", f"{segment(1, 1, 2)}.00000028.backup"]
    for name in (*goes, *stays):
        (archive / f"{name}.gz").write_text("")
    (archive / "archive-wal.sh").write_text("")
    assert drop_wal(folder, archive) == len(goes)
    left = {path.name for path in archive.iterdir()}
    assert left == {"archive-wal.sh", *(f"{name}.gz" for name in stays)}


def test_without_a_backup_nothing_goes(tmp_path: Path) -> None:
    (tmp_path / f"{segment(1, 0, 1)}.gz").write_text("")
    with pytest.raises(CliError, match="make one first"):
        drop_wal(tmp_path, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
