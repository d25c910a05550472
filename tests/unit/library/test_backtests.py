"""A backtest from Python: the command's to the digit, as frames, drawings and a page."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import tradepulse as tp
from tests.candle_series import random_walk
from tradepulse.candles.arrays import Candles
from tradepulse.cli import main
from tradepulse.cli.research.report import Report
from tradepulse.market_data.files import write_candles
from tradepulse.strategies import files as strategy_files
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.trading.sizing import InstrumentRules

BTC, ETH = (random_walk(name, 1_000, seed=n) for n, name in enumerate(("BTC/USD", "ETH/USD"), 1))
START = int(BTC.open_time[300])
FAST = {"fast": 5, "slow": 20}
MINE = '''
from tradepulse.strategies import Param, enter_long, hold, leave, strategy
from tradepulse.strategies.features import sma


@strategy(space=(Param("window", 2, 9, integer=True),), defaults={"window": 3},
          features={"mean": sma("window")})
def my_own(i, c, f, p):
    """Idea: none. Source: none."""
    if c.close[i] > f.mean[i] + RISE:
        return enter_long(stop=c.close[i] - 1.0)
    return leave()
'''


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    write_candles(tmp_path / "c.parquet", [BTC, ETH])
    before = dict(STRATEGIES)
    yield
    for name in set(STRATEGIES) - set(before):
        del STRATEGIES[name]
    strategy_files._loaded.clear()


def run(**options: Any) -> tp.Run:
    return tp.backtest([BTC, ETH], "sma_cross", FAST, start=START, **options)


def by_command(arguments: str) -> dict[str, Any]:
    command = ["backtest", "--candles", "c.parquet", "--json", "o.json", *arguments.split()]
    result = CliRunner().invoke(main.app, command)
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(Path("o.json").read_text())
    return told


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        ("--strategy sma_cross", {"strategy": "sma_cross"}),
        (
            ('--strategy sma_cross --params {"fast":5,"slow":20} --symbol BTC/USD '
            f"--from {START} --to {START + 500 * 1_800_000} --fee 0.002 --maker-fee 0 "
            "--slippage 0 --impact 0.1 --margin --risk-per-trade 0.01 --cash 5000.5 "
            "--max-symbol-notional 0.9 --max-open-positions 3"),
            {
                "candles": BTC, "strategy": "sma_cross", "params": FAST, "start": START,
                "end": datetime.fromtimestamp(START / 1000 + 900_000, UTC), "fee": 0.002,
                "maker_fee": 0, "slippage": 0, "impact": 0.1, "margin": True,
                "risk_per_trade": "0.01", "cash": 5000.5, "max_symbol_notional": Decimal("0.9"),
                "max_open_positions": 3,
            },
        ),
        (
            ('--configs k.json --weights {"BTC/USD":0.6,"test:ETH/USD":0.3} --budget 0.9 '
            "--max-total-notional 0.8"),
            {
                "strategy": [
                    tp.use("sma_cross", fast=5, slow=20, share=0.5),
                    tp.use("sma_cross", {"fast": 7}, symbol="ETH/USD", timeframe="30m"),
                ],
                "weights": {"BTC/USD": 0.6, "test:ETH/USD": 0.3},
                "budget": 0.9,
                "max_total_notional": 0.8,
            },
        ),
    ],
    ids=["defaults", "options", "configurations"],
)  # fmt: skip
def test_it_is_the_command_s_to_the_digit(
    tmp_path: Path, arguments: str, call: dict[str, Any]
) -> None:
    entries = [
        {"strategy": "sma_cross", "params": FAST, "share": 0.5},
        {"strategy": "sma_cross", "params": {"fast": 7}, "symbol": "ETH/USD", "timeframe": "30m"},
    ]
    (tmp_path / "k.json").write_text(json.dumps(entries))
    told = by_command(arguments)
    found = tp.backtest(**{"candles": [BTC, ETH], **call})
    assert told["trades"], "nothing is compared where nothing trades"
    assert Report(Path("c.parquet"), found).as_json() == told
    shown = {row.pop("account"): row for row in found.metrics.to_dicts()}
    assert shown == {"strategy": told["metrics"], **told["benchmarks"]}


def test_the_frames_are_the_ledger_in_floats() -> None:
    found = run()
    trades, exact = found.trades, found.exact
    assert trades.schema["entry_time"] == pl.Datetime("ms", "UTC")
    assert trades["profit"].to_list() == [float(one.profit) for one in exact.trades]
    assert trades["strategy"].unique().to_list() == ["sma_cross"]
    assert found.equity["equity"].to_list() == [float(one.equity) for one in exact.equity]
    assert found.equity["close_time"].dt.epoch("ms").to_list() == found.close_time.tolist()
    assert found.refused.height == len(exact.refused)
    assert len(run(max_open_positions=1).refused.filter(reason="maximum open positions reached"))
    nothing = tp.backtest(BTC, "sma_cross", weights={"BTC/USD": 0})
    assert nothing.trades.is_empty()
    assert nothing.trades.schema == trades.schema


def test_what_is_undefined_is_null_and_not_first() -> None:
    metrics = run().metrics
    assert metrics["account"].to_list() == ["strategy", "buy_and_hold", "cash"]
    cash = metrics.row(2, named=True)
    assert cash["net_profit_pct"] == 0
    assert cash["sharpe"] is None
    best = metrics.sort("sharpe", descending=True, nulls_last=True)
    assert best["account"][2] == "cash"


def test_buying_and_holding() -> None:
    found = run(fee=0.001, slippage=0.0005, cash=1000)
    traded = [one.between(START, None) for one in (BTC, ETH)]
    cost = 1.001 * 1.0005
    expected = sum(500 / cost / one.close[0] * one.close for one in traded)
    assert np.allclose(found.equity["buy_and_hold"].to_numpy(), expected, rtol=1e-12)
    held = found.metrics.row(1, named=True)
    assert held["trades"] == 0
    assert held["net_profit_pct"] == pytest.approx(100 * (expected[-1] / 1000 - 1))
    assert held["exposure"] == pytest.approx(1.0)


def test_what_begins_later_is_bought_when_it_begins() -> None:
    later = ETH.rows(500, 1000)
    found = tp.backtest([BTC, later], "sma_cross", FAST, cash=1000, fee=0, slippage=0)
    held = found.equity["buy_and_hold"]
    assert held[0] == 1000
    assert held[499] == pytest.approx(500 + 500 * BTC.close[499] / BTC.close[0])
    expected = 500 * BTC.close[-1] / BTC.close[0] + 500 * later.close[-1] / later.close[0]
    assert held[-1] == pytest.approx(expected)


class _Balanced(HTMLParser):
    """Fails where a tag is not closed in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.classes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.classes += (dict(attrs).get("class") or "").split()
        if tag not in {"meta", "input", "br", "col"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def classes_of(html: str) -> list[str]:
    parser = _Balanced()
    parser.feed(html)
    assert not parser.open
    return parser.classes


def test_a_notebook_shows_figures_and_curves() -> None:
    found = run()
    shown = classes_of(found._repr_html_())
    assert {"figures", "worth", "held", "fall", "wick", "trade", "tradepulse"} <= set(shown)
    assert "split" not in shown
    drawn = str(found.plot("ETH/USD"))
    assert "ETH/USD 30m and trades, price, 2 candles as one" in drawn
    assert classes_of(drawn).count("panel") == 3
    assert "<script" not in drawn
    with pytest.raises(ValueError, match=r"^DOGE/USD was not traded; BTC/USD, ETH/USD was$"):
        found.plot("DOGE/USD")


def test_the_page_holds_what_it_shows(tmp_path: Path) -> None:
    page = run().report(tmp_path / "run.html").read_text()
    assert "2 configurations on BTC/USD, ETH/USD" in page
    assert "Bought and held" in page
    assert "split" not in classes_of(page)
    (data,) = (part.split("</script>")[0] for part in page.split('id="report">')[1:])
    report = json.loads(data)
    assert len(report["all_trades"]) == len(run().exact.trades)
    result = CliRunner().invoke(
        main.app,
        ["backtest", "--candles", "c.parquet", "--strategy", "sma_cross", "--params",
         json.dumps(FAST), "--from", str(START), "--report", "cli.html", "--plot"],
        env={"COLUMNS": "80"},
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (tmp_path / "cli.html").read_text() == page
    assert "written to cli.html" in result.output
    lines = result.output.splitlines()
    assert sum(any(0x2800 < ord(letter) < 0x2900 for letter in line) for line in lines) > 6
    assert max(map(len, lines)) <= 80


def test_a_file_of_one_s_own_is_loaded_anew_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(MINE.replace("RISE", "0.0"))
    often = tp.backtest([BTC, ETH], "own.py", weights="inverse_volatility")
    command = "--strategy-file own.py --strategy my_own --weights inverse_volatility"
    assert Report(Path("c.parquet"), often).as_json() == by_command(command)
    assert often.trades.height > 0
    path.write_text(MINE.replace("RISE", "1e9"))
    assert tp.backtest(BTC, path, {"window": 4}).trades.is_empty()


def test_a_file_of_several_strategies(tmp_path: Path) -> None:
    path = tmp_path / "two.py"
    path.write_text("")
    strategy_files._loaded[path] = (("one", "other"), b"")
    line = "two.py holds 2 strategies, one, other: it is loaded, so name one of them"
    with pytest.raises(ValueError, match=line):
        tp.backtest(BTC, path)


def test_others_are_looked_at_and_not_traded() -> None:
    found = tp.backtest(ETH, "relative_strength", others=BTC)
    assert found.trades["symbol"].unique().to_list() == ["ETH/USD"]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ({"strategy": "nope"}, "unknown strategy 'nope'"),
        ({"params": {"fats": 1}}, "sma_cross has no parameter 'fats'"),
        ({"strategy": [tp.use("sma_cross")], "params": FAST}, "params belong to one strategy"),
        ({"strategy": []}, "give a strategy, or a list of uses"),
        ({"strategy": tp.use("sma_cross", symbol="X/USD")}, "no candles of X/USD"),
        ({"strategy": [tp.use("sma_cross"), tp.use("sma_cross")]}, "the same strategy and param"),
        ({"start": "2031-01-01"}, "no candle lies in the range"),
        ({"start": "20190101-20190601"}, "start: 20190101-20190601 is no time"),
        ({"cash": 0}, "cash 0: must be above zero"),
        ({"fee": 1}, "fee 1: must be below 1"),
        ({"fee": "much"}, "fee much: no number"),
        ({"max_total_notional": 2}, "max_total_notional 2: must be at most 1"),
        ({"weights": "best"}, "unknown weight policy 'best'"),
        ({"weights": {"X/USD": 1}}, "there are no candles of X/USD"),
        ({"candles": [BTC, random_walk("BTC/EUR", 20)]}, "quoted in EUR, USD"),
        ({"candles": []}, "quoted in none"),
    ],
)
def test_refusals(call: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        tp.backtest(**{"candles": BTC, "strategy": "sma_cross", **call})


def test_an_argument_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="there is no argument fees; of an account these are: fee,"):
        tp.backtest(BTC, "sma_cross", fees=0)  # type: ignore[call-arg]


def test_rules_of_the_venue() -> None:
    rules = {"test:BTC/USD": InstrumentRules(min_notional=Decimal(10**9))}
    refused = tp.backtest(BTC, "sma_cross", markets=rules).refused
    assert set(refused["reason"]) == {"below the market's minimum notional"}


def test_candles_of_one_series_or_many_are_taken() -> None:
    assert isinstance(BTC, Candles)
    one, listed = tp.backtest(BTC, "sma_cross"), tp.backtest((BTC,), "sma_cross")
    assert one.metrics.equals(listed.metrics)
