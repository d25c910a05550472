"""A faster decoder for the one event that comes by the hundred thousand.

The class is derived from the contract, so there is one truth; a test holds that both decoders
take and refuse the same messages.
"""

from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from contracts.events import CandleClosed

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


def decode_candle(value: bytes) -> WireCandle:
    """Decode a `CandleClosed`.

    Raises:
        ValueError: it is no candle, or an impossible one.
    """
    candle: WireCandle = _decoder.decode(value)
    if not (
        0 < candle.low <= candle.open <= candle.high < INFINITY
        and candle.low <= candle.close <= candle.high
        and 0 <= candle.volume < INFINITY
        and candle.open_time < candle.close_time
    ):
        raise ValueError("impossible candle: " + value[:300].decode(errors="replace"))
    return candle
