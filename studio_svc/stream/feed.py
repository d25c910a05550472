"""Kafka in, pages out: each batch is passed on as it comes, nothing is decided."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from contracts.events import (
    CandleClosed,
    CandleEvaluated,
    ConfigurationChanged,
    EquityMarked,
    OrderDecided,
    OrderFilled,
    PortfolioWeightsDecided,
    PositionClosed,
)
from contracts.topics import ACCOUNT, CANDLES, CONFIGURATIONS, EVALUATIONS, WEIGHTS, Topic
from studio_svc.markets.views import candle_row
from studio_svc.orders.views import fill_of, order_of, signals_of, trade_of
from studio_svc.rl.views import WeightsView
from studio_svc.stream.hub import Hub
from tradepulse.runtime.delivery import Decoder, Delivery, decoder_of

TOPICS = (CANDLES, EVALUATIONS, WEIGHTS, CONFIGURATIONS, ACCOUNT)
NO_SIGNALS = b'"signals":[]'


def watching_decoder(
    topic: Topic, undecodable: Callable[[], None], decode: Decoder | None = None
) -> Decoder:
    """Return a decoder that gives None for what cannot be decoded, and counts it.

    Who acts on a message puts it on the dead-letter topic; a copy from a service that only looks
    on would say nothing more. The account's events have no other reader, so theirs are refused.

    Args:
        topic: what is read.
        undecodable: called for each message that cannot be decoded.
        decode: instead of the validating decoder of the topic's events.
    """
    read = decode or decoder_of(topic)

    def watch(value: bytes) -> Any:
        # nearly every evaluation is empty: not decoding those saves most of this service's work
        if topic is EVALUATIONS and NO_SIGNALS in value:
            return None
        try:
            return read(value)
        except ValueError:
            undecodable()
            if topic is ACCOUNT:
                raise
            return None

    return watch


class PageFeed:
    """Tells the open pages what the topics say.

    Args:
        hub: the open pages.
        account: whose ledger is shown; so is `portfolio`.
        ledger_changed: called when positions or figures must be read again.
        configurations_changed: the same for the configurations.
    """

    def __init__(
        self,
        hub: Hub,
        account: str,
        portfolio: str,
        ledger_changed: Callable[[], None],
        configurations_changed: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._account = account
        self._portfolio = portfolio
        self._ledger_changed = ledger_changed
        self._configurations_changed = configurations_changed

    async def on_batch(self, batch: Sequence[Delivery]) -> None:
        """Pass on every event of a batch, in order."""
        for delivery in batch:
            self.on_event(delivery.event)
        # a full batch must not starve the open pages
        await asyncio.sleep(0)

    def on_event(self, event: Any) -> None:
        """Pass on one event; other accounts' are passed over."""
        match event:
            case CandleClosed():
                self._hub.candle(event.series, candle_row(event), event.close_time, event.source)
            case CandleEvaluated():
                for signal in signals_of(event):
                    self._hub.row("signals", signal)
            case PortfolioWeightsDecided(portfolio=self._portfolio):
                self._on_weights(WeightsView(**event.model_dump()))
            case ConfigurationChanged():
                self._configurations_changed()
            case OrderDecided(account=self._account):
                self._hub.row("orders", order_of(event))
            case OrderFilled(account=self._account):
                self._hub.row("fills", fill_of(event))
                self._ledger_changed()
            case PositionClosed(account=self._account):
                self._hub.row("trades", trade_of(event))
                self._ledger_changed()
            case EquityMarked(account=self._account):
                self._hub.equity(
                    (
                        event.close_time,
                        float(event.equity),
                        float(event.cash),
                        float(event.exposure),
                        event.open_positions,
                    )
                )
                self._ledger_changed()
            case _:
                pass

    def _on_weights(self, weights: WeightsView) -> None:
        """Pass on the newest vector; one that is published again is not newer for that."""
        known: WeightsView | None = self._hub.latest("weights")
        if known is None or weights.close_time >= known.close_time:
            self._hub.state("weights", weights)
