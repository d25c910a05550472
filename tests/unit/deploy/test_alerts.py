"""The proposed alerts ask for metrics and labels that there are, and say what to do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from market_ingest.history.meters import GapMeters
from market_ingest.live.meters import LiveMeters
from market_ingest.publishing import tell_feed
from tradepulse.market_data.venues.pace import counted_waits

RULES = Path(__file__).parents[3] / "deploy" / "prometheus" / "market_data.rules.yml"
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def metrics() -> dict[str, set[str]]:
    """Labels by name of each metric that market_ingest offers."""
    registry = CollectorRegistry()
    LiveMeters(registry)
    GapMeters(registry)
    counted_waits(registry)
    tell_feed(registry, "live", "live")
    return {
        name: set(collector._labelnames)
        for collector, names in registry._collector_to_names.items()
        for name in names
    }


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_can_fire_and_says_what_to_do(
    alert: dict[str, Any], metrics: dict[str, set[str]]
) -> None:
    names = re.findall(r"tradepulse_\w+", alert["expr"])
    assert names
    assert set(names) <= metrics.keys()
    labels = set.union(*(metrics[name] for name in names))
    asked = {
        label.strip()
        for group in re.findall(r"by \(([^)]*)\)", alert["expr"])
        for label in group.split(",")
    }
    asked |= set(re.findall(r"(\w+)(?:=~?|!=)\"", alert["expr"]))
    assert asked <= labels
    told = alert["annotations"]
    assert set(re.findall(r"\$labels\.(\w+)", told["summary"])) <= asked
    assert told["description"]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"\d+[mh]", alert.get("for", "0m"))


LIVE = 'and on() tradepulse_feed_info{mode="live"} == 1'
NO_REPLAY = 'absent(tradepulse_live_replicas) unless on() tradepulse_feed_info{mode="replay"} == 1'
OF_A_REPLAY_TOO = {
    "ImpossibleCandles",  # stored candles are wrong whoever stored them
    "GapScanStopped",  # a replay scans, too
    "RepairsUnanswered",  # a replay repairs nothing: its counts stay at 0
    "RepairFailed",
}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_a_replay_fires_nothing_that_means_live_markets(alert: dict[str, Any]) -> None:
    """By the text of the rules; a replay has no sample of what is live, and waits for no venue."""
    text = " ".join(alert["expr"].split())
    only_live = re.findall(r"tradepulse_(?:live|rate_limit)_\w+", text)
    if "absent(" in text:
        assert f"({NO_REPLAY})" in text
    elif only_live:
        assert set(only_live) == set(re.findall(r"tradepulse_\w+", text))
    else:
        assert text.endswith(LIVE) != (alert["alert"] in OF_A_REPLAY_TOO)
