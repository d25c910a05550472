"""One venue through ccxt, one request at a time.

ccxt brings a hundred exchanges along, which takes seconds: it is imported with the first client.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, Self

from tradepulse.candles.checks import time_text
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.instrument_rules import KeptRules
from tradepulse.market_data.venues import answers
from tradepulse.market_data.venues.answers import CandlePage, Span, TradePage
from tradepulse.market_data.venues.errors import VenueDownError, VenueRefusedError
from tradepulse.market_data.venues.listed import listed_rules
from tradepulse.market_data.venues.options import VenuesOptions
from tradepulse.market_data.venues.pace import Pace
from tradepulse.market_data.venues.requests import Requests
from tradepulse.market_data.venues.rules import VenueRules, check_timeframe, rules_of
from tradepulse.runtime.clock import wall_clock

Clock = Callable[[], int]
"""Market time in epoch ms."""

_HOUR = 3_600_000
_DAY = 24 * _HOUR
_NS = 1_000_000
_ALIKE = 5


class Venue:
    """One venue. It is asked at first use; what it lists is loaded then, and once.

    Attributes:
        name: ccxt's id.
        rules: what it can do.
        client: the ccxt.pro client, for its watch methods.
        clock: market time, by which candles are closed or not.

    Every method raises `VenueDownError` where the venue does not answer now and
    `VenueRefusedError` where it never will.
    """

    def __init__(self, client: Any, rules: VenueRules, pace: Pace, clock: Clock) -> None:
        self.name = rules.name
        self.rules = rules
        self.client = client
        self.clock = clock
        self._requests = Requests(client, rules, pace)
        self._loading = asyncio.Lock()

    async def check(self, symbol: str, timeframe: str | None = None) -> None:
        """Refuse a symbol or a timeframe that the venue does not have.

        Loads what the venue lists, if that has not happened yet.
        """
        if timeframe is not None:
            check_timeframe(self.rules, timeframe)
        await self._load()
        market = self.client.markets.get(symbol)
        if market is None or not market.get("spot", True):
            raise VenueRefusedError(
                f"{self.name} has no {symbol}{_similar(symbol, self.client.markets)}"
            )

    async def list_again(self) -> None:
        """Load anew what the venue lists."""
        await self._load(again=True)

    def listed(self, symbols: Iterable[str] | None = None) -> list[KeptRules]:
        """Return what orders the venue accepts; of what is loaded, nothing is asked.

        Args:
            symbols: those that are meant, as far as it has them; all spot markets by default.
        """
        markets, mode, now = self.client.markets or {}, self.client.precisionMode, wall_clock()
        names = sorted(markets) if symbols is None else [s for s in symbols if s in markets]
        return [
            listed_rules(self.name, markets[name], mode, now)
            for name in names
            if markets[name].get("spot", True)
        ]

    async def candles(self, symbol: str, timeframe: str, start: int, end: int) -> CandlePage:
        """Ask for the closed candles that open in `[start, end)`; one request.

        The answer is about the beginning of the range, as much as one answer holds, but for Kraken,
        which always answers with its last 720.

        Args:
            symbol: as in `BTC/USD`.
            timeframe: one that the venue has.
            start: epoch ms.
            end: epoch ms.
        """
        await self.check(symbol, timeframe)
        step, now = timeframe_ms(timeframe), self.clock()
        first = -(-start // step) * step
        stop = min(-(-end // step) * step, now // step * step)
        if first >= stop:
            nothing = answers.no_candles(self.name, symbol, timeframe)
            return CandlePage(nothing, (first, first), (first, first), end_of_data=True)
        if self.rules.honours_since and not self.rules.skips_holes:
            stop = min(stop, first + self.rules.page_ms(timeframe))
        window = first, stop
        rows, answer = await self._requests.ask_with_answer(
            lambda: self.client.fetch_ohlcv(
                symbol, timeframe, first, *self._candle_arguments(step, window)
            )
        )
        raw = answers.raw_rows(self.rules, answer.json)
        found, refused = answers.candles_of(self.name, symbol, timeframe, rows)
        covered = answers.coverage(self.rules, timeframe, rows, len(raw), window)
        last = answers.committed(self.rules, answer.json)
        if last is not None:
            # the venue's own word counts where our clock might be ahead of its
            closed = max(last + step, (now - answers.SETTLE_MS) // step * step)
            covered = covered[0], max(covered[0], min(covered[1], closed))
        return CandlePage(
            found.between(*covered),
            covered,
            answers.settled(covered, now, step),
            end_of_data=covered[1] >= now // step * step,
            refused=tuple(one for one in refused if covered[0] <= one.open_time < covered[1]),
        )

    async def trades(self, symbol: str, start: int, end: int) -> TradePage:
        """Ask for the trades in `[start, end)`; one request.

        Only where a venue has more trades in one millisecond than it answers a request with, it is
        asked on until that is over.

        Args:
            symbol: as in `BTC/USD`.
            start: epoch ms.
            end: epoch ms; nothing later than `SETTLE_MS` before now is asked for.
        """
        await self.check(symbol)
        span = answers.settled((start, end), self.clock())
        if span[0] >= span[1]:
            return TradePage(answers.no_trades(self.name, symbol), (start, start))
        if self.rules.trades_reach == "last_day":
            return await self._trades_of_last_day(symbol, span)
        if self.rules.newest_trades_first:
            return await self._newest_trades(symbol, span)
        return await self._oldest_trades(symbol, span)

    async def server_time_offset_ms(self) -> int:
        """Return how far the venue's clock is ahead of ours, ms; 0 where it does not tell."""
        if not self.client.has.get("fetchTime"):
            return 0
        before = self.clock()
        told = await self._requests.ask(self.client.fetch_time)
        return int(told) - (before + self.clock()) // 2

    async def close(self) -> None:
        """Close every connection."""
        await self.client.close()

    async def _load(self, *, again: bool = False) -> None:
        async with self._loading:
            if again or not self.client.markets:
                await self._requests.ask(lambda: self.client.load_markets(again))

    def _candle_arguments(self, step: int, window: Span) -> tuple[int | None, dict[str, int]]:
        if not self.rules.honours_since:
            return None, {}
        slots = (window[1] - window[0]) // step
        # a venue with candles off its grid has more of them than slots
        limit = self.rules.candles_per_call if self.rules.skips_holes else slots
        return limit, {"until": window[1] - 1}

    async def _oldest_trades(self, symbol: str, span: Span) -> TradePage:
        start, end = span
        if self.name == "binanceus":
            # aggregated trades come for less than an hour at once
            end = min(end, start + _HOUR)
        most = self.rules.trades_per_call
        rows, cursor = await self._first_trades(symbol, start, end)
        while len(rows) >= most:
            last = int(rows[-1]["timestamp"])
            if last > start:
                # of the last millisecond, some may be missing
                end = min(end, last)
                break
            more, cursor = await self._trades_after(symbol, cursor)
            rows += more
            if len(more) < most:
                break
        return TradePage(answers.trades_of(self.name, symbol, rows, (start, end)), (start, end))

    async def _first_trades(self, symbol: str, start: int, end: int) -> tuple[list[Any], Any]:
        most = self.rules.trades_per_call
        if self.name == "kraken":
            return await self._trades_after(symbol, start * _NS - 1)
        rows = await self._requests.ask(
            lambda: self.client.fetch_trades(symbol, start, most, {"until": end - 1})
        )
        return rows, rows[-1]["id"] if rows else None

    async def _trades_after(self, symbol: str, cursor: Any) -> tuple[list[Any], Any]:
        """Return trades after a cursor: at Kraken a time in ns, else a trade's id."""
        most = self.rules.trades_per_call
        if self.name == "kraken":
            rows, answer = await self._requests.ask_with_answer(
                lambda: self.client.fetch_trades(symbol, None, most, {"since": str(cursor)})
            )
            result = answer.json.get("result") if isinstance(answer.json, dict) else None
            if not isinstance(result, dict) or "last" not in result:
                raise VenueDownError(f"{self.name} sent an answer without trades in it")
            return rows, int(result["last"])
        rows = await self._requests.ask(
            lambda: self.client.fetch_trades(symbol, None, most, {"fromId": int(cursor) + 1})
        )
        return rows, rows[-1]["id"] if rows else cursor

    async def _newest_trades(self, symbol: str, span: Span) -> TradePage:
        start, end = span
        most = self.rules.trades_per_call
        rows, answer = await self._requests.ask_with_answer(
            # its times are whole seconds, the last one included
            lambda: self.client.fetch_trades(
                symbol, start // 1000 * 1000, most, {"until": -(-end // 1000) * 1000}
            )
        )
        raw = answer.json.get("trades") if isinstance(answer.json, dict) else None
        if not isinstance(raw, list):
            raise VenueDownError(f"{self.name} sent an answer without trades in it")
        if len(raw) >= most:
            oldest = min(int(row["timestamp"]) for row in rows) + 1
            if oldest >= end:
                raise VenueRefusedError(
                    f"{self.name} {symbol} has more than {most} trades in the second before "
                    f"{time_text(end)}, and serves no more of them: take its own candles there"
                )
            start = max(start, oldest)
        return TradePage(answers.trades_of(self.name, symbol, rows, (start, end)), (start, end))

    async def _trades_of_last_day(self, symbol: str, span: Span) -> TradePage:
        now = self.clock()
        if span[0] < now - _DAY:
            raise VenueRefusedError(
                f"{self.name} serves the trades of the last day only, not those of {symbol} at "
                f"{time_text(span[0])}: take its own candles"
            )
        back = now - span[0]
        reach = "hour" if back < _HOUR else "day"
        rows, answer = await self._requests.ask_with_answer(
            lambda: self.client.fetch_trades(symbol, None, None, {"time": reach})
        )
        if not isinstance(answer.json, list):
            raise VenueDownError(f"{self.name} sent an answer without trades in it")
        return TradePage(answers.trades_of(self.name, symbol, rows, span), span)


