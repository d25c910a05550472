"""A service of one topic that writes down what it handles, and fails at one message, once.

`python reading_process.py` is started by test_reading.py. It adds a line to HANDLED for each batch,
as JSON, and raises at the message whose close time is POISON unless the file FAILED is there.
test_broker_away.py starts it, too; with WAY=publishes it reads nothing and has an outbox.
"""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from contracts.topics import CANDLES, WEIGHTS
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.service import Application, Service, run
from tradepulse.runtime.settings import RuntimeSettings

HANDLED, FAILED = Path(os.environ["HANDLED"]), Path(os.environ["FAILED"])
POISON = int(os.environ["POISON"])
HANG = int(os.environ.get("HANG", "-1"))


async def handle(batch: list[Delivery]) -> None:
    note(batch)


def note(batch: list[Delivery]) -> None:
    times = [delivery.event.close_time for delivery in batch]
    if HANG in times:
        # as code that never comes back does: the whole event loop stands still
        time.sleep(3_600)
    if POISON in times and not FAILED.exists():
        FAILED.touch()
        # as an unreachable database does: no fault of the message
        raise ConnectionResetError(f"cannot handle {POISON}")
    with HANDLED.open("a") as file:
        file.write(json.dumps(times) + "\n")


def declare(service: Service, settings: RuntimeSettings) -> None:
    del settings
    if os.environ["WAY"] == "shares":
        service.shares(CANDLES, handle, lambda: None)
    elif os.environ["WAY"] == "publishes":
        service.publishes(WEIGHTS)
        service.relay_outbox()
    else:
        service.follows(WEIGHTS, handle)


if __name__ == "__main__":
    run(Application("reader", RuntimeSettings, declare))
