"""The process in which trials run: threads over shared candles, apart from the event loop.

One process, so that candles are there once however many threads read them; a process of its own,
so that a strategy which takes it down does not take down the service, and because compiled code
cannot be interrupted: a call that is no longer wanted, or takes too long, is ended with its
process.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, ParamSpec, Protocol, TypeVar

from tradepulse.candles.arrays import Candles
from tradepulse.research.search import trials
from tradepulse.research.search.trials import FloatArray, Measured, TrialSetup
from tradepulse.research.sweep import Sweep
from tradepulse.strategies.files import load_strategy_files

P = ParamSpec("P")
R = TypeVar("R")

SWEEPS = 4
"""Kept ready: each keeps the indicators that it has computed."""
NICENESS = 10
"""Trials give way to the services that trade."""
DEATHS = 3
"""Of trial processes, after which the job itself is blamed."""


TRIAL_LIMIT_S = 300.0
"""Seconds that a batch may take before its process is ended."""


class SlowTrialsError(ValueError):
    """A batch took too long; one line for the job's user."""

    def __init__(self, strategy: str, sets: int, limit_s: float) -> None:
        super().__init__(
            f"strategy {strategy}: {sets} parameter sets side by side took longer than "
            f"{limit_s:g} s: look for a loop without an end, or for work in each row that grows "
            "with the row; take fewer candles or raise TRIAL_LIMIT_S"
        )


class TrialRunner(Protocol):
    """Where trials run: in the process below, or on a cluster. The figures are the same."""

    @property
    def at_once(self) -> int:
        """How many trials run side by side."""
        ...

    async def give(self, candles: Mapping[str, Candles]) -> None:
        """Hand over candles, once, under names that no one else uses."""
        ...

    async def measure(self, name: str, setup: TrialSetup, tried: FloatArray) -> Measured:
        """Measure parameter vectors, float64 `(t, p)`, on the candles of that name.

        Who is cancelled leaves nothing running behind.

        Raises:
            SlowTrialsError: they took too long.
        """
        ...

    async def take_back(self, names: list[str]) -> None:
        """Let candles go."""
        ...


_held: dict[str, Candles] = {}
_sweeps: OrderedDict[tuple[str, TrialSetup], Sweep] = OrderedDict()
"""Ready sweeps over what is held, the least recently used given up for others."""
_progress: Any = None
"""Of what runs in this trial process, from 0 to 1; shared with its parent."""


def _begin(progress: Any) -> None:
    """Leave Ctrl-C, which reaches all, to the parent; follow a parent that was killed."""
    global _progress
    _progress = progress
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("a trial process has no parent")
    sentinel = parent.sentinel

    def follow() -> None:
        wait([sentinel])
        os._exit(1)

    # the pool's queues stay open after the parent is gone: without this it would wait for ever
    threading.Thread(target=follow, daemon=True, name="follow parent").start()
    load_strategy_files()


def report_progress(fraction: float) -> None:
    """Say how far the present call has come; works in the trial process only."""
    _progress.value = fraction


def _hold(name: str, candles: Candles) -> None:
    _held[name] = candles


def _drop(name: str) -> None:
    _held.pop(name, None)
    for key in [key for key in _sweeps if key[0] == name]:
        del _sweeps[key]


def _measure(name: str, setup: TrialSetup, tried: FloatArray, threads: int) -> Measured:
    sweep = _sweeps.pop((name, setup), None) or trials.sweep_of(_held[name], setup, threads)
    _sweeps[name, setup] = sweep
    if len(_sweeps) > SWEEPS:
        _sweeps.popitem(last=False)
    return trials.measure(sweep, tried, setup)


