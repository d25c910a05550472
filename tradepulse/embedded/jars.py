"""The broker's Java libraries: fetched once for each user, kept in the cache folder."""

import fcntl
import shutil
import tempfile
from pathlib import Path

import platformdirs

from tradepulse.embedded.children import EmbeddedError

COORDINATE = "org.apache.kafka:kafka_2.13:4.4.0+org.slf4j:slf4j-simple:1.7.36"
_MARKER = "complete"


def jar_folder() -> Path:
    """Name the folder that holds (or will hold) the jars of `COORDINATE`."""
    cache = Path(platformdirs.user_cache_dir("tradepulse", appauthor=False))
    return cache / "jars" / COORDINATE.replace(":", "_")


def present(folder: Path) -> bool:
    """Say whether the jars in `folder` are all there."""
    try:
        return (folder / _MARKER).read_text() == COORDINATE
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
            if not present(folder):
                _download(folder)
    except OSError as error:
        raise EmbeddedError(
            f"cannot keep the Kafka libraries in {folder.parent}: {error}; free some space, or set "
            "KAFKA_BOOTSTRAP_SERVERS to a broker of your own"
        ) from error


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
        (ready / _MARKER).write_text(COORDINATE)
        shutil.rmtree(folder, ignore_errors=True)
        ready.rename(folder)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
