"""What a configuration is compared with: the same at higher costs, and its neighbours."""

import math
from collections.abc import Sequence
from dataclasses import replace

from tradepulse.strategies import Param, Params, Strategy
from tradepulse.trading.sizing import AccountRules


def stressed(rules: AccountRules, factor: float) -> AccountRules:
    """Return the rules with fees, slippage and impact `factor` times as high.

    Raises:
        ValueError: a sell would get nothing at such costs.
    """
    times = type(rules.fee)(str(factor))
    return replace(
        rules,
        fee=rules.fee * times,
        maker_fee=None if rules.maker_fee is None else rules.maker_fee * times,
        slippage=rules.slippage * factor,
        impact=rules.impact * factor,
    )


def neighbours(
    strategy: Strategy, params: Params, varied: Sequence[str], step: float
) -> list[dict[str, float]]:
    """Return the parameter sets next to one: each parameter alone, lower and higher.

    A neighbour lies `step` of the value away, a whole number at least 1; what is out of bounds is
    taken at the bound. A value of 0 has no neighbours, nor has a parameter that is 0 or 1: it
    switches something off or on, and the other way is another strategy. What the strategy refuses
    is left out.

    Args:
        strategy: whose parameters.
        params: complete.
        varied: names of the parameters to move.
        step: fraction, as 0.1.
    """
    own = strategy.complete(params)
    found: dict[tuple[float, ...], dict[str, float]] = {}
    for name in varied:
        param = strategy.space[strategy.index[name]]
        if own[name] == 0 or (param.integer and param.high - param.low <= 1):
            continue
        for direction in (-1, 1):
            moved = {**own, name: _moved(param, own[name], direction * step)}
            if strategy.valid(moved):
                whole = strategy.complete(moved)
                found[tuple(whole.values())] = whole
    found.pop(tuple(own.values()), None)
    return list(found.values())


def _moved(param: Param, value: float, step: float) -> float:
    distance = step * abs(value)
    if param.integer:
        distance = math.copysign(max(1, round(abs(distance))), step)
    return min(max(value + distance, param.low), param.high)