async def _outcome(call: Future[R]) -> R:
    """Wait for a call of a pool without ever cancelling it, as `asyncio.wrap_future` would.

    A pool that breaks at the moment one of its calls is cancelled tells nothing of the others
    (python/cpython#107219, mended after Python 3.11).
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: Future[R]) -> None:
        # the loop may be closed by then
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    call.add_done_callback(tell)
    await ended.wait()
    return call.result()


class TrialProcess:
    """A spawned process, replaced when it dies. One call at a time; others wait their turn.

    Args:
        threads: how many run trials in it.
        limit_s: seconds that a batch of trials may take.
    """

    def __init__(self, threads: int, limit_s: float = TRIAL_LIMIT_S) -> None:
        self.threads = self.at_once = threads
        self.limit_s = limit_s
        self.deaths = 0
        """Since it was last set to 0."""
        self._candles: dict[str, Candles] = {}
        self._context = multiprocessing.get_context("spawn")
        self._turn: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None
        self._start()

    def _start(self) -> ProcessPoolExecutor:
        # threads share the work already: those of a matrix product would get in their way
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        self._progress = self._context.Value("d", 0.0)
        before = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(
            1, mp_context=self._context, initializer=_begin, initargs=(self._progress,)
        )
        # calls are worked off in order: candles are there before what needs them
        pool.submit(os.getpid)
        for name, candles in self._candles.items():
            pool.submit(_hold, name, candles)
        self._children = set(multiprocessing.active_children()) - before
        self._pool: ProcessPoolExecutor | None = pool
        return pool

    def _in_turn(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if self._turn is None or self._turn[0] is not loop:
            self._turn = loop, asyncio.Lock()
        return self._turn[1]

    @property
    def progress(self) -> float:
        """How far the present call says it has come, 0 to 1."""
        return float(self._progress.value)

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function in the process; one that dies of it is replaced, and it runs again.

        Where the caller is cancelled while it runs, the process is ended with it.

        Raises:
            ValueError: too many processes have died.
        """
        return await self.call_within(None, function, *args, **kwargs)

    async def call_within(
        self, limit_s: float | None, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do what `call` does, for so many seconds at most.

        Raises:
            TimeoutError: it took longer; its process is ended.
            ValueError: as `call`.
        """
        async with self._in_turn():
            while True:
                pool = self._pool or self._start()
                bound = asyncio.timeout(limit_s)
                try:
                    async with bound:
                        return await _outcome(pool.submit(function, *args, **kwargs))
                # a pool that is replaced cancels the calls that it has not begun
                except (BrokenProcessPool, CancelledError):
                    if pool is self._pool:
                        self.deaths += 1
                        self.close()
                    if self.deaths >= DEATHS:
                        raise ValueError(
                            f"trial processes died {self.deaths} times, perhaps for lack of "
                            "memory; give the service fewer workers or the job fewer candles"
                        ) from None
                except asyncio.CancelledError:
                    self.close()
                    raise
                except TimeoutError:
                    if bound.expired():
                        self.close()
                    raise

    async def give(self, candles: Mapping[str, Candles]) -> None:
        """See `TrialRunner`; a process that replaces another is given them anew."""
        for name, one in candles.items():
            await self.call(_hold, name, one)
            self._candles[name] = one

    async def measure(self, name: str, setup: TrialSetup, tried: FloatArray) -> Measured:
        """See `TrialRunner`."""
        try:
            return await self.call_within(self.limit_s, _measure, name, setup, tried, self.threads)
        except TimeoutError:
            raise SlowTrialsError(setup.strategy, len(tried), self.limit_s) from None

    async def take_back(self, names: list[str]) -> None:
        """See `TrialRunner`."""
        for name in names:
            self._candles.pop(name, None)
        # a process that is yet to be started is not given them
        if self._pool is not None:
            for name in names:
                await self.call(_drop, name)

    def begin(self) -> None:
        """Count the deaths anew: they are those of one job."""
        self.deaths = 0

    def restart(self) -> None:
        """Replace the process, whatever it is doing."""
        self.close()
        self._start()

    def close(self) -> None:
        """End the process at once, whatever it is doing; the next call starts another."""
        for child in self._children:
            child.kill()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = None
