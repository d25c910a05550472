"""Trials on a Dask cluster, where DASK_SCHEDULER names one. The figures are the same as here."""

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np

from optimizer_svc.search.processes import TRIAL_LIMIT_S, SlowTrialsError
from tradepulse.candles.arrays import Candles
from tradepulse.research.search import trials
from tradepulse.research.search.trials import FloatArray, Measured, TrialSetup
from tradepulse.runtime.settings import RefusedError
from tradepulse.strategies.files import load_strategy_files


def _measure(candles: Candles, setup: TrialSetup, tried: FloatArray) -> Measured:
    load_strategy_files()
    return trials.measure(trials.sweep_of(candles, setup, 1), tried, setup)


class DaskCluster:
    """Runs trials on the workers of a cluster; each batch is shared among them.

    The workers need the same version of this package and of every strategy, and `STRATEGY_FILES`
    in their own environment where there are strategies outside the package.
    """

    def __init__(self, client: Any, limit_s: float = TRIAL_LIMIT_S) -> None:
        self._client = client
        self._limit_s = limit_s
        self.at_once = 1
        """Workers, as many as there last were."""
        self._candles: dict[str, Any] = {}
        """Futures of candles that lie on every worker, by name."""

    @classmethod
    async def connect(
        cls, address: str, patience_s: float = 15, limit_s: float = TRIAL_LIMIT_S
    ) -> "DaskCluster":
        """Connect to the scheduler.

        Raises:
            RefusedError: it does not answer, or `distributed` is not installed.
        """
        try:
            import distributed  # noqa: PLC0415 - only where a cluster is wanted
        except ImportError:
            raise RefusedError(
                "DASK_SCHEDULER is set, but the package distributed is missing: install "
                "tradepulse[dask] or unset it"
            ) from None
        try:
            client: Any = distributed.Client
            connected = await client(address, asynchronous=True, timeout=patience_s)
        except (OSError, ValueError) as error:
            raise RefusedError(
                f"no Dask scheduler answers at {address} within {patience_s:g} s: {error}; "
                "start it, correct DASK_SCHEDULER, or unset it to run trials here"
            ) from None
        return cls(connected, limit_s)

    async def give(self, candles: Mapping[str, Candles]) -> None:
        """See `TrialRunner`."""
        for name, one in candles.items():
            self._candles[name] = await self._client.scatter(one, broadcast=True, hash=False)

    async def measure(self, name: str, setup: TrialSetup, tried: FloatArray) -> Measured:
        """See `TrialRunner`; but a part that a worker has begun runs to its end there."""
        info = await self._client.scheduler.identity()
        self.at_once = max(1, len(info["workers"]))
        parts = np.array_split(tried, min(self.at_once, len(tried)))
        futures = [
            # what a batch is worth is asked for once: nothing to look up by its hash
            self._client.submit(_measure, self._candles[name], setup, part, pure=False)
            for part in parts
        ]
        try:
            async with asyncio.timeout(self._limit_s) as bound:
                return trials.joined(await self._client.gather(futures))
        except (asyncio.CancelledError, TimeoutError) as error:
            await self._client.cancel(futures)
            if isinstance(error, TimeoutError) and bound.expired():
                raise SlowTrialsError(setup.strategy, len(tried), self._limit_s) from None
            raise

    async def take_back(self, names: list[str]) -> None:
        """See `TrialRunner`."""
        for name in names:
            self._candles.pop(name).release()

    async def stay(self) -> None:
        """Stay connected until cancelled."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._client.close()
