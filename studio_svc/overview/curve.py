"""The equity curve in memory: read once, extended by what is new, thinned for drawing."""

import numpy as np
from numpy.typing import NDArray

from studio_svc.web_app.thinning import extremes
from studio_svc.web_app.views import EquityRow

Columns = tuple[
    NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64],
    NDArray[np.int64],
]  # fmt: skip
"""close_time, equity, cash, exposure, open positions; each `(n,)`, in time order."""


class EquityCurve:
    """All settled closes of one account. Rows are facts: they are only ever appended."""

    def __init__(self) -> None:
        self._columns: Columns = (
            np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0), np.empty(0, np.int64),
        )  # fmt: skip
        self.peak = float("-inf")
        self.max_drawdown = 0.0
        """Largest fall from a peak so far, as a fraction, 0 or more."""

    def __len__(self) -> int:
        return len(self._columns[0])

    @property
    def last_time(self) -> int | None:
        """Close time of the last row, epoch ms."""
        return int(self._columns[0][-1]) if len(self) else None

    @property
    def drawdown(self) -> float | None:
        """Present distance from the peak as a fraction, 0 or more."""
        if not len(self) or self.peak <= 0:
            return None
        return 1 - float(self._columns[1][-1]) / self.peak

    def extend(self, new: Columns) -> None:
        """Append rows that are all later than the last."""
        equity = new[1]
        if not len(equity):
            return
        peaks = np.maximum(np.maximum.accumulate(equity), self.peak)
        self.peak = float(peaks[-1])
        if self.peak > 0:
            falls = np.where(peaks > 0, 1 - equity / np.where(peaks > 0, peaks, 1), 0.0)
            self.max_drawdown = max(self.max_drawdown, float(falls.max()))
        old = self._columns
        self._columns = (
            np.concatenate((old[0], new[0])),
            np.concatenate((old[1], new[1])),
            np.concatenate((old[2], new[2])),
            np.concatenate((old[3], new[3])),
            np.concatenate((old[4], new[4])),
        )

    def points(self, limit: int) -> list[EquityRow]:
        """Return at most `limit` rows, oldest first, with every bucket's extremes."""
        rows = extremes(self._columns[1], limit)
        times, equity, cash, exposure, count = (column[rows].tolist() for column in self._columns)
        return list(zip(times, equity, cash, exposure, count, strict=True))
