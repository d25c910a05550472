"""What a strategy did wrong, in one line: which strategy, which series, which candle, what.

A strategy is its user's code, compiled: what it raises says nothing of the candle it was at, and
what the compiler says of it fills a screen.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.strategies.read_only import columns_of

if TYPE_CHECKING:
    from tradepulse.strategies._strategy import Strategy

FloatArray = NDArray[np.float64]

_WRITES = ("Cannot modify readonly array", "explicit output that is read-only")
WRITES = (
    "it writes into its columns, which every configuration shares: candles, features and "
    "parameters can only be read; change a copy, in a feature"
)
MAKES_ARRAYS = "decide runs for every candle and may make no arrays or lists; a feature may"


class StrategyError(ValueError):
    """A strategy failed; one line for its user.

    Attributes:
        row: of the candle that it failed at, None where it is none in particular.
    """

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


def located(
    strategy: "Strategy", candles: Candles, vector: FloatArray, first: int, error: Exception
) -> StrategyError:
    """Say what an evaluation raised, and at which candle.

    Args:
        strategy: which raised.
        candles: the series that it was evaluated on.
        vector: its parameters.
        first: the first row that was evaluated.
        error: what it raised.
    """
    if is_compilation(error):
        return StrategyError(f"strategy {strategy.name} does not compile: {reason_of(error)}")
    # the first row at which it fails when later candles are cut off
    good, bad = min(first, len(candles) - 1), len(candles)
    while bad - good > 1:
        middle = (good + bad) // 2
        raised = _raised(strategy, candles.rows(0, middle), vector, first)
        if raised is None:
            good = middle
        else:
            bad, error = middle, raised
    row = bad - 1
    what = _wrong_answer(strategy, candles.rows(0, bad), vector) or f"raises {named(error)}"
    time = datetime.fromtimestamp(int(candles.open_time[row]) / 1000, tz=UTC)
    return StrategyError(
        f"strategy {strategy.name} on {candles.series}, candle of {time:%Y-%m-%d %H:%M} UTC "
        f"({row + 1:,} of {len(candles):,}): {what}",
        row,
    )


def explained(
    strategy: "Strategy",
    candles: Candles,
    vectors: Iterable[FloatArray],
    first: int,
    error: Exception,
) -> StrategyError:
    """Say which of several parameter sets a loop over all of them failed for, and where."""
    if isinstance(error, StrategyError):
        return error
    for vector in vectors:
        one = np.array(vector)
        one.flags.writeable = False
        try:
            strategy.evaluate(candles, one, first)
        except StrategyError as fault:
            own = [
                (param, value) for param, value in zip(strategy.space, one.tolist(), strict=True)
            ]
            given = " ".join(
                f"{param.name}={value:g}"
                for param, value in own
                if value != strategy.defaults[param.name]
            )
            return StrategyError(f"{fault}; with {given or 'its defaults'}", fault.row)
    if is_compilation(error):
        return StrategyError(f"strategy {strategy.name} does not compile: {reason_of(error)}")
    return StrategyError(f"strategy {strategy.name} on {candles.series}: raises {named(error)}")


def is_compilation(error: BaseException) -> bool:
    """Tell whether numba could not compile something."""
    return type(error).__module__.startswith("numba.")


def reason_of(error: BaseException) -> str:
    """Take what says what is wrong from numba's report."""
    text = plain(error)
    if any(sign in text for sign in _WRITES):
        return WRITES
    if "NRT required" in text:
        return MAKES_ARRAYS
    noise = ("Failed in", "During:", "File ", "There are")
    lines = (line.strip(" >-") for line in text.splitlines())
    telling = [line for line in lines if line and not line.startswith(noise)]
    if not telling:
        return type(error).__name__
    return one_line(" ".join(telling[:2]) if telling[0].endswith(":") else telling[0])


def plain(error: BaseException) -> str:
    """Return an error's text without numba's colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error))


def named(error: BaseException) -> str:
    """Return an error's class and text, in one line."""
    return one_line(f"{type(error).__name__}: {error}").removesuffix(":")


def one_line(text: object) -> str:
    """Return a text without line breaks, cut where it is long."""
    return " ".join(str(text).split())[:300]


def _raised(
    strategy: "Strategy", candles: Candles, vector: FloatArray, first: int
) -> Exception | None:
    try:
        strategy.answers(candles, vector, first)
    except Exception as error:  # noqa: BLE001 - whatever a user's code raises is its fault
        return error
    return None


def _wrong_answer(strategy: "Strategy", candles: Candles, vector: FloatArray) -> str | None:
    """Ask what was answered at the last candle, and say what is wrong with it, if anything."""
    columns = columns_of(candles)
    try:
        features = strategy.columns(candles, vector)
        answer = strategy.decide(len(candles) - 1, *columns, features, vector)
    except Exception:  # noqa: BLE001 - then what it raises is told
        return None
    action, stop, target = (float(part) for part in answer)
    if action not in (-1.0, 0.0, 1.0, 2.0):
        return f"returns action {action:g}; there are NONE, ENTER_LONG, ENTER_SHORT and EXIT"
    if abs(action) == 1.0 and (np.isinf(stop) or np.isinf(target)):
        return (
            f"enters with stop {stop:g} and target {target:g}; a level is a price, or NaN for none"
        )
    return None
