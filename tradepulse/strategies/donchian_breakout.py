"""Trend following by breakouts of a price channel."""

import math

from tradepulse.strategies._kernels import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    NONE,
    Columns,
    Decision,
)
from tradepulse.strategies._registry import strategy
from tradepulse.strategies._strategy import Param, Params
from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.features import atr, highest, lowest


def _exit_is_not_longer(params: Params) -> str | None:
    if params["exit_window"] <= params["window"]:
        return None
    return f"exit_window ({params['exit_window']:g}) must be at most window ({params['window']:g})"


@compiled
def _is_above(i: int, close: FloatArray, f: Columns) -> bool:
    """Tell whether a close lies above the middle of the exit channel of the candles before."""
    return bool(close[i] > (f[2][i - 1] + f[3][i - 1]) / 2.0)


@strategy(
    name="donchian_breakout",
    space=(
        Param("window", 5, 400, integer=True, log=True),
        Param("exit_window", 2, 400, integer=True, log=True),
        Param("stop_atr", 0, 20),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
        Param("allow_short", 0, 1, integer=True, searched=False),
    ),
    defaults={"window": 55, "exit_window": 40, "stop_atr": 2, "atr_window": 20, "allow_short": 0},
    features=(
        highest("window"),
        lowest("window"),
        highest("exit_window"),
        lowest("exit_window"),
        atr("atr_window", only_if=("stop_atr",)),
    ),
    constraint=_exit_is_not_longer,
    # the middle before is that of the candles before the one before
    shift=2,
)
@compiled
def donchian_breakout(
    i: int,
    open_: FloatArray,  # noqa: ARG001 - every strategy has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    f: Columns,
    p: FloatArray,
) -> Decision:
    """Buy a close above the highest high of the candles before, leave below a channel's middle.

    Idea: a price that leaves its recent range tends to go on, and a few long trends pay for many
    false starts. Source: R. Donchian's channel rule of the 1950s, known from the "Turtle" rules
    in C. Faith, "Way of the Turtle" (2007), whose exit is the far side of a shorter channel.

    The close must lie above the highest high of the `window` candles before. The position is left
    when a close falls to or below the middle between the highest high and the lowest low of the
    `exit_window` candles before. The stop lies `stop_atr` average true ranges below the close of
    the entry's candle (0: none). With `allow_short` 1 the mirror sells a close below the lowest
    low; a candle that crosses the middle then leaves first, and may enter one candle later.
    """
    stop_atr = p[2]
    allow_short = p[4] > 0.0
    is_above = _is_above(i, close, f)
    was_above = _is_above(i - 1, close, f)
    if was_above and not is_above:
        return EXIT, math.nan, math.nan
    if allow_short and is_above and not was_above:
        return EXIT, math.nan, math.nan
    # the channel ends one candle before: a candle cannot break out of itself
    distance = stop_atr * f[4][i] if stop_atr > 0.0 else math.nan
    if close[i] > f[0][i - 1]:
        return ENTER_LONG, close[i] - distance, math.nan
    if allow_short and close[i] < f[1][i - 1]:
        return ENTER_SHORT, close[i] + distance, math.nan
    return NONE, math.nan, math.nan
