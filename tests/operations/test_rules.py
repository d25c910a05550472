"""Each rule, by promtool: fires, ends, and keeps quiet in a replay; each alert tells what to do."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.check_dashboards import queries
from tests.operations.alert_cases import CASES, Case
from tests.operations.tools import ALERTMANAGER, PROMETHEUS, ROOT, ran

FILES = sorted(PROMETHEUS.glob("*.rules.yml"))
RULES: list[tuple[Path, dict[str, Any]]] = [
    (path, rule)
    for path in FILES
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: (path, rule) for path, rule in RULES if "alert" in rule}
RECORDS = {rule["record"] for _, rule in RULES if "record" in rule}
LIVE, REPLAY = (
    {f'tradepulse_feed_info{{mode="{mode}"}}': "1+0x9999"} for mode in ("live", "replay")
)
OF_LIVE = re.compile(
    r"unless on\(\) \w+\{mode=\"replay\"\} == 1|and on\(\) \w+\{mode=\"live\"\} == 1"
)


def of_live_only(alert: str) -> bool:
    return OF_LIVE.search(" ".join(ALERTS[alert][1]["expr"].split())) is not None


def promtool(
    folder: Path,
    rules: list[Path],
    minutes: int,
    *groups: tuple[str, Mapping[str, str], list[tuple[int, str, list[dict[str, object]]]]],
) -> None:
    """Run a unit test: groups of a name, samples by series, and at a minute what a query gives."""
    test = {
        "rule_files": [str(path) for path in rules],
        "evaluation_interval": f"{minutes}m",
        "tests": [
            {
                "name": name,
                "interval": f"{minutes}m",
                "input_series": [{"series": s, "values": v} for s, v in samples.items()],
                "promql_expr_test": [
                    {"expr": expr, "eval_time": f"{at}m", "exp_samples": expected}
                    for at, expr, expected in asked
                ],
            }
            for name, samples, asked in groups
        ],
    }
    path = folder / "test.yml"
    path.write_text(json.dumps(test))
    ran("promtool", "test", "rules", path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_ends_and_keeps_quiet_in_a_replay(case: Case, tmp_path: Path) -> None:
    path, rule = ALERTS[case.alert]
    before, during, after = case.times()
    firing = (
        f'group by (alertname, severity) (ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
    )
    fired: list[dict[str, object]] = [
        {
            "labels": f'{{alertname="{case.alert}",severity="{rule["labels"]["severity"]}"}}',
            "value": 1,
        }
    ]
    groups = [
        (
            "live",
            LIVE | case.samples(),
            [(before, firing, []), (during, firing, fired), (after, firing, [])],
        )
    ]
    if of_live_only(case.alert):
        # not even pending, whatever goes wrong
        ever = f'count_over_time(ALERTS{{alertname="{case.alert}"}}[{after}m])'
        groups.append(("replay", REPLAY | case.samples(), [(after, ever, [])]))
    promtool(tmp_path, [path], case.minutes, *groups)


def test_a_sound_replay_fires_nothing_but_the_watchdog(tmp_path: Path) -> None:
    """Every series that the alerts ask for, as a replay has it: of live markets there is none."""
    samples = dict(REPLAY)
    for case in CASES:
        sound = {name: (values[0], values[0]) for name, values in case.gauges.items()}
        steady = {name: (step[0], step[0]) for name, step in case.counters.items()}
        samples = Case(case.alert, sound, steady, after=25).samples() | samples
    samples = {name: v for name, v in samples.items() if not name.startswith("tradepulse_live_")}
    ever = "group by (alertname) (count_over_time(ALERTS[49m]))"
    watchdog: list[dict[str, object]] = [{"labels": '{alertname="Watchdog"}', "value": 1}]
    promtool(tmp_path, FILES, 1, ("sound replay", samples, [(49, ever, watchdog)]))


def test_each_alert_has_its_case() -> None:
    tested = [case.alert for case in CASES]
    assert len(tested) == len(set(tested))
    assert set(tested) == ALERTS.keys() - {"Watchdog"}, "tests/operations/alert_cases.py"


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_it_is_and_where_its_page_is(alert: str) -> None:
    rule = ALERTS[alert][1]
    told = rule["annotations"]
    assert rule["labels"]["severity"] in {"critical", "warning"} or alert == "Watchdog"
    assert told.keys() == {"summary", "description", "runbook_url"}
    assert all(text.strip() for text in told.values())
    page, _, anchor = told["runbook_url"].partition("#")
    assert anchor == alert.lower()
    headings = re.findall(r"^### (\w+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert headings.count(alert) == 1, f"{page} needs the heading ### {alert}"


def test_the_runbook_has_no_page_of_an_alert_that_is_gone() -> None:
    runbook = (ROOT / "docs" / "guides" / "operations" / "runbook.md").read_text()
    assert set(re.findall(r"^### (\w+)$", runbook, re.MULTILINE)) == ALERTS.keys()


def histogram(name: str, labels: str, le: str, step: tuple[float, float]) -> dict[str, str]:
    """Samples of a histogram that grows: in all, and within a bound."""
    series = {f"{name}_count{{{labels}}}": step[0], f'{name}_bucket{{{labels},le="{le}"}}': step[1]}
    return {key: f"0+{each}x60" for key, each in series.items()}


EVENTS = {
    # in a minute 60 of each, of which 6, 3, 0.6 and 6 were bad
    **histogram("tradepulse_close_to_order_seconds", 'step="decided"', "1.0", (60, 54)),
    **histogram("tradepulse_live_lag_seconds", 'exchange="kraken"', "10.0", (60, 57)),
    "tradepulse_closes_settled_total": "0+60x60",
    'tradepulse_missing_total{job="executor_svc"}': "0+0.6x60",
    **histogram(
        "tradepulse_http_request_seconds", 'job="studio_svc",status="200"', "0.3", (54, 54)
    ),
    **histogram("tradepulse_http_request_seconds", 'job="studio_svc",status="500"', "0.3", (6, 6)),
}
BAD = {"decision": 0.1, "freshness": 0.05, "completeness": 0.01, "page": 0.1}
BUDGET = {"decision": 0.01, "freshness": 0.005, "completeness": 0.001, "page": 0.01}


@pytest.mark.parametrize("slo", BAD)
def test_a_service_level_is_recorded_and_its_burn_is_bad_over_budget(
    slo: str, tmp_path: Path
) -> None:
    labels = '{slo="freshness",exchange="kraken"}' if slo == "freshness" else f'{{slo="{slo}"}}'

    def is_near(name: str, value: float) -> tuple[int, str, list[dict[str, object]]]:
        expr = f'abs({name}{{slo="{slo}"}} - {value}) < bool 1e-9'
        return (60, expr, [{"labels": labels, "value": 1}])

    budget = f'slo:budget{{slo="{slo}"}}'
    asked = [
        is_near("slo:events:rate5m", 1),
        is_near("slo:bad:rate5m", BAD[slo]),
        (60, budget, [{"labels": budget, "value": BUDGET[slo]}]),
        *(is_near(f"slo:burn:{w}", 10) for w in ("5m", "30m", "1h", "6h", "3d")),
    ]
    promtool(tmp_path, [PROMETHEUS / "slo.rules.yml"], 1, ("events", EVENTS, asked))
    named = {"slo:budget", *(re.sub(r"^abs\((\S+)\{.*", r"\1", expr) for _, expr, _ in asked[:2])}
    assert named | {f"slo:burn:{w}" for w in ("5m", "30m", "1h", "6h", "3d")} == RECORDS


def test_every_metric_that_is_asked_for_is_described() -> None:
    operator = (ROOT / "docs" / "reference" / "operator.md").read_text()
    asked = " ".join([rule["expr"] for _, rule in RULES] + [query for *_, query in queries()])
    names = {re.sub(r"_(bucket|count|sum)$", "", n) for n in re.findall(r"tradepulse_\w+", asked)}
    assert len(names) > 80
    missing = sorted(name for name in names if f"`{name}" not in operator)
    assert not missing


def test_the_configurations_are_sound() -> None:
    ran("promtool", "check", "config", PROMETHEUS / "prometheus.yml")
    ran("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_goes_to_whom_its_severity_means(alert: str) -> None:
    severity = ALERTS[alert][1]["labels"]["severity"]
    receiver = {"critical": "pager", "warning": "tickets", "none": "deadman"}[severity]
    labels = (f"alertname={alert}", f"severity={severity}")
    said = ran("amtool", "config", "routes", "test", "--config.file", ALERTMANAGER, *labels)
    assert said.splitlines()[-1] == receiver


def test_what_is_inhibited_is_an_alert() -> None:
    rules = yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"]
    matchers = [m for r in rules for m in (*r["source_matchers"], *r["target_matchers"])]
    named = {
        name for m in matchers if m.startswith("alertname") for name in m.split('"')[1].split("|")
    }
    assert named <= ALERTS.keys()
    for rule in rules:
        # the same labels on both sides, or nothing is ever inhibited
        for label in rule.get("equal", []):
            assert label in {"exchange", "slo", "instance", "mountpoint"}
