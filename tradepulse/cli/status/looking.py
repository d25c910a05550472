"""Looks at a system: at its API, at each service where that does not answer, at its logs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tradepulse.embedded.addresses import NoSystemError, page_address, service_addresses
from tradepulse.library.live import Live, connect
from tradepulse.market_data.instrument_rules import NOT_KNOWN
from tradepulse.runtime.telemetry import FOREIGN

_PATIENCE_S = 2.0
_TAIL_BYTES = 200_000
_BAD = {"WARNING", "ERROR", "CRITICAL"}
_JOBS = 200


@dataclass(frozen=True, slots=True)
class Service:
    """One service, as its /readyz says."""

    service: str
    ready: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong last.

    Attributes:
        at: when, epoch ms; None where that is not known.
        of: which service, series or job.
        text: what it said, one line.
    """

    at: int | None
    of: str
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """How a system stands; what is None is not known.

    Attributes:
        where: its state folder, or its address.
        runs: whether anything does.
        ready: whether all services are.
        services: each of them; empty where none is known.
        mode: what fills orders, `PAPER`.
        source: where the last candle came from, `replay`, `live`, …
        event_time: the last close that is known, epoch ms.
        settled_time: the last close that the ledger has settled, epoch ms.
        behind_ms: how far that is behind `event_time`, and live, how far the slowest series is
            behind the market: the larger one.
        account: its figures, amounts as text.
        active_configurations: how many trade.
        jobs: how many run and wait.
        trouble: the last one.
    """

    where: str
    runs: bool = False
    ready: bool = False
    services: list[Service] = field(default_factory=list)
    mode: str | None = None
    source: str | None = None
    event_time: int | None = None
    settled_time: int | None = None
    behind_ms: int | None = None
    account: dict[str, Any] | None = None
    active_configurations: int | None = None
    jobs: dict[str, int] | None = None
    trouble: Trouble | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as `--json` writes it; times are epoch ms."""
        return asdict(self)


def look_in(state: Path) -> Status:
    """Look at the `tradepulse up` of a state folder.

    Raises:
        ValueError: it refuses our token.
    """
    from tradepulse.embedded.state import lock_holder

    if lock_holder(state) is None:
        return Status(str(state), trouble=logged_trouble(state / "logs"))
    trouble = logged_trouble(state / "logs")
    try:
        page_address(state)
        with connect(state) as live:
            return looked(live, str(state), trouble)
    except NoSystemError as error:
        services = list(_asked(state)) or [Service("studio_svc", ready=False, detail=str(error))]
        return Status(str(state), runs=True, services=services, trouble=trouble)


def look_at(address: str, token: str | None) -> Status:
    """Look at the system of an address.

    Raises:
        ValueError: it refuses our token, or there is none.
    """
    with connect(address=address, token=token) as live:
        try:
            return looked(live, live.address, None)
        except NoSystemError:
            return Status(live.address)


def looked(live: Live, where: str, trouble: Trouble | None) -> Status:
    """Ask the API of a system.

    Raises:
        NoSystemError: it does not answer.
        RefusedError: it refuses.
    """
    services = [
        Service(one["service"], one["ready"], one["detail"]) for one in live.get("/api/health")
    ]
    told = live.get("/api/overview")
    followed = live.get("/api/subscriptions")
    jobs = live.get("/api/jobs", limit=_JOBS)
    states = [one["status"] for one in jobs]
    account = ("account", "initial_cash", "cash", "equity", "exposure", "net_profit_pct",
               "drawdown_pct", "open_positions", "trades", "refused_orders")  # fmt: skip
    return Status(
        where,
        runs=True,
        ready=bool(services) and all(one.ready for one in services),
        services=services,
        mode=told["mode"],
        source=told["source"],
        event_time=told["event_time"],
        settled_time=told["settled_time"],
        behind_ms=_behind(told, followed["series"]),
        account={name: told[name] for name in account},
        active_configurations=told["active_configurations"],
        jobs={"running": states.count("RUNNING"), "waiting": states.count("QUEUED")},
        trouble=_last([trouble, *_failed(jobs), *_not_followed(followed["series"])]),
    )


def _behind(told: Mapping[str, Any], series: list[dict[str, Any]]) -> int | None:
    lags = [one["behind_ms"] for one in series if one["behind_ms"] is not None]
    if told["event_time"] is not None and told["settled_time"] is not None:
        lags.append(max(0, told["event_time"] - told["settled_time"]))
    return max(lags, default=None)


def _failed(jobs: list[dict[str, Any]]) -> Iterator[Trouble]:
    for job in jobs:
        if job["status"] == "FAILED":
            text = job["error"] or "it gave no reason"
            yield Trouble(job["finished_at"], f"{job['kind']} {job['job_id'][:8]}", text)


def _not_followed(series: list[dict[str, Any]]) -> Iterator[Trouble]:
    for one in series:
        if one["trouble"]:
            yield Trouble(None, one["series"], one["trouble"])


def _last(troubles: "list[Trouble | None]") -> Trouble | None:
    """Return what stands now, else what was last."""
    known = [one for one in troubles if one is not None]
    return max(known, key=lambda one: (one.at is None, one.at or 0), default=None)


def _asked(state: Path) -> Iterator[Service]:
    try:
        addresses = service_addresses(state)
    except (OSError, ValueError, KeyError):
        return
    with httpx.Client(timeout=_PATIENCE_S, trust_env=False) as client:
        for name, url in addresses.items():
            try:
                answer = client.get(f"{url}/readyz")
            except httpx.HTTPError:
                yield Service(name, ready=False, detail="not answering")
            else:
                lines = answer.text.strip().splitlines() or [f"status {answer.status_code}"]
                yield Service(name, answer.is_success, lines[0])


def logged_trouble(logs: Path) -> Trouble | None:
    """Return the last warning or error in the logs of a state folder."""
    return _last([_last(list(_bad_lines(log))) for log in sorted(logs.glob("*.log"))])


def _is_trouble(line: Mapping[str, Any]) -> bool:
    # what a library says of a broker that restarts is none, nor what every start says of markets
    is_ours = line["logger"].partition(".")[0] not in FOREIGN
    return line["level"] in _BAD and is_ours and line["message"] != NOT_KNOWN


def _bad_lines(log: Path) -> Iterator[Trouble | None]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return
    for text in lines:
        try:
            line = json.loads(text)
            if _is_trouble(line):
                at = round(datetime.fromisoformat(line["time"]).timestamp() * 1000)
                yield Trouble(at, line["service"], " ".join(str(line["message"]).split()))
        except (ValueError, KeyError, TypeError):
            continue
