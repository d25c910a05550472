"""A model's file: what was written is read again, and everything else is refused in one line."""

import io
import json
import os
import pickle
import re
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.made_models import made_model
from tradepulse.research.model_files import read_model, write_model
from tradepulse.trading.policies.model import Manifest, Model, ModelError
from tradepulse.trading.policies.model_bytes import MAX_BYTES, bytes_of, model_of

MODEL = made_model(1)
DATA = bytes_of(MODEL)


def packed(told: Any = None, **changed: Any) -> bytes:
    """Return the file with another manifest, or other arrays."""
    with np.load(io.BytesIO(DATA)) as found:
        arrays = {name: found[name] for name in found.files}
    if told is not None:
        kept = json.loads(arrays["manifest"].tobytes())
        kept["manifest"] |= told
        arrays["manifest"] = np.frombuffer(json.dumps(kept).encode(), np.uint8)
    arrays |= changed
    out = io.BytesIO()
    np.savez(out, **{name: one for name, one in arrays.items() if one is not None})
    return out.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        model_of(data)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_what_was_written_is_read_again() -> None:
    again = model_of(DATA)
    assert again.manifest == MODEL.manifest
    assert again.model_id == MODEL.model_id
    assert again.arrays.keys() == MODEL.arrays.keys()
    for name, values in MODEL.arrays.items():
        assert again.arrays[name].tobytes() == values.tobytes()
    assert len(DATA) < 20_000


def test_another_model_has_another_id() -> None:
    others = [made_model(2), made_model(1, max_weight=0.4), made_model(1, made_by={"commit": "x"})]
    assert len({MODEL.model_id, *(one.model_id for one in others)}) == 4
    assert made_model(1).model_id == MODEL.model_id


class Runs:
    """What pickle would run."""

    def __reduce__(self):
        return os.getenv, ("HOME",)


def objects() -> bytes:
    array = np.empty((2, 16), object)
    array[0, 0] = Runs()
    return packed(b0=array)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no model file, or cut short"),
        (b"PK\x03\x04 what", "no model file, or cut short"),
        (DATA[: len(DATA) // 2], "no model file, or cut short"),
        (DATA[:-1], "no model file, or cut short"),
        (DATA + b"\0" * MAX_BYTES, "it is none"),
        (pickle.dumps([1]), "no model file"),
        (objects(), "holds Python objects, which can run code"),
        (packed(mean=np.zeros(20)), "'mean' is of float64"),
        (packed(mean=np.zeros(19, np.float32)), r"'mean' is float32 \(19,\), not float32 \(20,\)"),
        (packed(w0=np.zeros((2, 16, 20), np.float32)), r"not float32 \(2, 20, 16\)"),
        (packed(b1=None), "lacks array 'b1'"),
        (packed(c0=np.zeros(2, np.float32)), "unknown array 'c0'"),
        (packed(b0=np.full((2, 16), np.nan, np.float32)), "'b0' has NaN or infinity"),
        (packed(b0=np.full((2, 16), np.inf, np.float32)), "'b0' has NaN or infinity"),
        (packed(scale=np.zeros(20, np.float32)), "'scale' is not above zero"),
        (packed(b0=np.zeros((2, 16), np.float32)), "checksum"),
        (packed({"max_weight": 0.9}), "checksum"),
        (packed({"timeframe": "1h"}), "checksum"),
        (packed({"features": 2}), "features of version 2, this program makes version 1"),
        (packed({"format": 7}), "format 7, this program reads format 1"),
        (packed({"lookback": 96}), "other features, another lookback"),
        (packed({"feature_names": ["a"]}), "other features, another lookback"),
        (packed({"timeframe": "7m"}), "manifest cannot be used .timeframe"),
        (packed({"layers": [20, 1], "seeds": 10**9}), "manifest cannot be used .seeds"),
        (packed({"layers": [10, 1]}), "10 inputs and 1 outputs, not 20 and 1"),
        (packed({"max_weight": float("nan")}), "manifest cannot be used .max_weight"),
        (packed({"code": "x"}), "manifest cannot be used .code"),
        (packed(manifest=np.frombuffer(b"[1]", np.uint8)), "no model file"),
        (packed(manifest=np.frombuffer(b"{", np.uint8)), "no model file"),
        (packed(manifest=None), "no model file"),
    ],
)
def test_what_is_no_model_is_refused_in_a_line(data, words):
    assert re.search(words, refusal(data))


def test_a_packed_file_is_refused_before_it_is_unpacked() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("w0.npy", b"\0" * 10_000_000)
    assert len(out.getvalue()) < MAX_BYTES
    assert "packed in a way" in refusal(out.getvalue())


def test_an_array_that_says_it_is_huge_is_not_made() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made, made.open("w0.npy", "w") as member:
        np.lib.format.write_array_header_1_0(
            member, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)}
        )
    assert "not as long as it says" in refusal(out.getvalue())


def test_two_arrays_of_one_name_are_refused() -> None:
    out = io.BytesIO(DATA)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(out, "a") as made:
        made.writestr("b0.npy", zipfile.ZipFile(io.BytesIO(DATA)).read("b0.npy"))
    assert "packed in a way" in refusal(out.getvalue())


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255), st.integers(0, len(DATA)))
def test_damage_is_refused_or_changes_nothing(at, by, end):
    """A changed byte is seen, unless it lies where nothing is told; a cut file is refused."""
    damaged = bytearray(DATA)
    damaged[at] ^= by
    with suppress(ModelError):
        assert model_of(bytes(damaged)).model_id == MODEL.model_id
    if end < len(DATA):
        refusal(DATA[:end])


def test_a_manifest_that_does_not_fit_its_arrays_is_never_made() -> None:
    with pytest.raises(ModelError, match="lacks array"):
        Model.of(Manifest(timeframe="1h", layers=(20, 1), seeds=1), {})


def test_a_file_is_written_whole_or_not_at_all(tmp_path) -> None:
    path = tmp_path / "m.npz"
    write_model(path, MODEL)
    assert read_model(path).model_id == MODEL.model_id
    write_model(path, made_model(2))
    assert read_model(path).model_id == made_model(2).model_id
    with pytest.raises(ModelError, match="cannot be written"):
        write_model(tmp_path / "no" / "m.npz", MODEL)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match="cannot be written"):
        write_model(tmp_path / "folder", MODEL)
    assert {one.name for one in tmp_path.iterdir()} == {"m.npz", "folder"}


def test_what_cannot_be_read_is_named(tmp_path) -> None:
    for path, words in ((tmp_path / "no", "No such file"), (tmp_path, "directory")):
        with pytest.raises(ModelError, match=f"model {path}: cannot be read: .*{words}"):
            read_model(path)
    (tmp_path / "cut").write_bytes(DATA[:100])
    with pytest.raises(ModelError, match=f"model {tmp_path / 'cut'}: it is no model file"):
        read_model(tmp_path / "cut")
    with pytest.raises(ModelError, match="it is none"):
        read_model(Path("/dev/zero"))
