"""Detectors: does a strategy know the future, or never forget?

*Look-ahead*: what a strategy says of a candle must not change when later candles are cut off.
*Recursive*: what it says must not change with a longer warm-up than it declares. Both are asked
of outputs only, so that no way to cheat need be known beforehand; they find one that changes an
output on the candles given. After the analyses of freqtrade that have these names.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.strategies import Evaluations, FloatArray, Params, Strategy
from tradepulse.strategies._feature import padded
from tradepulse.strategies.compiled import bounds_checked
from tradepulse.strategies.market import Market, columns_of
from tradepulse.strategies.outputs import amount, count_acting, first_difference, said
from tradepulse.strategies.read_only import read_only
from tradepulse.strategies.sources import Sources, known_by

Run = Callable[[Candles], Evaluations]

ALL = 400
"""Up to so many cuts or rows, all are compared; of more, a sample of so many."""
GUARD = 1_024
"""Rows of NaN before and after a copy: compiled code that reads beyond it must not find candles."""
TRUSTED = "tradepulse."
"""Features of the package itself: tests hold them."""


@dataclass(frozen=True, slots=True)
class Detection:
    """What a detector found.

    Attributes:
        name: of the detector.
        passed: nothing was found.
        sentence: the finding in words.
        row: the first row that gave it away, None where none did.
        compared: prefixes or rows compared.
        of: how many there are.
        acted: compared rows in which the strategy said something. If few, little is proved.
    """

    name: Literal["look-ahead", "recursive"]
    passed: bool
    sentence: str
    row: int | None
    compared: int
    of: int
    acted: int


def look_ahead(strategy: Strategy, params: Params, candles: Candles, *, seed: int = 0) -> Detection:
    """Compare a strategy's outputs on prefixes of the candles with those on the whole.

    Before that its functions run with every index checked: compiled code that reads the row after
    the last one finds something there, and would only sometimes be found out by it.

    Args:
        strategy: whose `decide` and features.
        params: those not given are defaults.
        candles: at least one more than the lookback.
        seed: of the sample of prefixes, where there are more than `ALL`.

    Raises:
        ValueError: wrong parameters, or too few candles.
    """
    vector = strategy.vector(params)
    first = strategy.lookback_of(vector, candles.timeframe) - 1
    _check_length(candles, first + 1)
    rows = _sample(np.arange(first, len(candles)), ALL, seed)
    beyond = _beyond(strategy, params, candles, rows)
    if beyond is not None:
        return beyond
    found = look_ahead_of(lambda c: strategy.evaluate(c, vector), candles, seed=seed, first=first)
    knowing = "" if found.row is None else _knowing(strategy, vector, candles, found.row)
    return replace(found, sentence=found.sentence + knowing)


def look_ahead_of(run: Run, candles: Candles, *, seed: int = 0, first: int = 0) -> Detection:
    """Do what `look_ahead` does with a plain function of candles, without the check of indices.

    Args:
        run: evaluates all candles that it is given.
        candles: the series.
        seed: of the sample of prefixes.
        first: the first row that may say something.
    """
    whole = run(_copy(candles, 0, len(candles)))
    acting = np.flatnonzero(whole.action[: len(candles) - 1])
    cuts = _acting_first(np.arange(first + 1, len(candles)), acting + 1, seed)
    total = max(0, len(candles) - first - 1)
    for cut in cuts:
        part = run(_copy(candles, 0, cut))
        if len(part.action) != cut:
            raise ValueError(f"{cut} candles were evaluated to {len(part.action)} rows")
        row = first_difference(part, whole, slice(0, cut), slice(0, cut), 0.0)
        if row is not None:
            return Detection(
                name="look-ahead",
                passed=False,
                sentence=(
                    f"row {row} says {said(whole, row)} when all {len(candles)} candles are given "
                    f"and {said(part, row)} when only the first {cut} are: it knows the future"
                ),
                row=row,
                compared=len(cuts),
                of=total,
                acted=count_acting(whole, cuts - 1),
            )
    acted = count_acting(whole, cuts - 1)
    return Detection(
        name="look-ahead",
        passed=True,
        sentence=(
            f"no output changed when later candles were cut off: {amount(len(cuts), total)} "
            f"prefixes, {acted} of which end in a row that acts"
        ),
        row=None,
        compared=len(cuts),
        of=total,
        acted=acted,
    )


def recursive(
    strategy: Strategy,
    params: Params,
    candles: Candles,
    tolerance: float = 0.0,
    *,
    seed: int = 0,
) -> Detection:
    """Compare a strategy's outputs after its declared lookback with those after longer warm-ups.

    Args:
        strategy: which says how many candles it needs.
        params: those not given are defaults.
        candles: at least one more than the lookback; better several times as many.
        tolerance: how far, relative, a level may change. An action must not change at all. The
            engine itself needs 0.
        seed: of the sample of rows, where there are more than `ALL`.

    Raises:
        ValueError: wrong parameters, or too few candles.
    """
    vector = strategy.vector(params)
    return recursive_of(
        lambda c: strategy.evaluate(c, vector),
        candles,
        strategy.lookback_of(vector, candles.timeframe),
        tolerance,
        seed=seed,
    )


def recursive_of(
    run: Run, candles: Candles, lookback: int, tolerance: float = 0.0, *, seed: int = 0
) -> Detection:
    """Do what `recursive` does with a plain function of candles and the lookback that it claims.

    Raises:
        ValueError: too few candles.
    """
    _check_length(candles, lookback)
    whole = run(_copy(candles, 0, len(candles)))
    rows = _acting_first(np.arange(lookback, len(candles)), np.flatnonzero(whole.action), seed)
    total = len(candles) - lookback
    acted = count_acting(whole, rows)
    for row in rows:
        short = run(_copy(candles, row + 1 - lookback, row + 1))
        for warm_up in _longer(lookback, row + 1):
            long = run(_copy(candles, row + 1 - warm_up, row + 1))
            last = slice(-1, None)
            if first_difference(short, long, last, last, tolerance) is not None:
                return Detection(
                    name="recursive",
                    passed=False,
                    sentence=(
                        f"row {row} says {said(short, -1)} after the {lookback} candles that it "
                        f"is said to need and {said(long, -1)} after {warm_up}: it needs more, or "
                        "never forgets"
                    ),
                    row=int(row),
                    compared=len(rows),
                    of=total,
                    acted=acted,
                )
    return Detection(
        name="recursive",
        passed=True,
        sentence=(
            f"no output changed with a longer warm-up than {lookback} candles: "
            f"{amount(len(rows), total)} rows, {acted} of which act"
        ),
        row=None,
        compared=len(rows),
        of=total,
        acted=acted,
    )


def _beyond(
    strategy: Strategy, params: Params, candles: Candles, rows: np.ndarray
) -> Detection | None:
    """Run a strategy's own functions with checked indices where a row is the last one."""
    vector = strategy.vector(params)
    whole = _copy(candles, 0, len(candles))
    shown, sources = columns_of(whole), Sources(whole)
    what, row = "a feature", len(candles) - 1
    try:
        for feature in strategy.features:
            own = not feature.function.python.__module__.startswith(TRUSTED)
            if own and strategy.is_on(feature, vector):
                asked, values = strategy.chosen(feature, vector)
                bounds_checked(feature.function)(*sources.market(asked)[:5], padded(values))
        features = strategy.columns(whole, vector)
        what = "its rule"
        decide = bounds_checked(strategy.decide)
        for last in rows:
            row = int(last)
            market = Market._make(column[: row + 1] for column in shown)
            decide(row, market, tuple(column[: row + 1] for column in features), vector)
    except IndexError:
        return Detection(
            name="look-ahead",
            passed=False,
            sentence=(
                f"{what} reads beyond the candles when row {row} is the last one: "
                "it looks for rows that are not there yet"
            ),
            row=row,
            compared=len(rows),
            of=len(rows),
            acted=0,
        )
    return None


