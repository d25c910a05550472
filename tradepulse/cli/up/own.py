"""What a user brings to `tradepulse up`: candles of any layout, strategies of their own files."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from tradepulse.cli.up.choice import Choice, OptionError
from tradepulse.market_data.files import Asked, is_own, read_series, write_candles
from tradepulse.research.by_hand import OwnNumbers, add
from tradepulse.runtime.refusals import RefusedError
from tradepulse.strategies import get_strategy
from tradepulse.strategies.files import VARIABLE, StrategyFileError, load_strategy_file

if TYPE_CHECKING:
    from tradepulse.candles.series import OnSeries

_CANDLES = "replayed.parquet"
REASON = "given to `tradepulse up`"


@dataclass(frozen=True, slots=True)
class Traded:
    """Strategies that a user wants to see traded.

    Attributes:
        names: of the strategies.
        files: where those of the user's own are, absolute.
    """

    names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def environment(self, inherited: str) -> dict[str, str]:
        """Give the variables by which every service knows the files, beside those inherited."""
        if not self.files:
            return {}
        listed = [part.strip() for part in inherited.split(",") if part.strip()]
        return {VARIABLE: ",".join(dict.fromkeys([*listed, *self.files]))}

    def bundled(self) -> tuple[str, ...]:
        """Return those that come along: what is compiled of them is kept."""
        return tuple(name for name in self.names if get_strategy(name).is_bundled)


def traded(strategies: Iterable[str] | None) -> Traded:
    """Load what `--strategy` names: strategies by their names, or files with all that is in them.

    Raises:
        OptionError: there is no such strategy, or a file cannot be used.
    """
    names: list[str] = []
    files: list[str] = []
    for text in strategies or ():
        try:
            if text.endswith(".py"):
                names += load_strategy_file(text)
                files.append(text)
            else:
                names.append(get_strategy(text).name)
        except (StrategyFileError, ValueError) as error:
            raise OptionError(f"--strategy: {error}") from error
    return Traded(tuple(dict.fromkeys(names)), tuple(files))


def own_candles(choice: Choice, folder: Path, tell: Callable[[str], None]) -> Path | None:
    """Return the file that is replayed, in our own layout; None where the choice names none.

    What is of another layout, a zip or a folder is read once and kept in the state folder.

    Args:
        choice: what is to be replayed.
        folder: of the state.
        tell: told line by line what was inferred of the files.

    Raises:
        CandleFileError: a file is refused, or lacks what is asked of it.
    """
    if choice.candles is None:
        return None
    kept = folder / _CANDLES
    if kept.exists():
        return kept
    path = Path(choice.candles)
    if is_own(path):
        return path
    series = read_series(path, Asked(choice.exchange, choice.symbols, choice.timeframe), tell)
    write_candles(kept, series)
    return kept


async def put_on_paper(
    pool: "asyncpg.Pool[asyncpg.Record]", names: Sequence[str], series: "Sequence[OnSeries]"
) -> None:
    """Let strategies trade series by their defaults, each once: a second start changes nothing.

    Raises:
        OptionError: one cannot trade a series.
    """
    for name in names:
        for one in series:
            own = OwnNumbers(name, one.exchange, one.symbol, one.timeframe, {})
            try:
                await add(pool, own, REASON)
            except RefusedError as error:
                if error.code != "made_before":
                    raise OptionError(f"--strategy: {error}") from error
