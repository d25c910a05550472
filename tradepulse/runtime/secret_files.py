"""Secrets in files: named in the environment, where their content must not be."""

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, SecretStr


def content_of(path: object) -> str:
    """Return what a file holds, without the newline that editors end it with.

    Its mode is not looked at: a container's secrets belong to whoever mounts them.

    Raises:
        ValueError: it cannot be read or is empty; the message repeats nothing of it.
    """
    name = Path(str(path))
    try:
        content = name.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name} is no text in UTF-8") from None
    secret = content.removesuffix("\n").removesuffix("\r")
    if not secret or "\n" in secret:
        raise ValueError(f"{name} must hold one line, the password")
    return secret


SecretFile: TypeAlias = Annotated[SecretStr, BeforeValidator(content_of)]
"""Given as a path, it is what the file holds; never told to anybody."""
