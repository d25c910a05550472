"""How a series and its instrument are named, for every value that lies on one; which are meant."""

from dataclasses import dataclass


class OnSeries:
    """Gives a value with `exchange`, `symbol` and `timeframe` its two names."""

    __slots__ = ()

    exchange: str
    symbol: str
    timeframe: str

    @property
    def instrument(self) -> str:
        """`exchange:symbol`."""
        return f"{self.exchange}:{self.symbol}"

    @property
    def series(self) -> str:
        """`exchange:symbol:timeframe`."""
        return f"{self.exchange}:{self.symbol}:{self.timeframe}"


@dataclass(frozen=True, slots=True)
class SeriesFilter:
    """Which series are meant; None filters nothing.

    Attributes:
        exchange: only this venue's.
        symbol: only this one, as in `BTC/USD`.
        timeframe: only this one, as in `30m`.
    """

    exchange: str | None = None
    symbol: str | None = None
    timeframe: str | None = None

    def takes(self, one: OnSeries) -> bool:
        """Tell whether a series, or what lies on it, is meant."""
        return (
            self.exchange in {None, one.exchange}
            and self.symbol in {None, one.symbol}
            and self.timeframe in {None, one.timeframe}
        )


EVERY_SERIES = SeriesFilter()
