"""All that virtual accounts trade on: closes, marks, who is traded, the table of trades."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.research.arrays import FloatArray, IntArray, finer_of
from tradepulse.research.virtual.trades import (
    TRADE,
    Answers,
    Listed,
    TradeArray,
    next_exits,
    trades_of,
)
from tradepulse.strategies import ENTER_LONG
from tradepulse.strategies.evaluate import Configuration
from tradepulse.strategies.market import columns_of
from tradepulse.trading.backtest import Decisions, Evaluated, Prepared, moments_of
from tradepulse.trading.sizing import InstrumentRules
from tradepulse.trading.weights import WeightPolicy

BEFORE_ALL = np.iinfo(np.int64).max
"""The gap before the first close: no weights are known there."""


class Market(NamedTuple):
    """What compiled code reads. T closes, N instruments, C configurations, K trades.

    Attributes:
        close_time: int64 `(T,)`, epoch ms, of all traded series.
        gap: int64 `(T,)`, since the close before, ms; `BEFORE_ALL` for the first.
        marks: float64 `(T, N)`, last close of each instrument, NaN before its first.
        traded: bool `(T, N)`, whether an instrument is traded after the close.
        trades: `TRADE` `(K,)`, by close, then by configuration.
        first: int64 `(T + 1,)`, the first trade that is signalled at each close.
        instrument: int64 `(C,)`, of each configuration.
        share: float64 `(C,)`.
        candle_ms: int64 `(C,)`.
        tick: float64 `(N,)`, 0 for none; the others as of `InstrumentRules`, too.
        tick_is_of_now: bool `(N,)`.
        step: float64 `(N,)`, 0 for none.
        min_quantity: float64 `(N,)`.
        min_notional: float64 `(N,)`.
    """

    close_time: IntArray
    gap: IntArray
    marks: FloatArray
    traded: NDArray[np.bool_]
    trades: TradeArray
    first: IntArray
    instrument: IntArray
    share: FloatArray
    candle_ms: IntArray
    tick: FloatArray
    tick_is_of_now: NDArray[np.bool_]
    step: FloatArray
    min_quantity: FloatArray
    min_notional: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class VirtualMarket:
    """A market with its names.

    Attributes:
        arrays: as compiled code reads them.
        instruments: `exchange:symbol`, sorted; N of them, of all traded series.
        configurations: C of them, in the order in which an account asks them.
    """

    arrays: Market
    instruments: tuple[str, ...]
    configurations: tuple[Configuration, ...]


def market_of(ready: Prepared, rules: Mapping[str, InstrumentRules]) -> VirtualMarket:
    """Walk through all trades that the configurations could make.

    Args:
        ready: candles, and what the strategies say of them.
        rules: by instrument; `InstrumentRules()` where none is given.
    """
    names = sorted(ready.traded)
    instruments = tuple(sorted({name.rpartition(":")[0] for name in names}))
    number = {instrument: i for i, instrument in enumerate(instruments)}
    close_time = np.unique(np.concatenate([ready.traded[name].close_time for name in names]))
    gap = np.diff(close_time, prepend=0)
    gap[0] = BEFORE_ALL
    markets = [rules.get(instrument, InstrumentRules()) for instrument in instruments]
    asked = sorted(
        ready.evaluated, key=lambda e: (e.configuration.series, e.configuration.configuration_id)
    )
    listed = {
        name: _listed(ready, name, close_time, markets[number[name.rpartition(":")[0]]])
        for name in sorted({one.configuration.series for one in asked})
    }
    trades = _trades(asked, listed)
    configurations = tuple(one.configuration for one in asked)
    arrays = Market(
        close_time=close_time,
        gap=gap,
        marks=_marks(ready.traded, number, close_time),
        traded=_traded(ready.traded, number, close_time),
        trades=trades,
        first=np.searchsorted(trades["signalled"], np.arange(len(close_time) + 1)),
        instrument=np.array([number[c.instrument] for c in configurations], dtype=np.int64),
        share=np.array([c.share for c in configurations], dtype=np.float64),
        candle_ms=np.array([timeframe_ms(c.timeframe) for c in configurations], dtype=np.int64),
        tick=np.array([float(m.price_tick or 0) for m in markets]),
        tick_is_of_now=np.array([m.tick_is_of_now for m in markets]),
        step=np.array([float(m.quantity_step or 0) for m in markets]),
        min_quantity=np.array([float(m.min_quantity) for m in markets]),
        min_notional=np.array([float(m.min_notional) for m in markets]),
    )
    return VirtualMarket(arrays, instruments, configurations)


def decided_weights(ready: Prepared, policy: WeightPolicy) -> FloatArray:
    """Return what a policy decides at each close, float64 `(T, N)`, 0 for who is not traded.

    Row t binds at close t + 1, as on an account.
    """
    moments = moments_of(ready)
    instruments = sorted({name.rpartition(":")[0] for name in ready.traded})
    decisions = Decisions(ready, policy)
    weights = np.zeros((len(moments), len(instruments)))
    for row, moment in enumerate(moments):
        decided = decisions.after(moment).by_instrument
        weights[row] = [decided.get(instrument, 0.0) for instrument in instruments]
    return weights


def _listed(ready: Prepared, name: str, close_time: IntArray, rules: InstrumentRules) -> Listed:
    candles = ready.traded[name]
    return Listed(
        columns_of(candles),
        finer_of(candles, ready.finer.get(name)),
        np.searchsorted(close_time, candles.close_time),
        float(rules.price_tick or 0),
        rules.tick_is_of_now,
        rules.allows_margin,
    )


def _trades(asked: Sequence[Evaluated], listed: Mapping[str, Listed]) -> TradeArray:
    found = [np.empty(0, dtype=TRADE)]
    for number, one in enumerate(asked):
        configuration, said, first = one.configuration, one.evaluations, one.first
        # an entry at a limit of zero or less can never fill
        is_said = ~(said.limit[first:] <= 0)
        action = said.action[first:]
        enters = (np.abs(action) == ENTER_LONG) & is_said
        if configuration.exits_only:
            enters[:] = False
        stop, take_profit, limit, trail = (
            np.ascontiguousarray(level[first:], dtype=np.float64)
            for level in (said.stop, said.take_profit, said.limit, said.trail)
        )
        answers = Answers(
            np.ascontiguousarray(action), stop, take_profit, limit, trail,
            next_exits(action, is_said),
            (said.max_candles - 1) * timeframe_ms(configuration.timeframe),
        )  # fmt: skip
        rows = np.nonzero(enters)[0].astype(np.int64)
        trades = np.zeros(len(rows), dtype=TRADE)
        count = trades_of(rows, answers, listed[configuration.series], number, trades)
        found.append(trades[:count])
    together = np.concatenate(found)
    return together[np.lexsort((together["configuration"], together["signalled"]))]


def _marks(
    traded: Mapping[str, Candles], number: Mapping[str, int], close_time: IntArray
) -> FloatArray:
    marks = np.full((len(close_time), len(number)), np.nan)
    # of two series of one instrument the last by name marks it, as on an account
    for name in sorted(traded):
        one = traded[name]
        marks[np.searchsorted(close_time, one.close_time), number[one.instrument]] = one.close
    rows = np.where(np.isnan(marks), 0, np.arange(len(marks))[:, None])
    return np.asarray(np.take_along_axis(marks, np.maximum.accumulate(rows), axis=0))


def _traded(
    traded: Mapping[str, Candles], number: Mapping[str, int], close_time: IntArray
) -> NDArray[np.bool_]:
    found = np.zeros((len(close_time), len(number)), dtype=np.bool_)
    for one in traded.values():
        begun = int(one.open_time[0]) <= close_time
        found[:, number[one.instrument]] |= begun & (close_time < int(one.close_time[-1]))
    return found
