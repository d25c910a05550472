"""The commands that need a database or a broker, on real ones."""

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from topic_reader import read_all

from contracts.topics import CANDLES, TOPICS
from tests.candle_series import as_events, random_walk, same
from tests.command import invoke
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files import read_candles, write_candles
from tradepulse.market_data.store import store_candles
from tradepulse.research.configurations import NewConfiguration, add_discovered
from tradepulse.runtime.db import connect
from tradepulse.runtime.publisher import Publisher
from tradepulse.strategies import files as strategy_files
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.trading import RULES_VERSION

pytestmark = pytest.mark.integration

BTC = random_walk("BTC/USD", 400, seed=1)
ETH = random_walk("ETH/USD", 300, seed=2)


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert "applied 0001" in invoke("migrate")[0]
    assert "up to date" in invoke("migrate")[0]
    return database_url


def test_rules_of_trading_are_accepted_while_nobody_decides(database: str) -> None:
    said = f"executor:main goes on by rules {RULES_VERSION}"
    assert said not in invoke("migrate", "--accept-rules")[0]
    other = "insert into event_time_positions values ('executor:main', 1, 0, '{}', $1)"
    on(database, lambda c: c.execute(other, {"rules_version": RULES_VERSION + 1}))
    assert "up to date" in invoke("migrate")[0]

    async def while_it_is_held(connection: Any) -> str:
        lock = "select pg_advisory_lock(hashtextextended('executor:main', 0))"
        await connection.execute(lock)
        return (await asyncio.to_thread(invoke, "migrate", "--accept-rules", status=1))[1]

    assert on(database, while_it_is_held) == (
        "tradepulse migrate: the rules are not changed: executor:main is held by a running "
        "process; stop every signal_svc, rl_svc and executor_svc first\n"
    )
    assert invoke("migrate", "--accept-rules")[0] == said + "\n"
    assert "up to date" in invoke("migrate", "--accept-rules")[0]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_candles(tmp_path / "c.parquet", [BTC, ETH])
    return tmp_path


