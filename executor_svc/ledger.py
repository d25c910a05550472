"""The ledger in event time: messages in, settled closes out. Pure; the store makes it durable."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from contracts.events import (
    CandleClosed,
    CandleEvaluated,
    FeedAnnounced,
    FeedSeries,
    PortfolioWeightsDecided,
    Signal,
)
from tradepulse.trading.account import Account
from tradepulse.trading.announcements import Offset
from tradepulse.trading.event_time import EventTime, Gathered
from tradepulse.trading.fills import Prices
from tradepulse.trading.moments import Moment, Settlement, Weights
from tradepulse.trading.weights import instruments_of, traded_at

CANDLE = "candle"
EVALUATION = "evaluation"


@dataclass(slots=True)
class Settled:
    """One settled close with what the ledger noticed about it."""

    settlement: Settlement
    missing: int
    late: bool


class Ledger:
    """One account, settled close after close.

    Args:
        account: its state at the last settled close.
        event_time: gathers candles and evaluations.
        portfolio: whose weights bind, or None to wait for none.
        weights: the vector that was binding at the last settled close.
        clock_is_event_time: judge ages by the close time instead of by `now`.
    """

    def __init__(
        self,
        account: Account,
        event_time: EventTime,
        *,
        portfolio: str | None,
        weights: Weights | None = None,
        clock_is_event_time: bool,
    ) -> None:
        self.account = account
        self.event_time = event_time
        self.weights = weights
        self._portfolio = portfolio
        self._clock_is_event_time = clock_is_event_time
        self._coming: dict[int, Weights] = {}
        self._decided_until = 0 if weights is None else weights.decided_at
        self._traded: list[str] = []
        self._instruments: frozenset[str] = frozenset()

    def on_feed(self, event: FeedAnnounced) -> None:
        """Learn which series to wait for."""
        self.event_time.announce(event.series)

    def on_candle(self, event: CandleClosed, position: Offset, now: int) -> None:
        """Take in a candle."""
        prices = Prices(event.open, event.high, event.low, event.close, event.volume)
        self.event_time.add(CANDLE, event.series, event.close_time, prices, now, position)

    def on_evaluation(self, event: CandleEvaluated, position: Offset, now: int) -> None:
        """Take in an evaluation."""
        self.event_time.add(
            EVALUATION, event.series, event.close_time, event.signals, now, position
        )

    def on_weights(self, event: PortfolioWeightsDecided, position: Offset, now: int = 0) -> None:
        """Take in a weight vector; a repeat changes nothing."""
        announcements = self.event_time.announcements
        if announcements.lack(event.close_time):
            take = partial(self.on_weights, event, position, now)
            announcements.put_by(event.close_time, None, take, position)
            return
        self.event_time.heard(event.close_time, now)
        # needed until a close after it is settled, hence one millisecond more
        self.event_time.track(position, event.close_time + 1)
        if event.portfolio == self._portfolio and event.close_time > self._decided_until:
            self._decided_until = event.close_time
            self._coming[event.close_time] = Weights(event.close_time, event.weights, event.budget)

    def settle_next(self, now: int) -> Settled | None:
        """Settle the next close if all that belongs to it is there."""
        gathered = self.event_time.ready(now)
        if gathered is None or not self._has_weights(gathered, now):
            return None
        time = gathered.close_time
        # they came in the order of their times; thousands may have come ahead
        while self._coming and (decided := next(iter(self._coming))) < time:
            self.weights = self._coming.pop(decided)
        moment = self._moment(gathered)
        settlement = self.account.settle(
            moment,
            self.weights,
            self._instruments_at(time),
            time if self._clock_is_event_time else now,
        )
        self.event_time.settle(gathered)
        return Settled(settlement, len(gathered.missing), gathered.late)

    def weights_age_ms(self, now: int) -> int | None:
        """Return how old the binding vector is by the clock that judges it; None without one."""
        if self._portfolio is None or self.weights is None:
            return None
        return (self.event_time.settled if self._clock_is_event_time else now) - (
            self.weights.decided_at
        )

    @property
    def portfolio(self) -> str:
        """Whose weights bind; empty for none."""
        return self._portfolio or ""

    def _instruments_at(self, time: int) -> frozenset[str]:
        """Return the instruments that are traded after a close, mostly those of the one before."""
        traded = traded_at(self.event_time.series, time)
        if traded != self._traded:
            self._traded, self._instruments = traded, instruments_of(traded)
        return self._instruments

    def _has_weights(self, gathered: Gathered, now: int) -> bool:
        """Tell whether the vector decided at the previous close is there, or waited for enough."""
        previous = self.event_time.settled
        if self._portfolio is None or gathered.late or self._decided_until >= previous:
            return True
        return self.event_time.waited_enough(gathered, now)

    def _moment(self, gathered: Gathered) -> Moment:
        candles: Mapping[str, Prices] = gathered.items.get(CANDLE, {})
        evaluations: Mapping[str, tuple[Signal, ...]] = gathered.items.get(EVALUATION, {})
        series: Mapping[str, FeedSeries] = self.event_time.series
        return Moment(
            gathered.close_time,
            candles,
            [(name, signal) for name, signals in evaluations.items() for signal in signals],
            frozenset(
                name for name in candles if series[name].last_close_time == gathered.close_time
            ),
            late=gathered.late,
        )

    def state(self) -> dict[str, Any]:
        """Return what must be kept beside the ledger's tables, as JSON."""
        return {
            "marks": self.account.marks,
            "frontiers": self.event_time.frontiers(),
            "weights": None
            if self.weights is None
            else {
                "decided_at": self.weights.decided_at,
                "by_instrument": dict(self.weights.by_instrument),
                "budget": self.weights.budget,
            },
        }


def weights_of(state: Mapping[str, Any]) -> Weights | None:
    """Return the weights kept by `Ledger.state`."""
    kept = state.get("weights")
    if kept is None:
        return None
    # kept before there were budgets
    budget = kept.get("budget", 1.0)
    return Weights(kept["decided_at"], kept["by_instrument"], budget)
