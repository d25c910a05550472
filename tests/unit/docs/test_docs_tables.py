"""The pages name every setting with its default, every metric, topic, refusal and command."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from contracts.topics import DAY_MS, TOPICS
from executor_svc.settings import ExecutorSettings
from market_ingest.settings import IngestSettings, LiveSettings, ModeSettings
from optimizer_svc.app import OptimizerSettings
from rl_svc.settings import PortfolioSettings
from rl_svc.trainer import TrainerSettings
from signal_svc.settings import SignalSettings
from studio_svc.app import StudioSettings
from studio_svc.overview.views import OverviewView
from tests.pages import blocks
from tradepulse.cli.main import COMMANDS
from tradepulse.cli.research.report import _LABELS
from tradepulse.research.report_page.tables import FIGURES as REPORTED
from tradepulse.trading.metrics import FIGURES
from tradepulse.trading.refused import CODES
from tradepulse.trading.sizing import AccountRules, InstrumentRules, RiskLimits

ROOT = Path(__file__).parents[3]
PACKAGES = ("tradepulse", "market_ingest", "signal_svc", "rl_svc", "executor_svc",
            "optimizer_svc", "studio_svc")  # fmt: skip
OPERATOR = (ROOT / "docs" / "reference" / "operator.md").read_text()
SEMANTICS = (ROOT / "docs" / "reference" / "semantics.md").read_text()


def source() -> str:
    return "\n".join(
        path.read_text()
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "node_modules" not in path.parts
    )


def written(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize(
    "settings",
    [
        IngestSettings,
        LiveSettings,
        ModeSettings,
        PortfolioSettings,
        ExecutorSettings,
        OptimizerSettings,
        SignalSettings,
        StudioSettings,
        TrainerSettings,
    ],
)
def test_every_variable_is_in_the_table_with_its_default(settings: type[BaseSettings]) -> None:
    for name, field in settings.model_fields.items():
        rows = re.findall(rf"\| [^|\n]*`{name.upper()}`[^|\n]*\| ([^|\n]*) \|", OPERATOR)
        assert rows, f"{name.upper()} is not in docs/reference/operator.md"
        if name == "optimizer_workers":
            continue  # depends on the machine
        if field.is_required():
            assert "required" in rows, name
        elif field.default is not None and name != "feed":
            default = field.get_default(call_default_factory=True)
            assert written(default) in rows, (name, rows)


def test_the_files_of_the_production_page_set_what_there_is() -> None:
    page = ROOT / "docs" / "guides" / "operations" / "production.md"
    files = {block.title: block.text for block in blocks(page) if block.is_file}
    named = [
        name
        for title, text in files.items()
        if title.endswith(".env")
        for name in re.findall(r"(?m)^([A-Z_]+)=", text)
    ]
    assert len(named) > 10
    assert not [name for name in named if f"`{name}`" not in OPERATOR]
    told = {one["labels"]["job"] for one in json.loads(files["prometheus.json"])}
    unit = files["tradepulse@.service"]
    assert "-m %i.app" in unit
    assert told == {path.parent.name for path in ROOT.glob("*/app.py")}
    services = re.search(r"STUDIO_SERVICES=(.*)", files["studio_svc.env"])
    assert services is not None
    assert {*json.loads(services[1]), "studio_svc"} == told


def test_the_limits_of_the_semantics_are_those_of_the_code() -> None:
    rules, limits, market = AccountRules(), RiskLimits(), InstrumentRules()
    for name, value in (
        ("FEE", rules.fee),
        ("SLIPPAGE", rules.slippage),
        ("IMPACT", rules.impact),
        ("MAX_SYMBOL_NOTIONAL", limits.max_symbol_notional),
        ("MAX_TOTAL_NOTIONAL", limits.max_total_notional),
        ("MAX_OPEN_POSITIONS", limits.max_open_positions),
        ("MAX_WEIGHT_AGE_S", rules.max_weight_age_ms // 1000),
        ("MARKETS`, `price_tick", market.price_tick or "none"),
        ("MARKETS`, `quantity_step", market.quantity_step or "none"),
        ("MARKETS`, `min_quantity", market.min_quantity),
        ("MARKETS`, `min_notional", market.min_notional),
    ):
        assert f"| `{name}` | {written(value)} |" in SEMANTICS, name
    assert "| `MAKER_FEE` | as `FEE` |" in SEMANTICS
    assert rules.fee_of(is_maker=True) == rules.fee
    assert limits.risk_per_trade is None
    assert not market.allows_margin


def test_every_figure_is_told_by_the_names_that_it_has_on_screen() -> None:
    page = (ROOT / "docs" / "reference" / "figures.md").read_text()
    rows = re.findall(r"(?m)^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]*)\|", page)
    assert {name for name, *_ in rows} == set(FIGURES)
    shown = (ROOT / "studio_svc/web/src/features/studio/Configurations.tsx").read_text()
    on_page = dict(re.findall(r'\["(\w+)", "([^"]+)", "[^"]+"\]', shown))
    assert len(on_page) == 5
    for name, terminal, report, page_name in rows:
        assert terminal == _LABELS[name][0]
        assert report == REPORTED[name][0]
        assert page_name.strip() == on_page.get(name, ""), name
    overview = re.findall(
        r"(?m)^\| [\w ]+ \| (.*`\w+`[^|]*) \|", page.partition("account's page")[2]
    )
    assert {name for cell in overview for name in re.findall(r"`(\w+)`", cell)} <= set(
        OverviewView.model_fields
    )


def test_every_metric_is_described() -> None:
    names = set(re.findall(r'(?:Counter|Gauge|Histogram)\(\s*"(tradepulse_\w+)"', source()))
    assert len(names) > 20
    missing = sorted(name for name in names if f"`{name}" not in OPERATOR)
    assert not missing


def test_every_refusal_is_explained() -> None:
    folder = ROOT / "tradepulse" / "trading"
    code = "".join((folder / f"{n}.py").read_text() for n in ("sizing", "executions", "account"))
    said = r'(?:Refused\(|\.refuse\(\w+, f?|(?<!exit_)reason=f?)"([^"{]+?) ?(?:\{[^"]*)?"'
    reasons = set(re.findall(said, code))
    assert len(reasons) == 17
    never_refused = {"the price did not reach the limit"}
    assert {reason.strip() for reason in CODES} == reasons - never_refused
    assert len(set(CODES.values())) == len(CODES)
    for reason in reasons:
        assert f"`{reason}" in SEMANTICS, reason
    for code in CODES.values():
        assert f"| `{code}` |" in SEMANTICS, code


def test_every_topic_and_command_is_named() -> None:
    for topic in TOPICS:
        kept = "latest of each key" if topic.compacted else f"{topic.retention_ms // DAY_MS} days"
        row = f"| `{topic.name}` | {topic.key} | {topic.partitions} | {kept} | {topic.writer} |"
        assert row in OPERATOR, row
    cli = (ROOT / "docs" / "reference" / "cli.md").read_text()
    for command in COMMANDS:
        assert f"\n## `{command}`" in cli, command
