"""What traces cost, microseconds of processor time: off, and on with every batch sampled.

The collector named is away, so that the time of sending is not in it: that is another thread's.
"""

import argparse
import logging
import time
from collections.abc import Callable

from aiokafka import ConsumerRecord
from rich.console import Console
from rich.table import Table

from tradepulse.runtime.settings import RuntimeSettings
from tradepulse.runtime.tracing import NO_TRACES, Traces, traces_of


def took(work: Callable[[], None], rounds: int) -> float:
    start = time.thread_time_ns()
    for _ in range(rounds):
        work()
    return (time.thread_time_ns() - start) / 1_000 / rounds


def records_of(count: int, origins: int, traces: Traces) -> list[ConsumerRecord]:
    """Return records out of so many batches."""
    made = []
    for row in range(count):
        if row % -(-count // origins) == 0:
            with traces.sending("candles", count) as headers:
                carried = tuple(headers)
        made.append(ConsumerRecord("candles", 0, row, 0, 0, b"k", b"v", None, 1, 1, carried))
    return made


def measure(traces: Traces, rounds: int) -> dict[str, float]:
    def send() -> None:
        with traces.sending("candles", 500):
            pass

    def handle(records: list[ConsumerRecord]) -> None:
        with traces.handling("candles", records):
            pass

    one, many = records_of(1, 1, traces), records_of(500, 1, traces)
    scattered = records_of(500, 50, traces)
    return {
        "send a batch": took(send, rounds),
        "handle a batch of 1": took(lambda: handle(one), rounds),
        "handle a batch of 500": took(lambda: handle(many), rounds),
        "the same out of 50 batches": took(lambda: handle(scattered), rounds),
        "settle a close": took(lambda: traces.settled([(1, 1)], 1), rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2_000)
    rounds = parser.parse_args().rounds
    logging.disable()
    settings = RuntimeSettings(
        database_url="postgresql://nobody@nowhere/none",
        kafka_bootstrap_servers="nowhere:1",
        otel_exporter_otlp_endpoint="http://127.0.0.1:9",
    )
    off, on = (measure(one, rounds) for one in (NO_TRACES, traces_of("bench", settings)))
    table = Table("what", "off", "on", title="traces, microseconds")
    for name, cost in off.items():
        table.add_row(name, f"{cost:.2f}", f"{on[name]:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