def on(url: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        connection = await connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def rows(url: str) -> int:
    return int(on(url, lambda c: c.fetchval("select count(*) from market_data")))


def test_a_database_without_migrations(
    database_url: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for command in (("import", str(files / "c.parquet")), ("configs",), ("optimize",)):
        line = invoke(*command, status=1)[1]
        assert "run `tradepulse migrate`" in line
        assert line.count("\n") == 1


def test_import_then_export(database: str, files: Path) -> None:
    told, _ = invoke("import", str(files / "c.parquet"), "--dry-run")
    assert "would change 700 of 700 candles" in told
    assert rows(database) == 0
    told, _ = invoke("import", str(files / "c.parquet"))
    assert "test:BTC/USD:30m: 400 candles" in told
    assert "stored 700 of 700 candles; 0 were there already" in told
    assert "stored 0 of 700 candles; 700 were" in invoke("import", str(files / "c.parquet"))[0]

    for name in ("o.parquet", "o.csv"):
        told, _ = invoke("export", str(files / name))
        assert "700 candles of 2 series" in told
        btc, eth = read_candles(files / name)
        assert same(btc, BTC)
        assert same(eth, ETH)
    start, end = str(BTC.open_time[10]), str(BTC.open_time[20])
    part = ("--symbol", "BTC/USD", "--from", start, "--to", end, "--timeframe", "30m")
    invoke("export", str(files / "o.csv"), "--force", *part)
    (btc,) = read_candles(files / "o.csv")
    assert same(btc, BTC.rows(10, 20))


def test_export_of_what_is_not_there(database: str, files: Path) -> None:
    out = str(files / "o.csv")
    assert "there are none at all: import a file" in invoke("export", out, status=1)[1]
    invoke("import", str(files / "c.parquet"))
    line = invoke("export", out, "--symbol", "X/USD", status=1)[1]
    assert "no stored candles of X/USD; there are test:BTC/USD:30m, test:ETH/USD:30m" in line
    line = invoke("export", out, "--from", "2031-01-01", status=1)[1]
    assert "no stored candles in this range; there are some from 2020-09-13 00:00" in line
    assert not (files / "o.csv").exists()


def test_a_bad_file_imports_nothing(database: str, files: Path) -> None:
    high = ETH.high.copy()
    high[200] = 1.0
    bad = Candles(
        *("test", "ETH/USD", "30m", ETH.open_time, ETH.open, high, ETH.low, ETH.close, ETH.volume)
    )
    write_candles(files / "bad.csv", [BTC, bad])
    line = invoke("import", str(files / "bad.csv"), status=1)[1]
    assert "row 601: ETH/USD 30m: high 1.0 is below low" in line
    assert rows(database) == 0


def test_a_failure_in_the_middle_imports_nothing(database: str, files: Path) -> None:
    # the server refuses the second series, as a full disk would
    on(database, lambda c: c.execute("alter table candle_series add check (symbol <> 'ETH/USD')"))
    line = invoke("import", str(files / "c.parquet"), status=1)[1]
    assert line.startswith("tradepulse import: the database refuses: ")
    assert line.count("\n") == 1
    assert rows(database) == 0


def test_an_import_keeps_what_came_from_the_venue(database: str, files: Path) -> None:
    live = random_walk("BTC/USD", 5, seed=9)
    on(database, lambda c: store_candles(c, [live], "live"))
    told, warned = invoke("import", str(files / "c.parquet"))
    assert "stored 695 of 700 candles; 0 were there already" in told
    assert "5 stored candles of a better source differ and were kept" in warned


LAZY = """
from tradepulse.strategies import hold, strategy

@strategy(space=(), defaults={}, features={})
def by_hand_strategy(i, c, f, p):
    \"\"\"Do nothing.\"\"\"
    return hold()
"""


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Let no later test search the strategy of LAZY, which has nothing to search."""
    yield
    STRATEGIES.pop("by_hand_strategy", None)
    strategy_files._loaded.clear()


async def discover(connection: Any, share: float = 0.5) -> UUID:
    one = uuid4()
    new = NewConfiguration(
        configuration_id=one,
        strategy="sma_cross",
        exchange="test",
        symbol="BTC/USD",
        timeframe="30m",
        params={"fast": 7, "slow": 50},
        share=share,
        metrics={
            "in_sample": {"net_profit_pct": 12.34, "sharpe": 1.5, "trades": 40},
            "out_of_sample": {"net_profit_pct": -3.21, "sharpe": None, "trades": 9},
            "in_sample_range": [1_500_000_000_000, 1_500_900_000_000],
            "trials": 60,
        },
    )
    await add_discovered(connection, new, "test")
    return one


def test_my_own_numbers_trade_on_paper(database: str, tmp_path: Path, forgotten: None) -> None:
    asked = ("configs", "add", "--strategy", "sma_cross", "--params", '{"fast": 7}')
    mine = (*asked, "--symbol", "BTC/USD", "--reason", "from my notebook")
    assert invoke(*mine, status=1)[1] == (
        "tradepulse configs: no candles of BTC/USD are stored or followed; there are none: import "
        "a file first, or follow it by `subscriptions`\n"
    )
    walks = [random_walk(symbol, 5) for symbol in ("BTC/USD", "ETH/USD")]
    walks.append(random_walk("BTC/USD", 5, exchange="other"))
    on(database, lambda c: store_candles(c, walks, "import"))
    assert invoke(*mine, status=1)[1] == (
        "tradepulse configs: BTC/USD is there 2 times, other:BTC/USD:30m, test:BTC/USD:30m: choose "
        "one with --exchange\n"
    )
    for told, line in (
        ((*mine[:-1], " ", "--exchange", "test"), "a new configuration needs a reason"),
        ((*mine, "--exchange", "test", "--share", "2"), "share 2 must be above 0 and at most 1"),
        ((*mine, "--exchange", "x"), "no candles of x BTC/USD are stored or followed; there are "),
        ((*asked, "--reason", "r"), "--symbol is missing: say what is traded, as --symbol BTC/USD"),
        (("configs", "add", "--strategy", "nope", *mine[6:]), "--strategy: unknown strategy"),
        ((*mine[:5], '{"slow": 9999}', *mine[6:], "--exchange", "test"), "'slow' is 9999"),
    ):
        assert line in invoke(*told, status=1)[1]
    told, _ = invoke(*mine, "--exchange", "test")
    one = told.split()[0]
    assert told == (
        f"{one} (sma_cross on test:BTC/USD:30m) is active, stage PAPER\n"
        f"ask the gates: tradepulse configs validate {one[:8]}\n"
    )
    again = invoke(*mine, "--exchange", "test", status=1)[1]
    assert again.endswith(f"this was made before: it is configuration {one}\n")
    (shown,) = json.loads(invoke("configs", "list", "--active", "--json", "-")[0])
    assert (shown["configuration_id"], shown["params"]["fast"], shown["job_id"]) == (one, 7, None)
    events = json.loads(invoke("configs", "events", one, "--json", "-")[0])
    assert [(e["to_stage"], e["reason"], e["by_person"]) for e in events] == [
        ("DISCOVERY", "added by hand: from my notebook", True),
        ("PAPER", "from my notebook", True),
    ]

    # what trades goes on trading while the gates look at it
    told, _ = invoke("configs", "validate", one[:8])
    job = told.split()[1]
    assert told == (
        f"validation {job} is queued; follow it: tradepulse optimize --follow {job}\n"
        f"then read what the gates say: tradepulse configs report {one[:8]}\n"
    )
    assert f"is being validated: job {job}" in invoke("configs", "validate", one, status=1)[1]
    assert (
        "was not validated yet; `tradepulse configs validate "
        in (invoke("configs", "report", one, status=1)[1])
    )
    other, _ = invoke(*asked, "--symbol", "ETH/USD", "--reason", "r")
    invoke("configs", "deactivate", other.split()[0], "--reason", "r")
    invoke("configs", "stage", other.split()[0], "discovery", "--reason", "r")
    invoke("configs", "validate", other.split()[0])
    found = {one["symbol"]: one for one in json.loads(invoke("configs", "--json", "-")[0])}
    assert {name: (c["stage"], c["is_active"]) for name, c in found.items()} == {
        "BTC/USD": ("PAPER", True),
        "ETH/USD": ("VALIDATION", False),
    }

    # and what is stored is backtested as a file of it is
    stored, file = tmp_path / "stored.json", tmp_path / "c.parquet"
    write_candles(file, [walks[1]])
    same_run = ("backtest", "--strategy", "sma_cross", "--params", '{"fast": 7}', "--json", stored)
    assert invoke(*same_run, status=1)[1] == (
        "tradepulse backtest: BTC/USD is stored at several exchanges, other, test: choose one with "
        "--exchange\n"
    )
    invoke(*same_run, "--symbol", "ETH/USD")
    told = json.loads(stored.read_text())
    assert told["candles"]["series"] == ["test:ETH/USD:30m"]
    invoke(*same_run, "--candles", file)
    assert told["equity"] == json.loads(stored.read_text())["equity"]

    # a strategy of a file: the services must know it, too
    file = tmp_path / "by_hand_strategy.py"
    file.write_text(LAZY)
    told, _ = invoke("configs", "add", "--strategy", file, "--symbol", "ETH/USD", "--reason", "r")
    assert told.splitlines()[-1] == (
        "by_hand_strategy is of a file: it trades where the services know it, by STRATEGY_FILES or "
        "`tradepulse up --strategy FILE`"
    )


def test_configurations(database: str) -> None:
    assert "no configurations" in invoke("configs")[0]
    one = on(database, discover)
    told, _ = invoke("configs")
    assert str(one)[:8] in told
    for text in ("sma_cross", "fast=7", "DISCOVERY"):
        assert text in told, told
    flat = " ".join(told.split())
    assert " in +12.3 1.50 - 40 60 DISCOVERY " in flat
    assert " out -3.2 - - 9 " in flat
    (plain,) = json.loads(invoke("configs", "--json", "-")[0])
    assert plain["configuration_id"] == str(one)
    assert plain["metrics"]["in_sample"]["trades"] == 40
    told, _ = invoke("configs", "activate", str(one)[:8], "--reason", "looks good")
    assert "is active, stage PAPER" in told
    assert str(one)[:8] in invoke("configs", "list", "--active")[0]
    told, _ = invoke("configs", "deactivate", str(one), "--reason", "no more")
    assert "is not active" in told
    reasons = on(database, lambda c: c.fetch("select reason from configuration_events order by id"))
    assert [row["reason"] for row in reasons] == ["test", "looks good", "no more"]

    told, _ = invoke("configs", "stage", str(one), "decay", "--reason", "seen enough")
    assert "is not active, stage DECAY, retired" in told
    line = invoke("configs", "activate", str(one), "--reason", "x", status=1)[1]
    assert "has decayed; train it again" in line
    line = invoke("configs", "stage", str(one), "GOLD", "--reason", "x", status=1)[1]
    assert "GOLD is no stage; stages are DISCOVERY, VALIDATION" in line
    arguments = ("configs", "edit", str(one), "--params", '{"slow": 60}', "--reason", "slower")
    told, _ = invoke(*arguments)
    new = told.split()[0]
    assert told == (
        f"{new} (sma_cross on test:BTC/USD:30m) is not active, stage DISCOVERY\n"
        f"its validation is queued: `tradepulse configs report {new[:8]}` says what the gates "
        "found\nto trade it on paper whatever they say: "
        f"tradepulse configs activate {new[:8]} --reason ...\n"
    )
    assert (
        f"this edit was made before: it is configuration {new}" in invoke(*arguments, status=1)[1]
    )
    told, _ = invoke("configs", "show", new)
    for text in (
        "slow=60",
        f"edited from   {one}",
        "2017-07-14 02:40",
        "not validated yet",
    ):
        assert text in told, told
    told, _ = invoke("configs", "events", str(one))
    for text in ("DISCOVERY", "PAPER", "DECAY", "a person", "itself", "seen enough"):
        assert text in told, told

    line = invoke("configs", "activate", "ffff-none", "--reason", "x", status=1)[1]
    assert "no configuration of an id that begins with 'ffff-none'" in line
    assert "needs a reason" in invoke("configs", "activate", str(one), "--reason", " ", status=1)[1]
    assert "--job abc: no id" in invoke("configs", "list", "--job", "abc", status=1)[1]


def submit(*arguments: str) -> UUID:
    told, _ = invoke("optimize", "--detach", *arguments)
    found = re.fullmatch(r"job (\S+)\n", told)
    assert found
    return UUID(found[1])


def test_a_job_from_its_submission_to_its_end(database: str, files: Path) -> None:
    assert "import a file first" in invoke("optimize", status=1)[1]
    invoke("import", str(files / "c.parquet"))
    job = submit(
        "--strategy", "sma_cross", "--trials", "7", "--fixed", '{"sma_cross": {"fast": 5}}'
    )
    spec = on(database, lambda c: c.fetchval("select spec from training_jobs"))
    assert spec["symbols"] == ["BTC/USD", "ETH/USD"]
    assert (spec["exchange"], spec["timeframe"], spec["trials"]) == ("test", "30m", 7)

    def set_to(status: str, error: str | None = None) -> None:
        sql = "update training_jobs set status = $2, error = $3 where job_id = $1"
        on(database, lambda c: c.execute(sql, job, status, error))

    set_to("SUCCEEDED")
    assert "nothing was kept" in invoke("optimize", "--follow", str(job))[0]
    one = on(database, discover)
    on(database, lambda c: c.execute("update trained_configurations set job_id = $1", job))
    assert str(one)[:8] in invoke("optimize", "--follow", str(job))[0]
    set_to("FAILED", "out of\nmemory")
    line = invoke("optimize", "--follow", str(job), status=1)[1]
    assert f"job {job} failed: out of memory" in line
    assert f"there is no job {one}" in invoke("optimize", "--follow", str(one), status=1)[1]
    assert "--cancel x: no id" in invoke("optimize", "--cancel", "x", status=1)[1]


def test_a_job_is_cancelled(database: str, files: Path) -> None:
    invoke("import", str(files / "c.parquet"))
    job = submit("--symbol", "BTC/USD")
    assert f"job {job} is cancelled" in invoke("optimize", "--cancel", str(job))[0]
    line = invoke("optimize", "--follow", str(job), status=1)[1]
    assert "was cancelled after 0 of 0 trials" in line


def test_wrong_jobs(database: str, files: Path) -> None:
    write_candles(files / "h.csv", [random_walk("BTC/USD", 50, timeframe="1h")])
    invoke("import", str(files / "c.parquet"))
    invoke("import", str(files / "h.csv"))
    for arguments, line in (
        ((), "--timeframe: stored candles have several: 1h, 30m; choose one"),
        (("--timeframe", "5m"), "--timeframe: stored candles have none of it"),
        (("--timeframe", "1h", "--symbol", "X/USD"), "no stored candles of X/USD; there are BTC"),
        (("--timeframe", "1h", "--strategy", "x"), "unknown strategy"),
        (("--timeframe", "1h", "--trials", "0"), "trials: Input should be greater"),
        (("--timeframe", "1h", "--method", "magic"), "method: Input should be 'grid', 'random'"),
    ):
        assert line in invoke("optimize", *arguments, status=1)[1]
    assert on(database, lambda c: c.fetchval("select count(*) from training_jobs")) == 0


def test_an_interrupt_leaves_the_job_and_says_how_to_go_on(database: str, files: Path) -> None:
    invoke("import", str(files / "c.parquet"))
    with subprocess.Popen(
        [sys.executable, "-m", "tradepulse.cli.main", "optimize", "--timeframe", "30m"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DATABASE_URL": database},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("job ")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "goes on; follow it with `tradepulse optimize --follow" in told
    assert "Traceback" not in told
    status = on(database, lambda c: c.fetchval("select status from training_jobs"))
    assert status == "QUEUED"


def test_topics_and_dead_letters(
    kafka_bootstrap: str, no_topics: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    told, _ = invoke("topics", "--list")
    assert " yes " not in told
    line = invoke("dlq", status=1)[1]
    assert "run `tradepulse topics`" in line
    assert line.count("\n") == 1
    assert invoke("topics")[0].count("created ") == 2 * len(TOPICS)
    assert "every topic exists" in invoke("topics")[0]
    assert " no " not in invoke("topics", "--list")[0]
    narrow, _ = invoke("topics", "--list", columns=80)
    assert all(f"{name} " in narrow for one in TOPICS for name in (one.name, one.dead_letters))
    assert len(json.loads(invoke("topics", "--list", "--json", "-")[0])) == 2 * len(TOPICS)
    assert "no dead letters" in invoke("dlq")[0]

    event = as_events([BTC.rows(0, 1)])[0]
    good = event.model_dump_json().encode()

    async def put_aside(*values: bytes, first: int = 3) -> None:
        publisher = await Publisher(kafka_bootstrap, "test").start()
        for offset, value in enumerate(values, first):
            headers = [
                ("reason", b"cannot be decoded:\n[bold]why"),
                ("service", b"signal_svc"),
                ("topic", CANDLES.name.encode()),
                ("partition", b"2"),
                ("offset", str(offset).encode()),
                ("by another", b"\xfe"),
            ]
            await publisher.send_raw(
                CANDLES.dead_letters, event.instrument.encode(), value, headers
            )
        await publisher.stop()

    asyncio.run(put_aside(good, b"[red]not json" + b" x" * 90, b"\xff\x00"))
    assert f"{CANDLES.name} " in invoke("dlq", columns=80)[0]
    assert json.loads(invoke("dlq", "--json", "-")[0])[0]["value"] == good.decode()
    told, _ = invoke("dlq", "list", "candles")
    for text in ("2/3", "2/4", "signal_svc", "cannot be decoded: [bold]why", "[red]not json"):
        assert text in told, told
    assert "no dead letters" in invoke("dlq", "list", "weights")[0]
    assert "no topic is called nope" in invoke("dlq", "list", "nope", status=1)[1]
    file = tmp_path / "letters.jsonl"
    assert invoke("dlq", "export", file)[0] == f"wrote 3 messages to {file}\n"
    letters = [json.loads(line) for line in file.read_text().splitlines()]
    assert letters[0] | {"put_aside_at": ""} == {
        "topic": CANDLES.name,
        "partition": 2,
        "offset": 3,
        "reason": "cannot be decoded:\n[bold]why",
        "service": "signal_svc",
        "put_aside_at": "",
        "dead_letter_offset": 0,
        "sent_back": False,
        "headers": {
            "reason": "cannot be decoded:\n[bold]why",
            "service": "signal_svc",
            "topic": CANDLES.name,
            "partition": "2",
            "offset": "3",
            "by another": "\\xfe",
        },
        "key": event.instrument,
        "value": good.decode(),
    }
    assert datetime.fromisoformat(letters[0]["put_aside_at"]).utcoffset() is not None
    assert base64.b64decode(letters[2]["value_base64"]) == b"\xff\x00"
    assert "is there already, and is not overwritten" in invoke("dlq", "export", file, status=1)[1]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert "sent back 3 messages" in invoke("dlq", "replay", "candles")[0]
    rest = tmp_path / "rest.jsonl"
    assert invoke("dlq", "export", rest, "candles", "--waiting")[0].startswith("wrote 0 messages")
    assert "nothing waits" in invoke("dlq", "replay")[0]
    assert "no dead letters" in invoke("dlq", "list", "--waiting")[0]

    assert asyncio.run(read_all(kafka_bootstrap, CANDLES)) == [event]
    asyncio.run(put_aside(good, first=6))
    assert invoke("dlq", "replay")[0] == "sent back 1 message\n"
