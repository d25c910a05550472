"""The check of a strategy file, in a process of its own.

Compiled code that never ends cannot be interrupted: its process can only be killed.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tradepulse.cli.errors import CliError, one_line, readable, values_refused
from tradepulse.cli.options import load_strategies

if TYPE_CHECKING:
    from tradepulse.candles.arrays import Candles
    from tradepulse.strategies import Feature, Strategy

ROUNDS = 5
"""So often something is timed; the least counts, for other work only ever adds."""
SLOW_MS = 1.0
"""A column of one live candle that takes longer is told of: candles of a close come together."""

Kind = Literal["begins", "ok", "note", "FOUND", "refused", "ended"]
Says = Callable[[Kind, str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be checked.

    Attributes:
        file: with strategies.
        candles: a series; None for a random walk.
        params: by name; the rest are defaults.
        others: strategy files that are loaded before.
    """

    file: Path
    candles: "Candles | None"
    params: Mapping[str, float]
    others: tuple[Path, ...] = ()


def findings(wanted: Wanted, limit_s: float) -> Iterator[tuple[Kind, str]]:
    """Yield what a check finds, `ok`, `note` or `FOUND` with a line, as it is found.

    Args:
        wanted: what is to be checked.
        limit_s: seconds that each step may take: to load the file, to look at one strategy once.

    Raises:
        CliError: the file is refused, a strategy failed, a step took too long or ended the process.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_check, args=(wanted, theirs), daemon=True)
    child.start()
    theirs.close()
    step = f"loading {wanted.file}"
    try:
        while ours.poll(limit_s):
            try:
                kind, text = ours.recv()
            except EOFError:
                child.join()
                raise CliError(
                    f"{step}: its process ended with status {child.exitcode}: look for "
                    "rows that are read far beyond the candles"
                ) from None
            if kind == "refused":
                raise CliError(text)
            if kind == "ended":
                return
            if kind == "begins":
                step = text
            else:
                yield kind, text
        raise CliError(
            f"{step} did not end within {limit_s:g} s: look for a loop without an end, or for work "
            "in each row that grows with the row; give fewer --candles or a longer --time-limit"
        )
    finally:
        child.kill()
        child.join()
        ours.close()


def _check(wanted: Wanted, connection: Connection) -> None:
    """Do the check; runs in the child."""

    def says(kind: Kind, text: str) -> None:
        connection.send((kind, text))

    try:
        _look(wanted, says)
    except Exception as error:  # noqa: BLE001 - told by the parent, in one line
        says("refused", readable(error) or one_line(f"unexpected {type(error).__name__}: {error}"))
    else:
        says("ended", "")


def _look(wanted: Wanted, says: Says) -> None:
    from tradepulse.strategies import get_strategy
    from tradepulse.strategies.files import load_strategy_file, load_strategy_files

    with values_refused():
        load_strategy_files()
        load_strategies(wanted.others)
        names = load_strategy_file(wanted.file)
        for name in names:
            _look_at(get_strategy(name), wanted, says)


def _look_at(strategy: "Strategy", wanted: Wanted, says: Says) -> None:
    from tradepulse.library.findings import DETECTORS, examined, said

    name, params = strategy.name, wanted.params
    says("begins", f"{name}: its lookback")
    series = examined(wanted.candles, strategy, params)
    # first once over all candles: what fails there is told with its candle
    says("begins", f"{name}: levels")
    _levels(strategy, series, wanted, says)
    for detector in DETECTORS:
        says("begins", f"{name}: {detector.__name__.replace('_', '-')}")
        detection = detector(strategy, params, series)
        says("ok" if detection.passed else "FOUND", said(name, detection))
    says("begins", f"{name}: speed")
    for kind, line in speeds(strategy, series, params):
        says(kind, f"{name}: speed: {line}")
    says("begins", f"{name}: divisions")
    _divisions(strategy, series, wanted, says)


def _levels(strategy: "Strategy", series: "Candles", wanted: Wanted, says: Says) -> None:
    from tradepulse.cli.research.report import entry_notes
    from tradepulse.strategies.evaluate import entries_in

    entries = entries_in(strategy.run(series, wanted.params), series)
    refused, notes = entry_notes(entries)
    for line in refused:
        says("FOUND", f"{strategy.name}: levels: {line}")
    for line in notes:
        says("note", f"{strategy.name}: levels: {line}")
    if not refused and not notes:
        says(
            "ok", f"{strategy.name}: levels: those of {entries.asked:,} entries are on their sides"
        )


def speeds(
    strategy: "Strategy", series: "Candles", params: Mapping[str, float]
) -> list[tuple[Kind, str]]:
    """Tell how long a strategy takes, how far it looks back, and which column of Python is slow."""
    from tradepulse.candles.timeframes import timeframe_ms

    vector = strategy.vector(params)
    lookback = strategy.lookback_of(vector, series.timeframe)
    span = timedelta(milliseconds=lookback * timeframe_ms(series.timeframe))
    each = _least_s(partial(strategy.evaluate, series, vector)) / len(series) * 1e6
    window = series.rows(max(0, len(series) - lookback), len(series))
    live = _least_s(partial(strategy.evaluate, window, vector)) * 1e6
    looks_back = f"it looks back {lookback:,} candles of {series.timeframe} ({span})"
    took = f"{each:.2g} µs a candle, {live:.3g} µs where it comes alone"
    told: list[tuple[Kind, str]] = [("ok", f"{took}; {looks_back}")]
    for name, feature in zip(strategy.names, strategy.features, strict=False):
        if feature.python is None or not strategy.is_on(feature, vector):
            continue
        asked = strategy.chosen(feature, vector)
        took_ms = _least_s(partial(_column, window, *asked)) * 1000
        if took_ms > SLOW_MS:
            slow = f"column {name} takes {took_ms:.1f} ms for a live candle"
            told.append(("note", f"{slow}: give fewer rows, or write it as a compiled feature"))
    return told


def _column(window: "Candles", feature: "Feature", values: "Sequence[float]") -> None:
    from tradepulse.strategies.sources import Sources

    # candles of its own each time: what was computed of the same ones is remembered
    Sources(replace(window)).column(feature, values)


def _least_s(work: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return min(took)


def _divisions(strategy: "Strategy", series: "Candles", wanted: Wanted, says: Says) -> None:
    from tradepulse.cli.research.report import division_notes
    from tradepulse.strategies.divisions import divisions

    for line in division_notes(divisions(strategy, wanted.params, series)):
        says("note", f"{strategy.name}: divisions: {line}")
