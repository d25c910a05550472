"""What a caller asks for and cannot have: a rule forbids it, or there is nothing of that name.

Both are `ValueError`s, so that whoever only wants the line (the command line) catches one class.
The API answers a refusal with status 409 and its code, what is missing with 404.
"""

import contextlib
from collections.abc import Iterator


class RefusedError(ValueError):
    """A rule forbids what is asked for; the message is one line: what, why, what to do.

    Attributes:
        code: names the rule; programs may rely on it, the message may change.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class NotFoundError(RefusedError, LookupError):
    """There is nothing of the name or number that is asked for."""

    def __init__(self, text: str) -> None:
        super().__init__("not_found", text)


@contextlib.contextmanager
def refused_as(code: str) -> Iterator[None]:
    """Give a `ValueError` of a room below, which knows no codes, its code."""
    try:
        yield
    except RefusedError:
        raise
    except ValueError as error:
        raise RefusedError(code, str(error)) from error
