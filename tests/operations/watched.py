"""Prometheus, Alertmanager, exporters and whoever is called, around a running system."""

import asyncio
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import urlsplit

import yaml

from deploy.grafana.check_dashboards import ask
from tests.operations.tools import ALERTMANAGER, PROMETHEUS, program
from tradepulse.embedded.ports import free_ports

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody was called.

    Attributes:
        at: monotonic seconds.
        who: `pager`, `tickets` or `deadman`.
        title: of the message.
        text: of the message.
    """

    at: float
    who: str
    title: str
    text: str


class Called:
    """A server that is called by Alertmanager and keeps what it hears."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        calls = self.calls

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["content-length"])))
                (message,) = told["attachments"]
                now = time.monotonic()
                calls.append(Call(now, self.path[1:], message["title"], message["text"]))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Answer)
        self.address = f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    async def hear(self, title: str, who: str, since: float, timeout_s: float) -> Call:
        """Wait until somebody is told something."""
        deadline = time.monotonic() + timeout_s
        while True:
            for call in self.calls:
                if call.at >= since and call.who == who and title in call.title:
                    return call
            assert time.monotonic() < deadline, f"{who} did not hear {title!r}: {self.calls}"
            await asyncio.sleep(0.1)


class Watch:
    """The real Prometheus and the real Alertmanager, by the files of deploy/.

    Changed are addresses alone: targets come from a file, and secrets lie in `folder`.

    Args:
        folder: for what they keep and say.
        services: port by name of service.
        others: port by job of what is scraped besides.
        in_a_hurry: whether alerts wait for 10 s at most, and look back a minute instead of hours.
    """

    def __init__(
        self,
        folder: Path,
        services: Mapping[str, int],
        others: Mapping[str, int],
        *,
        in_a_hurry: bool = False,
    ) -> None:
        self._folder = folder
        self._in_a_hurry = in_a_hurry
        self._port, self._alertmanager_port = free_ports(2)
        self._targets = services, others
        self.url = f"http://{HOST}:{self._port}"
        self.alertmanager_url = f"http://{HOST}:{self._alertmanager_port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_alertmanager(self, called: Called) -> None:
        """Start Alertmanager; each receiver has its path."""
        text = ALERTMANAGER.read_text().replace("/run/secrets", str(self._folder))
        (self._folder / "alertmanager.yml").write_text(text)
        for who in ("pager", "tickets", "deadman"):
            (self._folder / f"alert_{who}_url").write_text(f"{called.address}/{who}")
        self._start(
            "prometheus-alertmanager",
            f"--config.file={self._folder / 'alertmanager.yml'}",
            f"--storage.path={self._folder / 'alertmanager'}",
            f"--web.listen-address={HOST}:{self._alertmanager_port}",
            "--cluster.listen-address=",
        )

    def start_prometheus(self) -> None:
        """Start Prometheus with the intervals and the rules that an operator has."""
        config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
        config["rule_files"] = [str(PROMETHEUS / "*.rules.yml")]
        if self._in_a_hurry:
            config["global"] = {"scrape_interval": "2s", "evaluation_interval": "2s"}
            config["rule_files"] = [str(self._folder / "*.rules.yml")]
            for path in PROMETHEUS.glob("*.rules.yml"):
                (self._folder / path.name).write_text(hurried(path.read_text()))
        config["alerting"]["alertmanagers"] = [
            {"static_configs": [{"targets": [urlsplit(self.alertmanager_url).netloc]}]}
        ]
        for job, ports in zip(config["scrape_configs"][:2], self._targets, strict=True):
            del job["dns_sd_configs"]
            file = self._folder / f"{job['job_name']}.json"
            file.write_text(
                json.dumps(
                    [
                        {"targets": [f"{HOST}:{port}"], "labels": {"job": name.split(".")[0]}}
                        for name, port in ports.items()
                    ]
                )
            )
            job["file_sd_configs"] = [{"files": [str(file)]}]
        del config["scrape_configs"][2:]
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._start(
            "prometheus",
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'prometheus'}",
            f"--web.listen-address={HOST}:{self._port}",
            "--rules.alert.resend-delay=15s",
        )

    def start_exporters(self, database_url: str, ports: Mapping[str, int]) -> None:
        """Start what tells of PostgreSQL and of the machine."""
        parts = urlsplit(database_url)
        host = parts.query.removeprefix("host=") if not parts.hostname else ""
        url = database_url if not host else f"{database_url}&sslmode=disable"
        self._start(
            "prometheus-postgres-exporter",
            f"--web.listen-address={HOST}:{ports['postgres']}",
            DATA_SOURCE_NAME=url,
        )
        self._start("prometheus-node-exporter", f"--web.listen-address={HOST}:{ports['node']}")

    def _start(self, name: str, *arguments: str, **environment: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [program(name), *arguments],
                env={**os.environ, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """End all of it."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()

    def ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and values of a query now; nothing while Prometheus begins."""
        with suppress(URLError):
            found = ask(self.url, "query", query=query)["result"]
            return [(one["metric"], float(one["value"][1])) for one in found]
        return []

    async def until(self, query: str, timeout_s: float) -> None:
        """Wait until a query gives something."""
        deadline = time.monotonic() + timeout_s
        while not self.ask(query):
            assert time.monotonic() < deadline, f"nothing from {query}:\n{self.last_words()}"
            await asyncio.sleep(0.5)

    def last_words(self) -> str:
        """Return the ends of what they said."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text()[-2000:]}" for path in self._folder.glob("*.log")
        )


def hurried(rules: str) -> str:
    """Shorten what rules wait for and how far they look back; bounds stay."""
    waits = re.sub(r"for: (\d+[mhd]|[1-9]\d+s)$", "for: 10s", rules, flags=re.MULTILINE)
    return re.sub(r"\[\d+[mhd]\]", "[1m]", waits)


@contextmanager
def watching(
    folder: Path,
    services: Mapping[str, int],
    database_url: str,
    *,
    besides: Mapping[str, int] | None = None,
    in_a_hurry: bool = False,
) -> Iterator[tuple[Watch, Called]]:
    """Watch services, and what tells of others besides; whoever is called is heard."""
    others = dict(zip(("postgres", "node"), free_ports(2), strict=True))
    watch = Watch(folder, services, {**others, **(besides or {})}, in_a_hurry=in_a_hurry)
    with Called() as called:
        try:
            watch.start_exporters(database_url, others)
            watch.start_alertmanager(called)
            watch.start_prometheus()
            yield watch, called
        finally:
            watch.stop()
