"""Where a feature's candles come from: its own series, a higher timeframe, another instrument.

All are one thing: *source candles*, closed ones of their own, over which the feature's function
runs unchanged, and a *gather* of its values to the rows of the series: row i has the value of the
last source candle that was there by the close of row i. So nothing can be known too early, and as a
row of a feature depends on a fixed number of source rows to the bit, it is the same over a live
window and over all candles.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.higher import closed_higher, parts_in
from tradepulse.candles.series import OnSeries
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.strategies._feature import Feature, padded
from tradepulse.strategies.faults import StrategyError, named
from tradepulse.strategies.market import Market, columns_of
from tradepulse.strategies.read_only import read_only

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def reference_of(of: str, series: OnSeries) -> str:
    """Return the instrument, `exchange:symbol`, that a feature's `of` means for a series.

    A base, as `BTC`, is that instrument of the same venue, quoted (and settled) in the same.
    """
    if ":" in of:
        return of
    _, mark, quote = series.symbol.partition("/")
    return f"{series.exchange}:{of}{mark}{quote}"


def rows_needed(rows: int, on: str | None, timeframe: str | None) -> int:
    """Return how many candles of the series make sure of so many of a feature's source.

    Args:
        rows: candles that a row of the feature depends on.
        on: timeframe of these; None for the series' own.
        timeframe: of the series; may be None where the feature is `on` no other.

    Raises:
        ValueError: it is `on` a timeframe that is no multiple of the series', or none was given.
    """
    if on is None:
        return rows
    if timeframe is None:
        raise ValueError(f"a feature on {on} candles needs the timeframe of the series")
    # the higher candle that is not closed yet may have all its parts but one. That the first one
    # of a window is cut takes no more: these rows fill as many higher candles, or lie in more
    parts = parts_in(on, timeframe)
    return parts * rows + parts - 1


def rows_of(
    feature: Feature, values: Sequence[float], timeframe: str | None, *, is_near: bool
) -> int:
    """Return how many candles of the series a feature's row depends on.

    Args:
        feature: any.
        values: of its parameters.
        timeframe: see `rows_needed`.
        is_near: closed higher candles of the series are given.

    Raises:
        StrategyError: a user's own count of rows raises.
        ValueError: as `rows_needed`.
    """
    try:
        rows = int(feature.rows(*values))
    except Exception as error:
        raise StrategyError(f"the rows of a feature raise {named(error)}") from error
    is_given = is_near and feature.of is None and feature.timeframe not in (None, timeframe)
    # those of the one that is not closed yet
    return rows_needed(1 if is_given else rows, feature.timeframe, timeframe)


def known_by(until: int, references: Mapping[str, Candles]) -> dict[str, Candles]:
    """Return what of references has closed by a time, epoch ms."""
    return {
        name: one.rows(0, int(np.searchsorted(one.close_time, until, side="right")))
        for name, one in references.items()
    }


def referring(candles: Candles, instruments: Iterable[str], others: Iterable[Candles]) -> Candles:
    """Return a series with those of some instruments that are among others, of its timeframe."""
    there = {one.instrument: one for one in others if one.timeframe == candles.timeframe}
    found = {name: there[name] for name in instruments if name in there}
    return replace(candles, references={**candles.references, **found}) if found else candles


class Sources:
    """The source candles of one series, each made once, and the columns of features over them.

    Args:
        candles: the series, with the references that its features look at.
        asked: False where no row is asked for, as to compile: then the series stands in for
            whatever is missing.
    """

    def __init__(self, candles: Candles, *, asked: bool = True) -> None:
        self._candles = candles
        self._asked = asked
        self._own = columns_of(candles)
        self._made: dict[tuple[str | None, str | None], tuple[Candles, Market, IntArray]] = {}

    def is_plain(self, feature: Feature) -> bool:
        """Tell whether a feature is computed from the series itself."""
        return (feature.of is None and feature.timeframe in (None, self._candles.timeframe)) or (
            not self._asked
        )

    def market(self, feature: Feature) -> Market:
        """Return the candles that a feature is computed from, to be read only.

        Raises:
            ValueError: there are none of its reference, or its timeframe is no multiple.
        """
        return self._own if self.is_plain(feature) else self._source(feature)[1]

    def column(self, feature: Feature, values: Sequence[float]) -> FloatArray:
        """Compute a feature, float64 `(n,)`, to be read only.

        It is NaN where its source has not as many candles yet as it needs.

        Raises:
            ValueError: as `market`.
        """
        market = self.market(feature)
        if self.is_plain(feature):
            return read_only(_values(feature, self._candles, market, values, asked=self._asked))
        source, _, at = self._source(feature)
        if not len(source):
            return read_only(np.full(len(at), np.nan))
        if feature.is_age:
            length = timeframe_ms(source.timeframe)
            ages = (self._candles.close_time - source.close_time[at]) // length
            return read_only(np.where(at < 0, np.nan, ages))
        found = _values(feature, source, market, values)
        return read_only(np.where(at < feature.rows(*values) - 1, np.nan, found[at]))

    def _source(self, feature: Feature) -> tuple[Candles, Market, IntArray]:
        key = feature.of, feature.timeframe
        made = self._made.get(key)
        if made is None:
            source, there = self._closed(feature.of, feature.timeframe or self._candles.timeframe)
            at = np.searchsorted(there, self._candles.close_time, side="right") - 1
            made = source, columns_of(source), at
            self._made[key] = made
        return made

    def _closed(self, of: str | None, on: str) -> tuple[Candles, IntArray]:
        if of is not None:
            return closed_higher(self._reference(of), on)
        given = self._candles.references.get(f"{self._candles.instrument}:{on}")
        # of the series itself, the candle that shows one is the first that may look at it
        return closed_higher(self._candles, on) if given is None else (given, given.close_time)

    def _reference(self, of: str) -> Candles:
        instrument = reference_of(of, self._candles)
        if instrument == self._candles.instrument:
            return self._candles
        found = self._candles.references.get(instrument)
        if found is None:
            raise StrategyError(
                f"{self._candles.series}: it looks at {instrument}, whose {self._candles.timeframe}"
                " candles were not given"
            )
        return found


def _values(
    feature: Feature,
    candles: Candles,
    market: Market,
    values: Sequence[float],
    *,
    asked: bool = True,
) -> FloatArray:
    if feature.python is None or not asked:
        return feature.function(*market[:5], padded(values))
    return feature.python(candles, values)