def _knowing(strategy: Strategy, vector: FloatArray, candles: Candles, row: int) -> str:
    """Name a feature that changes, too, where a row is the last one."""
    whole = strategy.columns(_copy(candles, 0, len(candles)), vector)
    part = strategy.columns(_copy(candles, 0, row + 1), vector)
    rows = slice(max(0, row - strategy.shift), row + 1)
    for name, all_of_it, beginning in zip(strategy.names, whole, part, strict=False):
        if not np.array_equal(all_of_it[rows], beginning[rows], equal_nan=True):
            return f", by its feature {name!r}"
    return ""


def _check_length(candles: Candles, lookback: int) -> None:
    if len(candles) <= lookback:
        raise ValueError(
            f"{len(candles)} candles of {candles.series} are too few: a row depends on {lookback}, "
            "and there must be one more to compare; give more candles or shorter parameters"
        )


def _copy(candles: Candles, lo: int, hi: int) -> Candles:
    """Copy rows `lo:hi` to a place of their own, among NaN; of references what had closed."""

    def alone(column: np.ndarray) -> np.ndarray:
        room = np.full(hi - lo + 2 * GUARD, np.nan)
        room[GUARD : GUARD + hi - lo] = column[lo:hi]
        return read_only(room[GUARD : GUARD + hi - lo])

    until = int(candles.close_time[hi - 1]) if hi > lo else 0
    prices = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    return Candles(
        candles.exchange,
        candles.symbol,
        candles.timeframe,
        candles.open_time[lo:hi].copy(),
        *(alone(column) for column in prices),
        references=known_by(until, candles.references),
    )


def _sample(rows: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return all rows, or a sample of them, in order."""
    if len(rows) <= size:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))


def _acting_first(rows: np.ndarray, acting: np.ndarray, seed: int) -> np.ndarray:
    """Return all rows, or a sample of which up to half are rows that act."""
    if len(rows) <= ALL:
        return rows
    chosen = _sample(np.intersect1d(rows, acting), ALL // 2, seed)
    others = _sample(np.setdiff1d(rows, chosen), ALL - len(chosen), seed)
    return np.union1d(chosen, others)


def _longer(lookback: int, most: int) -> Iterator[int]:
    """Yield longer warm-ups: one more candle, then twice, four times ... as many, then all."""
    warm_up = lookback + 1
    while warm_up < most:
        yield warm_up
        warm_up = 2 * (warm_up if warm_up > lookback + 1 else lookback)
    yield most
