"""Ends a process whose event loop does not turn any more.

Such a process answers no question of its supervisor, which is enough where somebody asks and then
ends it: `tradepulse up` and Kubernetes do. A container engine only notes that it is unhealthy. So a
thread of its own looks, and ends it with a line that says where it stands.
"""

import asyncio
import logging
import os
import sys
import threading
import time
import traceback

log = logging.getLogger(__name__)

_LOOKS = 12
_SAID_S = 2.0


class LoopWatch:
    """Watches one event loop from a thread.

    Args:
        patience_s: how long the loop may stand still.
    """

    def __init__(self, patience_s: float) -> None:
        self._pause_s = patience_s / _LOOKS
        self._turns = 0
        self._thread = 0

    async def run(self) -> None:
        """Turn with the loop for ever, and let the thread look on."""
        self._thread = threading.get_ident()
        threading.Thread(target=self._look, name="loop watch", daemon=True).start()
        while True:
            self._turns += 1
            await asyncio.sleep(self._pause_s / 2)

    def _look(self) -> None:
        # by its own looks, not by the clock: a process that was stopped and goes on has not hung
        still, seen = 0, -1
        while still < _LOOKS:
            time.sleep(self._pause_s)
            still = still + 1 if self._turns == seen else 0
            seen = self._turns
        # where it hangs in its log, that cannot be said
        said = threading.Thread(target=self._say, daemon=True)
        said.start()
        said.join(_SAID_S)
        os._exit(1)

    def _say(self) -> None:
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001 - the documented way
        log.critical(
            "the event loop hangs: this process ends, to be started again",
            extra={"stands_at": "".join(traceback.format_stack(frame)) if frame else ""},
        )
