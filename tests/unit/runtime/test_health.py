"""Liveness: what goes round must go on, what never began does not hang."""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from tradepulse import __version__
from tradepulse.runtime.health import Pulse, endpoints, http_server, told_version
from tradepulse.runtime.settings import DatabaseSettings


def test_a_pulse_is_missed_after_its_patience_and_not_before() -> None:
    now = 100.0
    pulse = Pulse(60, clock=lambda: now)
    now += 1_000
    assert pulse.is_beating()
    pulse.beat()
    now += 60
    assert pulse.is_beating()
    now += 0.1
    assert not pulse.is_beating()
    pulse.beat()
    assert pulse.is_beating()
    now += 61
    pulse.rest()
    assert pulse.is_beating()


class Said:
    registry = CollectorRegistry()
    pages = None

    def __init__(self, *hanging: str, unready: Sequence[str] = ()) -> None:
        self._hanging, self._unready = list(hanging), list(unready)

    def unready(self) -> list[str]:
        return self._unready

    def unready_as_standby(self) -> list[str]:
        return [name for name in self._unready if name != "its turn"]

    def version(self) -> dict[str, str]:
        return told_version("a service", "c0ffee")

    def hanging(self) -> list[str]:
        return self._hanging


async def answer(service: Said, path: str, accept: bytes = b"*/*") -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", b"here"), (b"accept", accept)],
    }
    await endpoints(service)(scope, None, send)
    return sent[0]["status"], sent[1]["body"]


async def test_livez_names_what_does_not_go_on() -> None:
    assert await answer(Said(), "/livez") == (200, b"live\n")
    assert await answer(Said("ledger", "outbox relay"), "/livez") == (
        503,
        b"does not go on: ledger, outbox relay\n",
    )
    assert (await answer(Said("ledger"), "/readyz"))[0] == 200


async def test_readyz_names_what_is_waited_for_and_lets_a_standby_wait() -> None:
    assert await answer(Said(), "/readyz") == (200, b"ready\n")
    waiting = Said(unready=["its turn"])
    assert await answer(waiting, "/readyz") == (503, b"waiting for its turn\n")
    assert await answer(waiting, "/readyz?standby=ok") == (200, b"ready\n")
    assert (await answer(waiting, "/readyz?standby=no"))[0] == 503
    deaf = Said(unready=["broker", "its turn"])
    assert await answer(deaf, "/readyz?standby=ok") == (503, b"waiting for broker\n")


async def test_who_asks_for_json_gets_it() -> None:
    said = Said("ledger", unready=["broker", "database"])
    for accept in (b"application/json", b"text/html, application/json;q=0.9"):
        status, body = await answer(said, "/readyz", accept)
        assert status == 503
        assert json.loads(body) == {"ready": False, "waiting_for": ["broker", "database"]}
        status, body = await answer(said, "/livez", accept)
        assert (status, json.loads(body)) == (503, {"live": False, "does_not_go_on": ["ledger"]})
    status, body = await answer(Said(), "/readyz", b"application/json")
    assert (status, json.loads(body)) == (200, {"ready": True, "waiting_for": []})


async def test_the_version_that_runs_is_told() -> None:
    status, body = await answer(Said(), "/version")
    told = {"service": "a service", "version": __version__, "commit": "c0ffee"}
    assert (status, json.loads(body)) == (200, told)


async def test_a_server_on_any_port_says_where_it_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    settings = DatabaseSettings(database_url="postgresql://db/x", http_port=0)
    async with http_server(settings, endpoints(Said())), httpx.AsyncClient() as client:
        while not (said := [r for r in caplog.records if r.message == "answers over HTTP"]):  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.01)
        address: str = said[0].__dict__["address"]
        assert address.startswith("http://127.0.0.1:")
        assert (await client.get(f"{address}/livez")).status_code == 200
