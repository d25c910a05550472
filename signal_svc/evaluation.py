"""Evaluate a stretch of candles: pure, and quick where nothing is to be said."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from contracts.events import Signal, trace_id
from signal_svc.windows import Window
from tradepulse.candles.arrays import Candles
from tradepulse.runtime.codec import WireCandle
from tradepulse.strategies import REFUSALS, StrategyError
from tradepulse.strategies.evaluate import (
    Configuration,
    entries_in,
    evaluations_of,
    last_of,
    signal_of,
    signals_in,
)
from tradepulse.strategies.faults import named

log = logging.getLogger(__name__)

NO_REFERENCES: Mapping[str, Candles] = {}


class Failures(Protocol):
    """Who is told of what went wrong, to count it."""

    def failed(self, configuration: Configuration, candles: int) -> None:
        """Count candles that passed without this configuration's signal: its strategy failed."""

    def refused(self, configuration: Configuration, entries: int) -> None:
        """Count entries that are not made for their levels."""


def evaluate(
    configurations: Sequence[Configuration],
    window: Window,
    count: int,
    failures: Failures,
    references: Mapping[str, Candles] = NO_REFERENCES,
) -> dict[int, list[Signal]]:
    """Return the signals of a window's last `count` candles, by their number among these.

    Each kernel runs once over its warm-up and all new rows. A configuration whose strategy fails
    at a candle is left out there, and there only: how candles come in batches changes no signal.
    The others, and the candle, go on.
    """
    by_row: dict[int, list[Signal]] = {}
    candles, first = None, len(window) - count
    for configuration in configurations:
        if count == 1 and not configuration.has_sources:
            for signal in _of_last(configuration, window, failures):
                by_row.setdefault(0, []).append(signal)
            continue
        if candles is None:
            candles = window.candles
            candles = replace(candles, references={**candles.references, **references})
        for row, signal in _said(configuration, candles, first, failures):
            by_row.setdefault(row - first, []).append(signal)
    return by_row


def _of_last(configuration: Configuration, window: Window, failures: Failures) -> Sequence[Signal]:
    """Return what one configuration says of the last candle: hardly ever more than nothing."""
    try:
        said = last_of(configuration, window.market, window.open_time, window.end)
    except Exception:  # noqa: BLE001 - a user's code; asked again, what went wrong is told
        return _told(configuration, window, failures)
    if said is None:
        return ()
    if said.action in REFUSALS:
        return _told(configuration, window, failures)
    signal = signal_of(configuration, said, *window.last)
    return () if signal is None else (signal,)


def _told(configuration: Configuration, window: Window, failures: Failures) -> list[Signal]:
    found = _said(configuration, window.candles, len(window) - 1, failures)
    return [signal for _, signal in found]


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
    failed_at = first
    for row in range(first, len(candles)):
        try:
            said += _of_rows(configuration, candles, row, row + 1, failures)
        except Exception as error:  # noqa: BLE001 - as above
            fault, failed_at = (fault, failed_at) if failed else (error, row)
            failed += 1
    if failed:
        known = {
            "configuration_id": str(configuration.configuration_id),
            "candles": failed,
            "trace_id": trace_id(candles.series, int(candles.close_time[failed_at])),
        }
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
    # hardly ever there, and counting takes as long as evaluating one candle; one that is switched
    # off enters nothing
    has_some = len(found.refused) and not configuration.exits_only
    refused = entries_in(found, rows, first - start).refused if has_some else {}
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
    rows: Sequence[WireCandle], configurations: int, signals: Mapping[int, Sequence[Signal]]
) -> list[bytes]:
    """Return one encoded `CandleEvaluated` per candle of a series.

    They are written straight from a template: the candles were judged when they came, and tests
    hold that it is what the contract would write.
    """
    names = _names(rows[0].exchange, rows[0].symbol, rows[0].timeframe)
    asked = f'"configurations":{configurations},"signals":['
    said = {
        row: ",".join(signal.model_dump_json() for signal in found)
        for row, found in signals.items()
    }
    return [
        f'{names},"open_time":{candle.open_time},"close_time":{candle.close_time},{asked}'
        f"{said.get(row, '')}]}}".encode()
        for row, candle in enumerate(rows)
    ]
