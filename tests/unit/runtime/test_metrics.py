"""What every process tells: which code runs; and no twins that tell when a metric was made."""

import asyncio

from prometheus_client import Counter, Histogram
from prometheus_client.exposition import generate_latest

from market_ingest.app import LIVE
from market_ingest.settings import LiveSettings
from tradepulse import __version__
from tradepulse.runtime.metrics import new_registry
from tradepulse.runtime.service import Service


def live(**given: str) -> Service:
    async def declared() -> Service:
        settings = LiveSettings.model_construct(
            kafka_bootstrap_servers="kafka:9092", database_url="postgresql://postgres", **given
        )
        return LIVE.declared(settings)

    return asyncio.run(declared())


def test_a_service_tells_its_version_and_commit() -> None:
    for given, commit in (({}, ""), ({"tradepulse_commit": "1ad9a03"}, "1ad9a03")):
        labels = {"version": __version__, "commit": commit}
        told = live(**given).registry.get_sample_value("tradepulse_build_info", labels)
        assert told == 1, labels


def test_no_metric_has_a_twin_that_tells_when_it_was_made() -> None:
    registry = new_registry()
    Counter("things_total", "Things", ["sort"], registry=registry).labels("a").inc()
    Histogram("took_seconds", "Time", registry=registry).observe(1)
    text = generate_latest(registry).decode()
    assert 'things_total{sort="a"} 1.0' in text
    assert "took_seconds_count 1.0" in text
    assert "_created" not in text


def test_a_live_market_says_that_it_is_live() -> None:
    registry = live().registry
    labels = {"mode": "live", "feed": "live"}
    assert registry.get_sample_value("tradepulse_feed_info", labels) == 1
