"""Trend following by breakouts of a price channel."""

from tradepulse.strategies._names import Features, Values
from tradepulse.strategies._params import Param, Params
from tradepulse.strategies._registry import strategy
from tradepulse.strategies.answers import Answer, enter_long, enter_short, hold, leave, times
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.features import atr, highest, lowest
from tradepulse.strategies.market import Market


def _exit_is_not_longer(params: Params) -> str | None:
    if params["exit_window"] <= params["window"]:
        return None
    return f"exit_window ({params['exit_window']:g}) must be at most window ({params['window']:g})"


@compiled
def _is_above(i: int, c: Market, f: Features) -> bool:
    """Tell whether a close lies above the middle of the exit channel of the candles before."""
    return bool(c.close[i] > (f.exit_top[i - 1] + f.exit_bottom[i - 1]) / 2.0)


@strategy(
    space=(
        Param("window", 5, 400, integer=True, log=True),
        Param("exit_window", 2, 400, integer=True, log=True),
        Param("stop_atr", 0, 20),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
        Param("allow_short", 0, 1, integer=True, searched=False),
    ),
    defaults={"window": 55, "exit_window": 40, "stop_atr": 2, "atr_window": 20, "allow_short": 0},
    features={
        "top": highest("window"),
        "bottom": lowest("window"),
        "exit_top": highest("exit_window"),
        "exit_bottom": lowest("exit_window"),
        "unit": atr("atr_window", only_if=("stop_atr",)),
    },
    constraint=_exit_is_not_longer,
    # the middle before is that of the candles before the one before
    shift=2,
)
def donchian_breakout(i: int, c: Market, f: Features, p: Values) -> Answer:
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
    allow_short = p.allow_short > 0.0
    is_above = _is_above(i, c, f)
    was_above = _is_above(i - 1, c, f)
    if is_above != was_above and (allow_short or was_above):
        return leave()
    # the channel ends one candle before: a candle cannot break out of itself
    distance = times(p.stop_atr, f.unit[i])
    if c.close[i] > f.top[i - 1]:
        return enter_long(stop=c.close[i] - distance)
    if allow_short and c.close[i] < f.bottom[i - 1]:
        return enter_short(stop=c.close[i] + distance)
    return hold()
