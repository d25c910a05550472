"""What each venue can do, as far as ccxt does not tell; the tests compare it with ccxt."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tradepulse.candles.timeframes import TIMEFRAMES_MS, timeframe_ms
from tradepulse.market_data.venues.errors import VenueRefusedError

TradesReach = Literal["all", "last_day"]


@dataclass(frozen=True, slots=True)
class VenueRules:
    """One venue.

    Attributes:
        name: ccxt's id.
        candles_per_call: most candles that one request is answered with.
        timeframes: those of ours that it has itself, the shortest first.
        watches_candles: whether its candles come over WebSocket; else they are built from trades.
        honours_since: whether old candles are served. Where not, any question is answered with the
            last `candles_per_call` candles.
        skips_holes: whether an answer begins with the first candle at or after `since`, so that it
            says of everything before that there is nothing.
        trades_per_call: most trades that one request is answered with.
        trades_reach: how far back its trades go.
        newest_trades_first: whether a request with too many trades is answered with the newest.
        flat_when_quiet: whether an interval without a trade has a candle.
        spacing_ms: between two requests of all processes together, where ccxt says nothing else.
        maker: fee of an order that rested, as a fraction, of the lowest tier.
        taker: fee of an order that did not.
    """

    name: str
    candles_per_call: int
    timeframes: tuple[str, ...]
    watches_candles: bool
    honours_since: bool
    skips_holes: bool
    trades_per_call: int
    trades_reach: TradesReach
    newest_trades_first: bool
    flat_when_quiet: bool
    spacing_ms: int
    maker: float
    taker: float

    def page_ms(self, timeframe: str) -> int:
        """Return the longest range that one answer covers, ms."""
        return self.candles_per_call * timeframe_ms(timeframe)


def _without(*missing: str) -> tuple[str, ...]:
    return tuple(name for name in TIMEFRAMES_MS if name not in missing)


VENUES: Mapping[str, VenueRules] = {
    rules.name: rules
    for rules in (
        VenueRules(
            name="binanceus",
            candles_per_call=1000,
            timeframes=_without(),
            watches_candles=True,
            honours_since=True,
            skips_holes=True,
            trades_per_call=1000,
            trades_reach="all",
            newest_trades_first=False,
            flat_when_quiet=True,
            spacing_ms=50,
            maker=0.001,
            taker=0.001,
        ),
        VenueRules(
            name="coinbase",
            candles_per_call=300,
            timeframes=_without("3m", "4h", "8h", "12h"),
            watches_candles=False,
            honours_since=True,
            skips_holes=False,
            trades_per_call=1000,
            trades_reach="all",
            newest_trades_first=True,
            flat_when_quiet=False,
            spacing_ms=34,
            maker=0.006,
            taker=0.012,
        ),
        VenueRules(
            name="kraken",
            candles_per_call=720,
            timeframes=_without("3m", "2h", "6h", "8h", "12h"),
            watches_candles=True,
            honours_since=False,
            skips_holes=False,
            trades_per_call=1000,
            trades_reach="all",
            newest_trades_first=False,
            flat_when_quiet=True,
            spacing_ms=1000,
            maker=0.0016,
            taker=0.0026,
        ),
        VenueRules(
            name="bitstamp",
            candles_per_call=1000,
            timeframes=_without("8h"),
            watches_candles=False,
            honours_since=True,
            skips_holes=False,
            trades_per_call=1_000_000,
            trades_reach="last_day",
            newest_trades_first=True,
            flat_when_quiet=True,
            spacing_ms=75,
            maker=0.004,
            taker=0.004,
        ),
    )
}
"""By ccxt's id."""


def rules_of(name: str) -> VenueRules:
    """Return a venue's rules.

    Raises:
        VenueRefusedError: it is none of ours.
    """
    if name not in VENUES:
        raise VenueRefusedError(f"unknown venue {name!r}; known are {', '.join(VENUES)}")
    return VENUES[name]


def check_timeframe(rules: VenueRules, timeframe: str) -> None:
    """Refuse a timeframe that is not known, or that the venue has no candles of.

    Raises:
        VenueRefusedError: what the venue has instead.
    """
    if timeframe not in TIMEFRAMES_MS:
        raise VenueRefusedError(
            f"unknown timeframe {timeframe!r}; {rules.name} has {', '.join(rules.timeframes)}"
        )
    if timeframe not in rules.timeframes:
        raise VenueRefusedError(
            f"{rules.name} has no {timeframe} candles, only {', '.join(rules.timeframes)}: take a "
            "shorter one, from which ours are made when they are loaded, or build from trades"
        )
