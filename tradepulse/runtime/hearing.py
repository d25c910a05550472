"""Whether somebody whom a service needs still answers: asked now and then."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import asyncpg

from tradepulse.runtime.db import UNREACHABLE

ASKED_EVERY_S = 5.0
HEARD_S = 10.0
"""Who has answered nothing for longer is away."""


async def database_answers(pool: "asyncpg.Pool[asyncpg.Record]") -> bool:
    """Tell whether the database answers a question soon."""
    try:
        await pool.fetchval("select 1", timeout=ASKED_EVERY_S)
    except (*UNREACHABLE, asyncpg.PostgresError):
        return False
    return True


class Hearing:
    """Asks one partner for ever.

    Args:
        ask: asks once; whether there was an answer. It raises nothing, and may wait without end.
        clock: seconds.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[bool]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._heard_at: float | None = None

    def heard(self) -> None:
        """Note an answer."""
        self._heard_at = self._clock()

    @property
    def hears(self) -> bool:
        """Whether there was an answer within `HEARD_S`."""
        return self._heard_at is not None and self._clock() - self._heard_at <= HEARD_S

    async def keep_asking(self, patience_s: float = math.inf) -> float:
        """Ask until nothing was answered for so long; return how long that is, s.

        What is asked of somebody who hangs is not given up before that.
        """
        since = self._clock()
        while True:
            asking = asyncio.ensure_future(self._ask())
            try:
                while not asking.done():
                    await asyncio.wait([asking], timeout=ASKED_EVERY_S)
                    if (silent := self._silent(since)) > patience_s and not asking.done():
                        return silent
                if asking.result():
                    self.heard()
            finally:
                asking.cancel()
            if (silent := self._silent(since)) > patience_s:
                return silent
            await asyncio.sleep(ASKED_EVERY_S)

    def _silent(self, since: float) -> float:
        return self._clock() - (since if self._heard_at is None else self._heard_at)
