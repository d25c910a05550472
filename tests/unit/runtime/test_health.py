"""Liveness: what goes round must go on, what never began does not hang."""

from typing import Any

from prometheus_client import CollectorRegistry

from tradepulse.runtime.health import Pulse, endpoints


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

    def __init__(self, *hanging: str) -> None:
        self._hanging = list(hanging)

    def unready(self) -> list[str]:
        return []

    def hanging(self) -> list[str]:
        return self._hanging


async def answer(service: Said, path: str) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await endpoints(service)({"type": "http", "path": path}, None, send)
    return sent[0]["status"], sent[1]["body"]


async def test_livez_names_what_does_not_go_on() -> None:
    assert await answer(Said(), "/livez") == (200, b"live\n")
    assert await answer(Said("ledger", "outbox relay"), "/livez") == (
        503,
        b"does not go on: ledger, outbox relay\n",
    )
    assert (await answer(Said("ledger"), "/readyz"))[0] == 200
