"""Divisions of time into what is trained on and what is tested on.

The unit is the period, in practice one UTC day that has candles. Purging and embargo follow
M. Lopez de Prado, "Advances in Financial Machine Learning" (2018), chapter 7; combinatorial
splits his chapter 12.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """One step of a walk-forward; periods `lo <= t < hi`.

    Attributes:
        train: what is optimised on.
        test: what is judged, after it.
    """

    train: tuple[int, int]
    test: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One combination of test groups.

    Attributes:
        train: int64, the periods that are trained on, in order.
        groups: numbers of the test groups, in order.
    """

    train: IntArray
    groups: tuple[int, ...]


def walk_forward(
    periods: int,
    *,
    train: int,
    test: int,
    purge: int = 0,
    embargo: int = 0,
    anchored: bool = False,
) -> tuple[Window, ...]:
    """Return windows whose tests follow each other without a hole or an overlap.

    Args:
        periods: how many there are.
        train: periods of the first training window; of every one unless `anchored`.
        test: periods of each test.
        purge: periods left out before a test, into which a trained trade could reach.
        embargo: further periods left out there. Training never follows a test here, so both
            make one gap.
        anchored: every training window begins with the first period, and grows.

    Raises:
        ValueError: a length makes no sense, or not one test fits.
    """
    _check(train=train, test=test)
    _check_gaps(purge, embargo)
    gap = purge + embargo
    if train + gap + test > periods:
        raise ValueError(
            f"{periods} days are too few for {train} to train on, a gap of {gap} and {test} to "
            "test on; take a longer range"
        )
    windows = []
    for begin in range(train + gap, periods - test + 1, test):
        trained = begin - gap
        windows.append(Window((0 if anchored else trained - train, trained), (begin, begin + test)))
    return tuple(windows)


def group_bounds(periods: int, groups: int) -> IntArray:
    """Return where each group begins, and the end: int64 `(groups + 1,)`; the last takes the rest.

    Raises:
        ValueError: fewer periods than groups.
    """
    _check(groups=groups)
    if periods < groups:
        raise ValueError(f"{periods} days make no {groups} groups; take a longer range")
    bounds = np.arange(groups + 1, dtype=np.int64) * (periods // groups)
    bounds[-1] = periods
    return bounds


def combinatorial(
    periods: int, *, groups: int, tested: int, purge: int = 0, embargo: int = 0
) -> Iterator[Fold]:
    """Yield every way to test on `tested` of the groups and to train on the others.

    Args:
        periods: how many there are.
        groups: consecutive, of equal length.
        tested: groups in each test, at least 1 and fewer than all.
        purge: periods left out of the training on both sides of a test.
        embargo: further periods left out after a test.

    Raises:
        ValueError: a number makes no sense, or the gaps leave nothing of a group.
    """
    bounds = group_bounds(periods, groups)
    _check_gaps(purge, embargo)
    if not 0 < tested < groups:
        raise ValueError(f"{tested} of {groups} groups to test on; give at least 1, not all")
    if purge + embargo >= periods // groups:
        raise ValueError(
            f"a purge of {purge} and an embargo of {embargo} days leave nothing of groups of "
            f"{periods // groups}; take a longer range or shorter parameters"
        )
    for chosen in itertools.combinations(range(groups), tested):
        is_trained = np.ones(periods, dtype=np.bool_)
        for group in chosen:
            lo, hi = int(bounds[group]), int(bounds[group + 1])
            is_trained[max(0, lo - purge) : hi + purge + embargo] = False
        yield Fold(np.flatnonzero(is_trained), chosen)


def paths(groups: int, tested: int) -> IntArray:
    """Tell which fold tests which group on which path.

    Every group is tested in as many folds as there are paths; the first of them serves the first
    path, and so on, so each path covers all periods once.

    Returns:
        int64 `(paths, groups)`, numbers of the folds in the order of `combinatorial`.
    """
    folds: list[list[int]] = [[] for _ in range(groups)]
    for number, chosen in enumerate(itertools.combinations(range(groups), tested)):
        for group in chosen:
            folds[group].append(number)
    return np.array(folds, dtype=np.int64).T


def _check(**lengths: int) -> None:
    for name, length in lengths.items():
        if length < 1:
            raise ValueError(f"{name} is {length}; it must be 1 or more")


def _check_gaps(purge: int, embargo: int) -> None:
    if purge < 0 or embargo < 0:
        raise ValueError(f"purge {purge} and embargo {embargo} must be 0 or more")
