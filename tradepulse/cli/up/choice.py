"""What the user of `tradepulse up` asks for: checked in form, and kept with the state."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tradepulse.candles.times import time_ms

_KEPT = "run.json"


class OptionError(ValueError):
    """An option is refused; the message is one readable line."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user asked for; None where nothing was said.

    Attributes:
        candles: file of candles, absolute; None for the one that comes with the project.
        symbols: as in `BTC/USD`, in order; None for all of the file.
        start: first time that is traded, as it was written.
        end: the time before which the replay ends, as it was written.
        live: whether nothing is replayed and the venues are followed instead.
        strategies: what trades, each a name or the absolute path of a file.
        training: False where nothing is searched before.
        exchange: of the candles, where neither the file nor its name says it; so is `timeframe`.
    """

    candles: str | None = None
    symbols: tuple[str, ...] | None = None
    start: str | None = None
    end: str | None = None
    live: bool = False
    strategies: tuple[str, ...] | None = None
    training: bool | None = None
    exchange: str | None = None
    timeframe: str | None = None


def choice_of(
    candles: Path | None,
    symbols: str | None,
    start: str | None,
    end: str | None,
    strategies: Sequence[str] | None = None,
) -> Choice:
    """Check the form of the options.

    Raises:
        OptionError: a time is none, or a list of symbols names nothing.
    """
    named = tuple(
        str(Path(one).expanduser().resolve()) if one.endswith(".py") else one
        for one in strategies or ()
    )
    names = None
    if symbols is not None:
        names = tuple(dict.fromkeys(part.strip() for part in symbols.split(",") if part.strip()))
        if not names:
            raise OptionError("--symbols names nothing; write it as in --symbols BTC/USD,ETH/USD")
    for option, value in (("--from", start), ("--to", end)):
        if value is not None:
            time_of(option, value)
    file = str(candles.resolve()) if candles else None
    return Choice(file, names, start, end, strategies=named or None)


def speed_of(text: str) -> str:
    """Check `--speed`: event-time seconds for each second of the clock, or `max`.

    Raises:
        OptionError: it is neither.
    """
    if text == "max":
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise OptionError(
            f"--speed {text}: give event-time seconds for each second of the clock, as 36000 for "
            "ten hours a second, or max"
        )
    return repr(seconds)


def recall(folder: Path, wanted: Choice) -> Choice:
    """Give the choice that a state folder holds; `wanted` itself where it holds none.

    Raises:
        OptionError: it holds another than the wanted one.
    """
    try:
        kept = json.loads((folder / _KEPT).read_text())
    except FileNotFoundError:
        return wanted
    listed = {name: _tuple(kept.get(name)) for name in ("symbols", "strategies")}
    kept = Choice(**(kept | listed))
    if wanted.live != kept.live and (wanted.live or wanted != Choice()):
        here, there = ("a replay", "--live") if wanted.live else ("a live run", "a replay")
        raise OptionError(
            f"{folder} holds {here}, not {there}: use --fresh to begin anew, or --state DIR for a "
            "second one"
        )
    for option, name in (
        ("--candles", "candles"),
        ("--symbols", "symbols"),
        ("--from", "start"),
        ("--to", "end"),
        ("--strategy", "strategies"),
        ("--no-training", "training"),
        ("--exchange", "exchange"),
        ("--timeframe", "timeframe"),
    ):
        asked, held = getattr(wanted, name), getattr(kept, name)
        if asked is not None and asked != held:
            raise OptionError(
                f"{folder} holds another replay ({option} {_text(held)}, not {_text(asked)}): use "
                "--fresh to begin anew, or --state DIR for a second one"
            )
    return kept


def remember(folder: Path, choice: Choice) -> None:
    """Keep the choice in a state folder, whole or not at all."""
    partial = folder / f"{_KEPT}.partial"
    partial.write_text(json.dumps(asdict(choice)))
    partial.rename(folder / _KEPT)


def time_of(option: str, text: str) -> int:
    """Read a time, epoch ms.

    Raises:
        OptionError: it is none.
    """
    try:
        return time_ms(text)
    except ValueError as error:
        raise OptionError(f"{option}: {error}") from None


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _text(value: object) -> str:
    if value is None:
        return "as it comes"
    if value is False:
        return "given"
    return ",".join(value) if isinstance(value, tuple) else str(value)
