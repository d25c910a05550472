"""What every process tells: which code runs; and no twins that tell when a metric was made."""

import asyncio
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

from market_ingest.app import LIVE
from market_ingest.history.meters import GapMeters
from market_ingest.live.meters import LiveMeters
from market_ingest.publishing import Meters
from market_ingest.settings import LiveSettings
from rl_svc.training.meters import TrainingMeters
from tradepulse import __version__
from tradepulse.cli.asyncapi import SERVICES
from tradepulse.market_data.gaps.store import GapCount
from tradepulse.market_data.venues.pace import counted_waits
from tradepulse.research.worker import Worker
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


UNKNOWN_AT_START = {
    # which venues, groups and symbols there are is told by files, subscriptions and the database
    *("tradepulse_candles_published", "tradepulse_gaps", "tradepulse_gap_candles"),
    *("tradepulse_gap_repairs", "tradepulse_repaired_candles"),
    *("tradepulse_live_candles", "tradepulse_live_lag_seconds", "tradepulse_live_behind_seconds"),
    *("tradepulse_live_breaks", "tradepulse_live_stalls", "tradepulse_live_lost_messages"),
    *("tradepulse_live_no_trade", "tradepulse_live_unconfirmed", "tradepulse_live_requests"),
    *("tradepulse_live_subscriptions", "tradepulse_live_streams_connected"),
    "tradepulse_live_venue_up",
    "tradepulse_configurations",  # a gauge of the one replica that watches
    # told once they are counted
    *("tradepulse_jobs_waiting", "tradepulse_job_oldest_seconds", "tradepulse_job_progress_ratio"),
    *("tradepulse_table_bytes", "tradepulse_dead_letters_waiting"),
    # of one that works, and of what was decided since it began
    *("tradepulse_weight", "tradepulse_weights_age_seconds", "tradepulse_rl_fallback"),
    *("tradepulse_rl_model_age_seconds", "tradepulse_rl_steps", "tradepulse_rl_reward"),
    *("tradepulse_rl_entropy", "tradepulse_rl_kl", "tradepulse_rl_eval_excess"),
    "tradepulse_series_behind_seconds",
    # a standby knows nothing of the account
    *("tradepulse_equity", "tradepulse_equity_peak", "tradepulse_cash", "tradepulse_exposure"),
    *("tradepulse_open_positions", "tradepulse_unrealised_profit", "tradepulse_realised_profit"),
    *("tradepulse_fees", "tradepulse_position_notional", "tradepulse_position_age_seconds"),
    "tradepulse_ledger_imbalance",
    "tradepulse_consumer_lag_messages",  # told once the broker has answered
    "tradepulse_retention_time_seconds",  # who has just started has not looked yet
}
UNBOUNDED = {"configuration", "configuration_id", "order_id", "job_id"}


def registries() -> dict[str, CollectorRegistry]:
    """Return what each service has after its start, and `trainer`'s: nothing is connected."""

    async def declared(name: str) -> CollectorRegistry:
        application: Any = import_module(f"{name}.app").APPLICATION
        settings = application.settings.model_construct(
            kafka_bootstrap_servers="kafka:9092", database_url="postgresql://postgres"
        )
        registry: CollectorRegistry = application.declared(settings).registry
        return registry

    found = {name: asyncio.run(declared(name)) for name in SERVICES}
    Meters(found["market_ingest"])
    found["live"] = live().registry
    LiveMeters(found["live"])
    found["trainer"] = new_registry()
    TrainingMeters(found["trainer"])
    for name in ("live", "optimizer_svc"):
        counted_waits(found[name])
    for name, kinds in (("optimizer_svc", ("search", "validation")), ("trainer", ("policy",))):
        work: Any = dict.fromkeys(kinds)
        none: Any = None
        Worker(none, none, work, found[name], heartbeat_s=1, on_commit=lambda: None)
    return found


def test_what_is_labelled_stands_at_its_start_before_the_first_event() -> None:
    empty, labelled = set(), set()
    for registry in registries().values():
        # what is looked at when it is asked for
        generate_latest(registry)
        for collector, names in registry._collector_to_names.items():
            labels = set(getattr(collector, "_labelnames", ()))
            assert not labels & UNBOUNDED, names
            if labels:
                (family,) = collector.collect()
                labelled.add(family.name)
                if not family.samples:
                    empty.add(family.name)
    assert "tradepulse_dead_letters" in labelled
    assert empty == UNKNOWN_AT_START


