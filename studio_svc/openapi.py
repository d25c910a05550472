"""Writes the API's document, from which the page's types are checked: no database is asked.

`python -m studio_svc.openapi docs/reference/openapi.json`
"""

import json
import sys
from pathlib import Path
from typing import Any

import httpx

from studio_svc.app import create_api
from studio_svc.stores import Stores
from studio_svc.stream.hub import Hub
from studio_svc.system.health import HealthWatch

COOKIE = "tradepulse_ID"
"""In place of a name that depends on the token."""


def document() -> dict[str, Any]:
    """Return the OpenAPI document of the API."""
    nowhere: Any = None
    api = create_api(
        Stores.over(nowhere, "main", "main"), Hub(), HealthWatch({}, httpx.AsyncClient()), COOKIE
    )
    return api.openapi()


def text() -> str:
    """Return it as it is kept in the repository."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Write it to the file that is named."""
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
