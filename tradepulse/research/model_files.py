"""Files of models: read whole, written whole or not at all."""

import os
from pathlib import Path

from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model import Model, ModelError
from tradepulse.trading.policies.model_bytes import MAX_BYTES, bytes_of, model_of

PREFIX = "model:"
"""Of the name of a policy that is a model."""


def read_model(path: Path) -> Model:
    """Read a model's file.

    Raises:
        ModelError: there is none, or it cannot be used; names the file.
    """
    try:
        with path.open("rb") as file:
            # one byte more tells that it is too long; a device may never end
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(f"model {path}: cannot be read: {reason}; give a model's file") from error
    try:
        return model_of(data)
    except ModelError as error:
        raise ModelError(f"model {path}: {error}") from error


def write_model(path: Path, model: Model) -> None:
    """Write a model's file, whole or not at all.

    Raises:
        ModelError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(bytes_of(model))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(f"model {path}: cannot be written: {reason}") from error
    finally:
        partial.unlink(missing_ok=True)


def learned_policy(name: str, budget: float = 1.0) -> LearnedPolicy:
    """Return the policy of a name like `model:FILE`.

    Raises:
        ModelError: the file cannot be used.
    """
    return LearnedPolicy(read_model(Path(name.removeprefix(PREFIX))), budget)
