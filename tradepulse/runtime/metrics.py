"""What every process tells by /metrics, whatever it does."""

import time

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from tradepulse import __version__

# each counter and histogram would have a twin that tells when it was made: nobody asks for it
disable_created_metrics()  # type: ignore[no-untyped-call]


def new_registry(commit: str = "") -> CollectorRegistry:
    """Return a registry with what is told of every process.

    Args:
        commit: of the code that runs; empty where nobody has told it.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    started = Gauge("tradepulse_start_time_seconds", "When this process started", registry=registry)
    started.set(time.time())
    build = Gauge(
        "tradepulse_build_info", "1: which code runs", ["version", "commit"], registry=registry
    )
    build.labels(__version__, commit).set(1)
    return registry
