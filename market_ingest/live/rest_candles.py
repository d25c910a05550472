"""A venue's HTTP answers as the truth about slots, also of timeframes that it does not have."""

from collections.abc import Iterable
from dataclasses import astuple
from typing import Protocol

import numpy as np

from market_ingest.live.bars import Bar
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.venues.answers import CandlePage, Span
from tradepulse.market_data.venues.rules import VenueRules


class CandleVenue(Protocol):
    """What is needed of a venue; see `tradepulse.market_data.venues.client.Venue`."""

    @property
    def rules(self) -> VenueRules: ...  # noqa: D102 - see class

    async def candles(  # noqa: D102 - see class
        self, symbol: str, timeframe: str, start: int, end: int
    ) -> CandlePage: ...


def asked_timeframe(rules: VenueRules, timeframe: str) -> str:
    """Return the timeframe to ask a venue for: the longest of its own that makes up ours."""
    length = timeframe_ms(timeframe)
    fitting = [own for own in rules.timeframes if length % timeframe_ms(own) == 0]
    return max(fitting, key=timeframe_ms)


def slots_per_question(rules: VenueRules, timeframe: str) -> int:
    """Return how many slots one answer can hold."""
    parts = timeframe_ms(timeframe) // timeframe_ms(asked_timeframe(rules, timeframe))
    return max(1, rules.candles_per_call // parts)


async def ask_candles(
    venue: CandleVenue, symbol: str, timeframe: str, start: int, end: int
) -> tuple[list[Bar], Span]:
    """Ask once for the closed candles that open in `[start, end)`.

    Returns:
        The candles, and the part of the range that the answer is about.

    Raises:
        VenueError: there is no answer, or never will be.
    """
    own = asked_timeframe(venue.rules, timeframe)
    page = await venue.candles(symbol, own, start, end)
    bars = bars_of(page.candles)
    length = timeframe_ms(timeframe)
    if own == timeframe:
        return bars, page.covered
    covered = -(-page.covered[0] // length) * length, page.covered[1] // length * length
    return merged([bar for bar in bars if covered[0] <= bar.open_time < covered[1]], length), (
        covered if covered[0] < covered[1] else (covered[0], covered[0])
    )


def bars_of(candles: Candles) -> list[Bar]:
    """Return candles one by one."""
    c = candles
    columns = (c.open_time, c.open, c.high, c.low, c.close, c.volume)
    return [Bar(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def candles_of(series: tuple[str, str, str], bars: Iterable[Bar]) -> Candles:
    """Return candles of one series, each another slot, in time order."""
    ordered = sorted(bars, key=lambda bar: bar.open_time)
    open_time, *figures = zip(*(astuple(bar) for bar in ordered), strict=True)
    return Candles(*series, np.array(open_time, np.int64), *(np.array(one) for one in figures))


def merged(parts: list[Bar], length: int) -> list[Bar]:
    """Return the candles of a longer timeframe; an interval needs one part, not all of them.

    What is missing between the parts of an answer is an interval without a trade.
    """
    slots: dict[int, list[Bar]] = {}
    for part in parts:
        slots.setdefault(part.open_time // length * length, []).append(part)
    return [
        Bar(
            slot,
            group[0].open,
            max(part.high for part in group),
            min(part.low for part in group),
            group[-1].close,
            sum(part.volume for part in group),
        )
        for slot, group in slots.items()
    ]
