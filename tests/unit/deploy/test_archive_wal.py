"""The script that archives WAL: whole or not at all, and never over what is there."""

import gzip
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "deploy" / "postgres" / "archive-wal.sh"
NAME = "000000010000000000000001"


def archived(segment: Path, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), str(segment), name, str(folder)], capture_output=True, text=True, check=False
    )


def test_a_segment_is_kept_compressed_and_a_repeat_changes_nothing(tmp_path: Path) -> None:
    segment, archive = tmp_path / "segment", tmp_path / "archive"
    segment.write_bytes(b"wal" + bytes(100_000))
    archive.mkdir()
    for _ in range(2):
        assert archived(segment, NAME, archive).returncode == 0
        assert [path.name for path in archive.iterdir()] == [f"{NAME}.gz"]
        kept = archive / f"{NAME}.gz"
        assert gzip.decompress(kept.read_bytes()) == segment.read_bytes()
        assert kept.stat().st_size < 1_000
    # as a crash leaves it
    (archive / f"{NAME[:-1]}2.gz.partial").write_bytes(b"half")
    assert archived(segment, f"{NAME[:-1]}2", archive).returncode == 0
    assert sorted(path.name for path in archive.iterdir()) == [f"{NAME}.gz", f"{NAME[:-1]}2.gz"]


def test_another_servers_segment_is_not_overwritten(tmp_path: Path) -> None:
    segment, archive = tmp_path / "segment", tmp_path / "archive"
    archive.mkdir()
    segment.write_bytes(b"one")
    assert archived(segment, NAME, archive).returncode == 0
    segment.write_bytes(b"another")
    done = archived(segment, NAME, archive)
    assert done.returncode == 1
    assert "holds something else: is the folder another server's?" in done.stderr
    assert gzip.decompress((archive / f"{NAME}.gz").read_bytes()) == b"one"


def test_an_archive_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    segment = tmp_path / "segment"
    segment.write_bytes(b"one")
    assert archived(segment, NAME, tmp_path / "none").returncode != 0
