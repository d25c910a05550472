"""Evaluate a stretch of candles: pure, and quick where nothing is to be said."""

import json
import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from contracts.events import CandleEvaluated, Signal
from tradepulse.candles.arrays import Candles
from tradepulse.strategies import StrategyError
from tradepulse.strategies.evaluate import (
    Configuration,
    entries_in,
    evaluations_of,
    signals_in,
)
from tradepulse.strategies.faults import named

log = logging.getLogger(__name__)


class Failures(Protocol):
    """Who is told of what went wrong, to count it."""

    def failed(self, configuration: Configuration, candles: int) -> None:
        """Count candles that passed without this configuration's signal: its strategy failed."""

    def refused(self, configuration: Configuration, entries: int) -> None:
        """Count entries that are not made for their levels."""


def evaluate(
    configurations: Sequence[Configuration],
    candles: Candles,
    first: int,
    failures: Failures,
) -> dict[int, list[Signal]]:
    """Return the signals by row, for rows from `first` on.

    Each kernel runs once over its warm-up and all new rows. A configuration whose strategy fails
    at a candle is left out there, and there only: how candles come in batches changes no signal.
    The others, and the candle, go on.
    """
    by_row: dict[int, list[Signal]] = {}
    for configuration in configurations:
        for row, signal in _said(configuration, candles, first, failures):
            by_row.setdefault(row, []).append(signal)
    return by_row


def _said(
    configuration: Configuration, candles: Candles, first: int, failures: Failures
) -> list[tuple[int, Signal]]:
    """Return (row, signal) of one configuration."""
    try:
        return _of_rows(configuration, candles, first, len(candles), failures)
    except Exception as error:  # noqa: BLE001 - a user's code: it must not stop the others
        fault = error
    said: list[tuple[int, Signal]] = []
    failed = 0
    for row in range(first, len(candles)):
        try:
            said += _of_rows(configuration, candles, row, row + 1, failures)
        except Exception as error:  # noqa: BLE001 - as above
            fault = fault if failed else error
            failed += 1
    if failed:
        known = {"configuration_id": str(configuration.configuration_id), "candles": failed}
        where = f"strategy {configuration.strategy} on {candles.series}"
        what = fault if isinstance(fault, StrategyError) else f"{where}: {named(fault)}"
        log.error("%s", what, extra=known)
        log.debug("the strategy failed so", exc_info=fault)
        failures.failed(configuration, failed)
    return said


def _of_rows(
    configuration: Configuration, candles: Candles, first: int, end: int, failures: Failures
) -> list[tuple[int, Signal]]:
    """Return (row, signal) of rows from `first` to `end`, with the warm-up that they need."""
    start = max(0, first - configuration.lookback + 1)
    rows = candles.rows(start, end)
    found = evaluations_of(configuration, rows, first - start)
    # hardly ever there, and counting takes as long as evaluating one candle
    refused = entries_in(found, rows, first - start).refused if len(found.refused) else {}
    for reason, count in refused.items():
        known = {"configuration_id": str(configuration.configuration_id)}
        log.warning(
            "%d entries of %s on %s refused: %s",
            count,
            configuration.strategy,
            rows.series,
            reason,
            extra=known,
        )
        failures.refused(configuration, count)
    return [
        (row + start, signal)
        for row, signal in signals_in(found, configuration, rows, first - start)
    ]


@lru_cache(maxsize=10_000)
def _names(exchange: str, symbol: str, timeframe: str) -> str:
    return json.dumps(
        {"exchange": exchange, "symbol": symbol, "timeframe": timeframe},
        separators=(",", ":"),
        ensure_ascii=False,
    )[:-1]


def encode(
    candles: Candles, first: int, configurations: int, signals: dict[int, list[Signal]]
) -> list[bytes]:
    """Return one encoded `CandleEvaluated` per row from `first` on.

    Most say nothing, so those are written straight from a template (tests hold that the template
    is what the contract would write).
    """
    names = _names(candles.exchange, candles.symbol, candles.timeframe)
    tail = f',"configurations":{configurations},"signals":[]}}'
    opens = candles.open_time[first:].tolist()
    closes = candles.close_time[first:].tolist()
    encoded = [
        f'{names},"open_time":{o},"close_time":{c}{tail}'.encode()
        for o, c in zip(opens, closes, strict=True)
    ]
    for row, found in signals.items():
        event = CandleEvaluated(
            exchange=candles.exchange,
            symbol=candles.symbol,
            timeframe=candles.timeframe,
            open_time=opens[row - first],
            close_time=closes[row - first],
            configurations=configurations,
            signals=tuple(found),
        )
        encoded[row - first] = event.model_dump_json().encode()
    return encoded
