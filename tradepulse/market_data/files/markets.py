"""A markets file: what venues accept as orders, as JSON or CSV.

docs/reference/cli.md describes it.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tradepulse.candles.times import time_ms
from tradepulse.market_data.instrument_rules import FIELDS, KeptRules

_NAMES = ("exchange", "symbol", *FIELDS, "valid_from")


class MarketsFileError(ValueError):
    """A markets file is refused; the message is one line for the user."""


def read_markets(path: Path) -> list[KeptRules]:
    """Read a markets file; what has no date in it has none.

    Raises:
        MarketsFileError: it is no such file, or a market of it cannot be.
        OSError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise MarketsFileError(f"{path}: no text in UTF-8; write a markets file") from None
    try:
        is_json = text.lstrip().startswith(("{", "["))
        found = [_market(row) for row in (_json_rows(text) if is_json else _csv_rows(text))]
    except ValueError as error:
        raise MarketsFileError(f"{path}: {error}") from error
    if not found:
        raise MarketsFileError(f"{path}: it holds no market")
    return found


def markets_text(found: Iterable[KeptRules]) -> str:
    """Return a markets file, as JSON, that `read_markets` takes."""
    rows = [one.as_json() for one in found]
    return json.dumps([{name: row[name] for name in _NAMES} for row in rows], indent=1) + "\n"


def _json_rows(text: str) -> Iterator[Mapping[str, Any]]:
    told = json.loads(text, parse_float=Decimal)
    if isinstance(told, list):
        rows = [dict(one) if isinstance(one, dict) else {} for one in told]
    else:
        rows = []
        for name, one in told.items():
            exchange, _, symbol = name.partition(":")
            if not isinstance(one, dict):
                raise MarketsFileError(f'{name} must be an object, as {{"price_tick": "0.01"}}')
            rows.append({"exchange": exchange, "symbol": symbol, **one})
    yield from rows


def _csv_rows(text: str) -> Iterator[Mapping[str, Any]]:
    reader = csv.DictReader(text.splitlines())
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(f"line {reader.line_num} has not as many fields as the first one")
        yield {name.strip(): value.strip() for name, value in row.items() if value.strip()}


def _market(row: Mapping[str, Any]) -> KeptRules:
    exchange, symbol = (str(row.get(name) or "") for name in ("exchange", "symbol"))
    if not exchange or "/" not in symbol:
        raise ValueError(
            "each market needs its exchange and symbol, as kraken and BTC/USD; it has "
            f"{', '.join(map(str, row)) or 'nothing'}"
        )
    where = f"{exchange}:{symbol}"
    if unknown := sorted(row.keys() - set(_NAMES)):
        raise ValueError(f"{where}: unknown {unknown[0]!r}; known are {', '.join(_NAMES)}")
    try:
        told = {name: _number(name, row[name]) for name in FIELDS if row.get(name) is not None}
        return KeptRules(
            exchange, symbol, **told, source="file", valid_from=_time(row.get("valid_from"))
        )
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _number(name: str, value: Any) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} {value!r} is no number, as 0.01") from None


def _time(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return time_ms(str(value))
    except ValueError as error:
        raise ValueError(f"valid_from {error}") from None
