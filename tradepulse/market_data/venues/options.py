"""How the venues are reached: the JSON file named by `VENUES_FILE`."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradepulse.market_data.venues.rules import VENUES

log = logging.getLogger(__name__)

VenuesOptions = Mapping[str, Mapping[str, Any]]
"""By venue, ccxt's configuration; a venue that is not named is reached as ccxt does by itself."""

VENUES_FILE = "VENUES_FILE"
_KEYS = ("apiKey", "secret", "password", "uid", "privateKey", "walletAddress", "token", "login")


def read_venues_file(path: str | Path | None) -> VenuesOptions:
    """Read the file of `VENUES_FILE`, as `{"kraken": {"httpsProxy": "http://proxy:3128"}}`.

    Keys in it are left out and told: market data needs none, and what is not held cannot leak.

    Args:
        path: None or empty for ccxt's defaults.

    Raises:
        ValueError: it cannot be read or says nothing that can be used; one line.
    """
    if not path:
        return {}
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{VENUES_FILE}: {path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"{VENUES_FILE}: {path} is no JSON: {error}") from None
    if problem := _problem(content):
        raise ValueError(f"{VENUES_FILE}: {path}: {problem}")
    return {name: _without_keys(name, config) for name, config in content.items()}


def _problem(content: Any) -> str | None:
    if not isinstance(content, dict):
        return 'must be an object, as {"kraken": {}}'
    for name, config in content.items():
        if name not in VENUES:
            return f"unknown venue {name!r}; known are {', '.join(VENUES)}"
        if not isinstance(config, dict):
            return f"{name} must be an object of ccxt's settings"
    return None


def _without_keys(name: str, config: dict[str, Any]) -> dict[str, Any]:
    if keys := [key for key in _KEYS if config.get(key)]:
        log.warning(
            "%s names %s for %s: market data needs no keys, they are not used",
            VENUES_FILE,
            " and ".join(keys),
            name,
        )
    return {key: value for key, value in config.items() if key not in _KEYS}
