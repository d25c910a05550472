"""A trained policy: its arrays, and the manifest that says what they are and where from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.events import NAMESPACE
from contracts.times import Timeframe
from tradepulse.trading.policies.features import CLIP, LOOKBACK, NAMES, VERSION
from tradepulse.trading.policies.figure_bins import FigureBins
from tradepulse.trading.policies.softmax import LOGIT_BOUND

FORMAT: Final = 1
"""Of the manifest and the arrays; a file of another one is refused."""
LOGIT_SCALE = 4.0
"""A network's output is a quarter of its logit."""
MAX_LAYERS, MAX_UNITS, MAX_SEEDS = 6, 512, 64

Arrays = Mapping[str, NDArray[np.float32]]
Units = Annotated[int, Field(ge=1, le=MAX_UNITS)]


class ModelError(ValueError):
    """A model cannot be used; says why, and what to do, in one line."""


class Manifest(BaseModel):
    """What the arrays of a model are.

    Attributes:
        layers: units of each layer, the observation first, the one logit last; tanh between them.
        seeds: how many networks there are; their weights are averaged.
        max_weight: the largest weight of one instrument.
        instruments: those of its training; others are served as well, by the same network.
        mode: what it was trained in; `rebalance` is for comparisons only.
        made_by: git commit, versions of libraries, the job: whatever tells where it comes from.
        seen: where its figures lay in the training range; None where nobody has looked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    features: Literal[1] = VERSION
    feature_names: tuple[str, ...] = NAMES
    lookback: int = LOOKBACK
    clip: float = CLIP
    logit_scale: Annotated[float, Field(gt=0, le=100)] = LOGIT_SCALE
    logit_bound: float = LOGIT_BOUND
    timeframe: Timeframe
    layers: Annotated[tuple[Units, ...], Field(min_length=2, max_length=MAX_LAYERS)]
    seeds: Annotated[int, Field(ge=1, le=MAX_SEEDS)]
    max_weight: Annotated[float, Field(gt=0, le=1)] = 0.5
    instruments: tuple[str, ...] = ()
    mode: Literal["signals", "rebalance"] = "signals"
    made_by: dict[str, Any] = Field(default_factory=dict)
    seen: FigureBins | None = None

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every array that belongs to the model, by its name."""
        found: dict[str, tuple[int, ...]] = {"mean": (len(NAMES),), "scale": (len(NAMES),)}
        for number, (width, units) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            found[f"w{number}"] = (self.seeds, width, units)
            found[f"b{number}"] = (self.seeds, units)
        return found

    def as_json(self) -> str:
        """Return it as JSON, the same text for the same manifest."""
        # a model of before this field keeps its checksum
        left_out = {"seen"} if self.seen is None else None
        told = self.model_dump(mode="json", exclude=left_out)
        return json.dumps(told, sort_keys=True, allow_nan=False)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model whose arrays are those of its manifest; made by `of`.

    Attributes:
        manifest: what the arrays are.
        arrays: `mean` and `scale` of the observation; of layer n the weights `wn`
            (seeds, inputs, outputs) and the biases `bn` (seeds, outputs).
        checksum: SHA-256 of both, hexadecimal.
    """

    manifest: Manifest
    arrays: Arrays
    checksum: str

    @property
    def model_id(self) -> UUID:
        """Its id, derived: the same model has the same one everywhere."""
        return uuid5(NAMESPACE, f"model:{self.checksum}")

    @classmethod
    def of(cls, manifest: Manifest, arrays: Arrays) -> Self:
        """Return the model of a manifest and its arrays.

        Raises:
            ModelError: they do not fit each other, or this program.
        """
        _check_manifest(manifest)
        _check_arrays(manifest, arrays)
        digest = hashlib.sha256(manifest.as_json().encode())
        for name in sorted(arrays):
            values = np.ascontiguousarray(arrays[name], "<f4")
            digest.update(f"{name}{values.shape}".encode())
            digest.update(values.tobytes())
        return cls(manifest, dict(arrays), digest.hexdigest())


def manifest_of(told: Any) -> Manifest:
    """Return the manifest that was read.

    Raises:
        ModelError: it is none, or one of another version.
    """
    if not isinstance(told, dict):
        raise ModelError(
            "its manifest is no JSON object: it is no model file; train the model anew"
        )
    if (found := told.get("format")) != FORMAT:
        raise ModelError(
            f"it has format {found!r:.40}, this program reads format {FORMAT}: train the model "
            "anew, or use the program that wrote it"
        )
    if (found := told.get("features")) != VERSION:
        raise ModelError(
            f"it sees features of version {found!r:.40}, this program makes version {VERSION}: "
            "train the model anew, or use the program that trained it"
        )
    try:
        return Manifest.model_validate_json(json.dumps(told))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise ModelError(
            f"its manifest cannot be used ({where}: {first['msg']}): train the model anew"
        ) from error


def _check_manifest(manifest: Manifest) -> None:
    made = (VERSION, NAMES, LOOKBACK, CLIP, LOGIT_BOUND)
    told = (manifest.features, manifest.feature_names, manifest.lookback, manifest.clip)
    if (*told, manifest.logit_bound) != made:
        raise ModelError(
            "it names other features, another lookback or other bounds than this program makes of "
            f"version {VERSION}: train the model anew"
        )
    if manifest.layers[0] != len(NAMES) or manifest.layers[-1] != 1:
        raise ModelError(
            f"its network has {manifest.layers[0]} inputs and {manifest.layers[-1]} outputs, not "
            f"{len(NAMES)} and 1: train the model anew"
        )


def _check_arrays(manifest: Manifest, arrays: Arrays) -> None:
    shapes = manifest.shapes()
    if lacking := sorted(shapes.keys() ^ arrays.keys()):
        word = "lacks" if lacking[0] in shapes else "has an unknown"
        raise ModelError(f"it {word} array {lacking[0]!r}: train the model anew, or copy it again")
    for name, shape in shapes.items():
        values = arrays[name]
        if values.dtype != np.float32 or values.shape != shape:
            raise ModelError(
                f"its array {name!r} is {values.dtype} {values.shape}, not float32 {shape}: train "
                "the model anew"
            )
        if not np.isfinite(values).all():
            raise ModelError(f"its array {name!r} has NaN or infinity in it: train the model anew")
    if not (arrays["scale"] > 0).all():
        raise ModelError("its array 'scale' is not above zero: train the model anew")
