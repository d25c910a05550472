"""`njit` that imports numba at the first call, not at the import of the module.

A process that only wants to know the parameters of a strategy (the studio, the command line) is
spared 0.5 s and 60 MB by it. Compiled code is cached on disk.
"""

from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

RULES = Path(__file__).parent
"""Folder of all that compiled code may call."""


@cache
def rules_stamp() -> tuple[tuple[str, int, int], ...]:
    """Return name, time of change (ns) and size of every module in `RULES`."""
    stats = ((path, path.stat()) for path in sorted(RULES.rglob("*.py")))
    return tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats)


class Compiled(Generic[P, R]):
    """A numba function that compiles when it is first called, by Python or by another one."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.python = function

    @cached_property
    def dispatcher(self) -> Any:
        """The numba function itself."""
        from numba import njit  # noqa: PLC0415 - late on purpose, see the module's docstring

        function: Any = njit(cache=True, nogil=True)(self.python)
        # numba compiles anew when the function's own file changes, but keeps old code when only
        # a file it calls into did: the simulator would go on with old fill rules
        function._cache._cache_file._source_stamp = rules_stamp()  # noqa: SLF001 - see above
        return function

    @property
    def _numba_type_(self) -> Any:
        # numba asks this of a global that compiled code calls
        return self.dispatcher._numba_type_

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the compiled function."""
        result: R = self.dispatcher(*args, **kwargs)
        return result


def compiled(function: Callable[P, R]) -> Compiled[P, R]:
    """Make a function of scalars and arrays a numba function (`nogil`, cached on disk)."""
    return Compiled(function)
