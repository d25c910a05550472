"""Pages of candles through a range, in either direction, with patience.

A venue that does not answer is asked again a few times, each after a longer pause. One that no
longer serves the older part of a range gives the rest, and then a refusal that says from when on
there are candles; its older ones can be built from trades, where it serves these.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tradepulse.candles.checks import time_text
from tradepulse.candles.from_trades import Trades, candles_from_trades
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.venues import answers
from tradepulse.market_data.venues.answers import CandlePage, Span
from tradepulse.market_data.venues.client import Venue
from tradepulse.market_data.venues.errors import OutOfReachError, RateLimitedError, VenueDownError

log = logging.getLogger(__name__)
T = TypeVar("T")

_HOUR = 3_600_000
_DAY = 24 * _HOUR
_LONGEST_SPAN = 32 * _DAY
_FEW, _MANY = 1, 5


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a venue is asked again, and after which pauses.

    Attributes:
        tries: requests in all.
        first_s: before the second; each later pause is twice the one before.
        longest_s: of a pause.
    """

    tries: int = 6
    first_s: float = 0.5
    longest_s: float = 30.0

    def pause_s(self, tried: int) -> float:
        """Return the pause after so many tries: half of it by chance, so that not all come back."""
        whole = min(self.longest_s, self.first_s * 2.0 ** (tried - 1))
        return whole * (0.5 + random.random() / 2)  # noqa: S311 - no secret


PATIENCE = Patience()


async def persist(name: str, ask: Callable[[], Awaitable[T]], patience: Patience = PATIENCE) -> T:
    """Ask until there is an answer.

    After a rate limit the next request waits by the venue's pace, not here.

    Raises:
        VenueDownError: the last of many tries failed, too.
        VenueRefusedError: at once.
    """
    for tried in range(1, patience.tries):
        try:
            return await ask()
        except RateLimitedError as error:
            log.info("%s: %s", name, error)
        except VenueDownError as error:
            log.info("%s: %s", name, error)
            await asyncio.sleep(patience.pause_s(tried))
    try:
        return await ask()
    except VenueDownError as error:
        raise VenueDownError(f"{error} (asked {patience.tries} times)") from error


