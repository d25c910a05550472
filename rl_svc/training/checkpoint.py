"""Where a training stood: one file, replaced as a whole, known by its SHA-256.

In it is a zip of stable-baselines3, and reading that runs what it says: open only a file whose
checksum was recorded when it was written.
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


class CheckpointError(RuntimeError):
    """A training cannot be taken up again; says why, and what to do, in one line."""


def written(folder: Path, seed: int, update: int, told: Mapping[str, Any], arrays: Arrays) -> str:
    """Write a checkpoint beside older ones of the seed; return its SHA-256, hexadecimal.

    Args:
        folder: of the training; made if it is not there.
        seed: whose.
        update: after which.
        told: to be kept as JSON.
        arrays: to be kept as they are; none is called `told`.
    """
    into = io.BytesIO()
    text = json.dumps(told, sort_keys=True).encode()
    np.savez(into, allow_pickle=False, told=np.frombuffer(text, np.uint8), **arrays)
    content = into.getvalue()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed-{seed}-{update:06}.npz"
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _settle(folder)
    return hashlib.sha256(content).hexdigest()


def older_removed(folder: Path, seed: int, update: int) -> None:
    """Remove all checkpoints of a seed but that of an update."""
    for path in folder.glob(f"seed-{seed}-*"):
        if path.name != f"seed-{seed}-{update:06}.npz":
            path.unlink(missing_ok=True)


def read(folder: Path, seed: int, checksum: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what was told, and the arrays, of the checkpoint of a seed that has a checksum.

    Raises:
        CheckpointError: there is none.
    """
    for path in sorted(folder.glob(f"seed-{seed}-*.npz")):
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == checksum:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            return json.loads(arrays.pop("told").tobytes()), arrays
    raise CheckpointError(
        f"no checkpoint of seed {seed} in {folder} has the recorded checksum {checksum[:12]}…: it "
        "was changed or removed, so it is not opened; train this seed anew"
    )


def is_there(folder: Path, seed: int, checksum: str) -> bool:
    """Tell whether a checkpoint of a seed has a checksum."""
    return any(
        hashlib.sha256(path.read_bytes()).hexdigest() == checksum
        for path in folder.glob(f"seed-{seed}-*.npz")
    )


def _settle(folder: Path) -> None:
    """Have the new name on the disk before anyone is told of it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
