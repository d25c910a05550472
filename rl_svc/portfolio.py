"""The portfolio in event time: candles in, one weight vector per close out. Pure."""

from contracts.events import CandleClosed, FeedSeries, PortfolioWeightsDecided
from tradepulse.trading.event_time import EventTime
from tradepulse.trading.weights import ReturnHistory, WeightPolicy

CANDLE = "candle"


class Portfolio:
    """Decides weights at every close of its instruments.

    Args:
        name: of the portfolio.
        policy: turns returns into weights.
        event_time: gathers the candles.
    """

    def __init__(self, name: str, policy: WeightPolicy, event_time: EventTime) -> None:
        self.event_time = event_time
        self._name = name
        self._policy = policy
        self._history = ReturnHistory(policy.lookback)

    def knows(self, series: FeedSeries) -> bool:
        """Tell whether a series was announced before."""
        return series.series in self.event_time.series

    def on_series(self, series: FeedSeries, closes: list[float]) -> None:
        """Learn of a series, with its closes up to the last settled one, oldest first.

        Its closes are wanted the first time only: after that it has seen them itself.
        """
        instrument = series.series.rpartition(":")[0]
        self._history.expect(instrument)
        for close in closes:
            self._history.add(instrument, close)
        self.event_time.announce([series])

    def on_candle(self, event: CandleClosed, position: tuple[str, int], now: int) -> None:
        """Take in a candle."""
        self.event_time.add(CANDLE, event.series, event.close_time, event.close, now, position)

    def decide_next(self, now: int) -> PortfolioWeightsDecided | None:
        """Decide the next close if its candles are there; None while they are waited for.

        A late candle joins the history and decides nothing: its close was decided without it.
        """
        while (gathered := self.event_time.ready(now)) is not None:
            closes = gathered.items[CANDLE]
            for series in sorted(closes):
                self._history.add(series.rpartition(":")[0], closes[series])
            self.event_time.settle(gathered)
            if not gathered.late:
                present = {series.rpartition(":")[0] for series in closes}
                return PortfolioWeightsDecided(
                    portfolio=self._name,
                    close_time=gathered.close_time,
                    policy=self._policy.name,
                    weights=self._policy.weights(self._history.returns),
                    missing=tuple(sorted(self._history.returns.keys() - present)),
                )
        return None
