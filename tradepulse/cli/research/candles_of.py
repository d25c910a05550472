"""Where the candles of a backtest come from: a file of any layout, or what is stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradepulse.cli.connections import database_url
from tradepulse.cli.errors import CliError

if TYPE_CHECKING:
    from tradepulse.candles.arrays import Candles
    from tradepulse.candles.series import OnSeries
    from tradepulse.market_data.files import Asked

STORED = Path("stored candles")
"""What stands in a report for the file, where there is none."""


@dataclass(frozen=True, slots=True)
class Source:
    """One of the two.

    Attributes:
        file: a file, a zip or a folder; None for what is stored.
        state: state folder of a running system, for what is stored.
    """

    file: Path | None
    state: Path

    @property
    def name(self) -> Path:
        """The file, or what stands for it."""
        return self.file or STORED

    def read(self, asked: "Asked", tell: Callable[[str], None] = lambda _: None) -> "list[Candles]":
        """Return the series that are asked for.

        Args:
            asked: which; of what is stored, each symbol must be meant once.
            tell: told what was inferred of a file, line by line.

        Raises:
            CliError: nothing is stored of it, a symbol is stored at several exchanges or
                timeframes, or no database is known.
            CandleFileError: the file, or what is asked of it, is refused.
        """
        if self.file is not None:
            from tradepulse.market_data.files import read_series

            return read_series(self.file, asked, tell)
        from tradepulse.library.waiting import waited

        try:
            url = database_url(self.state)
        except CliError as error:
            raise CliError(f"--candles is not given, and {error}; or name a file") from error
        return waited(lambda: _read_stored(url, asked))


async def _read_stored(url: str, asked: "Asked") -> "list[Candles]":
    from tradepulse.market_data.loader import MarketData
    from tradepulse.market_data.store import known_series
    from tradepulse.runtime.db import opened_pool

    async with opened_pool(url, max_size=2, read_only=True) as pool:
        async with pool.acquire() as connection:
            known = await known_series(connection)
        found = []
        for one in chosen(known, asked):
            first, last = one.ends
            end = last if asked.end is None else min(last, asked.end)
            candles = await MarketData(pool).stored(
                one.exchange, one.symbol, one.timeframe, first, end
            )
            if not len(candles):
                from tradepulse.cli.options import time_text

                raise CliError(
                    f"no candles of {one.series} are stored in the range asked for; there are "
                    f"some from {time_text(first)} to {time_text(last)}"
                )
            found.append(candles)
    return found


def chosen(known: "Sequence[Any]", asked: "Asked") -> "list[Any]":
    """Return the stored series that are meant, each symbol once.

    Args:
        known: every stored series.
        asked: which of them; a symbol may be written `exchange:symbol`.

    Raises:
        CliError: none is stored, or a symbol is at several exchanges or timeframes.
    """
    fits = [
        one
        for one in known
        if asked.exchange in {None, one.exchange} and asked.timeframe in {None, one.timeframe}
    ]
    if asked.symbols is None:
        groups = _by_symbol(fits)
    else:
        groups = {
            name: [one for one in fits if name in {one.symbol, one.instrument}]
            for name in asked.symbols
        }
    if not groups or not all(groups.values()):
        lacking = [name for name, some in groups.items() if not some]
        wanted = ", ".join(lacking) or " ".join(filter(None, (asked.exchange, asked.timeframe)))
        of = f" of {wanted}" if wanted else ""
        there = ", ".join(one.series for one in known)
        raise CliError(
            f"no candles{of} are stored; "
            + (f"there are {there}" if there else "import a file first, or name one by --candles")
        )
    for name, some in groups.items():
        for option, what in (("--exchange", "exchange"), ("--timeframe", "timeframe")):
            several = sorted({getattr(one, what) for one in some})
            if len(several) > 1:
                raise CliError(
                    f"{name} is stored at several {what}s, {', '.join(several)}: choose one with "
                    f"{option}"
                )
    return list({one.series: one for some in groups.values() for one in some}.values())


def _by_symbol(known: "Sequence[OnSeries]") -> "dict[str, list[OnSeries]]":
    groups: dict[str, list[OnSeries]] = {}
    for one in known:
        groups.setdefault(one.symbol, []).append(one)
    return groups
