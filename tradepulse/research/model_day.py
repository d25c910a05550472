"""One UTC day of a model: what it saw, and what its weights made of the signals of the day. Pure.

A day's decisions are those at the closes from its midnight until before the next; they bind from
one close to the following one, so that its account moves over the closes after its midnight, the
next midnight's among them. The account begins flat `WINDOW_DAYS` before the end of the day, so that
it holds at midnight what began before. Where the model did not decide, both accounts have equal
weights.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.research.virtual.market import VirtualMarket, market_of
from tradepulse.research.virtual.replay import replay
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading import defaults
from tradepulse.trading.backtest import prepared
from tradepulse.trading.policies.features import CLIP, Floats, observe_rows
from tradepulse.trading.policies.figure_bins import FigureBins
from tradepulse.trading.policies.model import Model
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import DAY_MS, EqualWeights

CASH = float(defaults.CASH)
LEAST = 0.01
"""What is left, as a share of the cash, of an account that lost more."""
_KNOWN_COSTS = ("fee", "slippage", "impact")


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided at some closes, in their order.

    Attributes:
        times: of the closes, epoch ms.
        traded: of each, the instruments that had a weight, even 0.
        own: by close, what the model itself decided.
        budget: of the last of them.
    """

    times: Sequence[int]
    traded: Sequence[frozenset[str]]
    own: Mapping[int, Mapping[str, float]]
    budget: float

    @property
    def instruments(self) -> list[str]:
        """Every instrument that had a weight, sorted."""
        return sorted(frozenset().union(*self.traded))


def seen_in(
    candles: Sequence[Candles], times: Sequence[int], model: Model
) -> tuple[float | None, tuple[tuple[int, ...], ...]]:
    """Return which share of the figures was beyond the bound, and how many lay in each bin.

    Args:
        candles: of the model's timeframe, one series an instrument, past the last of the times.
        times: of the closes that it decided; only those of its own candles count.
        model: whose figures they are.
    """
    there = [one for one in candles if len(one)]
    if not there:
        return None, ()
    closes = np.unique(np.concatenate([one.close_time for one in there]))
    looked = np.intersect1d(np.asarray(times, np.int64), closes)
    seen = observe_rows(there, looked)
    if not seen.mask.any():
        return None, ()
    mean, scale = (model.arrays[name].astype(np.float64) for name in ("mean", "scale"))
    figures = (seen.figures - mean) / scale
    clipped = float((np.abs(figures[seen.mask]) > CLIP).mean())
    bins = model.manifest.seen
    if bins is None:
        return clipped, ()
    return clipped, _plain(bins, np.clip(figures, -CLIP, CLIP), seen.mask)


def _plain(
    bins: FigureBins, figures: Floats, mask: NDArray[np.bool_]
) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(int, one)) for one in bins.counted(figures, mask))


def growths_of(
    candles: Sequence[Candles],
    configurations: Sequence[Configuration],
    rules: AccountRules,
    decided: Decided,
    day: int,
) -> tuple[float, float] | None:
    """Return the log growth of a day, by the model's weights and by equal ones.

    Args:
        candles: one entry a series, with those that warm the strategies up, up to the day's end.
        configurations: on these series.
        rules: costs and limits of both accounts.
        decided: since the accounts began, up to the day's end.
        day: its midnight, epoch ms.

    Returns:
        None where there is nothing to trade.
    """
    if not configurations or not decided.times:
        return None
    begin = decided.times[0]
    if not any(len(one.between(begin, None)) for one in candles):
        return None
    ready = prepared(candles, configurations, between=(begin, None))
    market = market_of(ready, rules.markets)
    close_time = market.arrays.close_time
    # what was decided at the first close binds at the second
    if len(close_time) <= 1 or close_time[-1] <= day:
        return None
    equal, own = _tables(market, decided)
    first, second = (_growth(market, table, rules, decided.budget, day) for table in (own, equal))
    return first, second


def rules_of(config: Mapping[str, Any], markets: Mapping[str, Any]) -> AccountRules:
    """Return costs and limits of a training as rules of an account, else the usual ones.

    Args:
        config: what the training was asked for.
        markets: rules by instrument.
    """
    told = {name: config[name] for name in _KNOWN_COSTS if config.get(name) is not None}
    usual = AccountRules()
    usual_bound = usual.limits.max_symbol_notional
    bound = max(usual_bound, Decimal(str(config.get("max_weight") or usual_bound)))
    return AccountRules(
        limits=replace(usual.limits, max_symbol_notional=bound),
        fee=Decimal(str(told.get("fee", usual.fee))),
        slippage=float(told.get("slippage", usual.slippage)),
        impact=float(told.get("impact", usual.impact)),
        markets=markets,
    )


def _tables(market: VirtualMarket, decided: Decided) -> tuple[Floats, Floats]:
    """Return what binds after each close: equal weights, and the model's where it decided."""
    number = {instrument: n for n, instrument in enumerate(market.instruments)}
    sharing = EqualWeights(decided.budget)
    rows = np.searchsorted(decided.times, market.arrays.close_time, side="right") - 1
    equal = np.zeros((len(decided.times), len(number)))
    own = np.zeros_like(equal)
    for row, (time, traded) in enumerate(zip(decided.times, decided.traded, strict=True)):
        shares = sharing.weights({one: [] for one in traded})
        _write(equal[row], shares, number)
        _write(own[row], decided.own.get(time, shares), number)
    # the first candle that is traded opens at the first decision
    return equal[rows], own[rows]


def _write(row: Floats, weights: Mapping[str, float], number: Mapping[str, int]) -> None:
    for instrument, weight in weights.items():
        if (at := number.get(instrument)) is not None:
            row[at] = weight


def _growth(
    market: VirtualMarket, weights: Floats, rules: AccountRules, budget: float, day: int
) -> float:
    closes = len(market.arrays.close_time)
    done = replay(market, weights, rules, CASH, (1, closes), budget)
    close_time = done.close_time
    equity = np.maximum(done.equity, LEAST * CASH)
    last = int(np.searchsorted(close_time, day + DAY_MS, side="right")) - 1
    before = int(np.searchsorted(close_time, day, side="right")) - 1
    from_ = float(equity[before]) if before >= 0 else CASH
    return math.log(float(equity[last]) / from_)
