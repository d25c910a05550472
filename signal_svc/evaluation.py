"""Evaluate a stretch of candles: pure, and quick where nothing is to be said."""

import json
import logging
from collections.abc import Callable, Sequence

from contracts.events import CandleEvaluated, Signal
from tradepulse.candles.arrays import Candles
from tradepulse.strategies.evaluate import Configuration, signals_of

log = logging.getLogger(__name__)


def evaluate(
    configurations: Sequence[Configuration],
    candles: Candles,
    first: int,
    on_failure: Callable[[Configuration], None],
) -> dict[int, list[Signal]]:
    """Return the signals by row, for rows from `first` on.

    Each kernel runs once over its warm-up and all new rows. A configuration that raises is
    reported and left out: the others, and the candle, go on.
    """
    by_row: dict[int, list[Signal]] = {}
    for configuration in configurations:
        start = max(0, first - configuration.lookback + 1)
        rows = candles.rows(start, len(candles))
        try:
            found = list(signals_of(configuration, rows, first - start))
        except Exception:
            # a strategy is a user's code: whatever it raises must not stop the others
            log.exception(
                "strategy failed", extra={"configuration_id": configuration.configuration_id}
            )
            on_failure(configuration)
            continue
        for row, signal in found:
            by_row.setdefault(row + start, []).append(signal)
    return by_row


def encode(
    candles: Candles, first: int, configurations: int, signals: dict[int, list[Signal]]
) -> list[bytes]:
    """Return one encoded `CandleEvaluated` per row from `first` on.

    Most say nothing, so those are written straight from a template (tests hold that the template
    is what the contract would write).
    """
    names = json.dumps(
        {"exchange": candles.exchange, "symbol": candles.symbol, "timeframe": candles.timeframe},
        separators=(",", ":"),
        ensure_ascii=False,
    )[:-1]
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
