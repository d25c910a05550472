"""Train several seeds, each in a process of its own; their mean is the model.

Processes and not threads: an update keeps its processor busy, and torch and BLAS get one each.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rl_svc.training.course import Course
from rl_svc.training.export import model_of
from rl_svc.training.one_seed import train_seed
from rl_svc.training.told import Hooks, Point, PpoSettings, Trained
from tradepulse.trading.policies.model import Model

ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""Read when NumPy, torch and numba are imported, so it must be there before a process begins."""
_SPAWN = multiprocessing.get_context("spawn")


class TrainingError(RuntimeError):
    """A seed was not trained to its end; says which, why, and what to do, in one line."""


@dataclass(frozen=True, slots=True)
class _Kept:
    seed: int
    checksum: str


@dataclass(frozen=True, slots=True)
class _Failed:
    reason: str


class _Asks:
    """Asks whether to go on."""


@dataclass(slots=True, eq=False)
class _Teaching:
    """The processes at work."""

    start: Callable[[int], tuple[BaseProcess, Connection]]
    waiting: list[int]
    at_once: int
    hooks: Hooks
    processes: dict[Any, tuple[int, BaseProcess]] = field(default_factory=dict)
    found: dict[int, Trained] = field(default_factory=dict)

    def run(self) -> None:
        try:
            self._fill()
            while self.processes:
                for connection in wait(list(self.processes)):
                    self._hear(connection)
                self._fill()
        finally:
            for _, process in self.processes.values():
                process.kill()
                process.join()

    def _fill(self) -> None:
        while self.waiting and len(self.processes) < self.at_once:
            if not self.hooks.goes_on():
                # it is late: who has not begun does not begin
                self.waiting.clear()
                return
            seed = self.waiting.pop(0)
            process, connection = self.start(seed)
            self.processes[connection] = (seed, process)

    def _hear(self, connection: Any) -> None:
        seed, process = self.processes[connection]
        try:
            said = connection.recv()
        except (EOFError, ConnectionError):
            raise _lost(seed, process) from None
        # a hook's own errors are not those of the process
        if self._answered(seed, said):
            answer = isinstance(said, _Kept | Point) or self.hooks.goes_on()
            try:
                connection.send(answer)
            except ConnectionError:
                raise _lost(seed, process) from None
            return
        del self.processes[connection]
        connection.close()
        process.join()

    def _answered(self, seed: int, said: Any) -> bool:
        """Take what a seed said; tell whether it waits for an answer."""
        match said:
            case Point():
                self.hooks.told(said)
            case _Kept():
                self.hooks.kept(said.seed, said.checksum)
            case Trained():
                self.found[seed] = said
                self.hooks.ended(said)
                return False
            case _Failed():
                raise TrainingError(f"seed {seed} was not trained: {said.reason}")
        return True


def _lost(seed: int, process: BaseProcess) -> TrainingError:
    process.join()
    return TrainingError(
        f"the process of seed {seed} ended without a word (exit code {process.exitcode}): it was "
        "killed, perhaps for want of memory; start the training again, it goes on from the last "
        "checkpoint"
    )


def train(
    course: Course,
    settings: PpoSettings,
    seeds: Sequence[int],
    folder: Path,
    hooks: Hooks | None = None,
    *,
    at_once: int | None = None,
    checksums: Mapping[int, str] | None = None,
) -> list[Trained]:
    """Train seeds and return what became of them, in their order.

    The hooks are called in this process, while the seed waits. Where `goes_on` says no, each seed
    stops after its present update, and those that have not begun are left out.

    Args:
        course: what is learned.
        settings: how.
        seeds: numbers, each once.
        folder: of the checkpoints.
        hooks: who is told, and asked.
        at_once: processes; as many as there are processors by default.
        checksums: by seed, of the checkpoint from which it goes on; see `train_seed`.

    Raises:
        ValueError: there are no seeds, or one is named twice.
        TrainingError: a seed failed, or its process was killed; the others are ended.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds {list(seeds)} cannot be: at least one, each once")
    known = checksums or {}

    def start(seed: int) -> tuple[BaseProcess, Connection]:
        ours, theirs = _SPAWN.Pipe()
        order = (course, settings, seed, folder, known.get(seed))
        process = _SPAWN.Process(
            target=_taught, args=(theirs, *order), name=f"seed {seed}", daemon=True
        )
        with _one_thread():
            process.start()
        theirs.close()
        return process, ours

    wanted = at_once or os.cpu_count() or 1
    teaching = _Teaching(start, list(seeds), wanted, hooks or Hooks())
    teaching.run()
    return [teaching.found[seed] for seed in seeds if seed in teaching.found]


def ensemble(course: Course, trained: Sequence[Trained], made_by: Mapping[str, Any]) -> Model:
    """Return the model of all seeds' best parameters.

    Raises:
        ModelError: no seed was trained.
    """
    told = [
        {"seed": one.seed, "steps": one.steps, "best_update": one.best_update, "ended": one.ended}
        for one in trained
    ]
    return model_of(
        [one.layers for one in trained],
        course.scale,
        course.timeframe,
        max_weight=course.max_weight,
        instruments=course.market.instruments,
        made_by={**made_by, "seeds": told},
        seen=course.figure_bins,
    )


def _taught(
    connection: Connection,
    course: Course,
    settings: PpoSettings,
    seed: int,
    folder: Path,
    checksum: str | None,
) -> None:
    """Train a seed in this process, of which another one is told."""
    # Ctrl-C reaches all: the process that leads has them stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _follow_parent()

    def ask(said: Any) -> bool:
        connection.send(said)
        return bool(connection.recv())

    hooks = Hooks(
        told=ask,
        kept=lambda number, found: ask(_Kept(number, found)),
        goes_on=lambda: ask(_Asks()),
    )
    try:
        connection.send(train_seed(course, settings, seed, folder, hooks, checksum))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # nobody listens any more: whoever starts again goes on from the last checkpoint
        return
    except Exception as error:  # noqa: BLE001 - told on the other side
        connection.send(_Failed(f"{error or type(error).__name__}"))


def _follow_parent() -> None:
    """End with the process that listens, in the middle of an update too: another may have begun."""
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("the process of a seed has no parent")

    def follow(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=follow, args=(parent.sentinel,), daemon=True, name="parent").start()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have what is started here compute by one thread."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
