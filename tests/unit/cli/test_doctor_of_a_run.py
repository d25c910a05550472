"""`doctor` knows the system that runs in the state folder: its own ports are no fault."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tradepulse.cli.doctor import Finding, System, examine
from tradepulse.cli.up.choice import Choice, remember
from tradepulse.embedded.state import StateFolder


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        waits = self.path.startswith("/late")
        self.send_response(503 if waits else 200)
        self.end_headers()
        self.wfile.write(b"waiting for broker\n" if waits else b"ready\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    """Where something answers as a service does; below /late it is not ready."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def told(folder: Path, **services: str) -> None:
    targets = [{"targets": [at], "labels": {"job": name}} for name, at in services.items()]
    (folder / "prometheus.json").write_text(json.dumps(targets))


def test_what_runs_is_told_with_what_each_service_waits_for(tmp_path: Path, address: str) -> None:
    assert System.of(tmp_path) is None
    state = StateFolder.open(tmp_path / "s")
    try:
        process = f"process {os.getpid()}"
        assert System.of(state.path).findings() == [  # type: ignore[union-attr]  # it runs
            Finding("running system", "warn", f"{process} is starting", "ask again in a moment")
        ]
        told(state.path, studio_svc=address, rl_svc=address)
        told_of = f"{process}, a replay, 2 of 2 services ready, page at http://{address}"
        assert System.of(state.path).findings() == [Finding("running system", "ok", told_of)]  # type: ignore[union-attr]  # it runs
        remember(state.path, Choice(live=True))
        told(state.path, studio_svc=address, rl_svc=f"{address}/late", signal_svc="127.0.0.1:1")
        logs = state.path / "logs"
        assert System.of(state.path).findings() == [  # type: ignore[union-attr]  # it runs
            Finding(
                "running system",
                "warn",
                f"{process}, live candles, 1 of 3 services ready, page at http://{address}",
            ),
            Finding("rl_svc", "warn", "waiting for broker", f"see {logs}/rl_svc.log"),
            Finding("signal_svc", "warn", "does not answer", f"see {logs}/signal_svc.log"),
        ]
    finally:
        state.close()


def test_what_the_run_uses_is_no_fault(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradepulse.cli.doctor.PAGE_PORT", int(address.rpartition(":")[2]))
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FEES", "0.1")

    def found() -> dict[str, Finding]:
        return {one.what: one for one in examine(tmp_path / "s")}

    before = found()
    assert before["page's port"].verdict == "warn"
    assert before["environment"] == Finding(
        "environment", "warn", "FEES is no setting and nothing reads it", "did you mean FEE?"
    )
    state = StateFolder.open(tmp_path / "s")
    try:
        told(state.path, studio_svc=address)
        running = found()
        assert running["page's port"] == Finding(
            "page's port", "ok", f"{address} is in use by the running system"
        )
        assert running["state folder"].verdict == "ok"
        told(state.path, studio_svc="127.0.0.1:1")
        assert found()["page's port"] == Finding(
            "page's port",
            "ok",
            f"{address} is in use by another program, not by the running system",
        )
    finally:
        state.close()
