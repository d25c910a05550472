"""The trainer's life: its folder locked, its jobs one after the other, and that it is there."""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from rl_svc.training.meters import TrainingMeters
from rl_svc.training.store import TrainingStore, forget_ended
from tradepulse.research.claims import Job
from tradepulse.research.trainers import Trainer, gone, seen
from tradepulse.research.worker import Worker
from tradepulse.runtime.db import UNREACHABLE, Connection, opened_pool
from tradepulse.runtime.health import ASGIApp, Pulse, endpoints, http_server, told_version
from tradepulse.runtime.metrics import new_registry
from tradepulse.runtime.process import run_process
from tradepulse.runtime.settings import RefusedError

if TYPE_CHECKING:
    from rl_svc.trainer import TrainerSettings
    from rl_svc.training.job import Training

NAME = "trainer"
SEEN_EVERY_S = 5.0
_LOCK = "trainer.lock"


class TrainerProcess:
    """What health and metrics are asked of."""

    def __init__(self, settings: "TrainerSettings") -> None:
        self._settings = settings
        self.registry = new_registry(settings.tradepulse_commit)
        self._meters = TrainingMeters(self.registry)
        self.pages: ASGIApp | None = None
        self._pulse = Pulse()
        self._worker: Worker | None = None
        # no two lives of a process share a name: the former one may still be writing
        self._name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

    def unready(self) -> list[str]:
        """Return what it waits for."""
        return [] if self._worker is not None and self._worker.polling else ["job queue"]

    def unready_as_standby(self) -> list[str]:
        """Return the same: nobody stands by."""
        return self.unready()

    def version(self) -> dict[str, str]:
        """Return which code runs here."""
        return told_version(NAME, self._settings.tradepulse_commit)

    def hanging(self) -> list[str]:
        """Return what does not go on."""
        return [] if self._pulse.is_beating() else ["telling that it is there"]

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT.

        Raises:
            RefusedError: another trainer works in the folder, or it cannot be written.
            DatabaseUnavailableError: as `opened_pool`.
        """
        settings = self._settings
        folder = settings.trainer_folder.resolve()
        at_once = settings.trainer_processes or os.cpu_count() or 1
        async with AsyncExitStack() as stack:
            stack.enter_context(locked(folder))
            pool = await stack.enter_async_context(opened_pool(settings.database_url))
            store = TrainingStore(pool, self._name)
            await forget_ended(store, folder)
            self._worker = Worker(
                store,
                self,
                {"policy": _Training(store, folder, at_once, self._meters)},
                self.registry,
                heartbeat_s=settings.heartbeat_s,
                on_commit=lambda: None,
            )
            await stack.enter_async_context(http_server(settings, endpoints(self)))
            stack.push_async_callback(self._gone, store)
            tasks = [
                asyncio.create_task(self._worker.run(), name="jobs"),
                asyncio.create_task(self._tell(store, folder, at_once), name="presence"),
            ]
            async with stopping(tasks):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error

    def begin(self) -> None:
        """Do nothing: each job starts its own processes."""

    def close(self) -> None:
        """Do nothing: each job ends its own processes."""

    async def _tell(self, store: TrainingStore, folder: Path, at_once: int) -> None:
        while True:
            free = shutil.disk_usage(folder).free
            await seen(store.pool, self._name, Trainer(at_once, free))
            self._pulse.beat()
            await asyncio.sleep(SEEN_EVERY_S)

    async def _gone(self, store: TrainingStore) -> None:
        with suppress(*UNREACHABLE):
            await gone(store.pool, self._name)


class _Training:
    """Trainings; what needs torch, and half a gigabyte, is there from the first of them on."""

    def __init__(
        self, store: TrainingStore, folder: Path, at_once: int, meters: TrainingMeters
    ) -> None:
        self._store, self._folder, self._at_once, self._meters = store, folder, at_once, meters

    async def work(self, job: Job) -> None:
        """See `rl_svc.training.job`."""
        training = await asyncio.to_thread(self._made)
        await training.work(job)

    async def give_up(self, connection: Connection, job: Job, reason: str) -> None:
        """See `rl_svc.training.job`."""

    def _made(self) -> "Training":
        from rl_svc.training.job import Training  # noqa: PLC0415 - see the class

        return Training(self._store, self._folder, self._at_once, self._meters)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have a folder for oneself.

    Raises:
        RefusedError: another trainer has it, or it cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise RefusedError(
            f"TRAINER_FOLDER {folder} cannot be written: {error.strerror}; give another one"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RefusedError(
                f"another trainer works in {folder}: one at a time; end it, or give this one "
                "another TRAINER_FOLDER"
            ) from None
        yield
    finally:
        os.close(lock)


@asynccontextmanager
async def stopping(tasks: list[asyncio.Task[None]]) -> AsyncIterator[None]:
    """End tasks at the end, or when the process is asked to end, and wait until they have."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for task in tasks:
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        stop()
        await asyncio.gather(*tasks, return_exceptions=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def run_trainer(settings: "TrainerSettings") -> None:
    """Run the trainer; exit with a status and, on trouble, one line."""
    run_process(NAME, settings, TrainerProcess(settings).run)
