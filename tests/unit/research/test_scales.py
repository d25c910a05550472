"""A market does the same at any scale of its prices, and in any currency that it is quoted in."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.events import Signal, signal_id
from tradepulse.candles.arrays import Candles
from tradepulse.research.simulate import Simulation, SimulationRules, Simulator
from tradepulse.strategies import Evaluations
from tradepulse.trading.account import Account
from tradepulse.trading.backtest import BacktestResult
from tradepulse.trading.fills import Prices
from tradepulse.trading.moments import Moment
from tradepulse.trading.sizing import AccountRules, InstrumentRules, RiskLimits

HOUR = 3_600_000
SERIES = "x:A/USD:1h"
CASH = Decimal(100_000)
Levels = dict[str, NDArray[np.int64]]


def written(whole: NDArray[np.int64], scale: int) -> NDArray[np.float64]:
    """Return prices of three decimals around 100, as a market of another scale writes them."""
    return np.array([float(f"{value}e{scale - 5}") for value in whole.tolist()])


def walk(seed: int, n: int = 80) -> tuple[Levels, Levels, NDArray[np.int8]]:
    """Make candles, levels that often meet them exactly, and what is said, in whole thousandths."""
    rng = np.random.default_rng(seed)
    close = np.round(100_000 * np.exp(np.cumsum(rng.normal(0, 0.02, n))), -2).astype(np.int64)
    open_ = np.roll(close, 1) + 100 * rng.integers(-5, 6, n)
    open_[0] = close[0]
    high = np.maximum(open_, close) + 100 * rng.integers(0, 20, n)
    low = np.minimum(open_, close) - 100 * rng.integers(0, 20, n)
    action = rng.choice([0, 1, -1, 2], n, p=[0.4, 0.25, 0.25, 0.1]).astype(np.int8)
    sign = np.where(action == -1, -1, 1)
    levels = {
        "stop": close - sign * 100 * rng.integers(5, 40, n),
        "target": close + sign * 100 * rng.integers(1, 40, n),
        "limit": close - sign * 100 * rng.integers(-1, 5, n),
        "trail": 100 * rng.integers(5, 40, n),
    }
    for column in levels.values():
        column[rng.random(n) < 0.4] = 0
    return {"open": open_, "high": high, "low": low, "close": close}, levels, action


def scaled(seed: int, scale: int) -> tuple[Candles, Evaluations]:
    prices, levels, action = walk(seed)
    times = np.arange(len(action), dtype=np.int64) * HOUR
    columns = (written(prices[name], scale) for name in ("open", "high", "low", "close"))
    candles = Candles("x", "A/USD", "1h", times, *columns, np.full(len(action), 1e3))
    said = [
        np.where(column == 0, np.nan, written(column, scale))
        for column in (levels[name] for name in ("stop", "target", "limit", "trail"))
    ]
    return candles, Evaluations(action, *said)


def simulated(seed: int, scale: int, cash: Decimal, fraction: float) -> Simulation:
    rules = SimulationRules(
        initial_cash=float(cash), fraction=fraction, maker_fee=0.0004, allows_margin=True
    )
    return Simulator(rules).run(*scaled(seed, scale))


def kept(seed: int, scale: int, cash: Decimal, fraction: float) -> BacktestResult:
    candles, said = scaled(seed, scale)
    rules = AccountRules(
        maker_fee=Decimal("0.0004"),
        limits=RiskLimits(Decimal(str(fraction))),
        markets={"x:A/USD": InstrumentRules(allows_margin=True)},
    )
    account, result = Account(cash, rules), BacktestResult()
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for row, prices in enumerate(rows):
        at = (row + 1) * HOUR
        signals = [] if said.action[row] == 0 else [(SERIES, signal(said, row, prices[3]))]
        ended = frozenset({SERIES}) if row == len(candles) - 1 else frozenset[str]()
        moment = Moment(at, {SERIES: Prices(*prices)}, signals, ended)
        result.add(account.settle(moment, None, frozenset({"x:A/USD"})))
    return result


def signal(said: Evaluations, row: int, close: float) -> Signal:
    names = {-1: "enter_short", 1: "enter_long", 2: "exit"}

    def level(column: NDArray[np.float64]) -> float | None:
        return None if np.isnan(column[row]) else float(column[row])

    told: dict[str, Any] = {
        "stop_price": level(said.stop),
        "take_profit_price": level(said.take_profit),
        "limit_price": level(said.limit),
        "trail": level(said.trail),
    }
    one = UUID(int=1)
    return Signal(
        id=signal_id(one, SERIES, row),
        configuration_id=one,
        strategy="s",
        action=names[int(said.action[row])],
        reference_price=close,
        expires_at=(row + 2) * HOUR,
        **told,
    )


def told(run: Simulation) -> list[tuple[int, int, int, int]]:
    columns = (run.entry, run.exit, run.side, run.reason)
    return list(zip(*(column.tolist() for column in columns), strict=True))


SCALE = st.integers(-11, 10)
QUOTE = st.sampled_from([-9, -3, 0, 4, 9])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=SCALE,
    quote=QUOTE,
    fraction=st.sampled_from([0.5, 1.0]),
)
def test_the_simulator_does_the_same_at_any_scale(
    seed: int, scale: int, quote: int, fraction: float
) -> None:
    usual = simulated(seed, 2, CASH, fraction)
    before = told(usual), usual.equity / 1e5, usual.figures.copy()
    other = simulated(seed, scale, CASH.scaleb(quote), fraction)
    assert told(other) == before[0]
    assert other.equity / float(CASH.scaleb(quote)) == pytest.approx(before[1], rel=1e-9)
    # all but the mean profit of a trade, which is money
    relative = np.delete(other.figures, 7), np.delete(before[2], 7)
    assert relative[0] == pytest.approx(relative[1], rel=1e-6, abs=1e-9, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=SCALE,
    quote=QUOTE,
    fraction=st.sampled_from([0.5, 1.0]),
)
def test_the_account_does_the_same_at_any_scale(
    seed: int, scale: int, quote: int, fraction: float
) -> None:
    usual = kept(seed, 2, CASH, fraction)
    cash = CASH.scaleb(quote)
    other = kept(seed, scale, cash, fraction)

    def trades(result: BacktestResult) -> list[tuple[int, int, str, str]]:
        return [(t.entry_time, t.exit_time, t.side, t.exit_reason) for t in result.trades]

    assert trades(other) == trades(usual)
    assert [o.reason for o in other.refused] == [o.reason for o in usual.refused]
    returns = [float(t.profit / (t.quantity * t.entry_price)) for t in usual.trades]
    assert [float(t.profit / (t.quantity * t.entry_price)) for t in other.trades] == pytest.approx(
        returns, rel=1e-6, abs=1e-9
    )
    assert [float(p.equity / cash) for p in other.equity] == pytest.approx(
        [float(p.equity / CASH) for p in usual.equity], rel=1e-9
    )


def test_coins_are_never_free() -> None:
    for scale in (-9, -10, -11):
        candles, said = scaled(3, scale)
        run = Simulator(SimulationRules(allows_margin=True)).run(candles, said)
        assert len(run.entry) > 3
        assert run.entry_price.min() > 0
        assert (run.entry_price[run.side == 1] >= candles.low.min()).all()
