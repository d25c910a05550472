"""Tables that stay readable at 80 columns, and the JSON that stands for them.

An id is shown whole or by the eight characters by which commands take it, never cut otherwise.
What does not fit is left out, the least needed first, and named below; `--wide` shows all of it.
Where even the rest has no room, each row becomes a block of lines.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import IO, Annotated, Any, Generic, TypeVar

import typer

from tradepulse.cli.errors import CliError

T = TypeVar("T")
SHORT = 8
"""Characters of an id: so many say which one is meant wherever an id is asked for."""
_GAP = 2
STDOUT = Path("-")
"""As the name of a file: the output."""

Wide = Annotated[bool, typer.Option("--wide", help="Show all columns, and ids whole.")]
Json = Annotated[
    Path | None, typer.Option("--json", help="Write it as JSON to this file; - is the output.")
]


@dataclass(frozen=True, slots=True)
class Output:
    """How a table is put out: `--wide` and `--json`."""

    wide: Wide = False
    json: Json = None

    def put(
        self,
        columns: "Sequence[Column[T]]",
        rows: Sequence[T],
        as_json: Callable[[T], Any],
        nothing: str,
    ) -> bool:
        """Print rows as a table, or `nothing` where there are none; write them as JSON if asked.

        Returns whether a table was printed: lines about it may follow.
        """
        if self.wrote([as_json(row) for row in rows]):
            return False
        if not rows:
            typer.echo(nothing)
            return False
        show(columns, rows, wide=self.wide)
        return True

    @property
    def is_only_json(self) -> bool:
        """Whether JSON is all that goes to the output."""
        return self.json == STDOUT

    def wrote(self, content: Any) -> bool:
        """Write the JSON that was asked for; say whether it is all that is to be put out."""
        if self.json is not None:
            write_json(self.json, content)
            if not self.is_only_json:
                typer.echo(f"written to {self.json}")
        return self.is_only_json


@dataclass(frozen=True)  # a generic one has no slots: `Column[Row](…)` would not be made
class Column(Generic[T]):
    """A column of a table.

    Attributes:
        head: above it.
        text: of a row, maybe of several lines; rich's marks count, so what is not ours is escaped.
        rank: what is higher is left out first where there is no room; 0 stays.
        is_number: whether it stands at the right.
        least: characters to which it may be wrapped at blanks; 0 where it is never wrapped.
        whole: its text with `--wide`, if that is another.
    """

    head: str
    text: Callable[[T], str]
    rank: int = 0
    is_number: bool = False
    least: int = 0
    whole: Callable[[T], str] | None = None

    def widened(self) -> "Column[T]":
        """Return it as `--wide` shows it: never wrapped."""
        return replace(self, text=self.whole or self.text, least=0)


def id_column(head: str, of: Callable[[T], Any], rank: int = 0) -> Column[T]:
    """Return a column of ids: by their beginning, which commands take; whole with `--wide`."""
    return Column(head, lambda row: str(of(row))[:SHORT], rank, whole=lambda row: str(of(row)))


def show(columns: Sequence[Column[T]], rows: Sequence[T], *, wide: bool = False) -> None:
    """Print rows: what the terminal has room for and the names of the rest, or all of it."""
    from rich.console import Console

    console = Console()
    drawn = [one.widened() for one in columns] if wide else list(columns)
    texts = [[one.text(row) for row in rows] for one in drawn]
    widths = [_width(one, cells) for one, cells in zip(drawn, texts, strict=True)]
    needed = sum(widths) + _GAP * (len(widths) - 1)
    if wide:
        console = Console(width=max(console.width, needed))
    kept = fitting(drawn, widths, console.width)
    if kept is None:
        console.print(_blocks(drawn, texts))
        return
    console.print(_grid([drawn[n] for n in kept], [texts[n] for n in kept]))
    left_out = [one.head for n, one in enumerate(drawn) if n not in kept]
    if left_out:
        typer.echo(f"--wide also shows {', '.join(' '.join(head.split()) for head in left_out)}")


def fitting(columns: Sequence[Column[T]], widths: Sequence[int], room: int) -> list[int] | None:
    """Return the numbers of the columns that fit; None where those of rank 0 do not."""
    kept = list(range(len(columns)))
    while sum(widths[n] for n in kept) + _GAP * (len(kept) - 1) > room:
        least = max(reversed(kept), key=lambda n: columns[n].rank)
        if not columns[least].rank:
            return None
        kept.remove(least)
    return kept


def _width(column: Column[T], cells: Sequence[str]) -> int:
    """Return the characters that a column needs at least."""
    from rich.text import Text

    lines = [line for cell in cells for line in Text.from_markup(cell).plain.split("\n")]
    head = max(map(len, column.head.split("\n")))
    if column.least:
        words = [word for line in lines for word in line.split()]
        longest = max((*map(len, words), 0))
        return max(head, min(longest, column.least), min(column.least, max((*map(len, lines), 0))))
    return max((*map(len, lines), head))


def _grid(columns: Sequence[Column[T]], texts: Sequence[Sequence[str]]) -> Any:
    from rich.table import Table

    grid = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for one in columns:
        grid.add_column(
            one.head,
            no_wrap=not one.least,
            overflow="fold",
            vertical="top",
            justify="right" if one.is_number else "left",
        )
    # rows of several lines stand apart
    has_blocks = any("\n" in cell for cells in texts for cell in cells)
    for number, line in enumerate(zip(*texts, strict=True)):
        if number and has_blocks:
            grid.add_row(*("" for _ in columns))
        grid.add_row(*line)
    return grid


def _blocks(columns: Sequence[Column[T]], texts: Sequence[Sequence[str]]) -> Any:
    """Return each row as lines of a name and a value."""
    from rich.table import Table

    grid = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_header=False)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for number, line in enumerate(zip(*texts, strict=True)):
        if number:
            grid.add_row("", "")
        for one, text in zip(columns, line, strict=True):
            grid.add_row(" ".join(one.head.split()), text)
    return grid


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all; amounts and ids as text. `-` is the output.

    Raises:
        CliError: it cannot be written.
    """
    text = json.dumps(content, allow_nan=False, indent=1, ensure_ascii=False, default=_plain)
    if path == STDOUT:
        typer.echo(text)
        return
    with replaced(path) as file:
        file.write((text + "\n").encode())


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """Lend a file that takes the place of another at the end, whole or not at all.

    Raises:
        CliError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise CliError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    from datetime import datetime
    from uuid import UUID

    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, UUID):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    raise TypeError(f"{type(value).__name__} in JSON")
