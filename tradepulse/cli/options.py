"""Options that several commands share, how they are gathered, and how their texts are read."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from typer.core import TyperGroup

from tradepulse.candles.times import time_ms
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.library.amounts import amount

if TYPE_CHECKING:
    from tradepulse.candles.series import SeriesFilter
    from tradepulse.market_data.files import Asked

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="First time, as 2018-10-01, 2018-10-01T12:30 (UTC, or with a zone) or epoch ms.",
    ),
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
_TIMERANGE = re.compile(r"\d{8}-(?:\d{8})?", re.ASCII)
"""A range as freqtrade writes it."""


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take options that travel together as one value.

    A parameter whose type is a dataclass stands for its fields. Typer sees an option for each of
    them, in their order; the command is called with the dataclass.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type[Any]] = {}
    options: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            options += _options_of(hints[name])
        else:
            options.append(parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY))

    @wraps(command)
    def run(**values: Any) -> None:
        gathered = {
            name: group(**{one.name: values.pop(one.name) for one in fields(group)})
            for name, group in groups.items()
        }
        command(**values, **gathered)

    run.__signature__ = Signature(options)  # type: ignore[attr-defined]  # `inspect` looks for it
    run.__annotations__ = {one.name: one.annotation for one in options}
    return run


def _options_of(group: type[Any]) -> Iterator[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for one in fields(group):
        default = Parameter.empty if one.default is MISSING else one.default
        yield Parameter(
            one.name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[one.name]
        )


class ListByDefault(TyperGroup):
    """Commands of which `list` is meant where none is named: `configs --wide` lists, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `list` before options that follow no command."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@dataclass(frozen=True, slots=True)
class TimeRange:
    """`--from` and `--to`."""

    start: From = None
    end: To = None

    def read(self) -> tuple[int | None, int | None]:
        """Return both, epoch ms.

        Raises:
            CliError: one is no time, or they are in the wrong order.
        """
        first, last = time_of("--from", self.start), time_of("--to", self.end)
        if first is not None and last is not None and first >= last:
            raise CliError(f"--from {self.start} is not before --to {self.end}")
        return first, last


@dataclass(frozen=True, slots=True)
class OfFile:
    """Which of the candles of a file, or what they are where it does not say so."""

    symbol: Symbols = None
    exchange: Annotated[
        str | None, typer.Option(help="Only of this exchange; or it, where no name says one.")
    ] = None
    timeframe: Annotated[
        str | None, typer.Option(help="Only of this timeframe; or it, where no name says one.")
    ] = None

    def asked(self, end: int | None = None) -> "Asked":
        """Return it as the reader of files takes it; candles from `end` on are left out."""
        from tradepulse.market_data.files import Asked

        return Asked(self.exchange, names_of(self.symbol), self.timeframe, end)


def file_told(line: str) -> None:
    """Tell on standard error what was inferred of a file."""
    typer.echo(line, err=True)


@dataclass(frozen=True, slots=True)
class OnlySeries:
    """Which of the series are meant."""

    exchange: Annotated[str | None, typer.Option(help="Only of this exchange.")] = None
    symbol: Annotated[str | None, typer.Option(help="Only of this symbol, as BTC/USD.")] = None
    timeframe: Annotated[str | None, typer.Option(help="Only of this timeframe, as 30m.")] = None

    def filter(self) -> "SeriesFilter":
        """Return them as the rest of the system takes them."""
        from tradepulse.candles.series import SeriesFilter

        return SeriesFilter(self.exchange, self.symbol, self.timeframe)


def time_of(option: str, text: str | None) -> int | None:
    """Read a time, epoch ms; a time without zone is UTC.

    Raises:
        CliError: it is none.
    """
    if text is None:
        return None
    if _TIMERANGE.fullmatch(text):
        first, _, last = text.partition("-")
        days = [f"{one[:4]}-{one[4:6]}-{one[6:]}" for one in (first, last) if one]
        options = " ".join(f"{at} {day}" for at, day in zip(("--from", "--to"), days, strict=False))
        raise CliError(f"{option}: {text} is no time but a range; write {options}")
    with values_refused(option):
        return time_ms(text)


def load_strategies(files: Iterable[Path] | None) -> None:
    """Load the files of `--strategy-file`.

    Raises:
        CliError: one cannot be used.
    """
    from tradepulse.strategies.files import load_strategy_file

    with values_refused():
        for file in files or ():
            load_strategy_file(file)


def named_strategy(text: str) -> str:
    """Return the strategy that is meant by its name, or by its file if it is alone in it.

    Raises:
        CliError: the file cannot be used or holds several, or there is no such strategy.
    """
    from tradepulse.strategies import get_strategy
    from tradepulse.strategies.files import load_strategy_file

    with values_refused("--strategy"):
        if not text.endswith(".py"):
            return get_strategy(text).name
        names = load_strategy_file(Path(text))
    if len(names) > 1:
        raise CliError(
            f"--strategy {text}: holds {', '.join(names)}; give --strategy-file {text} and "
            "--strategy with one of these names"
        )
    return names[0]


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


def decimal_of(
    option: str,
    text: str,
    *,
    positive: bool = False,
    below: float | None = None,
    to: float | None = None,
) -> Decimal:
    """Read a number.

    Args:
        option: for the message.
        text: as it was given.
        positive: whether zero is refused.
        below: it must be less.
        to: it must not be more.

    Raises:
        CliError: it is none, or out of its bounds.
    """
    with values_refused():
        return amount(option, text, positive=positive, below=below, to=to)


def time_text(ms: int | None) -> str:
    """Return epoch ms as `2018-10-01 12:30`, UTC; nothing for None."""
    if ms is None:
        return ""
    return datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M")
