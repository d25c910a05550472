"""What a job tries, on which candles, and which parameter sets it keeps. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import numpy as np

from contracts.events import NAMESPACE
from tradepulse.runtime.jobs import JobSpec
from tradepulse.trading.candles import Candles
from tradepulse.trading.search import grid_within, random
from tradepulse.trading.strategies import Params, get_strategy
from tradepulse.trading.timeframes import timeframe_ms

ROWS_PER_CHUNK = 2_000_000
"""Candles times trials of one chunk: about a second, so that a cancel is felt at once."""
TRIALS_PER_CHUNK = 100


@dataclass(frozen=True, slots=True)
class Search:
    """One strategy on one symbol.

    Attributes:
        strategy: its name.
        symbol: as in `BTC/USD`.
        first_trial: job-wide number of its first parameter set.
        params: complete parameter sets in the order of their numbers.
    """

    strategy: str
    symbol: str
    first_trial: int
    params: tuple[dict[str, float], ...]


@dataclass(frozen=True, slots=True)
class Range:
    """Which candles of a series a job uses. Stored when it begins, so a resume uses the same.

    Attributes:
        first: first open time loaded, epoch ms; up to `start` candles only warm up.
        start: first open time traded in sample.
        split: first open time out of sample; `end` where nothing is.
        end: open time before which the data ends.
        rows: candles from `first` to `end`.
    """

    first: int
    start: int
    split: int
    end: int
    rows: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """A parameter set that the search keeps, by its in-sample objective."""

    search: Search
    trial: int
    params: dict[str, float]
    objective: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """Trials that one process runs in one go."""

    search: Search
    trials: tuple[int, ...]

    @property
    def params(self) -> list[dict[str, float]]:
        """The parameter sets, in the order of `trials`."""
        return [self.search.params[trial - self.search.first_trial] for trial in self.trials]


def plan(spec: JobSpec) -> list[Search]:
    """Return every search of a job; the same spec always gives the same trial numbers.

    Raises:
        ValueError: a search space is empty.
    """
    searches = []
    number = 0
    for strategy in spec.strategies:
        found = get_strategy(strategy)
        fixed = spec.fixed.get(strategy, {})
        tried = (
            tuple(random(found, spec.trials, spec.seed, fixed))
            if spec.method == "random"
            else tuple(grid_within(found, spec.trials, fixed))
        )
        for symbol in spec.symbols:
            searches.append(Search(strategy, symbol, number, tried))
            number += len(tried)
    return searches


def longest_lookback(searches: Iterable[Search]) -> int:
    """Return the most candles that any parameter set needs."""
    return max(
        get_strategy(search.strategy).lookback(params)
        for search in searches
        for params in search.params
    )


def range_of(spec: JobSpec, candles: Candles, lookback: int) -> Range:
    """Divide a series into warm-up, in-sample and out-of-sample.

    Args:
        spec: the job's.
        candles: the series with candles before `spec.start`, where there are, for the warm-up.
        lookback: most candles that a strategy needs.

    Raises:
        ValueError: there are no candles, or too few.
    """
    times = candles.open_time
    start = 0 if spec.start is None else int(np.searchsorted(times, spec.start))
    usable = len(times) - start
    if usable <= 0:
        raise ValueError(
            f"no candles of {candles.series} in the range of the job; import them or widen it"
        )
    in_sample = usable - int(usable * spec.out_of_sample_fraction)
    if start + in_sample <= lookback:
        raise ValueError(
            f"{in_sample} in-sample candles of {candles.series} are too few: the longest lookback "
            f"among the trials is {lookback}; import more candles or fix shorter parameters"
        )
    end = int(times[-1]) + timeframe_ms(candles.timeframe)
    split = start + in_sample
    return Range(
        first=int(times[0]),
        start=int(times[start]),
        split=int(times[split]) if split < len(times) else end,
        end=end,
        rows=len(times),
    )


def check_unchanged(stored: Range, candles: Candles) -> None:
    """Refuse to go on with candles that are not those of the stored trials.

    Raises:
        ValueError: candles were added to or removed from the range since the job began.
    """
    if len(candles) != stored.rows:
        raise ValueError(
            f"{candles.series} had {stored.rows} candles when the job began and has "
            f"{len(candles)} now; its trials cannot be continued: submit the job again"
        )


def chunks(searches: Iterable[Search], done: frozenset[int], rows: int) -> Iterator[Chunk]:
    """Yield the trials that are not done, search by search.

    Args:
        searches: the plan.
        done: numbers of the trials that are stored already.
        rows: candles of a series.
    """
    size = max(1, min(TRIALS_PER_CHUNK, ROWS_PER_CHUNK // max(rows, 1)))
    for search in searches:
        numbers = range(search.first_trial, search.first_trial + len(search.params))
        missing = [number for number in numbers if number not in done]
        for lo in range(0, len(missing), size):
            yield Chunk(search, tuple(missing[lo : lo + size]))


def choose(
    spec: JobSpec, search: Search, measured: Mapping[int, tuple[float | None, int]]
) -> list[Chosen]:
    """Return the best parameter sets of a search, best first; the lower number wins a tie.

    Args:
        spec: objective is already chosen; `min_trades` and `keep` count here.
        search: whose trials.
        measured: in-sample objective (None: undefined) and number of trades, by trial.
    """
    ranked = []
    for offset, params in enumerate(search.params):
        trial = search.first_trial + offset
        objective, trades = measured[trial]
        if objective is not None and trades >= spec.min_trades:
            ranked.append(Chosen(search, trial, params, objective))
    ranked.sort(key=lambda chosen: (-chosen.objective, chosen.trial))
    kept: list[Chosen] = []
    for chosen in ranked:
        # a grid or a few whole numbers can give the same set twice
        if len(kept) < spec.keep and all(chosen.params != other.params for other in kept):
            kept.append(chosen)
    return kept


def configuration_id(job_id: UUID, series: str, strategy: str, params: Params) -> UUID:
    """Derive a configuration's id: the job run again finds the same configuration."""
    written = json.dumps(dict(params), sort_keys=True)
    return uuid5(NAMESPACE, f"{job_id}:{series}:{strategy}:{written}")


def describe(value: float | None) -> str:
    """Write a figure for a reason or a log line."""
    return "undefined" if value is None else f"{value:.4g}"


def evidence(
    spec: JobSpec, used: Range, chosen: Chosen, figures: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is stored as a configuration's metrics."""
    return {
        **figures,
        "in_sample_range": [used.start, used.split],
        "out_of_sample_range": [used.split, used.end],
        "objective": spec.objective,
        "trials": len(chosen.search.params),
        "trial": chosen.trial,
    }
