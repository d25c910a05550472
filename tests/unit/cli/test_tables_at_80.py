"""What the commands that list print at 80 columns, as it was recorded."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tradepulse.candles.gaps.finding import Finding
from tradepulse.candles.gaps.records import Gap
from tradepulse.cli import dlq
from tradepulse.cli.data import gap_tables, rules, subscriptions
from tradepulse.cli.research import configs, models
from tradepulse.cli.tables import Column, show
from tradepulse.market_data.instrument_rules import KeptRules
from tradepulse.market_data.subscriptions import Subscription
from tradepulse.research.configurations import StoredConfiguration
from tradepulse.research.model_registry import StoredModel
from tradepulse.runtime.dead_letter_replay import DeadLetter

ID = UUID("3166a7b9-89ab-4cde-8f01-23456789abcd")
OTHER = UUID("ca92f01b-89ab-4cde-8f01-23456789abcd")
AT = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
MS = 1_600_000_000_000
SIDE = {"net_profit_pct": -12.34, "sharpe": -0.55, "max_drawdown_pct": 23.4, "trades": 1234}


def configuration(number: UUID, **told: Any) -> StoredConfiguration:
    usual: dict[str, Any] = {
        "configuration_id": number,
        "revision": 3,
        "job_id": None,
        "strategy": "liquidity_sweep",
        "exchange": "bitfinex",
        "symbol": "DOGE/USDT",
        "timeframe": "30m",
        "params": {"lookback": 48, "stop_atr": 2.5},
        "share": 1.0,
        "stage": "VALIDATION",
        "is_active": False,
        "retired": False,
        "revalidated": False,
        "has_traded": False,
        "edited_from": None,
        "metrics": {"in_sample": SIDE, "out_of_sample": SIDE, "trials": 4812},
        "created_at": AT,
        "updated_at": AT,
    }
    return StoredConfiguration(**(usual | told))


MODEL = StoredModel(
    model_id=ID,
    portfolio="main",
    job_id=None,
    created_at=AT,
    name="five_symbols_ppo",
    stage="SHADOW",
    stage_since=AT,
    overrides=["gates, because we look only"],
    timeframe="30m",
    instruments=[],
    mode="rebalance",
    config={},
    configurations=[],
    data={},
    seeds=[0],
    steps=1,
    metrics={},
    baselines={},
    gates=[{"passed": False, "title": "Excess over inverse volatility"}],
    report={},
    passed=False,
    artifact_sha256="",
    manifest={},
)
GAP = Gap(
    12,
    Finding(
        *("bitfinex", "BTC/USD", "30m", "hole", MS, MS + 5 * 1_800_000, 6),
        "bitfinex BTC/USD 30m: 6 candles missing from 2020-09-13 12:26 on, an outage",
        "outage",
        sure=True,
    ),
    "unrepairable",
    detected_at=AT,
    settled_at=AT,
    repaired_by="finer",
    attempts=3,
)
LETTER = DeadLetter(
    topic="tradepulse.evaluations",
    partition=3,
    offset=1_234_567,
    reason="no evaluation: 1 validation error for Evaluated, close_time is missing",
    service="executor_svc",
    timestamp=MS,
    dead_offset=7,
    replayed=False,
    key=b"k",
    value=b'{"type": "Evaluated", "configuration_id": "3166a7b9-89ab-4cde-8f01-23456789abcd"}',
)
TABLES: dict[str, tuple[Sequence[Column[Any]], Sequence[Any]]] = {
    "configs": (
        configs.columns(),
        [configuration(ID), configuration(OTHER, stage="PAPER", is_active=True, metrics={})],
    ),
    "policy": (models.columns(), [MODEL]),
    "gaps": (gap_tables.gap_columns(), [GAP]),
    "dlq": (dlq.columns(), [LETTER]),
    "rules": (
        rules.columns(),
        [
            KeptRules(
                "binanceus",
                "DOGE/USDT",
                Decimal("0.00000001"),
                Decimal("0.00000100"),
                min_notional=Decimal(10),
                source="venue",
                valid_from=MS,
            )
        ],
    ),
    "subscriptions": (
        subscriptions.columns(),
        [
            Subscription("kraken", "BTC/USD", "5m", None, MS),
            Subscription(
                "coinbase", "DOGE/USD", "30m", "coinbase has no such timeframe: it has 1m, 5m", None
            ),
        ],
    ),
}
RECORDED = {
    "configs": """
id          strategy, series,               profit           draw-
stage       parameters              sample       %  Sharpe  down %  trades
3166a7b9    liquidity_sweep         in       -12.3   -0.55    23.4   1,234
VALIDATION  bitfinex DOGE/USDT 30m  out      -12.3   -0.55    23.4   1,234
not active  lookback=48
            stop_atr=2.5

ca92f01b    liquidity_sweep         in           -       -       -       -
PAPER       bitfinex DOGE/USDT 30m  out          -       -       -       -
active      lookback=48
            stop_atr=2.5
--wide also shows trials
""",
    "policy": """
id        name              timeframe  stage   gates
3166a7b9  five_symbols_ppo  30m        SHADOW  refused by 1 of 1 gates: Excess
                            rebalance          over inverse volatility
                                               set aside: gates, because we look
                                               only
--wide also shows portfolio, since (UTC)
""",
    "gaps": """
gap  what                                             status        by     tried
 12  bitfinex BTC/USD 30m: 6 candles missing from     unrepairable  finer      3
     2020-09-13 12:26 on, an outage
""",
    "dlq": """
                                                                            sent
topic                   at         reason                                   back
tradepulse.evaluations  3/1234567  no evaluation: 1 validation error for    no
                                   Evaluated, close_time is missing
--wide also shows put aside, by, begins with
""",
    "rules": """
                                                least     least
instrument                 tick        step  quantity  notional  source
binanceus:DOGE/USDT  0.00000001  0.00000100         -        10  venue
--wide also shows since
""",
    "subscriptions": """
series                 published until   trouble
kraken:BTC/USD:5m      2020-09-13 12:26
coinbase:DOGE/USD:30m                    coinbase has no such timeframe: it has
                                         1m, 5m
""",
}


def printed(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **how: bool
) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    show(*TABLES[name], **how)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("name", RECORDED)
def test_a_table_at_80_columns(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(name, monkeypatch, capsys)
    assert "\n".join(lines) == RECORDED[name].strip("\n")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", ["configs", "policy"])
def test_wide_shows_ids_whole(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert str(ID) in "\n".join(printed(name, monkeypatch, capsys, wide=True))
