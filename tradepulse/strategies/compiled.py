"""`njit` that imports numba at the first call, not at the import of the module.

A process that only wants to know the parameters of a strategy (the studio, the command line) is
spared 0.5 s and 60 MB by it. Compiled code is cached on disk.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

RULES = tuple(Path(__file__).parents[1] / room for room in ("strategies", "trading", "research"))
"""Folders of all that the engine's compiled code may call."""


@cache
def rules_stamp() -> tuple[tuple[str, int, int], ...]:
    """Return name, time of change (ns) and size of every module in `RULES`."""
    return tuple(_file_stamp(path) for room in RULES for path in sorted(room.rglob("*.py")))


class Compiled(Generic[P, R]):
    """A numba function that compiles when it is first called, by Python or by another one.

    Divisions by zero give infinity or NaN, as in NumPy; nothing is reordered or contracted unless
    it is asked for, so a sum is the same to the bit in every function that inlines it.

    Args:
        function: of scalars and arrays, in the part of Python that numba takes.
        row_by_row: it is called for every candle and makes no arrays. Then numba leaves out the
            counting of references to its arrays, atomic writes that cost more than the work of
            one row and that threads would fight over.
        inlined: its code becomes part of whoever calls it, however long it is. Python cannot call
            it then.
        checked: reading or writing beyond an array raises `IndexError`, and nothing is cached.
        divides: a division by zero raises `ZeroDivisionError`, and nothing is cached.
        reordered: sums may be taken in another order and multiplications joined with additions, so
            that loops that sum are vectorised; what is not finite stays what it is.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        row_by_row: bool = False,
        inlined: bool = False,
        checked: bool = False,
        divides: bool = False,
        reordered: bool = False,
    ) -> None:
        self.row_by_row = row_by_row
        self.inlined = inlined
        self.checked = checked
        self.divides = divides
        self.reordered = reordered
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.python = function

    @cached_property
    def dispatcher(self) -> Any:
        """The numba function itself."""
        from numba import njit  # noqa: PLC0415 - late on purpose, see the module's docstring

        import tradepulse.strategies._clock  # noqa: F401, PLC0415 - tells numba what it defines

        sources = list(_sources(self.python, set()))
        # numba knows a default again by its place in memory: each process would store another one
        plain = not (self.checked or self.divides or self.python.__defaults__)
        # a function of no file, or one that closes over variables, is not known by its stamp
        cached = plain and all(
            Path(s.__code__.co_filename).is_file() and not s.__closure__ for s in sources
        )
        options: Any = {
            "nogil": True,
            "error_model": "numpy",
            "_nrt": not self.row_by_row,
            # nobody calls by address; to leave the wrapper out spares a tenth of the compilation
            "no_cfunc_wrapper": True,
        }
        if self.inlined:
            options |= {"forceinline": True, "no_cpython_wrapper": True}
        if self.checked:
            options["boundscheck"] = True
        if self.divides:
            options["error_model"] = "python"
        if self.reordered:
            options["fastmath"] = {"reassoc", "contract", "arcp", "nsz"}
        function: Any = njit(cache=cached, **options)(self.python)
        if cached:
            files = function._cache._cache_file  # noqa: SLF001 - it cannot be told in another way
            # numba compiles anew when the function's own file changes, but keeps old code when
            # only a file it calls into did: the simulator would go on with old fill rules
            files._source_stamp = (  # noqa: SLF001 - as above
                rules_stamp(),
                tuple(_function_stamp(source) for source in sources),
            )
            folder = files._cache_path  # noqa: SLF001 - as above
            files.load, files.save = _alone(folder, files.load), _alone(folder, files.save)
        return function

    @property
    def _numba_type_(self) -> Any:
        # numba asks this of a global that compiled code calls
        return self.dispatcher._numba_type_

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the compiled function."""
        result: R = self.dispatcher(*args, **kwargs)
        return result


def _alone(folder: str, call: Callable[P, R]) -> Callable[P, R]:
    """Let one process at a time use a folder of the cache.

    Numba names code in its index before it writes it, and reads the index before it changes it.
    After a change of rules another process would take the old code for the new, and two that
    store at once could give their code one name.
    """

    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        # somebody may have removed it since numba made it
        Path(folder).mkdir(parents=True, exist_ok=True)
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            return call(*args, **kwargs)
        finally:
            os.close(held)

    return alone


def compiled(function: Callable[P, R]) -> Compiled[P, R]:
    """Make a function of scalars and arrays a numba function (`nogil`, cached on disk)."""
    return Compiled(function)


def row_by_row(function: Callable[P, R]) -> Compiled[P, R]:
    """Make a function that reads arrays a numba function for loops over candles."""
    return Compiled(function, row_by_row=True)


