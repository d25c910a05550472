"""Which strategies trade, by which parameters, on what: as said, and as configurations."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid5

from contracts.events import NAMESPACE
from tradepulse.candles.arrays import Candles
from tradepulse.strategies import Params, Strategy, get_strategy
from tradepulse.strategies.evaluate import Configuration
from tradepulse.strategies.files import load_strategy_file

Named = str | Path | Strategy
"""A strategy by its name, by its file if it is the only one in it, or itself."""


@dataclass(frozen=True, slots=True)
class Use:
    """A strategy on every series, or on some; see `use`."""

    strategy: str
    params: Params = field(default_factory=dict)
    share: float = 1.0
    exchange: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    configuration_id: str | None = None

    def names(self) -> dict[str, str]:
        """Return which series are meant, by what is said of them."""
        said = {n: getattr(self, n) for n in ("exchange", "symbol", "timeframe")}
        return {name: value for name, value in said.items() if value is not None}


def use(
    strategy: Named,
    params: Params | None = None,
    *,
    share: float = 1.0,
    exchange: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    configuration_id: str | None = None,
    **more: float,
) -> Use:
    """Say what trades, as one of several on an account: `tp.use("sma_cross", fast=20)`.

    Args:
        strategy: its name, the path of a file that holds one strategy, or itself.
        params: its parameters by name; the rest are its defaults.
        share: of the symbol's weight that its entries may use, above 0, at most 1.
        exchange: only candles of it; None for all that are traded.
        symbol: likewise, as in `BTC/USD`.
        timeframe: likewise, as in `1h`.
        configuration_id: a UUID of its own, where the same is used twice on one series.
        more: parameters, as `params`.

    Raises:
        ValueError: the file cannot be used or holds several strategies.
    """
    return Use(
        strategy_name(strategy),
        {**(params or {}), **more},
        share,
        exchange,
        symbol,
        timeframe,
        configuration_id,
    )


def strategy_name(strategy: Named) -> str:
    """Return the name of a strategy, loading its file where it is said by that.

    A file that has changed since it was loaded is loaded anew.

    Raises:
        ValueError: the file cannot be used or holds several strategies.
    """
    if isinstance(strategy, Strategy):
        return strategy.name
    if isinstance(strategy, str) and not strategy.endswith(".py"):
        return strategy
    names = load_strategy_file(strategy, changed=True)
    if len(names) > 1:
        raise ValueError(
            f"{strategy} holds {len(names)} strategies, {', '.join(names)}: it is loaded, so name "
            "one of them"
        )
    return names[0]


def configurations(
    uses: Sequence[Use], series: Sequence[Candles], places: Sequence[str] = ()
) -> list[Configuration]:
    """Return a configuration for each use on each series that it means.

    Args:
        uses: what trades.
        series: what is traded.
        places: where each use is written, for the message of a refusal.

    Raises:
        ValueError: a strategy, a parameter or another field is wrong, no series is meant, or the
            same is said twice.
    """
    found: dict[UUID, Configuration] = {}
    for place, one in zip(places or [""] * len(uses), uses, strict=True):
        try:
            found |= _new(_of(one, series), found)
        except ValueError as error:
            raise ValueError(f"{place}: {error}" if place else str(error)) from error
    return list(found.values())


def _new(
    made: Sequence[Configuration], known: Mapping[UUID, Configuration]
) -> dict[UUID, Configuration]:
    for one in made:
        if one.configuration_id in known:
            raise ValueError(
                f"the same strategy and parameters on {one.series} twice; give each a "
                "configuration_id of its own if that is meant"
            )
    return {one.configuration_id: one for one in made}


def _of(one: Use, series: Sequence[Candles]) -> list[Configuration]:
    params = get_strategy(one.strategy).complete(one.params)
    share, names = one.share, one.names()
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ValueError(f"share {share!r} must be above 0 and at most 1")
    meant = [s for s in series if all(getattr(s, n) == v for n, v in names.items())]
    if not meant:
        there = ", ".join(s.series for s in series)
        raise ValueError(f"no candles of {' '.join(map(str, names.values()))}; {there}")
    given = one.configuration_id
    if given is not None and len(meant) > 1:
        raise ValueError(f"a configuration_id needs one symbol, not {len(meant)}")
    written = json.dumps([one.strategy, params], sort_keys=True)
    try:
        ids = [UUID(given) if given else uuid5(NAMESPACE, f"{s.series}:{written}") for s in meant]
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"configuration_id {given!r} is no UUID") from None
    return [
        Configuration(i, one.strategy, s.exchange, s.symbol, s.timeframe, params, float(share))
        for i, s in zip(ids, meant, strict=True)
    ]


def uses_of(
    strategy: Named | Use | Sequence[Use], params: Mapping[str, float] | None
) -> tuple[Use, ...]:
    """Return what trades, however it is said.

    Raises:
        ValueError: parameters are given beside uses, which have their own; or there is none.
    """
    if isinstance(strategy, str | Path | Strategy):
        return (use(strategy, params),)
    uses = (strategy,) if isinstance(strategy, Use) else tuple(strategy)
    if params is not None:
        raise ValueError("params belong to one strategy; of several, each use has its own")
    if not uses or not all(isinstance(one, Use) for one in uses):
        raise ValueError('give a strategy, or a list of uses, as [tp.use("sma_cross", fast=20)]')
    return uses
