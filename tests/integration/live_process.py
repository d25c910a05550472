"""market_ingest in live mode as a process of its own, on the clock of a fake exchange.

`python live_process.py` is started by the tests with the service's environment. It dies before it
sends a correction where the file of DIES_BEFORE_CORRECTION is there, and takes the file with it.
"""

import asyncio
import json
import os
import signal
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.topics import Topic
from market_ingest.app import declare_live, live_options
from market_ingest.live.followed import LiveOptions
from market_ingest.settings import LiveSettings
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.service import Application, Service, run

TIME_PATH = {"binanceus": "/api/v3/time", "kraken": "/0/public/Time"}


class MarketClock:
    """The exchange's time as it was told last: never ahead of it."""

    def __init__(self, url: str, key: str) -> None:
        self.now = 0
        self._url = url
        self._key = key

    def ask(self) -> None:
        with urllib.request.urlopen(self._url, timeout=60) as answer:  # a local fake
            told = json.load(answer)
        self.now = max(self.now, int(told[self._key]))

    async def follow(self) -> None:
        while True:
            await asyncio.to_thread(self.ask)
            await asyncio.sleep(0.01)


class Mortal:
    """A publisher that is killed before its first correction."""

    def __init__(self, publisher: Publisher, file: Path) -> None:
        self._publisher = publisher
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._publisher, name)

    async def send_many(self, topic: Topic, messages: Sequence[tuple[str, bytes]]) -> None:
        corrects = any(b'"source":"repaired"' in value for _, value in messages)
        if corrects and self._file.exists():
            self._file.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        await self._publisher.send_many(topic, messages)


def declare(service: Service, settings: LiveSettings) -> None:
    if file := os.environ.get("DIES_BEFORE_CORRECTION"):
        service.publisher = Mortal(service.publisher, Path(file))
    clock = MarketClock(os.environ["FAKE_TIME_URL"], "serverTime")
    clock.ask()
    service.background(clock.follow, "market clock")
    calm = live_options(settings)
    options = LiveOptions(
        calm.timing,
        stall_after_ms=calm.stall_after_ms,
        tick_s=0.01,
        retry_first_s=0.02,
        retry_last_s=0.2,
        refused_again_s=0.5,
    )
    declare_live(service, settings, clock=lambda: clock.now, options=options, poll_s=0.1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    run(Application("market_ingest", LiveSettings, declare))
