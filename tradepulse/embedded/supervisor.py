"""Keeps processes running: starts them again with growing pauses, stops them in reverse order.

A process that does not answer any more is ended, and started again like any other.
"""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from tradepulse.embedded.children import Child, Children, EmbeddedError
from tradepulse.embedded.ports import HOST

State = Literal["starting", "running", "waiting", "stopped"]

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.25
_ROTATE_SECONDS = 5.0
_LOG_BYTES = 5_000_000


class Part(Protocol):
    """Something with one process that can be started any number of times."""

    child: Child | None

    async def start(self) -> None:
        """Start it; raise `EmbeddedError` or `OSError` where that fails."""

    async def stop(self) -> None:
        """End it."""

    async def answers(self) -> bool:
        """Ask whether it goes on; True for one that cannot be asked."""


class Program:
    """A part that is one command.

    Args:
        name: what to call it.
        argv: program and arguments.
        env: its whole environment.
        children: who starts it.
        log: the file for its output.
        port: where it answers `/livez`; 0 where it does not.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        children: Children,
        log: Path,
        port: int = 0,
    ) -> None:
        self.name = name
        self._argv = tuple(argv)
        self._env = dict(env)
        self._children = children
        self._log = log
        self._port = port
        self.child: Child | None = None

    async def start(self) -> None:
        """Start the command."""
        self.child = self._children.spawn(self.name, self._argv, log=self._log, env=self._env)

    async def stop(self) -> None:
        """Ask the command to end; kill it where it does not within 10 seconds."""
        if self.child is not None:
            await self.child.stop()
            self._children.forget(self.child)

    async def answers(self) -> bool:
        """Ask its /livez."""
        if not self._port:
            return True
        with suppress(OSError):
            # no client: one would go through the proxy that the environment names
            reader, writer = await asyncio.open_connection(HOST, self._port)
            try:
                writer.write(f"GET /livez HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
        return False


@dataclass(frozen=True, slots=True)
class Patience:
    """When a part that runs counts as hanging; seconds.

    Attributes:
        every: pause between two questions.
        answer: how long an answer may take.
        failures: so many in a row end the process.
        start: how long a new process may take until it answers for the first time.
    """

    every: float = 5.0
    answer: float = 5.0
    failures: int = 3
    start: float = 120.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses before a restart, in seconds.

    Attributes:
        first: the pause after a first end.
        longest: no pause is longer; each is twice the one before.
        healthy: who ran this long is new again.
    """

    first: float = 0.5
    longest: float = 30.0
    healthy: float = 60.0

    def after(self, former: float, lived: float) -> float:
        """Give the pause that follows one of `former` seconds and a life of `lived`."""
        if former == 0 or lived >= self.healthy:
            return self.first
        return min(former * 2, self.longest)


@dataclass(slots=True)
class Kept:
    """One kept part, as the terminal shows it.

    Attributes:
        name: what to call it.
        part: what is kept.
        state: what it is doing.
        restarts: how often it was started again.
        reason: why it last ended; empty where it never did.
        since: when it was last started, `time.monotonic()`.
    """

    name: str
    part: Part
    state: State = "starting"
    restarts: int = 0
    reason: str = ""
    since: float = field(default_factory=time.monotonic)
    hung: Child | None = None
    """The process that was last ended because it did not answer."""

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        child = self.part.child
        return child.pid if child is not None and child.running else None


class Supervisor:
    """Keeps parts running in layers; a layer is stopped before the ones that came before it.

    Args:
        logs: folder whose `*.log` files are kept below a size.
        backoff: pauses before restarts.
        patience: with processes that do not answer.
    """

    def __init__(
        self, logs: Path, backoff: Backoff | None = None, patience: Patience | None = None
    ) -> None:
        self._logs = logs
        self._backoff = backoff or Backoff()
        self._patience = patience or Patience()
        self._layers: list[list[Kept]] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def kept(self) -> list[Kept]:
        """All kept parts, in the order of their start."""
        return [kept for layer in self._layers for kept in layer]

    async def start(self, **parts: Part) -> None:
        """Start a layer of parts, all at once, and keep them running from then on.

        Raises:
            EmbeddedError: one does not start the first time; so does `OSError`.
        """
        layer = [Kept(name, part) for name, part in parts.items()]
        self._layers.append(layer)
        if not self._tasks:
            self._tasks.append(asyncio.create_task(self._keep_logs_short()))
        results = await asyncio.gather(*map(self._first, layer), return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error
        self._tasks += [asyncio.create_task(self._keep(kept), name=kept.name) for kept in layer]
        self._tasks += [asyncio.create_task(self._ask(kept)) for kept in layer]

    async def stop(self) -> None:
        """Stop everything, the last layer first, the parts of a layer at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for layer in reversed(self._layers):
            await asyncio.gather(*(kept.part.stop() for kept in layer))
            for kept in layer:
                kept.state = "stopped"

    async def _first(self, kept: Kept) -> None:
        await kept.part.start()
        kept.state, kept.since = "running", time.monotonic()

    async def _keep(self, kept: Kept) -> None:
        pause = 0.0
        while True:
            child = kept.part.child
            if kept.state == "running" and child is not None and child.running:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            if kept.state == "running":
                kept.reason = "hung" if child is not None and child is kept.hung else _ending(child)
                await kept.part.stop()  # also ends what it left in its group
            pause = self._backoff.after(pause, time.monotonic() - kept.since)
            kept.state = "waiting"
            log.warning("%s %s; started again in %.1f s", kept.name, kept.reason, pause)
            await asyncio.sleep(pause)
            kept.state, kept.since = "starting", time.monotonic()
            kept.restarts += 1
            try:
                await self._first(kept)
            except (EmbeddedError, OSError) as error:
                kept.reason = str(error)

    async def _ask(self, kept: Kept) -> None:
        """End the process of a part that does not answer any more; `_keep` starts it again."""
        asked: Child | None = None
        failures, has_answered = 0, False
        while True:
            await asyncio.sleep(self._patience.every)
            child = kept.part.child
            if kept.state != "running" or child is None or not child.running:
                continue
            if child is not asked:
                asked, failures, has_answered = child, 0, False
            if await self._answers(kept.part):
                failures, has_answered = 0, True
                continue
            if has_answered or time.monotonic() - kept.since > self._patience.start:
                failures += 1
            if failures >= self._patience.failures:
                log.warning("%s does not answer; its process is ended", kept.name)
                kept.hung = child
                await child.kill()

    async def _answers(self, part: Part) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience.answer):
                return await part.answers()
        return False

    async def _keep_logs_short(self) -> None:
        while True:
            for path in self._logs.glob("*.log"):
                with suppress(OSError):  # a full disk: the next round tries again
                    rotate(path)
            await asyncio.sleep(_ROTATE_SECONDS)


def rotate(path: Path, limit: int = _LOG_BYTES) -> None:
    """Move a log of more than `limit` bytes to `<path>.1` and empty it.

    Its writers have it open for appending, so they go on at its new beginning.
    """
    if path.stat().st_size > limit:
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        os.truncate(path, 0)


def _ending(child: Child | None) -> str:
    code = child.exit_code if child is not None else None
    if code is None:
        return "ended"
    return f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
