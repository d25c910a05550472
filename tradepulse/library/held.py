"""What doing nothing clever would have come to: buying and holding, and keeping the cash."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.trading.metrics import Metrics, metrics
from tradepulse.trading.sizing import AccountRules

FloatArray = NDArray[np.float64]
_NONE = np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """An account that never traded on a signal.

    Attributes:
        equity: float64 `(n,)`, at each close, quote currency.
        metrics: as of any account; it has no trades, as it never sells.
    """

    equity: FloatArray
    metrics: Metrics


def bought_and_held(
    traded: Sequence[Candles], close_time: NDArray[np.int64], cash: float, rules: AccountRules
) -> Held:
    """Buy each instrument at its first close for a like part of the cash, and hold it.

    What is bought pays fee and slippage once. It is all of the cash: limits do not bind.

    Args:
        traded: the candles that were traded, without those that only warmed up.
        close_time: int64 `(n,)`, the closes of the account, epoch ms.
        cash: to begin with, quote currency.
        rules: fee and slippage.
    """
    # of an instrument with several timeframes the one with the most closes
    longest: dict[str, Candles] = {}
    for one in sorted(traded, key=len):
        longest[one.instrument] = one
    cost = (1 + rules.slippage) * (1 + float(rules.fee))
    each = cash / max(len(longest), 1)
    equity, exposure = np.zeros(len(close_time)), np.zeros(len(close_time))
    for one in longest.values():
        row = np.searchsorted(one.close_time, close_time, side="right") - 1
        worth = each / cost / one.close[0] * one.close[np.maximum(row, 0)]
        equity += np.where(row < 0, each, worth)
        exposure += np.where(row < 0, 0.0, worth)
    return Held(equity, _metrics(cash, close_time, equity, exposure))


def kept_in_cash(close_time: NDArray[np.int64], cash: float) -> Held:
    """Do nothing at all."""
    equity = np.full(len(close_time), cash)
    return Held(equity, _metrics(cash, close_time, equity, np.zeros(len(close_time))))


def _metrics(
    cash: float, close_time: NDArray[np.int64], equity: FloatArray, exposure: FloatArray
) -> Metrics:
    return metrics(
        initial_equity=cash,
        close_time=close_time,
        equity=equity,
        exposure=exposure,
        net=_NONE,
        gross=_NONE,
    )
