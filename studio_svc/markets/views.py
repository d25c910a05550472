"""Candles, as the API answers and the stream pushes them."""

from contracts.events import CandleClosed
from studio_svc.web_app.views import CandleRow, View


class CandlesView(View):
    """Candles of one series, oldest first."""

    series: str
    timeframe_ms: int
    rows: list[CandleRow]


def candle_row(candle: CandleClosed) -> CandleRow:
    """Return a candle event as a row."""
    return (
        candle.open_time, candle.open, candle.high, candle.low, candle.close, candle.volume,
    )  # fmt: skip