async def pages(
    venue: Venue,
    symbol: str,
    timeframe: str,
    start: int,
    end: int,
    *,
    backward: bool = False,
    from_trades: bool = False,
    patience: Patience = PATIENCE,
) -> AsyncGenerator[CandlePage, None]:
    """Yield the venue's answers about `[start, end)`, each bordering on the one before.

    Args:
        venue: whom to ask.
        symbol: as in `BTC/USD`.
        timeframe: as in `5m`; with `from_trades` also one that the venue does not have.
        start: epoch ms.
        end: epoch ms; what has not closed yet is left out.
        backward: begin with the newest page.
        from_trades: build the candles from trades: all of them, but at Kraken those only of which
            it serves no candles any more.
        patience: with a venue that does not answer.

    Raises:
        OutOfReachError: the venue does not serve the older part; what it serves was yielded.
        VenueRefusedError: unknown symbol, or a timeframe that the venue does not have.
        VenueDownError: the venue does not answer.
    """
    source = _Pages(venue, symbol, timeframe, patience)
    step = timeframe_ms(timeframe)
    span = -(-start // step) * step, -(-end // step) * step
    whole = from_trades and (venue.rules.honours_since or timeframe not in venue.rules.timeframes)
    await persist(venue.name, lambda: venue.check(symbol, None if whole else timeframe), patience)
    if whole:
        found = source.from_trades(span, backward=backward)
    elif backward:
        found = source.backward(span, deep=from_trades)
    else:
        found = source.forward(span, deep=from_trades)
    async for page in found:
        yield page


@dataclass(frozen=True, slots=True)
class _Pages:
    venue: Venue
    symbol: str
    timeframe: str
    patience: Patience

    async def forward(self, span: Span, *, deep: bool) -> AsyncGenerator[CandlePage, None]:
        at, end = span
        while at < end:
            page = await self._candles((at, end))
            older = at, min(page.covered[0], end)
            if older[0] < older[1] and deep:
                async for built in self.from_trades(older, backward=False):
                    yield built
            yield page
            if older[0] < older[1] and not deep:
                raise self._out_of_reach(page.covered[0])
            if page.covered[1] <= at or page.end_of_data:
                return
            at = page.covered[1]

    async def backward(self, span: Span, *, deep: bool) -> AsyncGenerator[CandlePage, None]:
        start, end = span
        step = timeframe_ms(self.timeframe)
        end = min(end, self.venue.clock() // step * step)
        rules = self.venue.rules
        size = rules.page_ms(self.timeframe) if rules.honours_since else end - start
        while start < end:
            begin = max(start, end - size)
            page = await self._candles((begin, end))
            yield page
            older = begin, min(page.covered[0], end)
            if older[0] < older[1]:
                if not deep:
                    raise self._out_of_reach(page.covered[0])
                async for built in self.from_trades(older, backward=True):
                    yield built
            at = page.covered[1]
            while at < end:
                # more candles than slots: some lie off the grid
                rest = await self._candles((at, end))
                if rest.covered[1] <= at:
                    break
                yield rest
                at = rest.covered[1]
            end = begin

    async def from_trades(self, span: Span, *, backward: bool) -> AsyncGenerator[CandlePage, None]:
        """Yield candles built of trades: as long a stretch at once as a few answers hold."""
        step, now = timeframe_ms(self.timeframe), self.venue.clock()
        start, end = span[0], min(span[1], (now - answers.SETTLE_MS) // step * step)
        reach = start
        if self.venue.rules.trades_reach == "last_day":
            # a minute less than it serves: the answer comes later than the question
            reach = max(start, -(-(now - _DAY + answers.SETTLE_MS) // step) * step)
        begin, width = reach, max(step, _HOUR)
        while begin < end:
            if self.venue.rules.trades_reach == "last_day":
                width = end - begin
            width = width // step * step
            part = (max(begin, end - width), end) if backward else (begin, min(end, begin + width))
            trades, requests = await self._trades(part)
            yield self._built(trades, part)
            begin, end = (begin, part[0]) if backward else (part[1], end)
            if requests <= _FEW:
                width = min(2 * width, _LONGEST_SPAN)
            elif requests > _MANY:
                width = max(width // 2, step)
        if start < min(reach, span[1]):
            raise OutOfReachError(
                f"no trades for {self.venue.name} {self.symbol} before {time_text(reach)}; "
                f"{self.venue.name} serves only those of the last day: take its own candles"
            )

    async def _candles(self, span: Span) -> CandlePage:
        return await persist(
            self.venue.name,
            lambda: self.venue.candles(self.symbol, self.timeframe, *span),
            self.patience,
        )

    async def _trades(self, span: Span) -> tuple[Trades, int]:
        """Return all trades of a range, and how many requests that took."""
        parts, requests = [answers.no_trades(self.venue.name, self.symbol)], 0
        start, end = span
        while start < end:
            left = start, end
            page = await persist(
                self.venue.name,
                lambda left=left: self.venue.trades(self.symbol, *left),  # type: ignore[misc]  # mypy cannot infer a lambda's defaults
                self.patience,
            )
            requests += 1
            parts.append(page.trades)
            if page.asked[0] > start:
                end = page.asked[0]
            elif page.asked[1] > start:
                start = page.asked[1]
            else:
                raise VenueDownError(
                    f"{self.venue.name} gives no trades of {self.symbol} at {time_text(start)}"
                )
        return answers.joined(parts), requests

    def _built(self, trades: Trades, span: Span) -> CandlePage:
        try:
            candles = candles_from_trades(trades, self.timeframe, start=span[0], end=span[1])
        except ValueError as error:
            raise VenueDownError(f"{self.venue.name} sent an impossible trade: {error}") from error
        return CandlePage(candles, span, span)

    def _out_of_reach(self, first: int) -> OutOfReachError:
        name = self.venue.name
        return OutOfReachError(
            f"no candles for {name} {self.symbol} {self.timeframe} before {time_text(first)}; "
            f"{name} serves only the last {self.venue.rules.candles_per_call}: import a file or "
            "build from trades"
        )
