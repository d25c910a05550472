"""Strategies of a user's own, from files outside the package, loaded by their path.

A file is Python that registers strategies with `@strategy`, as `docs/guides/strategies.md` shows.
It runs with all rights of the process: load only what you would run.
"""

import os
import re
import sys
import traceback
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, ModuleType
from zlib import crc32

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.runtime.settings import DatabaseSettings, RefusedError, RuntimeSettings
from tradepulse.strategies import get_strategy
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.faults import (
    NO_ANSWER,
    is_compilation,
    line_of,
    named,
    one_line,
    plain,
    reason_of,
)

VARIABLE = "STRATEGY_FILES"

_loaded: dict[Path, tuple[tuple[str, ...], bytes]] = {}
"""What each file has registered in this process, and what stood in it."""


class StrategyFiles(DatabaseSettings):
    """What a process that knows strategies is told besides."""

    strategy_files: str = ""
    """Paths of files with strategies of one's own, separated by commas."""

    def prepare(self) -> None:
        """Load the files.

        Raises:
            RefusedError: one of them cannot be used.
        """
        try:
            load_strategy_files(self.strategy_files)
        except StrategyFileError as error:
            raise RefusedError(f"{VARIABLE}: {error}") from error


class StrategySettings(StrategyFiles, RuntimeSettings):
    """What a service that knows strategies is told."""


class StrategyFileError(ValueError):
    """A file cannot be used; one line that says why and where."""


def load_strategy_files(paths: str | None = None) -> None:
    """Load several files, each once in a process.

    Every process that runs strategies calls this before the first one: a service, and each
    process that it starts.

    Args:
        paths: separated by commas; None takes those of the environment's `STRATEGY_FILES`.

    Raises:
        StrategyFileError: as `load_strategy_file`.
    """
    listed = os.environ.get(VARIABLE, "") if paths is None else paths
    for path in filter(None, (part.strip() for part in listed.split(","))):
        load_strategy_file(path)


def load_strategy_file(path: Path | str, *, changed: bool = False) -> tuple[str, ...]:
    """Register the strategies of a file and compile them, and return their names.

    Where numba is not installed, as beside the studio alone, nothing is compiled.

    Args:
        path: the file.
        changed: load it anew where it has changed since this process loaded it, as while somebody
            works on it. Else it is not loaded again: a service trades by what it began with.

    Raises:
        StrategyFileError: there is no such file, it has a mistake, registers nothing or a name
            that is taken, or a strategy of it does not compile. Then nothing of it is registered.
    """
    place = Path(path).expanduser().resolve()
    if place in _loaded and not changed:
        return _loaded[place][0]
    written, code = _compiled(place, path)
    if place in _loaded and _loaded[place][1] == written:
        return _loaded[place][0]
    for name in _loaded.pop(place, ((), b""))[0]:
        STRATEGIES.pop(name, None)
    before = set(STRATEGIES)
    module = ModuleType(f"strategy_file_{place.stem}_{crc32(bytes(place)):08x}")
    module.__file__ = str(place)
    sys.modules[module.__name__] = module
    try:
        names = _register(code, module, place, path)
        # without numba, as beside the studio alone, strategies are described and never run
        if find_spec("numba") is not None:
            for name in names:
                _compile(name, place, path)
    except StrategyFileError:
        del sys.modules[module.__name__]
        for name in set(STRATEGIES) - before:
            del STRATEGIES[name]
        raise
    _loaded[place] = names, written
    return names


def _compiled(place: Path, path: Path | str) -> tuple[bytes, CodeType]:
    """Read and compile the file.

    Not by import, whose cache of one second's grain may hold the file as it was.
    """
    try:
        written = place.read_bytes()
        return written, compile(written, str(place), "exec")
    except OSError as error:
        raise StrategyFileError(f"strategy file {path}: {error.strerror}") from None
    except SyntaxError as error:
        raise StrategyFileError(f"strategy file {path}, line {error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise StrategyFileError(f"strategy file {path}: {error}") from None


def _register(code: CodeType, module: ModuleType, place: Path, path: Path | str) -> tuple[str, ...]:
    """Run the file, and return the names of what it registers."""
    before = set(STRATEGIES)
    try:
        exec(code, module.__dict__)  # noqa: S102 - a strategy is code
    except Exception as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == str(place)
        ]
        where = f", line {lines[-1]}" if lines else ""
        what = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise StrategyFileError(f"strategy file {path}{where}: {what}{one_line(error)}") from error

    names = tuple(name for name in STRATEGIES if name not in before)
    if not names:
        raise StrategyFileError(
            f"strategy file {path} registers no strategy: decorate one with @strategy"
        )
    return names


def _compile(name: str, place: Path, path: Path | str) -> None:
    """Compile a strategy by running it over a single candle, which runs none of its rules."""
    found = get_strategy(name)
    one = np.ones(1)
    candle = Candles("none", "NONE/NONE", "1h", np.zeros(1, np.int64), one, one, one, one, one)
    try:
        found.answers(candle, found.vector({}), len(one))
    except Exception as error:
        lines = re.findall(
            rf'File "[^"]*{re.escape(place.name)}", line (\d+)|{re.escape(str(place))} \((\d+)\)',
            plain(error),
        )
        line = "".join(lines[0]) if lines else line_of(found.rule.python, error)
        where = "" if line is None else f", line {line}"
        what = f"does not compile: {reason_of(error)}"
        if not is_compilation(error) and NO_ANSWER not in what:
            what = f"cannot be run: {named(error)}"
        raise StrategyFileError(f"strategy file {path}{where}: {name} {what}") from error
