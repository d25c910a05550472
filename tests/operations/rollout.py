"""Two replicas of each service over a replay, restarted, scaled, killed: what that holds up."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import httpx
from system import System, configurations_for, demo_candles, last_close

from tradepulse.embedded.ports import free_ports
from tradepulse.runtime.db import Connection, connect

PATIENCE_S = 240
DAY = 86_400_000
LOOK_S = 0.02
# readers before writers, as docs/guides/operations/upgrade.md says
ORDER = ("studio_svc", "executor_svc", "rl_svc", "signal_svc", "optimizer_svc", "market_ingest")
OWNED = ("executor_svc", "rl_svc")
"""One is active, the others stand by."""
_SETTLED = "select settled_time from event_time_positions where consumer = 'executor:main'"


@dataclass(frozen=True, slots=True)
class Standstill:
    """For how long the ledger did not move while something was done, s."""

    what: str
    seconds: float


class Rollout:
    """A replay under load, and what an operator does meanwhile.

    Args:
        system: the processes.
        days: of the replay.
        days_a_second: its speed.
    """

    def __init__(self, system: System, *, days: int, days_a_second: float) -> None:
        self.system = system
        self.candles = demo_candles(days)
        self.configurations = configurations_for(self.candles)
        self._speed = DAY / 1000 * days_a_second
        self._ports: dict[str, int] = {}
        self._connection: Connection | None = None
        self._client = httpx.AsyncClient(trust_env=False, timeout=10.0)

    async def begin(self) -> None:
        """Start two of each service, and a replay."""
        system = self.system
        replay = await system.prepare_replay(self.candles, speed=self._speed)
        token = system.folder / "token"
        token.write_text("a-token-of-the-test-of-rollouts")
        # it is to watch nobody's trades: what it found would change what trades
        env = {
            "studio_svc": {"STUDIO_TOKEN_FILE": str(token)},
            "optimizer_svc": {"ACCOUNT": "nobody"},
        }
        self._connection = await connect(system.database_url)
        names = [f"{name}.{number}" for name in ORDER[:-1] for number in (1, 2)]
        for name in names:
            self._start(name, **env.get(name.partition(".")[0], {}))
        for name in names:
            await self._ready(name)
        self._start("market_ingest.1", **replay)
        await self._moves_from(0)

    async def restart_each(self) -> list[Standstill]:
        """Restart every replica by SIGTERM, one after the other, in the order of a rollout."""
        found = []
        for service in ORDER:
            replicas = [name for name in self.system.processes if name.startswith(service)]
            if service in OWNED:
                # the standby first
                active = await self._active(service, replicas)
                replicas.sort(key=lambda name: name == active)
            for name in replicas:
                role = ""
                if service in OWNED:
                    role = ", active" if name == replicas[-1] else ", standby"
                found.append(await self._held_up(f"restart {service}{role}", self._restart(name)))
        return found

    async def scale_signals(self) -> list[Standstill]:
        """Scale signal_svc from two to one, to three, and to one."""

        async def more(name: str) -> None:
            self._start(name)
            await self._ready(name)

        steps = [
            ("2 → 1", self.system.end("signal_svc.2")),
            ("1 → 2", more("signal_svc.2")),
            ("2 → 3", more("signal_svc.3")),
            ("3 → 2", self.system.end("signal_svc.1")),
            ("2 → 1", self.system.end("signal_svc.3")),
        ]
        return [await self._held_up(f"scale signal_svc {step}", work) for step, work in steps]

    async def kill_the_executor(self) -> Standstill:
        """Kill the active executor; its standby goes on."""
        replicas = [name for name in self.system.processes if name.startswith("executor_svc")]
        active = await self._active("executor_svc", replicas)

        async def killed() -> None:
            self.system.kill(active)
            del self.system.processes[active]

        return await self._held_up("kill the active executor_svc", killed())

    async def end(self) -> None:
        """Let the rest of the replay come at once, and wait for its end."""
        close = last_close(self.candles)
        assert await self.system.settled() < close, "the replay was over before the rollout"
        await self.system.end("market_ingest.1")
        self.system.start_anew("market_ingest.1", REPLAY_SPEED="max")
        await self.system.wait_settled(close, PATIENCE_S)
        await self.system.outbox_is_empty()

    async def close(self) -> None:
        """Disconnect."""
        await self._client.aclose()
        if self._connection is not None:
            await self._connection.close()

    # How it is done

    def _start(self, name: str, **env: str) -> None:
        port = self._ports.setdefault(name, free_ports(1)[0])
        module = f"{name.partition('.')[0]}.app"
        self.system.start(name, module=module, HTTP_PORT=str(port), **env)

    async def _ready(self, name: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(httpx.TransportError):
                    address = f"http://127.0.0.1:{self._ports[name]}/readyz?standby=ok"
                    if (await self._client.get(address)).is_success:
                        return
                self.system.none_has_ended()
                await asyncio.sleep(LOOK_S)

    async def _restart(self, name: str) -> None:
        await self.system.end(name)
        self.system.start(name)
        await self._ready(name)

    async def _active(self, service: str, replicas: list[str]) -> str:
        """Return which of the replicas holds the account or the portfolio."""
        for name in replicas:
            address = f"http://127.0.0.1:{self._ports[name]}/readyz"
            if (await self._client.get(address)).is_success:
                return name
        raise AssertionError(f"no {service} is active: {self.system.last_words()}")

    async def _settled(self) -> int:
        assert self._connection is not None
        return int(await self._connection.fetchval(_SETTLED) or 0)

    async def _moves_from(self, settled: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self._settled() <= settled:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(LOOK_S)

    async def _held_up(self, what: str, work: object) -> Standstill:
        """Do something, and return the longest time in which the ledger did not move meanwhile."""
        doing = asyncio.ensure_future(work)  # type: ignore[call-overload]  # a coroutine
        longest, settled, moved = 0.0, await self._settled(), time.monotonic()
        begun, went_on = time.monotonic(), 0
        deadline = begun + PATIENCE_S
        # until it is done, and the ledger has gone on after it
        while not (doing.done() and went_on >= 3):
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            if (latest := await self._settled()) > settled:
                longest, settled, moved = max(longest, now - moved), latest, now
                went_on += doing.done()
            if now > deadline:
                raise AssertionError(f"{what}: the ledger stands still\n{self.system.last_words()}")
        await doing
        return Standstill(what, longest)
