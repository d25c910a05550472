"""What strategies say of rows, compared and put into words."""

import numpy as np

from tradepulse.strategies import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    MOVE,
    NONE,
    Evaluations,
    FloatArray,
)
from tradepulse.strategies.answers import MAX_STEPS

_ACTIONS = {
    NONE: "nothing",
    ENTER_LONG: "enter long",
    ENTER_SHORT: "enter short",
    EXIT: "exit",
    MOVE: "move the stop",
}
_LEVELS = ("stop", "take_profit", "limit", "trail")
_STEPS = tuple(f"{what} {step}" for step in range(1, MAX_STEPS + 1) for what in ("minutes", "step"))


def first_difference(
    a: Evaluations, b: Evaluations, rows_a: slice, rows_b: slice, tolerance: float
) -> int | None:
    """Return where two outputs first differ, counted from the slices' beginning."""
    differs = a.action[rows_a] != b.action[rows_b]
    for x, y in zip(_levels(a, rows_a).values(), _levels(b, rows_b).values(), strict=True):
        near = np.abs(x - y) <= tolerance * np.abs(y)
        differs = differs | ~(near | (np.isnan(x) & np.isnan(y)))
    found = np.flatnonzero(differs)
    return int(found[0]) if len(found) else None


def _levels(found: Evaluations, rows: slice | int) -> dict[str, FloatArray]:
    """Return all that is said besides the action, by its name."""
    found_levels = {name: getattr(found, name)[rows] for name in _LEVELS}
    if found.confidence is not None:
        found_levels["confidence"] = found.confidence[rows]
    if found.targets is not None:
        found_levels |= {name: found.targets[k][rows] for k, name in enumerate(_STEPS)}
    return found_levels


def count_acting(found: Evaluations, rows: np.ndarray) -> int:
    """Count the rows in which something is said."""
    return int(np.count_nonzero(found.action[rows]))


def said(found: Evaluations, row: int) -> str:
    """Write an output: its action, and the levels that it sets."""
    levels = ((name, float(column)) for name, column in _levels(found, row).items())
    written = [f"{name} {level:.10g}" for name, level in levels if not np.isnan(level)]
    action = _ACTIONS.get(int(found.action[row]), f"action {found.action[row]}")
    return " ".join((f"'{action}'", *written))


def amount(compared: int, total: int) -> str:
    """Say how many were compared of how many."""
    return f"all {total}" if compared == total else f"a sample of {compared:,} of {total:,}"
