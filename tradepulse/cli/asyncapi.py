"""AsyncAPI 3 documents, one per service, drawn by FastStream from the application that runs.

`python -m tradepulse.cli.asyncapi docs/reference/asyncapi` writes the files; a test holds that they
are what the applications say.
"""

import asyncio
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from contracts.topics import DLQ_SUFFIX
from tradepulse.runtime.dead_letters import LetterHeaders
from tradepulse.runtime.service import Application

SERVICES = (
    "market_ingest",
    "signal_svc",
    "optimizer_svc",
    "rl_svc",
    "executor_svc",
    "studio_svc",
)


def document(service: str) -> dict[str, Any]:
    """Return the AsyncAPI document of one service."""
    return asyncio.run(_document(import_module(f"{service}.app").APPLICATION))


async def _document(application: Application[Any]) -> dict[str, Any]:
    # nothing is connected, and what is declared depends on no setting
    settings = application.settings.model_construct(
        kafka_bootstrap_servers="kafka:9092", database_url="postgresql://postgres"
    )
    service = application.declared(settings)
    drawn: dict[str, Any] = json.loads(service.app.schema.to_specification().to_json())
    # FastStream has no place for the headers of a message
    for name, message in drawn["components"]["messages"].items():
        if name.split(":")[0].endswith(DLQ_SUFFIX):
            message["headers"] = LetterHeaders.model_json_schema()
    return drawn


def write_documents(folder: Path) -> list[Path]:
    """Write every service's document; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for service in SERVICES:
        path = folder / f"{service}.json"
        path.write_text(json.dumps(document(service), indent=1, sort_keys=True) + "\n")
        files.append(path)
    return files


if __name__ == "__main__":
    for written in write_documents(Path(sys.argv[1])):
        sys.stdout.write(f"{written}\n")
