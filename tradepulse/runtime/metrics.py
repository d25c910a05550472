"""What every process tells by /metrics, whatever it does."""

from collections.abc import Callable, Iterable
from itertools import product

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from tradepulse.version import __version__

# each counter and histogram would have a twin that tells when it was made: nobody asks for it
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library says no types here


def new_registry(commit: str = "") -> CollectorRegistry:
    """Return a registry with what is told of every process.

    Args:
        commit: of the code that runs; empty where nobody has told it.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    build = Gauge(
        "tradepulse_build_info", "1: which code runs", ["version", "commit"], registry=registry
    )
    build.labels(__version__, commit).set(1)
    return registry


def touch(metric: MetricWrapperBase, *values: Iterable[str]) -> None:
    """Let a metric stand at 0 for every combination of its labels' values.

    A sample that comes with the first event comes too late: `increase()` sees no growth in it.

    Args:
        metric: with labels.
        values: of each label, in their order.
    """
    for labels in product(*values):
        metric.labels(*labels)


class _Look(Collector):
    """Has nothing of its own: it is asked before those that were registered after it."""

    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look

    def collect(self) -> Iterable[Metric]:
        """Look, and return nothing."""
        self._look()
        return ()


def on_scrape(registry: CollectorRegistry, look: Callable[[], object]) -> None:
    """Call `look` whenever the metrics are asked for, before those that are registered later.

    What it sets costs nothing meanwhile, and is true at that moment.
    """
    registry.register(_Look(look))
