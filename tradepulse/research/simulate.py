"""One configuration alone on one series, fast, with a full record of what it did.

The trading itself is in `loop.py`, which a search calls thousands of times (`sweep.py`).
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.research.accounts import KEPT
from tradepulse.research.arrays import NOTHING, finer_of, span_of
from tradepulse.research.levels import steps_of
from tradepulse.research.loop import Trial, advance, trade, trade_all
from tradepulse.research.positions import REASONS, Rules
from tradepulse.research.results import Record, Results
from tradepulse.research.said import TILE, Columns, mark_said
from tradepulse.strategies import Evaluations, Strategy
from tradepulse.strategies.answers import NO_STEPS, Answer
from tradepulse.strategies.compiled import Compiled, instance, row_by_row, step
from tradepulse.strategies.faults import explained
from tradepulse.strategies.market import Market, columns_of
from tradepulse.trading import defaults
from tradepulse.trading.metrics import FIGURES
from tradepulse.trading.sizing import AccountRules

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

__all__ = ["REASONS", "Simulation", "SimulationRules", "Simulator"]


@dataclass(frozen=True, slots=True)
class SimulationRules:
    """What an order costs and how large an entry is.

    Attributes:
        initial_cash: quote currency.
        fee: taker fee, fraction of the notional: market orders and stops.
        maker_fee: fee of a limit order that rested, also of a target; None for the same as `fee`.
        slippage: fraction by which the price of a market order or stop is worsened.
        impact: fraction added to the slippage of an order as large as its candle's volume; it
            grows with the square of the share. Together with `slippage` below 1.
        fraction: what an entry spends, costs included, as a fraction of the equity at the signal's
            close; never more than all.
        risk_per_trade: most that an entry may lose at its first stop, fraction of the equity; 0
            for no such cap.
        min_notional: a smaller entry is refused, quote currency.
        allows_margin: whether the market may be sold short.
    """

    initial_cash: float = float(defaults.CASH)
    fee: float = float(defaults.FEE)
    maker_fee: float | None = None
    slippage: float = defaults.SLIPPAGE
    impact: float = defaults.IMPACT
    fraction: float = float(min(defaults.MAX_SYMBOL_NOTIONAL, defaults.MAX_TOTAL_NOTIONAL))
    risk_per_trade: float = 0.0
    min_notional: float = 0.0
    allows_margin: bool = False

    def __post_init__(self) -> None:
        if not self.initial_cash > 0:
            raise ValueError(f"initial cash is {self.initial_cash:g}, not positive")
        if not 0 <= self.slippage + self.impact < 1:
            raise ValueError(
                f"slippage {self.slippage:g} and impact {self.impact:g} together must be at least"
                " 0 and below 1: a sell would get nothing"
            )

    @classmethod
    def of(cls, rules: AccountRules, instrument: str, cash: Decimal = defaults.CASH) -> Self:
        """Return what an account's rules amount to for one configuration that has it to itself.

        Args:
            rules: of the account.
            instrument: `exchange:symbol`, whose market's rules count.
            cash: with which it begins, quote currency.
        """
        market, limits = rules.market(instrument), rules.limits
        return cls(
            initial_cash=float(cash),
            fee=float(rules.fee),
            maker_fee=None if rules.maker_fee is None else float(rules.maker_fee),
            slippage=rules.slippage,
            impact=rules.impact,
            fraction=float(min(limits.max_symbol_notional, limits.max_total_notional)),
            risk_per_trade=float(limits.risk_per_trade or 0),
            min_notional=float(market.min_notional),
            allows_margin=market.allows_margin,
        )

    def values(self) -> Rules:
        """Return the rules as compiled code takes them."""
        maker_fee = self.fee if self.maker_fee is None else self.maker_fee
        return Rules(
            float(self.initial_cash),
            float(self.fee),
            float(maker_fee),
            float(self.slippage),
            float(self.impact),
            float(self.fraction),
            float(self.risk_per_trade),
            float(self.min_notional),
            bool(self.allows_margin),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """What a configuration did. Views of the simulator's buffers: the next run overwrites them.

    Attributes:
        figures: float64 `(len(FIGURES),)`, as `Metrics`; NaN where one is undefined.
        daily: float64 `(days,)`, returns of the UTC days; NaN if the equity fell to zero.
        equity: float64 `(n,)`, cash plus position at each close, from the first traded candle.
        exposure: float64 `(n,)`, absolute notional of the position at each close.
        entry: int64 `(m,)`, row (of the whole series) in which each trade was entered.
        exit: int64 `(m,)`, row at whose open (`SIGNAL`, `TIME`), or in or at whose end, it was
            left.
        side: int64 `(m,)`, `LONG` or `SHORT`.
        entry_price: float64 `(m,)`, after slippage; so is `exit_price`.
        exit_price: see `entry_price`.
        reason: int64 `(m,)`, a key of `REASONS`.
        net: float64 `(m,)`, profit after fees, quote currency.
        gross: float64 `(m,)`, profit before fees.
    """

    figures: FloatArray
    daily: FloatArray
    equity: FloatArray
    exposure: FloatArray
    entry: IntArray
    exit: IntArray
    side: IntArray
    entry_price: FloatArray
    exit_price: FloatArray
    reason: IntArray
    net: FloatArray
    gross: FloatArray


@step
def _recorded(row: int, _c: Market, f: Columns, _p: FloatArray) -> Answer:
    confidence = f[5][row] if len(f[5]) > 0 else math.nan
    steps = NO_STEPS
    if len(f[6]) > 0:
        s = f[6][row]
        steps = (s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])
    return Answer(f[0][row], f[1][row], f[2][row], f[3][row], f[4][row], confidence, steps)


@row_by_row
def _action_recorded(row: int, _c: Market, f: Columns, _p: FloatArray) -> Answer:
    none = math.nan
    return Answer(f[0][row], none, none, none, none, none, NO_STEPS)


class Loops(NamedTuple):
    """The loops of `loop.py` with a strategy in them: over one configuration, over many."""

    one: Compiled[..., int]
    many: Compiled[..., None]


def _loops(
    name: str,
    decide: Compiled[..., Answer],
    signal: Compiled[..., Answer],
    shift: int,
    *,
    is_near: bool,
    falls: bool,
) -> Loops:
    asked = {"_decide": decide, "SHIFT": shift, "NEAR": is_near}
    asking = {"_signal": signal, "SHIFT": shift, "FALLS": falls}
    steps = {
        "_mark": instance(mark_said, name, asked, row_by_row=True, inlined=True),
        "_advance": instance(advance, name, asking, row_by_row=True, inlined=True),
    }
    return Loops(
        instance(trade, name, steps, row_by_row=True),
        instance(trade_all, name, steps, row_by_row=True),
    )


@cache
def _loops_recorded() -> Loops:
    return _loops("recorded", _action_recorded, _recorded, 0, is_near=True, falls=True)


@cache
def loops_by(strategy: Strategy) -> Loops:
    """Return the loops with this strategy in them."""
    return _loops(
        strategy.name,
        strategy.decide,
        strategy.signal,
        strategy.shift,
        is_near=strategy.is_bundled,
        falls=strategy.has_steps,
    )


class Simulator:
    """Runs configurations in the same buffers: fresh ones would double the time of a run.

    Not for two threads at once.
    """

    def __init__(self, rules: SimulationRules) -> None:
        self.rules = rules
        self._reserve(0)

    def _reserve(self, rows: int) -> None:
        self._equity = np.empty(rows)
        self._exposure = np.empty(rows)
        self._rows = np.empty((4, rows), dtype=np.int64)
        self._prices = np.empty((4, rows))

    def run(
        self,
        candles: Candles,
        evaluations: Evaluations,
        first: int = 0,
        finer: Candles | None = None,
    ) -> Simulation:
        """Trade the candles from row `first` on; those before only fed the strategy.

        An open position is closed at the last close.

        Args:
            candles: the series.
            evaluations: the strategy's, of the same rows.
            first: first row at whose close a signal counts.
            finer: lower-timeframe candles that settle what a candle cannot tell itself.

        Raises:
            ValueError: the evaluations belong to other candles, `first` is no row, or the finer
                candles do not divide the candles.
        """
        if len(evaluations.action) != len(candles):
            raise ValueError(f"{len(evaluations.action)} evaluations for {len(candles)} candles")
        said = (
            evaluations.action,
            evaluations.stop,
            evaluations.take_profit,
            evaluations.limit,
            evaluations.trail,
            NOTHING if evaluations.confidence is None else evaluations.confidence,
            steps_of(evaluations),
            NOTHING,
        )
        length = timeframe_ms(candles.timeframe)
        held_ms, rests = (evaluations.max_candles - 1) * length, evaluations.cooldown * length
        trial = Trial(said, NOTHING, first, held_ms, rests)
        return self._trade(_loops_recorded().one, candles, finer, first, trial)

    def trade(
        self,
        candles: Candles,
        strategy: Strategy,
        vector: FloatArray,
        first: int = 0,
        finer: Candles | None = None,
    ) -> Simulation:
        """Evaluate and trade in one pass; the same as `run` of `strategy.evaluate`.

        Args:
            candles: as in `run`; so are `first` and `finer`.
            strategy: the strategy.
            vector: parameters from `Strategy.vector()`.
            first: see `candles`.
            finer: see `candles`.

        Raises:
            ValueError: as `run`.
            StrategyError: the strategy failed.
        """
        columns = strategy.columns(candles, vector)
        asked = max(first, strategy.lookback_of(vector, candles.timeframe) - 1)
        length, index = timeframe_ms(candles.timeframe), strategy.index
        held_ms = (int(vector[index["max_candles"]]) - 1) * length
        trial = Trial(columns, vector, asked, held_ms, int(vector[index["cooldown"]]) * length)
        try:
            return self._trade(loops_by(strategy).one, candles, finer, first, trial)
        except Exception as error:
            raise explained(strategy, candles, [vector], asked, error) from error

    def _trade(
        self,
        kernel: Compiled[..., int],
        candles: Candles,
        finer: Candles | None,
        first: int,
        trial: Trial,
    ) -> Simulation:
        n = len(candles)
        span = span_of(candles, first)
        if n > len(self._equity):
            self._reserve(n)
        daily, figures = np.empty(len(span.days)), np.empty(len(FIGURES))
        equity, exposure = self._equity[: n - first], self._exposure[: n - first]
        record = Record(equity, exposure, self._rows, self._prices)
        trades = kernel(
            columns_of(candles),
            finer_of(candles, finer),
            self.rules.values(),
            trial,
            Results(daily, figures, record, span),
            np.empty(KEPT),
            np.empty((2, TILE), dtype=np.uint64),
        )
        rows, prices = self._rows[:, :trades], self._prices[:, :trades]
        return Simulation(
            figures=figures,
            daily=daily,
            equity=equity,
            exposure=exposure,
            entry=rows[0],
            exit=rows[1],
            side=rows[2],
            entry_price=prices[0],
            exit_price=prices[1],
            reason=rows[3],
            net=prices[2],
            gross=prices[3],
        )
