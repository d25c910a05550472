"""The command line without any server: help, backtests, and refusals in one line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from inspect import getdoc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.candle_series import START, random_walk
from tradepulse.candles.arrays import Candles
from tradepulse.cli import main
from tradepulse.cli.connections import database_url, kafka_address
from tradepulse.cli.errors import CliError
from tradepulse.cli.options import time_of
from tradepulse.embedded.state import StateFolder
from tradepulse.market_data.files import write_candles
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import backtest
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import FixedWeights

SERIES = [random_walk("BTC/USD", 1_500, seed=1), random_walk("ETH/USD", 1_500, seed=2)]
FAST = '{"fast": 5, "slow": 20}'


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.chdir(tmp_path)
    write_candles(tmp_path / "c.parquet", SERIES)
    return


def call(*arguments: str) -> str:
    result = CliRunner().invoke(main.app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(*arguments: str) -> str:
    result = CliRunner().invoke(main.app, arguments)
    assert result.exit_code == 1, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert result.stdout == ""
    before = f"tradepulse {arguments[0]}: "
    assert lines[0].startswith(before)
    return lines[0].removeprefix(before)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom tradepulse.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'polars', 'numpy', 'numba', 'asyncpg', 'aiokafka', 'pydantic'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, (_, line) in main.COMMANDS.items():
        assert name in done.stdout
        assert line.split()[0] in done.stdout


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_loads_and_says_what_the_list_says(name: str) -> None:
    command = main.load(name)
    text = command.help or getdoc(command.callback) or ""
    assert text.split("\n")[0] == main.COMMANDS[name][1]
    assert "Usage" in call(name, "--help")


def test_an_unknown_command_and_the_version() -> None:
    result = CliRunner().invoke(main.app, ["fly"])
    assert result.exit_code == 2
    assert "No such command 'fly'" in result.stderr
    assert call("--version").strip()


def test_a_backtest_of_one_strategy_is_the_engine_s(tmp_path: Path) -> None:
    out = tmp_path / "o.json"
    start = str(SERIES[0].open_time[300])
    text = call(
        *("backtest", "--candles", "c.parquet", "--strategy", "sma_cross", "--params", FAST),
        *("--from", start, "--weights", '{"BTC/USD": 0.6, "test:ETH/USD": 0.3}'),
        *("--cash", "5000", "--json", str(out)),
    )
    assert "Sharpe" in text
    found = json.loads(out.read_text())
    configurations = [
        Configuration(
            c["configuration_id"],
            c["strategy"],
            c["exchange"],
            c["symbol"],
            c["timeframe"],
            c["params"],
        )
        for c in found["configurations"]
    ]
    assert [c["params"]["fast"] for c in found["configurations"]] == [5, 5]
    expected = backtest(
        SERIES,
        configurations,
        AccountRules(),
        FixedWeights({"test:BTC/USD": 0.6, "test:ETH/USD": 0.3}),
        cash=Decimal(5000),
        between=(int(start), None),
    )
    assert len(found["trades"]) == len(expected.trades) == found["metrics"]["trades"] > 20
    for told, trade in zip(found["trades"], expected.trades, strict=True):
        assert told["symbol"] == trade.symbol
        assert (told["entry_time"], told["exit_time"]) == (trade.entry_time, trade.exit_time)
        for name in ("quantity", "entry_price", "exit_price", "fees", "profit"):
            assert Decimal(told[name]) == getattr(trade, name)
        assert told["exit_reason"] == trade.exit_reason
    assert [p["close_time"] for p in found["equity"]] == [p.close_time for p in expected.equity]
    assert Decimal(found["equity"][-1]["equity"]) == expected.equity[-1].equity
    assert found["account"]["weights"] == "fixed"


def test_several_configurations_on_one_account(tmp_path: Path) -> None:
    own = "11111111-2222-3333-4444-555555555555"
    entries = [
        {"strategy": "sma_cross", "params": {"fast": 5, "slow": 20}, "share": 0.5},
        {"strategy": "sma_cross", "symbol": "BTC/USD", "configuration_id": own},
        {"strategy": "liquidity_sweep", "exchange": "test", "timeframe": "30m"},
    ]
    (tmp_path / "configs.json").write_text(json.dumps(entries))
    call("backtest", "--candles", "c.parquet", "--configs", "configs.json", "--json", "o.json")
    found = json.loads((tmp_path / "o.json").read_text())
    told = [(c["strategy"], c["symbol"], c["share"]) for c in found["configurations"]]
    assert told == [
        ("sma_cross", "BTC/USD", 0.5),
        ("sma_cross", "ETH/USD", 0.5),
        ("sma_cross", "BTC/USD", 1.0),
        ("liquidity_sweep", "BTC/USD", 1.0),
        ("liquidity_sweep", "ETH/USD", 1.0),
    ]
    assert found["configurations"][2]["configuration_id"] == own
    assert found["account"]["weights"] == "equal"


def test_options_reach_the_account(tmp_path: Path) -> None:
    call(
        *("backtest", "--candles", "c.parquet", "--strategy", "liquidity_sweep"),
        *("--params", '{"allow_short": 1, "volume_factor": 0, "window": 10}'),
        *("--symbol", "BTC/USD", "--margin", "--fee", "0", "--slippage", "0"),
        *("--risk-per-trade", "0.01", "--weights", "inverse_volatility", "--json", "o.json"),
    )
    found = json.loads((tmp_path / "o.json").read_text())
    assert found["candles"]["series"] == ["test:BTC/USD:30m"]
    assert {Decimal(trade["fees"]) for trade in found["trades"]} == {Decimal(0)}
    assert {trade["side"] for trade in found["trades"]} == {"long", "short"}


def test_position_rules_reach_the_account(tmp_path: Path) -> None:
    tight = '{"window": 5, "sweep_atr": 0, "volume_factor": 0, "stop_atr": 0.5, "target_atr": 0.5'
    base = ("backtest", "--candles", "c.parquet", "--strategy", "liquidity_sweep")
    base = (*base, "--symbol", "BTC/USD", "--json", "o.json")
    costs = ("--maker-fee", "0", "--impact", "0.2")
    write_candles(tmp_path / "f.parquet", [halves(SERIES[0]), SERIES[1]])

    def trades(params: str, *more: str) -> list[dict[str, str]]:
        call(*base, "--params", tight + params + "}", *more)
        found: list[dict[str, str]] = json.loads((tmp_path / "o.json").read_text())["trades"]
        return found

    plain, settled = trades(""), trades("", "--finer", "f.parquet")
    changed = {(a["exit_reason"], b["exit_reason"]) for a, b in zip(plain, settled, strict=False)}
    assert ("stop", "take_profit") in changed
    assert ("take_profit", "stop") not in changed
    assert json.loads((tmp_path / "o.json").read_text())["candles"]["finer"] == ["test:BTC/USD:15m"]
    assert sum(float(t["fees"]) for t in trades("", *costs)) < sum(float(t["fees"]) for t in plain)
    reasons = {t["exit_reason"] for t in trades(', "max_candles": 3, "trail_atr": 0.7')}
    assert reasons == {"stop", "take_profit", "time"}
    assert trades(', "limit_atr": 0.3')[0]["entry_price"] != plain[0]["entry_price"]


def halves(whole: Candles) -> Candles:
    """Split every candle in two: the first goes up to its high, the second down to its low."""
    pairs = (
        (whole.open_time, whole.open_time + 900_000),
        (whole.open, whole.high),
        (whole.high, whole.high),
        (whole.open, whole.low),
        (whole.high, whole.close),
        (whole.volume / 2, whole.volume / 2),
    )
    columns = [np.ravel(np.column_stack(pair)) for pair in pairs]
    return Candles(whole.exchange, whole.symbol, "15m", *columns)


def test_finer_candles_must_be_of_a_symbol_that_trades(tmp_path: Path) -> None:
    write_candles(tmp_path / "f.csv", [halves(SERIES[1])])
    line = refusal(*BASE, "--symbol", "BTC/USD", "--finer", "f.csv")
    assert line == "--finer f.csv: no candles of test:BTC/USD"


def test_money_is_written_without_an_exponent(tmp_path: Path) -> None:
    call(*BASE, "--symbol", "BTC/USD", "--fee", "0", "--json", "o.json")
    found = json.loads((tmp_path / "o.json").read_text())
    assert {t["fees"] for t in found["trades"]} == {f"{0:.18f}"}
    assert found["equity"][0]["exposure"] == f"{0:.18f}"


def test_no_trades_is_a_result(tmp_path: Path) -> None:
    start = str(SERIES[0].open_time[-5])
    base = ("backtest", "--candles", "c.parquet", "--strategy", "sma_cross", "--from", start)
    text = call(*base, "--weights", '{"BTC/USD": 0}', "--json", "o.json")
    assert json.loads((tmp_path / "o.json").read_text())["metrics"]["sharpe"] is None
    assert "-" in text


BASE = ("backtest", "--candles", "c.parquet", "--strategy", "sma_cross")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("backtest", "--candles", "c.parquet"), "give either --strategy, or --configs"),
        ((*BASE, "--configs", "x"), "give either --strategy, or --configs"),
        ((*BASE, "--params", "{"), "--params is no JSON"),
        ((*BASE, "--params", '{"fast": "5"}'), "--params: params must be a JSON object of numbers"),
        ((*BASE, "--params", '{"fats": 5}'), "--params: sma_cross has no parameter 'fats'"),
        ((*BASE, "--params", '{"fast": 5.5}'), "--params: sma_cross: parameter 'fast' is 5.5"),
        ((*BASE, "--symbol", "DOGE/USD"), "c.parquet: has no symbol DOGE/USD; it has BTC/USD"),
        ((*BASE, "--from", "yesterday"), "--from: yesterday is no time"),
        (
            (*BASE, "--from", "2021", "--to", "2020-01-01"),
            "--from: 2021 is no time; write 2018-10-01",
        ),
        ((*BASE, "--from", "2021-01-01", "--to", "2020-01-01"), "--from 2021-01-01 is not before"),
        ((*BASE, "--from", "2031-01-01"), "no candle lies in the range to trade"),
        ((*BASE, "--cash", "0"), "--cash 0: must be above zero"),
        ((*BASE, "--cash", "much"), "--cash much: no number"),
        ((*BASE, "--fee", "1"), "--fee 1: must be below 1"),
        ((*BASE, "--fee", "NaN"), "--fee NaN: must be"),
        ((*BASE, "--max-total-notional", "2"), "--max-total-notional 2: must be at most 1"),
        ((*BASE, "--weights", "best"), "--weights: unknown weight policy 'best'"),
        ((*BASE, "--weights", "fixed"), "--weights: write fixed weights as"),
        ((*BASE, "--weights", '{"BTC/USD": 2}'), "--weights: fixed weights must be between"),
        ((*BASE, "--weights", '{"X/USD": 1}'), "--weights: there are no candles of X/USD"),
        ((*BASE, "--json", "none/o.json"), "none/o.json: cannot be written: No such file"),
        ((*BASE, "--finer", "c.parquet"), "candles of 30m do not divide those of test:BTC/USD:30m"),
        (("backtest", "--candles", "none.csv", *BASE[3:]), "none.csv: cannot be read: No"),
        (("backtest", "--candles", "c.parquet", "--strategy", "x"), "--strategy: unknown strategy"),
        (("backtest", "--candles", "c.parquet", "--configs", "no.json"), "no.json: No such file"),
        (
            ("backtest", *BASE[3:]),
            "--candles is not given, and DATABASE_URL is not set and no `tradepulse up` runs in ",
        ),
        (("import", "none.csv"), "none.csv: cannot be read: No such file or directory"),
        (("import", "c.parquet"), "DATABASE_URL is not set and no `tradepulse up` runs in .tra"),
        (("export", "o.txt"), "o.txt: candles are written to .parquet or .csv"),
        (("export", "c.parquet"), "c.parquet exists; give another name, or --force"),
        (("configs",), "DATABASE_URL is not set and no"),
        (("configs", "activate", "x", "--reason", "y"), "DATABASE_URL is not set and no"),
        (("optimize", "--fixed", "[]"), "--fixed must be a JSON object"),
        (("migrate",), "DATABASE_URL is not set and no"),
        (("topics",), "KAFKA_BOOTSTRAP_SERVERS is not set and no"),
        (("dlq",), "KAFKA_BOOTSTRAP_SERVERS is not set and no"),
    ],
)
def test_refusals(arguments: tuple[str, ...], line: str) -> None:
    assert refusal(*arguments).startswith(line)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("{}", "must be a JSON list"),
        ("[]", "must be a JSON list"),
        ("[1]", "must be an object with a strategy"),
        ('[{"strategy": "nope"}]', "unknown strategy"),
        ('[{"strategy": "sma_cross", "parms": {}}]', "unknown 'parms'; known are"),
        ('[{"strategy": "sma_cross", "share": 2}]', "share 2 must be above 0"),
        ('[{"strategy": "sma_cross", "symbol": "X/USD"}]', "no candles of X/USD"),
        ('[{"strategy": "sma_cross", "configuration_id": "x"}]', "a configuration_id needs one"),
        (
            '[{"strategy": "sma_cross", "symbol": "BTC/USD", "configuration_id": "x"}]',
            "configuration_id 'x' is no UUID",
        ),
        ('[{"strategy": "sma_cross"}, {"strategy": "sma_cross"}]', "configuration 2: the same"),
    ],
)
def test_refused_configurations(tmp_path: Path, content: str, line: str) -> None:
    (tmp_path / "k.json").write_text(content)
    told = refusal("backtest", "--candles", "c.parquet", "--configs", "k.json")
    assert told.startswith("k.json")
    assert line in told


def test_one_account_has_one_currency(tmp_path: Path) -> None:
    write_candles(tmp_path / "e.csv", [SERIES[0], random_walk("BTC/EUR", 20)])
    line = refusal("backtest", "--candles", "e.csv", "--strategy", "sma_cross")
    assert "quoted in EUR, USD" in line


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/db")
    line = refusal("migrate")
    assert line.startswith("the database of DATABASE_URL cannot be used")
    assert "secret" not in line
    monkeypatch.setenv("DATABASE_URL", "mysql://db")
    assert refusal("configs").startswith("DATABASE_URL: it cannot be read as an address")


def test_connections_of_a_running_up(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    state = StateFolder.open(folder)
    try:
        with pytest.raises(CliError, match="keeps no database there"):
            database_url(folder)
        with pytest.raises(CliError, match="keeps no broker there"):
            kafka_address(folder)
        (folder / "kafka").mkdir()
        (folder / "kafka" / "ports.json").write_text('{"broker": 4711, "controller": 4712}')
        (folder / "postgres" / "data").mkdir(parents=True)
        pid_file = folder / "postgres" / "data" / "postmaster.pid"
        pid_file.write_text("1\n/data\n1700000000\n5432\n/tmp/a folder\n\n")
        assert kafka_address(folder) == "127.0.0.1:4711"
        assert database_url(folder).endswith("@/tradepulse?host=/tmp/a%20folder&port=5432")
    finally:
        state.close()
    with pytest.raises(CliError, match="no `tradepulse up` runs in"):
        kafka_address(folder)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-02", 86_400_000),
        ("1970-01-02T00:30", 88_200_000),
        ("1970-01-02T00:30+00:30", 86_400_000),
        ("1600000000000", 1_600_000_000_000),
        (None, None),
    ],
)
def test_times(text: Any, ms: Any) -> None:
    assert time_of("--from", text) == ms
    assert START > 0
