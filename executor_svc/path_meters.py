"""How long it takes from a close's last candle on Kafka to its orders, step by step."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Gauge, Histogram

from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.metrics import on_scrape, touch
from tradepulse.trading.event_time import EventTime

STEPS = ("candles", "evaluations", "weights", "decided", "published")
TOOK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600)


class PathMeters:
    """Measures closes from the Kafka timestamp of their last candle, so that it holds in a replay.

    Args:
        registry: of the metrics.
        now: wall clock, epoch ms.
    """

    def __init__(self, registry: CollectorRegistry, now: Callable[[], int]) -> None:
        self._now = now
        self._event_time: EventTime | None = None
        self._moved_at = now()
        self._in_hand_since: int | None = None
        self._sent: dict[int, int] = {}
        """By close, the Kafka timestamp of its last candle so far, epoch ms."""
        self._came: dict[str, dict[int, int]] = {"candles": {}, "evaluations": {}, "weights": {}}
        """By step and close, when its last message was taken in."""
        on_scrape(registry, self._look)
        seconds = Histogram(
            "tradepulse_close_to_order_seconds",
            "From the Kafka timestamp of a close's last candle",
            ["step"],
            buckets=TOOK,
            registry=registry,
        )
        touch(seconds, STEPS)
        self._seconds = {step: seconds.labels(step) for step in STEPS}
        self._waiting = Gauge(
            "tradepulse_closes_waiting_seconds",
            "How long the next close has been waited for, or is being stored",
            registry=registry,
        )

    def take_over(self, event_time: EventTime) -> None:
        """Look at this from now on."""
        self._event_time = event_time
        self._moved_at = self._now()

    def on_candles(self, batch: Sequence[Delivery]) -> None:
        """Note when candles came, and since when they are on Kafka."""
        sent, came, now = self._sent, self._came["candles"], self._now()
        for event, record in batch:
            time = event.close_time
            came[time] = now
            if record.timestamp > sent.get(time, -1):
                sent[time] = record.timestamp

    def on_others(self, step: str, batch: Sequence[Delivery]) -> None:
        """Note when the evaluations, or the weights, of closes came."""
        self._came[step].update(
            dict.fromkeys([event.close_time for event, _ in batch], self._now())
        )

    def on_storing(self) -> None:
        """Note that closes are decided, and not stored before `on_settled`."""
        self._in_hand_since = self._now()

    def on_settled(self, times: Sequence[int], before: int) -> Callable[[], None]:
        """Measure closes whose orders are decided and stored.

        Args:
            times: of the closes, in order; what came late has none.
            before: of the close before them: its weights bind the first.

        Returns:
            What is to be called when their events are published.
        """
        decided = self._moved_at = self._now()
        self._in_hand_since = None
        measured = []
        for time in times:
            sent = self._sent.get(time)
            if sent is not None:
                measured.append(sent)
                for step, of in (("candles", time), ("evaluations", time), ("weights", before)):
                    if (came := self._came[step].get(of)) is not None:
                        self._observe(step, came - sent)
                self._observe("decided", decided - sent)
            before = time
        self._forget(before)

        def published() -> None:
            now = self._now()
            for sent in measured:
                self._observe("published", now - sent)

        return published

    def _observe(self, step: str, took_ms: int) -> None:
        # what came first took no time, nor may the clock of another machine say so
        self._seconds[step].observe(max(0, took_ms) / 1000)

    def _forget(self, settled: int) -> None:
        """Let go of what is settled; the weights of the last close bind the next one."""
        for kept, until in (
            (self._sent, settled),
            (self._came["candles"], settled),
            (self._came["evaluations"], settled),
            (self._came["weights"], settled - 1),
        ):
            while kept and (first := next(iter(kept))) <= until:
                del kept[first]

    def _look(self) -> None:
        since = None if self._event_time is None else self._event_time.waits_since()
        # while one close after another is settled, none of them is waited for
        waited = 0 if since is None else self._now() - max(since, self._moved_at)
        if self._in_hand_since is not None:
            # what comes meanwhile is not taken in, so nothing else would tell that it stands still
            waited = self._now() - self._in_hand_since
        self._waiting.set(max(0, waited) / 1000)
