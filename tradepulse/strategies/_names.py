"""Named tuples whose fields a strategy declares: its features and its parameters.

Compiled code is cached under the types of its arguments, and one made at run time would be
another one in each process. So a type is called after its fields, and this module has it by that
name, whoever asks: `pickle` finds it in a process that has not made it yet.
"""

from collections import namedtuple
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

MARK = "|"
FEATURES = "features"
PARAMETERS = "parameters"


@cache
def named(kind: str, fields: tuple[str, ...]) -> Any:
    """Return the named tuple of these fields, the same one for the same fields.

    Args:
        kind: `FEATURES` or `PARAMETERS`.
        fields: identifiers that do not begin with an underscore.

    Raises:
        ValueError: a field is no such name, or there twice.
    """
    made: Any = namedtuple(kind, fields)  # type: ignore[misc]  # noqa: PYI024 - known at run time only
    made.__module__ = __name__
    made.__name__ = made.__qualname__ = MARK.join((kind, *fields))
    return made


def naming(kind: str, fields: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return a function that makes the named tuple of what is found at places 0, 1, 2 ...

    Its code is written out, for numba knows no tuple of as many values as there are fields.
    """
    places = ", ".join(f"found[{place}]" for place in range(len(fields)))
    # of this file, so that what is compiled of it can be cached
    code = compile(f"lambda found: made({places})", __file__, "eval")
    made: Any = eval(code, {"made": named(kind, fields), "__name__": __name__})  # noqa: S307 - ours
    # the name of its file in the cache
    made.__name__ = made.__qualname__ = f"{kind}_{crc32(MARK.join(fields).encode()):08x}"
    return made  # type: ignore[no-any-return]  # as it was written


def __getattr__(name: str) -> Any:
    kind, mark, fields = name.partition(MARK)
    if not mark:
        raise AttributeError(name)
    return named(kind, tuple(filter(None, fields.split(MARK))))


class Features:
    """What a rule is shown as `f`: a column, float64 `(n,)`, by the name of each feature."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> NDArray[np.float64]: ...


class Values:
    """What a rule is shown as `p`: the value of each parameter by its name."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> float: ...
