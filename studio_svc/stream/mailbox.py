"""What one open page has not been sent yet: merged, bounded, pure.

However fast candles come and however slowly a page reads, a mailbox holds at most the last
`KEPT_CANDLES` of the picked series, one candle of each other series, `KEPT_POINTS` of the equity
curve and `KEPT_ROWS` of each table.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from studio_svc.web_app.thinning import extremes
from studio_svc.web_app.views import CandleRow, EquityRow

KEPT_CANDLES = 600
KEPT_POINTS = 1_000
KEPT_ROWS = 200


class Mailbox:
    """Gathers what happened since the last push.

    Args:
        series: the series whose every candle is wanted; of the others the last one is enough.
    """

    def __init__(self, series: str | None) -> None:
        self.series = series
        self._clear()

    def _clear(self) -> None:
        self._last: dict[str, CandleRow] = {}
        self._candles: dict[int, CandleRow] = {}
        self._candles_reset = False
        self._equity: list[EquityRow] = []
        self._rows: dict[str, list[Any]] = {}
        self._replaced: dict[str, Any] = {}
        self._reload = False

    def add_candle(self, series: str, row: CandleRow, *, is_newest: bool = True) -> None:
        """Note a candle, or the correction of an older one, which is not the series' last."""
        if is_newest:
            self._last[series] = row
        if series != self.series:
            return
        self._candles[row[0]] = row
        if len(self._candles) >= 2 * KEPT_CANDLES:
            # what is left is whole in itself: the page starts its chart anew with it
            self._candles = dict(sorted(self._candles.items())[-KEPT_CANDLES:])
            self._candles_reset = True

    def add_equity(self, row: EquityRow) -> None:
        """Note a settled close."""
        self._equity.append(row)
        if len(self._equity) >= 2 * KEPT_POINTS:
            equity = np.array([point[1] for point in self._equity])
            self._equity = [self._equity[i] for i in extremes(equity, KEPT_POINTS)]

    def add_row(self, table: str, row: Any) -> None:
        """Note a new row of a table; a page that lags too far is told to reload instead."""
        rows = self._rows.setdefault(table, [])
        rows.append(row)
        if len(rows) > KEPT_ROWS:
            self._rows[table] = rows[-KEPT_ROWS:]
            self._reload = True

    def replace(self, name: str, value: Any) -> None:
        """Note the new whole of something small."""
        self._replaced[name] = value

    def drain(self) -> Mapping[str, Any] | None:
        """Return everything noted as one push and forget it; None when there is nothing."""
        push: dict[str, Any] = {**self._rows, **self._replaced}
        if self._last:
            push["last"] = self._last
        if self._candles:
            push["candles"] = {
                "series": self.series,
                "rows": [row for _, row in sorted(self._candles.items())],
                "reset": self._candles_reset,
            }
        if self._equity:
            push["equity"] = self._equity
        if self._reload:
            push["reload"] = True
        self._clear()
        return push or None
