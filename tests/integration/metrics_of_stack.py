"""What every service of a running system tells by /metrics, read as Prometheus reads it."""

import math
import re
import urllib.request
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

OPERATOR = Path(__file__).parents[2] / "docs" / "reference" / "operator.md"
MOST_SERIES = 3_000
"""Of one service."""
NAMED = re.compile(r"[a-z_:][a-z0-9_:]*")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def metrics_of(port: int) -> list[Metric]:
    """Return the families of the service that listens on a port."""
    with _OPENER.open(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return list(text_string_to_metric_families(answer.read().decode()))


def faults_in(families: list[Metric]) -> list[str]:
    """Say what Prometheus, or who reads docs/reference/operator.md, would object to."""
    described = OPERATOR.read_text()
    found = []
    seen: Counter[tuple[str, frozenset[tuple[str, str]]]] = Counter()
    for family in families:
        suffix = "_total" if family.type == "counter" else ""
        if not family.documentation:
            found.append(f"{family.name} says nothing of itself")
        if not NAMED.fullmatch(family.name):
            found.append(f"{family.name} is no name")
        if family.name.startswith("tradepulse_") and f"`{family.name}{suffix}" not in described:
            found.append(f"{family.name}{suffix} is not described")
        for sample in family.samples:
            seen[sample.name, frozenset(sample.labels.items())] += 1
            if math.isnan(sample.value):
                found.append(f"{sample.name}{sample.labels} is no number")
            if any(UUID.search(value) for value in sample.labels.values()):
                found.append(f"{sample.name}{sample.labels} has an id")
    found += [f"{one} is told twice" for one, times in seen.items() if times > 1]
    if len(seen) >= MOST_SERIES:
        found.append(f"{len(seen)} series, fewer than {MOST_SERIES} are allowed")
    return found


def value(families: list[Metric], name: str, labels: Mapping[str, str] | None = None) -> float:
    """Return the sum of all samples of a name that have these labels.

    Raises:
        LookupError: there are none.
    """
    wanted = (labels or {}).items()
    values = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and wanted <= sample.labels.items()
    ]
    if not values:
        raise LookupError(name)
    return sum(values)
