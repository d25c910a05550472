"""Options that several commands share, and how their texts are read."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tradepulse.cli.errors import CliError, values_refused

From = Annotated[
    str | None,
    typer.Option("--from", help="First time, as 2018-10-01 or 2018-10-01T12:30 (UTC) or epoch ms."),
]
To = Annotated[str | None, typer.Option("--to", help="End, not included; written as --from.")]
Symbols = Annotated[
    list[str] | None,
    typer.Option("--symbol", help="Symbol, as BTC/USD; repeat it or separate by commas."),
]
StrategyFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--strategy-file",
        help="Python file with strategies of your own; repeat it for several.",
    ),
]
_EPOCH_MS = re.compile(r"\d{12,13}")


def time_of(option: str, text: str | None) -> int | None:
    """Read a time, epoch ms; a time without zone is UTC.

    Raises:
        CliError: it is none.
    """
    if text is None:
        return None
    if _EPOCH_MS.fullmatch(text):
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(
            f"{option} {text}: no time; write 2018-10-01 or 2018-10-01T12:30, or epoch ms"
        ) from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return round(time.timestamp() * 1000)


def range_of(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """Read `--from` and `--to`.

    Raises:
        CliError: one is no time, or they are in the wrong order.
    """
    first, last = time_of("--from", start), time_of("--to", end)
    if first is not None and last is not None and first >= last:
        raise CliError(f"--from {start} is not before --to {end}")
    return first, last


def load_strategies(files: Iterable[Path] | None) -> None:
    """Load the files of `--strategy-file`.

    Raises:
        CliError: one cannot be used.
    """
    from tradepulse.strategies.files import load_strategy_file

    with values_refused():
        for file in files or ():
            load_strategy_file(file)


def names_of(texts: Iterable[str] | None) -> list[str] | None:
    """Return the names of a repeated option, split at commas; None where none was given."""
    if texts is None:
        return None
    names = [part.strip() for text in texts for part in text.split(",")]
    return list(dict.fromkeys(name for name in names if name)) or None


def json_of(what: str, text: str) -> Any:
    """Read JSON.

    Raises:
        CliError: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise CliError(f"{what} is no JSON: {error}") from None


def json_file(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        CliError: it cannot be read or is no JSON.
    """
    try:
        return json_of(str(path), path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise CliError(f"{path} is no JSON: it is not even text") from None


def numbers_of(what: str, value: Any) -> dict[str, float]:
    """Return a JSON object of numbers.

    Raises:
        CliError: it is something else.
    """
    if not isinstance(value, dict) or any(
        isinstance(v, bool) or not isinstance(v, int | float) for v in value.values()
    ):
        raise CliError(f'{what} must be a JSON object of numbers, as {{"fast": 10}}')
    return value


def time_text(ms: int | None) -> str:
    """Return epoch ms as `2018-10-01 12:30`, UTC; nothing for None."""
    if ms is None:
        return ""
    return datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M")
