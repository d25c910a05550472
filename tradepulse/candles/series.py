"""How a series and its instrument are named, for every value that lies on one."""


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
