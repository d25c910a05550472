"""Progress bars: on standard error, only for somebody who looks on; in notebooks below the cell."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_S = 1.0
"""What takes no longer shows nothing."""
EACH_S = 0.2
"""How often a notebook's bar moves at most: each time is a message to the browser."""

Tell = Callable[[int, int], None]
"""Takes how much is done, and of how much."""


def progress_bar() -> "Progress":
    """Return a bar that vanishes at its end and does not exist where there is no terminal."""
    from rich.console import Console  # noqa: PLC0415 - only who looks on waits for it
    from rich.progress import (  # noqa: PLC0415 - likewise
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


@contextmanager
def shown(what: str) -> Iterator[Tell]:
    """Show how far something has come, in a terminal or a notebook, once it takes a second.

    Args:
        what: is done, as in `Searching`.
    """
    if _in_notebook():
        with _below_the_cell(what) as tell:
            yield tell
        return
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    with progress_bar() as bar:
        task = bar.add_task(what, total=None, visible=False)
        begun = time.monotonic()

        def move(done: int, of: int) -> None:
            late = time.monotonic() - begun > PATIENCE_S
            bar.update(task, completed=done, total=of, visible=late)

        yield move


def _in_notebook() -> bool:
    # what was never imported runs no cell
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"


@contextmanager
def _below_the_cell(what: str) -> Iterator[Tell]:
    ipython: Any = import_module("IPython.display")  # untyped, and there only in notebooks
    begun = moved = time.monotonic()
    handle: Any = None

    def move(done: int, of: int) -> None:
        nonlocal handle, moved
        now = time.monotonic()
        if now - begun < PATIENCE_S or (handle is not None and now - moved < EACH_S):
            return
        moved = now
        bar = ipython.HTML(
            f'{escape(what)} <progress value="{done}" max="{of}"></progress> {done:,} of {of:,}'
        )
        if handle is None:
            handle = ipython.display(bar, display_id=True)
        else:
            handle.update(bar)

    try:
        yield move
    finally:
        if handle is not None:
            handle.update(ipython.HTML(""))
