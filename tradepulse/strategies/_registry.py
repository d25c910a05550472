"""Which strategies there are, and what a new one must be."""

import ast
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from keyword import iskeyword
from typing import Any

from tradepulse.candles.timeframes import TIMEFRAMES_MS
from tradepulse.strategies._feature import AGE, MAX_ARGS, MAX_FEATURES, Choice, Feature
from tradepulse.strategies._kernels import MAX_SWITCHES
from tradepulse.strategies._params import (
    ATR_WINDOW,
    ATR_WINDOW_DEFAULT,
    COMMON,
    COMMON_ATR,
    Param,
    Params,
    is_common_atr,
    no_rule,
)
from tradepulse.strategies._strategy import Rule, Strategy
from tradepulse.strategies.answers import Answer
from tradepulse.strategies.compiled import Compiled, names_in
from tradepulse.strategies.faults import ANSWERS
from tradepulse.strategies.market import Market

_WRITERS = {
    *("flat", "nditer", "objmode", "_ObjModeContextType"),
    *("ascontiguousarray", "asfortranarray", "nan_to_num"),
}
"""What numba lets write into arrays that can only be read, or makes an array of that can be."""
STRATEGIES: dict[str, Strategy] = {}


_INSTRUMENT = re.compile(r"[A-Za-z0-9]+(:[^:/\s]+/[^/\s]+)?")
"""A base, or `exchange:symbol`."""
GUIDE = "docs/guides/strategies.md"
ARGUMENTS = ("i", "c", "f", "p")


def strategy(
    *,
    space: tuple[Param, ...],
    defaults: Mapping[str, float],
    features: Mapping[str, Feature],
    constraint: Callable[[Params], str | None] = no_rule,
    shift: int = 1,
    fill_gaps: bool = False,
    name: str | None = None,
) -> Callable[[Rule], Strategy]:
    """Make a strategy of the decorated function, and register it.

    The function is compiled. It is called with `(i, c, f, p)` for one row i at a time: `c` has
    the candles, see `Market`, `f` the columns of the features and `p` the values of the
    parameters, each by its name. All may be read at rows i - shift to i only, so that the answer
    is the same to the bit over a live window and over all candles. It answers by `enter_long`,
    `enter_short`, `leave` or `hold`.

    Every strategy also gets the parameters `COMMON`, and `atr_window` if it has none.

    Args:
        space: parameters in the order of the vector.
        defaults: a value for every parameter.
        features: columns to be computed, by name, see `features.py`. The age of one that is `of`
            another instrument is a column where it is read, as `f.NAME_age`.
        constraint: says what is wrong among parameters that are each within bounds, else None.
        shift: how many rows before row i are read at most.
        fill_gaps: fill what nobody can give with the previous close and volume 0.
        name: unique, a Python identifier; the function's where it is left out.

    Raises:
        ValueError: the name is taken or no identifier, the defaults do not fit the space, a
            feature names a parameter that there is not, or the function does not take `i`, `c`,
            `f` and `p`.
    """

    def register(rule: Rule) -> Strategy:
        called = name or rule.__name__
        _check_new(called, rule, features)
        _check_space(called, space, defaults)
        whole_space, whole_defaults = _with_common(space, defaults)
        compiled_rule, shown = _with_ages(rule, features)
        found = Strategy(
            name=called,
            space=whole_space,
            defaults=whole_defaults,
            features=_with_common_atr(tuple(shown.values())),
            names=tuple(shown),
            rule=compiled_rule,
            description=(rule.__doc__ or "").strip(),
            constraint=constraint,
            shift=shift,
            fill_gaps=fill_gaps,
        )
        _check_features(found)
        found.complete({})
        STRATEGIES[called] = found
        return found

    return register


def _check_new(name: str, rule: object, features: object) -> None:
    """Refuse a name that is taken, and what is of the form before this one."""
    if name in STRATEGIES:
        raise ValueError(f"two strategies are called {name!r}")
    if not name.isidentifier():
        raise ValueError(f"strategy name {name!r} is no identifier")
    changes = []
    if isinstance(rule, Compiled):
        changes.append("take @compiled away")
        rule = rule.python
    if not isinstance(features, Mapping):
        changes.append('name the features, as features={"fast": sma("fast")}')
    if not inspect.isfunction(rule) or len(inspect.signature(rule).parameters) != len(ARGUMENTS):
        changes.append(
            f"take ({', '.join(ARGUMENTS)}), read c.close[i], f.fast[i] and p.window, and {ANSWERS}"
        )
    elif place := _read_by_place(rule):
        changes.append(f"read f.fast[i] and p.window by their names, not {place}")
    if changes:
        raise ValueError(f"{name} is not of the form of a strategy: {'; '.join(changes)}: {GUIDE}")


def _read_by_place(rule: Callable[..., Any]) -> str | None:
    """Find a feature or a parameter that a rule reads by its place, as `f[0]`."""
    try:
        [written] = ast.parse(textwrap.dedent(inspect.getsource(rule))).body
    except (OSError, SyntaxError, ValueError):
        # what has no file of its own, as a lambda among arguments
        return None
    shown = list(inspect.signature(rule).parameters)[2:]
    # not what decorates it: a constraint has parameters by the names of its own
    body = written.body if isinstance(written, ast.FunctionDef) else []
    for node in (found for one in body for found in ast.walk(one)):
        if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
            continue
        if node.value.id in shown:
            return ast.unparse(node)
    return None


