"""AsyncAPI 3 documents, one per service, made from the contracts.

FastStream draws them: each service's channels are declared on a broker that is never started.
Needs the extra `asyncapi`. `python -m tradepulse.cli.asyncapi docs/reference/asyncapi` writes the
files; a test holds that they are what the contracts say.
"""

import json
import sys
from pathlib import Path
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI

from contracts.topics import (
    ACCOUNT,
    CANDLES,
    CONFIGURATIONS,
    EVALUATIONS,
    FEEDS,
    TOPICS,
    WEIGHTS,
    Topic,
)
from tradepulse import __version__

READS: dict[str, tuple[Topic, ...]] = {
    "market_ingest": (),
    "signal_svc": (CANDLES, CONFIGURATIONS),
    "optimizer_svc": (),
    "rl_svc": (CANDLES, FEEDS),
    "executor_svc": (CANDLES, EVALUATIONS, WEIGHTS, FEEDS),
    "studio_svc": (CANDLES, EVALUATIONS, WEIGHTS, CONFIGURATIONS, ACCOUNT),
}
"""Which topics each service reads; which it writes, the topics themselves say."""


def document(service: str) -> dict[str, Any]:
    """Return the AsyncAPI document of one service."""
    broker = KafkaBroker("kafka:9092")
    for topic in TOPICS:
        cleanup = "compacted" if topic.compacted else f"kept {topic.retention_ms // 86_400_000} d"
        text = f"key: {topic.key}; {topic.partitions} partitions; {cleanup}"
        if topic.writer == service:
            broker.publisher(topic.name, title=topic.name, description=text, schema=topic.event)
        if topic in READS[service]:
            subscriber = broker.subscriber(topic.name, title=topic.name, description=text)
            subscriber(_handler_of(topic))
    app = FastStream(
        broker, specification=AsyncAPI(title=service, version=__version__, schema_version="3.0.0")
    )
    found: dict[str, Any] = json.loads(app.schema.to_specification().to_json())
    return found


def _handler_of(topic: Topic) -> Any:
    async def on_event(event: Any) -> None: ...

    on_event.__annotations__["event"] = topic.event
    on_event.__name__ = "on_" + topic.name.rpartition(".")[2]
    return on_event


def write_documents(folder: Path) -> list[Path]:
    """Write every service's document; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for service in READS:
        path = folder / f"{service}.json"
        path.write_text(json.dumps(document(service), indent=1, sort_keys=True) + "\n")
        files.append(path)
    return files


if __name__ == "__main__":
    for written in write_documents(Path(sys.argv[1])):
        sys.stdout.write(f"{written}\n")
