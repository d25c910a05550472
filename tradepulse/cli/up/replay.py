"""What `tradepulse up` replays: its options, checked against the file and kept with the state."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from pydantic import ValidationError

from tradepulse.candles.arrays import Candles
from tradepulse.candles.series import OnSeries
from tradepulse.cli.up.choice import Choice, OptionError, time_of
from tradepulse.cli.up.figures import Figures
from tradepulse.cli.up.own import Traded, put_on_paper
from tradepulse.library.demo import demo_candles
from tradepulse.market_data.files import CandleFileError, read_candles
from tradepulse.research.jobs import JobSpec

DAY_MS = 86_400_000
TRAINING_FRACTION = 0.25
"""Where the replay begins by default: the part of the file before it is for training."""
STRATEGIES = ("liquidity_sweep", "sma_cross")
TRIALS = 60


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
        past: how many candles lie before its start.
        own: what the user wants to see traded; empty for what trades by default.
        on_paper: series that its strategies trade by their defaults, as nothing is searched.
    """

    file: Path
    symbols: tuple[str, ...]
    start: int
    end: int | None
    last: int
    jobs: tuple[JobSpec, ...]
    speed: str = "max"
    is_demo: bool = False
    past: int = 0
    own: Traded = field(default_factory=Traded)
    on_paper: tuple[OnSeries, ...] = ()
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
        """Store the demo's models, and let the user's own strategies trade if none is searched.

        All that is replayed is in the file.
        """
        from tradepulse.cli.up.demo_models import demo_models, load_models

        await put_on_paper(pool, self.own.names, self.on_paper)
        file = demo_models() if self.is_demo else None
        if file is not None:
            await load_models(pool, file, self.file)

    def phase(self, figures: Figures) -> str:
        """Say what is going on."""
        replayed = figures.replayed
        settled = replayed is not None and replayed.timestamp() * 1000 >= self.last
        done = figures.finished and settled
        return "Replay finished; the page stays up" if done else "Replaying"


def replay_of(
    choice: Choice, speed: str = "max", file: Path | None = None, own: Traded | None = None
) -> Replay:
    """Check a choice against its file and fill in what it leaves open.

    Args:
        choice: what is to be replayed.
        speed: as `speed_of` gives it.
        file: of our own layout, with the candles of the choice; None for the demo's.
        own: the strategies that are asked for.

    Raises:
        OptionError: the range leaves nothing to train on, or nothing to trade.
        CandleFileError: the file is refused, or has no such symbol.
    """
    file, own = file or demo_candles(), own or Traded()
    searches = choice.training is not False
    series = read_candles(file, choice.symbols)
    first = min(int(candles.open_time[0]) for candles in series)
    end = time_of("--to", choice.end) if choice.end else None
    last = max(int(candles.close_time[-1]) for candles in series)
    if end is not None:
        last = min(last, end)
    if choice.start:
        start = time_of("--from", choice.start)
    elif searches:
        start = int(first + (last - first) * TRAINING_FRACTION) // DAY_MS * DAY_MS
    else:
        start = first
    if start <= first and searches:
        raise OptionError(
            f"nothing lies before the replay's start {_date(start)} to train on: {file.name} "
            f"begins at {_date(first)}; choose a later --from, or --no-training"
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
        first_jobs(series, start, own.names or STRATEGIES) if searches else (),
        speed,
        is_demo=choice == Choice(),
        past=sum(len(candles.between(None, start)) for candles in series),
        own=own,
        on_paper=() if searches else tuple(series),
    )


def first_jobs(
    series: Sequence[Candles], start: int, strategies: tuple[str, ...] = STRATEGIES
) -> tuple[JobSpec, ...]:
    """Return one training job for each exchange and timeframe with candles before `start`.

    Raises:
        OptionError: a strategy cannot be searched.
    """
    markets: dict[tuple[str, str], list[str]] = {}
    for candles in series:
        if int(candles.open_time[0]) < start:
            key = candles.exchange, candles.timeframe
            markets.setdefault(key, []).append(candles.symbol)
    try:
        return tuple(
            JobSpec(
                strategies=strategies,
                exchange=exchange,
                symbols=tuple(symbols),
                timeframe=timeframe,
                end=start,
                trials=TRIALS,
                activate=True,
            )
            for (exchange, timeframe), symbols in markets.items()
        )
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise OptionError(
            f"--strategy: {reason}; --no-training trades it by its defaults"
        ) from error


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%d")


def _end(series: Sequence[Candles]) -> int:
    return max(int(candles.close_time[-1]) for candles in series)
