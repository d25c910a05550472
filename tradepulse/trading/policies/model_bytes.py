"""A model as the bytes of a file: one npz of plain arrays, its manifest among them.

Nothing that is read can run code: arrays are read without pickle, and only after their headers
said that they are of plain numbers and no longer than what is there.
"""

import io
import json
import math
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tradepulse.trading.policies.model import Model, ModelError, manifest_of

MAX_BYTES = 4 << 20
"""Of a file; one of eight seeds with 64 units takes 0.2 MB."""
MAX_HEADER = 1_000
_MANIFEST = "manifest"
_ENDING = ".npy"
_UNREADABLE = (
    *(ValueError, OSError, EOFError, KeyError, TypeError, SyntaxError, OverflowError),
    *(NotImplementedError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error),
)


def bytes_of(model: Model) -> bytes:
    """Return a model as the bytes of its file."""
    told = {"manifest": json.loads(model.manifest.as_json()), "checksum": model.checksum}
    text = json.dumps(told, sort_keys=True).encode()
    plain: dict[str, Any] = {name: np.asarray(a, "<f4") for name, a in model.arrays.items()}
    written = io.BytesIO()
    np.savez(written, manifest=np.frombuffer(text, np.uint8), **plain)
    return written.getvalue()


def model_of(data: bytes) -> Model:
    """Return the model that a file's bytes hold.

    Raises:
        ModelError: they hold none that can be used.
    """
    if len(data) > MAX_BYTES:
        raise ModelError(f"it has {len(data):,} bytes, a model at most {MAX_BYTES:,}: it is none")
    try:
        arrays = _arrays(data)
        told = json.loads(arrays.pop(_MANIFEST).tobytes())
        checksum, told = told["checksum"], told["manifest"]
    except ModelError:
        raise
    except _UNREADABLE as error:
        raise ModelError(
            "it is no model file, or cut short or damaged: copy it again, or train the model anew"
        ) from error
    model = Model.of(manifest_of(told), arrays)
    if model.checksum != checksum:
        raise ModelError(
            "its checksum is not that of what is in it: somebody changed it, or it is damaged; "
            "copy it again, or train the model anew"
        )
    return model


def _arrays(data: bytes) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        members = packed.infolist()
        names = [one.filename.removesuffix(_ENDING) for one in members]
        stored = all(one.compress_type == zipfile.ZIP_STORED for one in members)
        if (
            not stored
            or len(set(names)) < len(names)
            or sum(m.file_size for m in members) > len(data)
        ):
            raise ModelError("it is packed in a way that no model is: train the model anew")
        for name, member in zip(names, members, strict=True):
            with packed.open(member) as content:
                _check_header(name, content, member.file_size)
    # without pickle; every header was seen
    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        return {name: found[name] for name in names}


def _check_header(name: str, content: Any, size: int) -> None:
    version = npy.read_magic(content)
    if version != (1, 0):
        raise ModelError(f"its array {name!r} is written in a way that no model is")
    shape, _, dtype = npy.read_array_header_1_0(content, max_header_size=MAX_HEADER)
    if dtype.hasobject:
        raise ModelError(
            f"its array {name!r} holds Python objects, which can run code when they are read: it "
            "is not opened"
        )
    if dtype not in (np.dtype("<f4"), np.dtype(np.uint8)):
        raise ModelError(f"its array {name!r} is of {dtype}, not of float32: train the model anew")
    if math.prod(shape) * dtype.itemsize != size - content.tell():
        raise ModelError(f"its array {name!r} is not as long as it says: copy the file again")