def reordered(function: Callable[P, R]) -> Compiled[P, R]:
    """Make a function whose sums may be taken in any order a numba function: fast, not exact."""
    return Compiled(function, reordered=True)


def step(function: Callable[P, R]) -> Compiled[P, R]:
    """Make a function one step of a loop over candles: its code becomes part of the loop's.

    It takes and returns what travels together as a `NamedTuple`, of which nothing is left then.
    Whether the compiler puts a function in line by itself nobody can tell, and a loop whose steps
    are called runs several times slower.
    """
    return Compiled(function, row_by_row=True, inlined=True)


def instance(
    template: Callable[P, R],
    name: str,
    names: Mapping[str, Any],
    *,
    row_by_row: bool = False,
    inlined: bool = False,
) -> Compiled[P, R]:
    """Compile a function of its own from a template, with some of its globals replaced.

    A loop that calls a strategy's function runs several times faster when that function is part
    of its code than when it is called by address. This makes one such loop for each strategy.

    Args:
        template: a plain function that calls the globals to be replaced.
        name: tells this instance from others; part of the name of its file in the cache.
        names: the replaced globals: functions made by `compiled`, and constants.
        row_by_row: as `Compiled`; so is `inlined`.
        inlined: see `row_by_row`.
    """
    if not isinstance(template, FunctionType):
        raise TypeError(f"{template!r} is no plain function")
    made = FunctionType(template.__code__, {**template.__globals__, **names}, template.__name__)
    made.__name__ = f"{template.__name__}_{name}"
    made.__qualname__ = f"{template.__qualname__}_{name}"
    made.__module__ = template.__module__
    made.__doc__ = template.__doc__
    return Compiled(made, row_by_row=row_by_row, inlined=inlined)


@cache
def bounds_checked(function: Compiled[..., Any]) -> Compiled[..., Any]:
    """Return a copy, calling copies of all it calls, that raises where it would leave an array.

    Compiled code does not look whether an index lies within an array: it takes what it finds in
    memory there. The copy raises `IndexError` instead. It is compiled anew in each process.
    """
    return Compiled(_copied(function, bounds_checked), checked=True)


@cache
def division_checked(function: Compiled[..., Any]) -> Compiled[..., Any]:
    """Return a copy, calling copies of all it calls, that raises where it divides by zero.

    Compiled code gives infinity or NaN there, which most comparisons pass over in silence. The
    copy raises `ZeroDivisionError` instead. It is compiled anew in each process.
    """
    return Compiled(_copied(function, division_checked), divides=True)


def _copied(
    function: Compiled[..., Any], copy_of: Callable[[Compiled[..., Any]], Compiled[..., Any]]
) -> FunctionType:
    source = function.python
    if not isinstance(source, FunctionType):
        raise TypeError(f"{source!r} is no plain function")
    called: dict[str, Any] = {
        name: copy_of(one)
        for name in source.__code__.co_names
        if isinstance(one := source.__globals__.get(name), Compiled)
    }
    return FunctionType(
        source.__code__,
        {**source.__globals__, **called},
        source.__name__,
        source.__defaults__,
        source.__closure__,
    )


def names_in(function: Compiled[..., Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the names that a function and all it calls look up: where, name, what it means there.

    A name of an attribute means nothing there: None.
    """
    for source in _sources(function.python, set()):
        for name in source.__code__.co_names:
            yield source.__name__, name, source.__globals__.get(name)


def words_in(function: Compiled[..., Any]) -> set[str]:
    """Return the names by which a function, and all it calls, give arguments to others."""
    return {
        word
        for source in _sources(function.python, set())
        for constant in source.__code__.co_consts
        if isinstance(constant, tuple)
        for word in constant
        if isinstance(word, str)
    }


def _sources(function: Callable[..., Any], seen: set[int]) -> Iterator[FunctionType]:
    """Yield a function and the compiled ones that it calls, and those that they call."""
    if not isinstance(function, FunctionType) or id(function) in seen:
        return
    seen.add(id(function))
    yield function
    for name in function.__code__.co_names:
        called = function.__globals__.get(name)
        for one in called if isinstance(called, tuple) else (called,):
            # a user's may be numba's own
            python = one.python if isinstance(one, Compiled) else getattr(one, "py_func", None)
            if python is not None:
                yield from _sources(python, seen)


def _function_stamp(function: FunctionType) -> tuple[str, int, tuple[str, int, int]]:
    code = function.__code__
    return function.__qualname__, code.co_firstlineno, _file_stamp(Path(code.co_filename))


def _file_stamp(path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return str(path), stat.st_mtime_ns, stat.st_size
