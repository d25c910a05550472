"""What a strategy did wrong, in one line: which strategy, which series, which candle, what.

A strategy is its user's code, compiled: what it raises says nothing of the candle it was at, and
what the compiler says of it fills a screen.
"""

import dis
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.strategies._names import FEATURES, MARK, PARAMETERS
from tradepulse.strategies.answers import ENTER_LONG, ENTER_SHORT, EXIT, MAX_STEPS, MOVE, NONE
from tradepulse.strategies.market import Market, columns_of

if TYPE_CHECKING:
    from tradepulse.strategies._strategy import Strategy

FloatArray = NDArray[np.float64]

WRITES = (
    "it writes into its columns, which every configuration shares: candles, features and "
    "parameters can only be read; change a copy, in a feature"
)
MAKES_ARRAYS = "its rule runs for every candle and may make no arrays or lists; a feature may"
ANSWERS = "return enter_long(…), enter_short(…), leave() or hold()"
NO_ANSWER = f"every path of its rule must answer: {ANSWERS}"
COLUMN = (
    "a whole column is compared: take the value of the present candle, as c.close[i] or f.mean[i]"
)
MANY_STEPS = f"a falling target has at most {MAX_STEPS} steps"
_SIGNS = {
    "Cannot modify readonly array": WRITES,
    "explicit output that is read-only": WRITES,
    "Cannot resolve setattr": WRITES,
    "No definition for lowering": WRITES,
    "NRT required": MAKES_ARRAYS,
    "*args in function call should be a tuple": NO_ANSWER,
    "Can't unify return type": NO_ANSWER,
    "for 'steps": MANY_STEPS,
    "answers.Answer'>': missing a required argument": NO_ANSWER,
    ">>> bool(array(": COLUMN,
}
"""What is wrong, by what numba then says somewhere in its report."""
_SHOWN = {FEATURES: "feature", PARAMETERS: "parameter"}
_KEYWORD = re.compile(r"signature '\((.*?)\) -> .*unexpected keyword argument '(\w+)'", re.DOTALL)
_POSITIONAL = re.compile(r"signature '\((.*?)\) -> .*too many positional arguments", re.DOTALL)
_UNDEFINED = re.compile(r"name '(\w+)' is not defined")
_UNKNOWN = re.compile(r"Unknown attribute '(\w+)' of type (\w+)([|\w]*)\(")


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
    # what is assigned to a field of a tuple, numba meets unprepared
    return type(error).__module__.startswith("numba.") or "No definition for lowering" in str(error)


def reason_of(error: BaseException) -> str:
    """Take what says what is wrong from numba's report."""
    text = plain(error)
    for sign, meaning in _SIGNS.items():
        if sign in text:
            return meaning
    if unknown := _UNKNOWN.search(text):
        return _no_such_name(*unknown.groups())
    if said := _wrong_call(text):
        return said
    noise = ("Failed in", "During:", "File ", "There are")
    lines = (line.strip(" >-") for line in text.splitlines())
    telling = [line for line in lines if line and not line.startswith(noise)]
    if not telling:
        return type(error).__name__
    return one_line(" ".join(telling[:2]) if telling[0].endswith(":") else telling[0])


def _wrong_call(text: str) -> str | None:
    """Say what is called with other values than it takes, or is not there at all."""
    if called := _KEYWORD.search(text):
        return f"there is no argument {called[2]!r}; there are {_arguments(called[1])}"
    if called := _POSITIONAL.search(text):
        return f"too many values; there are {_arguments(called[1])}"
    if undefined := _UNDEFINED.search(text):
        return (
            f"NameError: name {undefined[1]!r} is not defined; a rule knows its i, c, f and p, and "
            "what stands in its file above it"
        )
    return None


def _no_such_name(name: str, kind: str, fields: str) -> str:
    if kind in _SHOWN:
        known = ", ".join(filter(None, fields.split(MARK))) or "none"
        return f"there is no {_SHOWN[kind]} {name!r}; there are {known}"
    if kind == Market.__name__:
        known = ", ".join((*Market._fields, "hour", "weekday"))
        return f"a candle has no {name!r}; it has {known}"
    return f"Unknown attribute {name!r} of type {kind}"


def line_of(rule: Callable[..., object], error: BaseException) -> int | None:
    """Return the line of a rule that is to be mended, where numba names none.

    It is that of a name that is not defined, else the rule's last: an answer lacks at its end.
    """
    code = getattr(rule, "__code__", None)
    if code is None:
        return None
    undefined = _UNDEFINED.search(plain(error))
    lines = [
        one.positions.lineno
        for one in dis.get_instructions(code)
        if one.positions is not None
        and one.positions.lineno is not None
        and (undefined is None or one.argval == undefined[1])
    ]
    return max(lines, default=None)


def _arguments(signature: str) -> str:
    return ", ".join(re.findall(r"(\w+): ", signature))


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
    try:
        features = strategy.columns(candles, vector)
        answer = strategy.asked(len(candles) - 1, columns_of(candles), features, vector)
    except Exception:  # noqa: BLE001 - then what it raises is told
        return None
    if answer.action in (NONE, EXIT):
        return None
    if answer.action not in (ENTER_LONG, ENTER_SHORT, MOVE):
        return f"answers {answer.action:g}; {ANSWERS}"
    named = {name: getattr(answer, name) for name in ("stop", "target", "limit", "trail")}
    what = ("minutes", "price")
    named |= {f"the {what[k % 2]} of step {k // 2 + 1}": x for k, x in enumerate(answer.targets)}
    infinite = [f"{name} {level:g}" for name, level in named.items() if math.isinf(level)]
    if infinite:
        return f"answers with {infinite[0]}; a level is a price, or NaN for none"
    if answer.confidence <= 0 or answer.confidence > 1:
        return f"answers with confidence {answer.confidence:g}; it is above 0, at most 1"
    return None
