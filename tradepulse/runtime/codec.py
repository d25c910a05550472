"""A faster decoder for the one event that comes by the hundred thousand.

The class is derived from the contract, so there is one truth; a test holds that both decoders
take and refuse the same messages.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec
from pydantic import TypeAdapter, ValidationError

from contracts.events import CandleClosed, Name
from contracts.times import LAST_TIME, TIMEFRAME_MS

INFINITY = float("inf")

if TYPE_CHECKING:
    WireCandle = CandleClosed
else:
    WireCandle = msgspec.defstruct(
        "WireCandle",
        [(n, t) for n, t in get_type_hints(CandleClosed).items() if n in CandleClosed.model_fields],
        namespace={"series": CandleClosed.series, "instrument": CandleClosed.instrument},
        frozen=True,
        gc=False,
    )
    """`CandleClosed` without the cost of pydantic: 0.4 µs to decode instead of 3.6."""

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(WireCandle)
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
        ValueError: it is no candle, or an impossible one.
    """
    candle: WireCandle = _decoder.decode(value)
    length = TIMEFRAME_MS[candle.timeframe]
    if not (
        0 < candle.low <= candle.open <= candle.high < INFINITY
        and candle.low <= candle.close <= candle.high
        and 0 <= candle.volume < INFINITY
        and candle.open_time >= 0
        and candle.open_time % length == 0
        and candle.open_time + length == candle.close_time <= LAST_TIME
        and _is_name(candle.exchange)
        and _is_name(candle.symbol)
    ):
        raise ValueError("impossible candle: " + value[:300].decode(errors="replace"))
    return candle


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