def test_no_metric_is_left_out_of_these_looks() -> None:
    looked_at = {
        name for registry in registries().values() for name in registry._names_to_collectors
    }
    code = "".join(
        path.read_text()
        for folder in {*SERVICES, "tradepulse"}
        for path in (Path(__file__).parents[3] / folder).rglob("*.py")
        if "node_modules" not in path.parts
    )
    said = set(re.findall(r'(?:Counter|Gauge|Histogram)\(\s*"(tradepulse_\w+)"', code))
    assert len(said) > 50
    assert said <= looked_at


def test_the_values_that_are_known_are_all_there() -> None:
    found = registries()

    def values(service: str, name: str) -> set[tuple[str, ...]]:
        return {
            tuple(sample.labels.values())
            for family in found[service].collect()
            for sample in family.samples
            if sample.name == name and sample.value == 0
        }

    for service in SERVICES:
        assert len(values(service, "tradepulse_dead_letters_total")) == 6
    assert len(values("executor_svc", "tradepulse_orders_refused_total")) == 17
    assert ("tradepulse.candles",) in values("signal_svc", "tradepulse_messages_consumed_total")
    assert ("supertrend",) in values("signal_svc", "tradepulse_strategy_failures_total")
    ends = {"succeeded", "failed", "cancelled", "lost", "interrupted"}
    assert values("trainer", "tradepulse_jobs_total") == {("policy", end) for end in ends}
    assert len(values("optimizer_svc", "tradepulse_jobs_total")) == 2 * len(ends)
    assert ("DECAY",) in values("optimizer_svc", "tradepulse_transitions_total")


def test_what_is_counted_of_a_venue_stands_at_0_when_the_venue_is_known() -> None:
    registry = CollectorRegistry()
    LiveMeters(registry).show({("kraken", "USD"): (1, 1, 0.0)})
    GapMeters(registry).count([GapCount("kraken", "USD", "hole", "missed", "open", 1, 2)])
    text = generate_latest(registry).decode()
    for line in (
        'tradepulse_live_breaks_total{exchange="kraken",group="USD"} 0.0',
        'tradepulse_live_unconfirmed_total{exchange="kraken",group="USD"} 0.0',
        'tradepulse_live_candles_total{exchange="kraken",group="USD",source="repaired"} 0.0',
        'tradepulse_live_requests_total{exchange="kraken",outcome="failed",why="hole"} 0.0',
        'tradepulse_gap_repairs_total{exchange="kraken",outcome="failed",step="none"} 0.0',
        'tradepulse_gap_repairs_total{exchange="kraken",outcome="down",step="venue"} 0.0',
    ):
        assert line in text


def test_of_thousands_of_series_the_worst_are_told_how_far_they_are_behind() -> None:
    registry = CollectorRegistry()
    meters = LiveMeters(registry)

    def told() -> dict[tuple[str, ...], float]:
        return {
            tuple(sample.labels[name] for name in ("exchange", "symbol", "timeframe")): sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == "tradepulse_series_behind_seconds"
        }

    meters.show_behind({("kraken", f"{n}/USD", "1m"): float(n) for n in range(1_000)})
    assert told() == {("kraken", f"{n}/USD", "1m"): float(n) for n in range(980, 1_000)}
    meters.show_behind({("kraken", "7/USD", "1m"): 0.0})
    assert told() == {("kraken", "7/USD", "1m"): 0.0}


def test_alerts_ask_for_values_that_are_told() -> None:
    told: dict[tuple[str, str], set[str]] = {}
    for registry in registries().values():
        generate_latest(registry)
        for family in registry.collect():
            for sample in family.samples:
                for label, value in sample.labels.items():
                    told.setdefault((sample.name, label), set()).add(value)
    rules = Path(__file__).parents[3] / "deploy" / "prometheus"
    text = "".join(path.read_text() for path in rules.glob("*.rules.yml"))
    asked = {
        (name, label, value)
        for name, where in re.findall(r"(tradepulse_\w+)\{([^}]*)\}", text)
        for label, values in re.findall(r'(\w+)!?=~?"([^"]+)"', where)
        for value in values.split("|")
    }
    judged = {one for one in asked if one[:2] in told and one[1] != "le"}
    assert ("tradepulse_jobs_total", "end", "failed") in judged
    assert ("tradepulse_transitions_total", "stage", "DECAY") in judged
    # a replay says that it is one when its file is read
    told["tradepulse_feed_info", "mode"].add("replay")
    assert {one for one in judged if one[2] not in told[one[:2]]} == set()