def _similar(symbol: str, markets: Mapping[str, Any]) -> str:
    base = symbol.split("/", maxsplit=1)[0].upper()
    alike = sorted(name for name in markets if name.split("/")[0] == base and ":" not in name)
    return f"; it has {', '.join(alike[:_ALIKE])}" if alike else ": check its spelling, as BTC/USD"


async def load_ccxt() -> None:
    """Import ccxt beside the event loop, which goes on meanwhile; at once where that is done."""
    await asyncio.to_thread(import_module, "ccxt.pro")


def open_client(name: str, options: VenuesOptions) -> Any:
    """Return ccxt's client of a venue; it is not asked anything yet.

    Raises:
        VenueRefusedError: the venue is none of ours.
    """
    rules_of(name)
    return getattr(import_module("ccxt.pro"), name)(
        {"enableRateLimit": True, **options.get(name, {})}
    )


@asynccontextmanager
async def open_venue(
    name: str, options: VenuesOptions, pace: Pace, clock: Clock = wall_clock
) -> AsyncIterator[Venue]:
    """Yield a venue, closed at the end; it is asked nothing before it is used.

    Raises:
        VenueRefusedError: the venue is none of ours.
    """
    venue = Venue(open_client(name, options), rules_of(name), pace, clock)
    try:
        yield venue
    finally:
        await venue.close()


class Venues:
    """All venues of a process: each is opened when it is first asked for, and closed at the end.

    Args:
        options: how they are reached.
        pace: spaces requests.
        clock: market time.
    """

    def __init__(self, options: VenuesOptions, pace: Pace, clock: Clock = wall_clock) -> None:
        self._options = options
        self._pace = pace
        self._clock = clock
        self._opened: dict[str, Venue] = {}

    def venue(self, name: str) -> Venue:
        """Return a venue.

        Raises:
            VenueRefusedError: it is none of ours.
        """
        if name not in self._opened:
            client = open_client(name, self._options)
            self._opened[name] = Venue(client, rules_of(name), self._pace, self._clock)
        return self._opened[name]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for venue in self._opened.values():
            await venue.close()
        self._opened.clear()
