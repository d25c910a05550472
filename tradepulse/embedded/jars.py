"""The broker's Java libraries: fetched once for each user, kept in the cache folder.

Each must be what it was when its checksum was written down (`jars.sha256`), whoever served it.
"""

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import platformdirs

from tradepulse.embedded.children import EmbeddedError

COORDINATE = "org.apache.kafka:kafka_2.13:4.4.0+org.slf4j:slf4j-simple:1.7.36"
_MARKER = "checked"
"""Tells what was checked; a folder of before there were checksums has another."""
_CHECKSUMS = resources.files("tradepulse.embedded").joinpath("jars.sha256").read_text()
SHA256: dict[str, str] = dict(line.split()[::-1] for line in _CHECKSUMS.splitlines())
_CHECKED = f"{COORDINATE} {hashlib.sha256(_CHECKSUMS.encode()).hexdigest()}"


def jar_folder() -> Path:
    """Name the folder that holds (or will hold) the jars of `COORDINATE`."""
    cache = Path(platformdirs.user_cache_dir("tradepulse", appauthor=False))
    return cache / "jars" / COORDINATE.replace(":", "_")


def present(folder: Path) -> bool:
    """Say whether the jars in `folder` are all there."""
    try:
        return (folder / _MARKER).read_text() == _CHECKED
    except FileNotFoundError:
        return False


def class_path(folder: Path | None = None) -> str:
    """Give Java's class path of the broker; fetch the jars where they are missing.

    Blocks for the download (about 45 MB) the first time; later it reads the folder only.

    Raises:
        EmbeddedError: the download failed.
    """
    folder = folder or jar_folder()
    if not present(folder):
        _fetch(folder)
    return str(folder / "*")  # Java takes every jar of the folder


def _fetch(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / "lock").open("w") as lock:
            # Two clones may start at once; the second finds the work done.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not present(folder) and not _adopted(folder):
                _download(folder)
    except OSError as error:
        raise EmbeddedError(
            f"cannot keep the Kafka libraries in {folder.parent}: {error}; free some space, or set "
            "KAFKA_BOOTSTRAP_SERVERS to a broker of your own"
        ) from error


def wrong_jars(folder: Path, wanted: Mapping[str, str] = SHA256) -> list[str]:
    """Name the jars that are not what they should be, are missing, or should not be there."""
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.glob("*.jar")}
    return sorted(
        name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)
    )


def _adopted(folder: Path) -> bool:
    """Take what a version without checksums has fetched, where it is right."""
    if wrong_jars(folder):
        return False
    (folder / _MARKER).write_text(_CHECKED)
    return True


def _download(folder: Path) -> None:
    import jgo  # noqa: PLC0415 - 0.4 s, needed once in the life of a machine

    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        try:
            environment = jgo.build(COORDINATE, cache_dir=Path(scratch) / "jgo")
            jars = sorted(Path(environment.path).glob("*/*.jar"))
        except Exception as error:  # jgo raises whatever its HTTP client and its parser raise
            raise EmbeddedError(
                f"cannot download Apache Kafka ({COORDINATE}): {_one_line(error)}; try again when "
                "the network is back, or set KAFKA_BOOTSTRAP_SERVERS to a broker of your own"
            ) from error
        ready = Path(scratch) / "ready"
        ready.mkdir()
        for jar in jars:
            shutil.copyfile(jar, ready / jar.name)
        if wrong := wrong_jars(ready):
            raise EmbeddedError(
                f"what was downloaded as Apache Kafka is not what it should be: {', '.join(wrong)} "
                "(SHA-256); see who serves Maven Central here, or set KAFKA_BOOTSTRAP_SERVERS to a "
                "broker of your own"
            )
        (ready / _MARKER).write_text(_CHECKED)
        shutil.rmtree(folder, ignore_errors=True)
        ready.rename(folder)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
