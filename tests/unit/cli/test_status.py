"""`status`: what a system says of itself, on one screen, and the exit status for scripts."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from tests.command import invoke
from tradepulse.cli.status.command import NOT_READY, exit_status, picture, watched
from tradepulse.cli.status.looking import Status, Trouble, logged_trouble, looked
from tradepulse.library.live import Live
from tradepulse.runtime.refusals import RefusedError

CLOSE = 1_564_635_600_000
"""2019-08-01 05:00."""
MINUTE = 60_000
HEALTH = [
    {"service": "executor_svc", "up": True, "ready": False, "detail": "waiting for database"},
    {"service": "studio_svc", "up": True, "ready": True, "detail": "ready"},
]
ACCOUNT: dict[str, Any] = {
    "account": "main", "initial_cash": "100000", "cash": "60000.5", "equity": "101234.5",
    "exposure": "41234", "net_profit_pct": 1.2345, "drawdown_pct": 0.5, "open_positions": 1,
    "trades": 1234, "refused_orders": 7,
}  # fmt: skip
OVERVIEW = ACCOUNT | {
    "mode": "PAPER", "source": "live", "event_time": CLOSE, "settled_time": CLOSE - 5 * MINUTE,
    "active_configurations": 3,
}  # fmt: skip
SERIES = {"series": "kraken:BTC/USD:5m", "behind_ms": 90 * MINUTE, "trouble": None}
JOBS = [
    {"job_id": "aaaaaaaa-1", "kind": "search", "status": "RUNNING"},
    {"job_id": "bbbbbbbb-1", "kind": "search", "status": "QUEUED"},
    {"job_id": "cccccccc-1", "kind": "validation", "status": "FAILED", "finished_at": CLOSE,
     "error": "no candles"},
]  # fmt: skip
SCREEN = """\
not ready: .tradepulse
executor_svc  not ready  waiting for database
studio_svc    ready
mode          paper, live candles
event time    2019-08-01 05:00 UTC, 1:30:00 behind
account       main: equity 101,234.50 (+1.23 %), 0.50 % below its peak, 1 open
              position, 1,234 trades, 7 refused orders
trading       3 active configurations
jobs          1 running, 1 waiting
last trouble  2019-08-01 05:00 UTC validation cccccccc: no candles
"""


def system(**answers: Any) -> Live:
    """A system that answers so."""
    told = {
        "/api/health": HEALTH,
        "/api/overview": OVERVIEW,
        "/api/subscriptions": {"replicas": 1, "series": [SERIES]},
        "/api/jobs": JOBS,
    } | {f"/api/{name}": answer for name, answer in answers.items()}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=told[request.url.path])

    return Live(httpx.Client(transport=httpx.MockTransport(answer), base_url="http://page"))


def drawn(found: Status) -> str:
    console = Console(width=80, file=StringIO())
    console.print(picture(found))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # as it was given
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def test_one_screen() -> None:
    found = looked(system(), ".tradepulse", None)
    assert drawn(found) == SCREEN
    assert exit_status(found) == NOT_READY
    assert found.as_json()["account"] == ACCOUNT
    assert found.behind_ms == 90 * MINUTE
    ready = looked(system(health=HEALTH[1:], jobs=[]), "x", None)
    assert drawn(ready).startswith("ready: x\n")
    assert exit_status(ready) == 0


def test_what_stands_now_goes_before_what_was() -> None:
    logged = Trouble(CLOSE + 1, "rl_svc", "the fence")
    assert looked(system(), "x", logged).trouble == logged
    stands = SERIES | {"trouble": "kraken has no such market"}
    found = looked(system(subscriptions={"series": [stands]}), "x", logged)
    assert found.trouble == Trouble(None, "kraken:BTC/USD:5m", "kraken has no such market")
    assert "last trouble  now kraken:BTC/USD:5m: kraken has no such market\n" in drawn(found)


def test_before_the_first_close() -> None:
    empty = {"event_time": None, "settled_time": None, "source": None, "equity": None}
    found = looked(system(overview=OVERVIEW | empty, subscriptions={"series": []}), "x", None)
    assert found.behind_ms is None
    assert "mode          paper, no candle yet\ntrading" in drawn(found)


def test_the_last_trouble_of_the_logs(tmp_path: Path) -> None:
    def line(second: int, level: str, logger: str, text: str) -> str:
        return json.dumps({"time": f"2026-11-30T00:00:{second:02}+00:00", "level": level,
                           "service": "rl_svc", "logger": logger, "message": text})  # fmt: skip

    lines = [
        line(1, "WARNING", "tradepulse.runtime", "the\nfence"),
        line(2, "INFO", "tradepulse.runtime", "all is well"),
        line(3, "ERROR", "aiokafka.conn", "it restarts"),
        "Traceback (most recent call last):",
        '{"level": "ERROR"}',
    ]
    (tmp_path / "rl_svc.log").write_text("\n".join(lines))
    (tmp_path / "kafka.log").write_text("[2026-11-30 00:00:09] ERROR of a program of others")
    assert logged_trouble(tmp_path) == Trouble(1_795_996_801_000, "rl_svc", "the fence")
    assert logged_trouble(tmp_path / "none") is None


def test_nothing_runs(tmp_path: Path) -> None:
    told, _ = invoke("status", "--state", tmp_path, status=4)
    assert told == (
        f"nothing runs: {tmp_path}; `tradepulse up` starts a system, --address asks one elsewhere\n"
    )
    told, _ = invoke("status", "--address", "http://127.0.0.1:1/?token=x", "--json", status=4)
    assert (json.loads(told)["runs"], json.loads(told)["where"]) == (False, "http://127.0.0.1:1")
    (tmp_path / "token").write_text("\n")
    for option in (("--token-file", tmp_path / "token"), ()):
        _, line = invoke("status", "--address", "http://127.0.0.1:1", *option, status=1)
        assert line.startswith("tradepulse status: http://127.0.0.1:1: give token=, or the whole")


def test_a_wrong_token_is_a_refusal() -> None:
    refuse = {"code": "wrong_token", "detail": "wrong token: open the address"}
    transport = httpx.MockTransport(lambda _: httpx.Response(401, json=refuse))
    live = Live(httpx.Client(transport=transport, base_url="http://page"))
    with pytest.raises(RefusedError, match="wrong token: open the address"):
        looked(live, "x", None)


def test_it_is_watched_until_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    looks = iter([looked(system(), "x", None), looked(system(health=HEALTH[1:]), "x", None),
                  Status("x")])  # fmt: skip
    paused: list[float] = []
    assert not watched(lambda: next(looks), paused.append).runs
    assert paused == [2.0, 2.0]
    assert "nothing runs: x" in capsys.readouterr().out
