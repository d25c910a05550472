"""The portfolio in event time: candles in, one weight vector per close out. Pure."""

from collections.abc import Collection, Iterable, Sequence

from contracts.events import CandleClosed, FeedSeries, PortfolioWeightsDecided
from tradepulse.trading.event_time import EventTime
from tradepulse.trading.policies.weighing import history_for, weigh
from tradepulse.trading.weights import ReturnHistory, WeightPolicy, instruments_of, traded_at

CANDLE = "candle"


class Portfolio:
    """Decides weights at every close of its instruments.

    Args:
        name: of the portfolio.
        policy: turns returns into weights.
        event_time: gathers the candles.
        lookback: returns of each series that are kept at least, for policies that come later.
    """

    def __init__(
        self, name: str, policy: WeightPolicy, event_time: EventTime, lookback: int = 0
    ) -> None:
        self.event_time = event_time
        self.lookback = max(history_for(policy), lookback)
        """Returns of each series that are kept."""
        self._name = name
        self._policy = policy
        self._shadows: Sequence[WeightPolicy] = ()
        self._beside: list[PortfolioWeightsDecided] = []
        self._clipped = 0
        self._history = ReturnHistory(self.lookback)
        self._corrected: dict[tuple[str, int], float] = {}

    def follow(self, policy: WeightPolicy, shadows: Sequence[WeightPolicy] = ()) -> None:
        """Decide by another policy from the next close on, and by some beside it.

        Raises:
            ValueError: one needs more returns than are kept.
        """
        for one in (policy, *shadows):
            if (needed := history_for(one)) > self.lookback:
                raise ValueError(
                    f"{one.name} needs {needed} returns of each series, {self.lookback} are kept: "
                    "restart with it"
                )
        self._policy, self._shadows = policy, shadows

    def take_beside(self) -> list[PortfolioWeightsDecided]:
        """Return what the shadows decided since this was asked last; nobody follows it."""
        beside, self._beside = self._beside, []
        return beside

    def take_clipped(self) -> int:
        """Return how many figures at their bound its model saw since this was asked last."""
        clipped, self._clipped = self._clipped, 0
        return clipped

    def known_until(self, series: FeedSeries) -> int | None:
        """Return the close time up to which a series' closes are wanted; None where known.

        It is the last that was decided with before a restart, or what lies before its first candle.
        """
        known = self.event_time.series.get(series.series)
        if known is not None and known.first_open_time == series.first_open_time:
            return None
        decided = min(self.event_time.frontier(CANDLE, series.series), self.event_time.settled)
        return max(decided, series.first_open_time)

    def on_series(
        self, series: FeedSeries, closes: Iterable[tuple[int, float]] | None = None
    ) -> None:
        """Learn of a series, with its closes until `known_until`, oldest first, if wanted."""
        if closes is not None:
            self._history.begin(series.series, closes)
        self.event_time.announce([series])

    def on_candle(self, event: CandleClosed, position: tuple[str, int], now: int) -> None:
        """Take in a candle, or what corrects one that was decided with."""
        is_new = self.event_time.add(
            CANDLE, event.series, event.close_time, event.close, now, position
        )
        if is_new or event.source != "repaired":
            return
        if event.close_time <= self.event_time.settled:
            self._history.correct(event.series, event.close_time, event.close)
        else:
            self._corrected[event.series, event.close_time] = event.close

    def decide_next(self, now: int) -> PortfolioWeightsDecided | None:
        """Decide the next close if its candles are there; None while they are waited for.

        A late candle joins the history and decides nothing: its close was decided without it.
        """
        while (gathered := self.event_time.ready(now)) is not None:
            time = gathered.close_time
            closes = gathered.items[CANDLE]
            for series, close in closes.items():
                corrected = self._corrected.pop((series, time), close)
                self._history.add(series, time, corrected)
            self.event_time.settle(gathered)
            if not gathered.late:
                return self._decided(time, closes)
        return None

    def _decided(self, time: int, closes: Iterable[str]) -> PortfolioWeightsDecided:
        traded = traded_at(self.event_time.series, time)
        lacking = instruments_of(traded) - instruments_of(closes)
        self._beside += [self._by(one, time, traded, lacking) for one in self._shadows]
        return self._by(self._policy, time, traded, lacking)

    def _by(
        self, policy: WeightPolicy, time: int, traded: Collection[str], lacking: frozenset[str]
    ) -> PortfolioWeightsDecided:
        decided = weigh(policy, self._history, traded)
        if policy is self._policy:
            self._clipped += decided.clipped
        return PortfolioWeightsDecided(
            portfolio=self._name,
            close_time=time,
            policy=decided.policy,
            weights=decided.weights,
            missing=tuple(sorted(lacking.union(decided.unknown))),
            budget=decided.budget,
            model_id=decided.model_id,
            fallback=decided.fallback,
        )
