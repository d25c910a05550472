"""Candles as the rows that are sent to the database and come from it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from contracts.events import CandleClosed
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.copy_rows import Rows, blank, wire

Name: TypeAlias = tuple[str, str, str]
"""Exchange, symbol and timeframe."""
Storable: TypeAlias = Sequence[Candles] | Sequence[CandleClosed]
"""Series, or events; one kind in one sequence."""

FIGURES = ("open_time", "open", "high", "low", "close", "volume")
PRICES = {name: ">i8" if name == "open_time" else ">f8" for name in FIGURES}
"""The figures' types on the wire."""
WRITTEN = wire(series=">i4", **PRICES)
READ = wire(**PRICES)
READ_WITH_SOURCE = wire(**PRICES, source=">i4")
CHUNK = 100_000
"""Rows in one statement; 8 MB on the wire."""


def rows_of(candles: Storable, numbers: Mapping[Name, int]) -> Iterator[Rows]:
    """Yield the rows to write, at most `CHUNK` at once, by series and time.

    All writers take rows in this order, so that none waits for one that waits for it.

    Args:
        candles: series, or events.
        numbers: of every series among them.
    """
    size = 0
    waiting: list[Rows] = []
    for part in _parts(candles, numbers):
        if size + len(part) > CHUNK:
            yield _in_order(waiting)
            size, waiting = 0, []
        size += len(part)
        waiting.append(part)
    if size:
        yield _in_order(waiting)


def sourced(rows: Rows, source: str) -> Rows:
    """Return rows with a last column of their source."""
    whole = blank(wire(series=">i4", **PRICES, source=f"S{len(source)}"), len(rows))
    for name in ("series", *FIGURES):
        whole[name] = rows[name]
    whole["source"] = source.encode()
    return whole


def _in_order(parts: list[Rows]) -> Rows:
    # into rows of the wire's byte order, which NumPy would turn into the machine's
    rows = np.concatenate(parts, out=np.empty(sum(map(len, parts)), WRITTEN))
    order = np.lexsort((rows["open_time"], rows["series"]))
    return rows if (np.diff(order) == 1).all() else rows[order]


def _parts(candles: Storable, numbers: Mapping[Name, int]) -> Iterable[Rows]:
    """Yield rows of at most `CHUNK` candles each, series by series."""
    if not candles:
        return
    if isinstance(candles[0], CandleClosed):
        events: list[CandleClosed] = list(candles)  # type: ignore[arg-type]  # one kind, as seen
        numbered = [numbers[one.exchange, one.symbol, one.timeframe] for one in events]
        events = [events[i] for i in np.argsort(numbered, kind="stable")]
        for lo in range(0, len(events), CHUNK):
            part = events[lo : lo + CHUNK]
            rows = blank(WRITTEN, len(part))
            rows["series"] = sorted(numbered)[lo : lo + CHUNK]
            for name in FIGURES:
                rows[name] = [getattr(event, name) for event in part]
            yield rows
        return
    series: list[Candles] = list(candles)  # type: ignore[arg-type]  # one kind, as seen
    for one in sorted(series, key=lambda s: numbers[s.exchange, s.symbol, s.timeframe]):
        for lo in range(0, len(one), CHUNK):
            rows = blank(WRITTEN, min(CHUNK, len(one) - lo))
            rows["series"] = numbers[one.exchange, one.symbol, one.timeframe]
            for name in FIGURES:
                rows[name] = getattr(one, name)[lo : lo + CHUNK]
            yield rows
