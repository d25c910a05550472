"""Faster decoders for the events that come by the hundred thousand.

Their classes are derived from the contract, so there is one truth. What they are in any doubt about
the contract decodes itself: it says what is wrong, or takes what is only unusual. Tests hold that
both take and refuse the same messages.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec
from pydantic import TypeAdapter, ValidationError

from contracts.events import (
    CandleClosed,
    CandleEvaluated,
    Event,
    Name,
    SeriesEvent,
    Signal,
)
from contracts.times import LAST_TIME, TIMEFRAME_MS

INFINITY = float("inf")


def struct_of(event: type[Event], **types: Any) -> Any:
    """Return a class with the fields of an event, without the cost of pydantic, nor its checks.

    A field that the contract does not know is a doubt: it may hold what is no JSON.

    Args:
        event: of the contract.
        types: those of its fields that are other than there.
    """
    hints = get_type_hints(event) | types
    fields: list[Any] = [
        (field, hints[field]) if one.is_required() else (field, hints[field], one.default)
        for field, one in event.model_fields.items()
    ]
    names: dict[str, Any] = {}
    if issubclass(event, SeriesEvent):
        names = {"series": event.series, "instrument": event.instrument}
    return msgspec.defstruct(
        f"Wire{event.__name__}",
        fields,
        namespace=names,
        frozen=True,
        gc=False,
        kw_only=True,
        forbid_unknown_fields=True,
    )


if TYPE_CHECKING:
    WireCandle = CandleClosed
    WireEvaluation = CandleEvaluated
    WireSignal = Signal
else:
    WireCandle = struct_of(CandleClosed)
    """`CandleClosed`: 0.4 µs to decode instead of 3.6."""
    WireSignal = struct_of(Signal)
    WireEvaluation = struct_of(CandleEvaluated, signals=tuple[WireSignal, ...])
    """`CandleEvaluated`; its signals are `WireSignal`."""

_candle: msgspec.json.Decoder[Any] = msgspec.json.Decoder(WireCandle)
_evaluation: msgspec.json.Decoder[Any] = msgspec.json.Decoder(WireEvaluation)
_names = TypeAdapter(Name)


@lru_cache(maxsize=10_000)
def _is_name(text: str) -> bool:
    # asked of the contract once for each name
    try:
        _names.validate_python(text)
    except ValidationError:
        return False
    return True


def decode_candle(value: bytes) -> WireCandle:
    """Decode a `CandleClosed`.

    Raises:
        ValidationError: it is no candle, or an impossible one.
    """
    try:
        candle: WireCandle = _candle.decode(value)
    except ValueError:
        return CandleClosed.model_validate_json(value)
    return candle if _is_possible(candle) else CandleClosed.model_validate_json(value)


def decode_evaluation(value: bytes) -> WireEvaluation:
    """Decode a `CandleEvaluated`.

    Raises:
        ValidationError: it is no evaluation, or an impossible one.
    """
    try:
        evaluation: WireEvaluation = _evaluation.decode(value)
    except ValueError:
        return CandleEvaluated.model_validate_json(value)
    if _is_of_a_candle(evaluation) and all(map(_can_be_said, evaluation.signals)):
        return evaluation
    return CandleEvaluated.model_validate_json(value)


def _is_possible(candle: WireCandle) -> bool:
    return (
        0 < candle.low <= candle.open <= candle.high < INFINITY
        and candle.low <= candle.close <= candle.high
        and 0 <= candle.volume < INFINITY
        and _is_of_a_candle(candle)
    )


def _is_of_a_candle(one: SeriesEvent) -> bool:
    length = TIMEFRAME_MS[one.timeframe]
    return (
        one.open_time >= 0
        and one.open_time % length == 0
        and one.open_time + length == one.close_time <= LAST_TIME
        and _is_name(one.exchange)
        and _is_name(one.symbol)
    )


def _can_be_said(signal: WireSignal) -> bool:
    return (
        0 < signal.reference_price < INFINITY
        and 0 < signal.confidence <= 1
        and 0 < signal.share <= 1
        and (signal.stop_price is None or 0 < signal.stop_price < INFINITY)
        and (signal.take_profit_price is None or 0 < signal.take_profit_price < INFINITY)
        and (signal.limit_price is None or 0 < signal.limit_price < INFINITY)
        and (signal.trail is None or 0 < signal.trail < INFINITY)
        and (signal.max_holding_ms is None or signal.max_holding_ms > 0)
        and (signal.cooldown_ms is None or signal.cooldown_ms > 0)
        # these are rare enough for the contract
        and not signal.targets
    )


def candle_decoder(now: Callable[[], int], tolerance_ms: int) -> Callable[[bytes], WireCandle]:
    """Return a decoder that refuses what closes ahead of a clock, too.

    Args:
        now: the time, epoch ms.
        tolerance_ms: so far ahead may a close be.
    """

    def decode(value: bytes) -> WireCandle:
        candle = decode_candle(value)
        if candle.close_time > (time := now()) + tolerance_ms:
            raise ValueError(f"close_time {candle.close_time} is ahead of the clock, {time}")
        return candle

    return decode