def _check_sources(name: str, features: Iterable[tuple[str, Feature]]) -> None:
    for called, feature in features:
        for on in feature.timeframes:
            if on not in TIMEFRAMES_MS:
                raise ValueError(
                    f"{name}: feature {called!r} is on {on!r}, which is no timeframe; there are"
                    f" {', '.join(TIMEFRAMES_MS)}"
                )
        if feature.of is not None and not _INSTRUMENT.fullmatch(feature.of):
            raise ValueError(
                f"{name}: feature {called!r} is of {feature.of!r}: write a base, as 'BTC', for the"
                " venue and the quote of the series, or an instrument, as 'kraken:BTC/USD'"
            )


def _with_ages(
    rule: Rule, features: Mapping[str, Feature]
) -> tuple[Compiled[[int, Market, Any, Any], Answer], dict[str, Feature]]:
    """Return the rule to be compiled, and the features with the ages that it reads."""
    found = Compiled(rule, row_by_row=True, inlined=True)
    read = {name for _, name, _ in names_in(found)}
    ages = {
        age: Feature(AGE, (), _one_row, feature.only_if, feature.on, feature.of, is_age=True)
        for name, feature in features.items()
        if feature.of is not None and (age := f"{name}_age") in read and age not in features
    }
    return found, {**features, **ages}


def _one_row() -> int:
    return 1


def _check_name(strategy: str, what: str, name: str) -> None:
    if not name.isidentifier() or iskeyword(name) or name.startswith("_"):
        raise ValueError(
            f"{strategy}: {what} {name!r} is no name: letters, digits and _, not first"
        )


def _check_space(name: str, space: tuple[Param, ...], defaults: Mapping[str, float]) -> None:
    seen: set[str] = set()
    for param in space:
        _check_name(name, "parameter", param.name)
        if not (math.isfinite(param.low) and param.low <= param.high < math.inf):
            raise ValueError(f"{name}: bounds of {param.name!r} are empty or infinite")
        if param.name in seen or param.name in {common.name for common in COMMON}:
            raise ValueError(f"{name}: there are two parameters {param.name!r}")
        if param.only_if is not None and param.only_if not in seen:
            raise ValueError(
                f"{name}: {param.name!r} depends on {param.only_if!r}, which must stand before it"
            )
        seen.add(param.name)
    if set(defaults) != seen:
        raise ValueError(f"{name}: defaults and space name different parameters")


def _with_common(
    space: tuple[Param, ...], defaults: Mapping[str, float]
) -> tuple[tuple[Param, ...], dict[str, float]]:
    """Add the parameters that every strategy has, switched off."""
    complete = {**defaults, **{param.name: 0.0 for param in COMMON}}
    if ATR_WINDOW.name not in defaults:
        space = (*space, ATR_WINDOW)
        complete[ATR_WINDOW.name] = ATR_WINDOW_DEFAULT
    return (*space, *COMMON), complete


def _check_features(found: Strategy) -> None:
    if len(found.features) > MAX_FEATURES:
        raise ValueError(
            f"{found.name}: {len(found.features)} features with the common one;"
            f" at most {MAX_FEATURES}"
        )
    for name in found.names:
        _check_name(found.name, "feature", name)
    _check_sources(found.name, zip(found.names, found.features, strict=False))
    for feature in found.features:
        if len(feature.args) > MAX_ARGS or len(feature.only_if) > MAX_SWITCHES:
            raise ValueError(
                f"{found.name}: a feature takes at most {MAX_ARGS} parameters and depends on at"
                f" most {MAX_SWITCHES}"
            )
        for parameter in (*feature.reads, *feature.only_if):
            if parameter not in found.index:
                raise ValueError(f"{found.name}: a feature names no parameter: {parameter!r}")
        _check_choice(found, feature.on)

    _check_names(found)


def _check_choice(found: Strategy, on: object) -> None:
    if not isinstance(on, Choice):
        return
    param, last = found.space[found.index[on.param]], len(on.timeframes) - 1
    if not param.integer or (param.low, param.high) != (0, last) or last < 1:
        raise ValueError(
            f"{found.name}: {on.param!r} chooses among {', '.join(on.timeframes) or 'none'}: name"
            f" at least two, and declare Param({on.param!r}, 0, {max(last, 1)}, integer=True)"
        )


def _check_names(found: Strategy) -> None:
    functions = [found.rule, *(feature.function for feature in found.features)]
    for function in functions:
        if not isinstance(function, Compiled):
            continue
        for place, name, meant in names_in(function):
            if _WRITERS & {name, getattr(meant, "__name__", ""), type(meant).__name__}:
                raise ValueError(
                    f"{found.name}: {place} uses {name}, which may write into columns that can only"
                    " be read: use plain indices, a copy(), np.where"
                )


def _with_common_atr(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Add the range that trail and limit are measured in, or have the strategy's own serve."""
    if not any(map(is_common_atr, features)):
        return (*features, COMMON_ATR)
    return tuple(
        replace(f, only_if=(*f.only_if, *COMMON_ATR.only_if))
        if is_common_atr(f) and f.only_if
        else f
        for f in features
    )


def get_strategy(name: str) -> Strategy:
    """Return a strategy by its name.

    Raises:
        ValueError: there is none of that name.
    """
    try:
        return STRATEGIES[name]
    except KeyError:
        known = ", ".join(strategy_names())
        raise ValueError(
            f"unknown strategy {name!r}; known are {known}. One of a file of your own is known "
            "where the file is named: by STRATEGY_FILES, for all services alike, or on a command"
        ) from None


def strategy_names() -> tuple[str, ...]:
    """Return the names of all strategies, sorted."""
    return tuple(sorted(STRATEGIES))
