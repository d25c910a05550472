"""Kafka in, ledger out: nothing is decided here."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from contracts.events import trace_id
from executor_svc.ledger import Ledger, Settled
from executor_svc.markets import Markets
from executor_svc.meters import ExecutorMeters
from executor_svc.store import LedgerStore
from executor_svc.totals import Totals
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.doubts import Doubts, Offset
from tradepulse.runtime.health import Pulse
from tradepulse.runtime.hold_back import hold_back
from tradepulse.runtime.outbox import Relay
from tradepulse.runtime.ownership import Ownership
from tradepulse.runtime.reading import AssignedReading
from tradepulse.runtime.rules_version import KEPT
from tradepulse.runtime.tracing import NO_TRACES
from tradepulse.trading import RULES_VERSION

log = logging.getLogger(__name__)

CLOSES_PER_TRANSACTION = 250
LOOK_EVERY_S = 0.2
PATIENCE_MS = 30_000
"""How long a close may wait before the log says for whom."""


class Executor:
    """Feeds the ledger from Kafka and stores what it settles.

    Each topic is read by itself; what comes meets in the ledger, under one lock, and is ordered
    there by event time.
    """

    _ledger: Ledger
    _owner: Ownership
    _feeds: AssignedReading
    _candles: AssignedReading
    _evaluations: AssignedReading
    _weights: AssignedReading
    _doubts: Doubts

    def __init__(
        self,
        store: LedgerStore,
        markets: Markets,
        relay: Relay,
        meters: ExecutorMeters,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._markets = markets
        self._relay = relay
        self._meters = meters
        self._now = now
        self.pulse = Pulse()
        """Beats while closes are settled, or looked for."""
        self._lock = asyncio.Lock()
        self._blocked_since = now()
        self.traces = NO_TRACES

    def take_over(self, owner: Ownership, ledger: Ledger, totals: Totals) -> None:
        """Work for an account from here on."""
        self._owner, self._ledger = owner, ledger
        self._meters.take_over(ledger, totals)
        self._doubts = Doubts(ledger.event_time, self._lock, self._feeds)

    def reads(
        self,
        feeds: AssignedReading,
        candles: AssignedReading,
        evaluations: AssignedReading,
        weights: AssignedReading,
    ) -> None:
        """Say what it reads."""
        self._feeds, self._candles = feeds, candles
        self._evaluations, self._weights = evaluations, weights

    def offsets(self) -> Mapping[str, int]:
        """Return the offsets that were kept with the ledger."""
        return self._owner.offsets

    async def on_feeds(self, batch: list[Delivery]) -> None:
        """Learn which series to wait for."""
        async with self._lock:
            for delivery in await self._doubts.believed(self._feeds, batch, self._now()):
                series = [one.series for one in delivery.event.series]
                await self._markets.learn(name.rpartition(":")[0] for name in series)
                self._ledger.on_feed(delivery.event)

    async def on_candles(self, batch: list[Delivery]) -> None:
        """Take in candles, and settle what is complete."""
        came = self._meters.path.on_candles
        await self._take(self._candles, batch, came, self._ledger.on_candle)

    async def on_evaluations(self, batch: list[Delivery]) -> None:
        """Take in evaluations, and settle what is complete."""
        came = partial(self._meters.path.on_others, "evaluations")
        await self._take(self._evaluations, batch, came, self._ledger.on_evaluation)

    async def on_weights(self, batch: list[Delivery]) -> None:
        """Take in weight vectors, and settle what waited for them."""
        came = partial(self._meters.path.on_others, "weights")
        await self._take(self._weights, batch, came, self._ledger.on_weights)

    async def _take(
        self,
        reading: AssignedReading,
        batch: list[Delivery],
        came: Callable[[list[Delivery]], None],
        take: Callable[[Any, Offset, int], None],
    ) -> None:
        async with self._lock:
            came(batch)
            await self._doubts.take_in(reading, batch, self._now, take)
            await self._settle()

    async def keep_putting_aside(self) -> None:
        """Put aside for ever what no feed has announced."""
        await self._doubts.keep_putting_aside()

    async def keep_settling(self) -> None:
        """Settle for ever what no message settles: a close whose grace period is over."""
        reads = (self._candles, self._evaluations, self._weights)
        while True:
            async with self._lock:
                # what is in hand waits for the lock, and may be what a close waits for
                if all(one.is_idle for one in reads):
                    await self._settle()
                self._tell_what_is_waited_for()
            self.pulse.beat()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _settle(self) -> None:
        # one time for all of it: nothing is taken in meanwhile, so no grace may run out
        now = self._now()
        if any(one.is_behind for one in (self._candles, self._evaluations, self._weights)):
            self._ledger.event_time.still_reading(now)
        while True:
            settled: list[Settled] = []
            before, begun_ns = self._ledger.event_time.settled, time.time_ns()
            while len(settled) < CLOSES_PER_TRANSACTION:
                one = self._ledger.settle_next(now)
                if one is None:
                    break
                settled.append(one)
            if not settled:
                self._hold_back()
                return
            self._meters.path.on_storing()
            with self._meters.seconds.time():
                await self._store.record(
                    [one.settlement for one in settled],
                    self._ledger.account.cash,
                    self._owner,
                    self._ledger.event_time.settled,
                    self._ledger.event_time.offsets(),
                    {KEPT: RULES_VERSION, **self._ledger.state()},
                )
            self.pulse.beat()
            times = [one.settlement.close_time for one in settled if not one.late]
            self._relay.wake(self._meters.path.on_settled(times, before))
            done = [one.settlement for one in settled]
            self.traces.settled(((one.close_time, len(one.orders)) for one in done), begun_ns)
            self._meters.on_settled(settled)
            for one in settled:
                self._log(one)

    def _tell_what_is_waited_for(self) -> None:
        blocking = self._ledger.event_time.blocking()
        now = self._now()
        if not blocking:
            self._blocked_since = now
        elif now - self._blocked_since > PATIENCE_MS:
            self._blocked_since = now
            log.warning(
                "the next close waits for candles, evaluations or the announcement of these series",
                extra={"series": blocking[:20], "settled": self._ledger.event_time.settled},
            )

    def _log(self, settled: Settled) -> None:
        if settled.settlement.ruined:
            log.error(
                "the account is ruined: its equity is not above zero. All that it held was "
                "liquidated, and it enters nothing any more. Begin another one with ACCOUNT",
                extra={"close_time": settled.settlement.close_time},
            )
        if not log.isEnabledFor(logging.INFO):
            return
        for order in settled.settlement.orders.values():
            log.info(
                "order",
                extra={
                    "event_id": f"order:{order.order_id}:{order.status}",
                    "trace_id": trace_id(order.series, order.decided_at),
                    "signal_id": order.signal_id,
                    "symbol": order.symbol,
                    "side": order.side,
                    "status": order.status,
                    "reason": order.reason or order.exit_reason,
                },
            )

    def _hold_back(self) -> None:
        """Bound memory: stop reading what is far ahead until the others have caught up."""
        event_time = self._ledger.event_time
        self._meters.ahead.set(hold_back(event_time, self._candles, self._evaluations))
