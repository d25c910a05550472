"""The simulator of searches and the account engine make the same trades, with every rule."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.events import CandleEvaluated, Signal
from tests.made_markets import falling
from tradepulse.candles.arrays import Candles
from tradepulse.research.simulate import REASONS, Simulation, SimulationRules, Simulator
from tradepulse.runtime.codec import decode_evaluation
from tradepulse.strategies import MOVE, Evaluations, get_strategy
from tradepulse.strategies import files as strategy_files
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.evaluate import Configuration, signals_in
from tradepulse.strategies.files import load_strategy_file
from tradepulse.trading.account import Account
from tradepulse.trading.backtest import BacktestResult, backtest
from tradepulse.trading.fills import Prices
from tradepulse.trading.moments import Moment
from tradepulse.trading.sizing import AccountRules, InstrumentRules, RiskLimits
from tradepulse.trading.weights import EqualWeights

FloatArray = NDArray[np.float64]
HOUR = 3_600_000
SERIES = "x:A/USD:1h"
RULES_FILE = Path(__file__).parents[2] / "strategies_of_rules.py"
ON_OPEN = {"signal", "time"}


@dataclass(frozen=True)
class Costs:
    """The same rules for both engines."""

    fee: str = "0.001"
    maker_fee: str | None = None
    slippage: float = 0.0005
    impact: float = 0.0
    fraction: float = 0.5
    risk_per_trade: str | None = None

    def simulated(self) -> SimulationRules:
        return SimulationRules(
            fee=float(self.fee),
            maker_fee=None if self.maker_fee is None else float(self.maker_fee),
            slippage=self.slippage,
            impact=self.impact,
            fraction=self.fraction,
            risk_per_trade=float(self.risk_per_trade or 0),
            allows_margin=True,
        )

    def kept(self) -> AccountRules:
        return AccountRules(
            fee=Decimal(self.fee),
            maker_fee=None if self.maker_fee is None else Decimal(self.maker_fee),
            slippage=self.slippage,
            impact=self.impact,
            limits=RiskLimits(
                max_symbol_notional=Decimal(str(self.fraction)),
                risk_per_trade=None
                if self.risk_per_trade is None
                else Decimal(self.risk_per_trade),
            ),
            markets={"x:A/USD": InstrumentRules(allows_margin=True)},
        )


COSTS = st.builds(
    Costs,
    fee=st.sampled_from(["0", "0.001"]),
    maker_fee=st.sampled_from([None, "0", "0.0002"]),
    slippage=st.sampled_from([0.0, 0.0005]),
    impact=st.sampled_from([0.0, 0.1]),
    fraction=st.sampled_from([0.1, 0.5, 1.0]),
    risk_per_trade=st.sampled_from([None, "0.005"]),
)


def market(n: int, rng: np.random.Generator, digits: int) -> tuple[Candles, Candles]:
    """Make n hours and their quarters; few digits make prices and levels meet exactly."""
    m = 4 * n
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.006, m)))
    open_ = np.roll(close, 1) * np.exp(rng.normal(0, 0.002, m))
    high = np.maximum(open_, close) * (1 + rng.exponential(0.002, m))
    low = np.minimum(open_, close) * (1 - rng.exponential(0.002, m))
    open_[0], high[0], low[0] = close[0], max(high[0], close[0]), min(low[0], close[0])
    o, h, l, c = (np.round(column, digits).reshape(n, 4) for column in (open_, high, low, close))
    volume = rng.exponential(500, m).reshape(n, 4) * rng.choice([0, 1], (n, 1), p=[0.05, 0.95])
    times = np.arange(m, dtype=np.int64) * HOUR // 4
    parts = Candles("x", "A/USD", "15m", times, *(a.ravel() for a in (o, h, l, c, volume)))
    hours = (times[::4], o[:, 0], h.max(axis=1), l.min(axis=1), c[:, 3], volume.sum(axis=1))
    return Candles("x", "A/USD", "1h", *hours), parts


def some(candles: Candles, rng: np.random.Generator, share: float) -> Candles:
    """Leave out rows at random: holes."""
    keep = rng.random(len(candles)) < share
    names = ("open_time", "open", "high", "low", "close", "volume")
    columns = (getattr(candles, name)[keep] for name in names)
    return Candles(candles.exchange, candles.symbol, candles.timeframe, *columns)


def anything(candles: Candles, rng: np.random.Generator, digits: int) -> Evaluations:
    """Say anything at random, half of the time without each of the levels."""
    n = len(candles)
    shares = [0.3, 0.2, 0.2, 0.1, 0.2]
    action = rng.choice([0, 1, -1, 2, MOVE], n, p=shares).astype(np.int8)

    def sometimes(column: FloatArray) -> FloatArray:
        return np.where((rng.random(n) < 0.5) & np.isin(action, (1, -1)), column, np.nan)

    def away(scale: float) -> FloatArray:
        return np.round(candles.close * rng.exponential(scale, n), digits) + 10.0**-digits

    sign = np.where(action == -1, -1.0, 1.0)
    # now and then nowhere, and now and then beyond the price
    where = rng.choice([-1, 1, np.nan, -99], n, p=[0.5, 0.4, 0.05, 0.05])
    moves = candles.close + where * away(0.003)
    return Evaluations(
        action,
        np.where(action == MOVE, moves, sometimes(candles.close - sign * away(0.01))),
        sometimes(candles.close + sign * away(0.01)),
        sometimes(candles.close - sign * away(0.003)),
        sometimes(away(0.01)),
        int(rng.choice([0, 1, 3, 10])),
        targets=falling(candles, sign, rng, digits) if rng.random() < 0.5 else None,
        confidence=rng.choice([0.05, 0.3, 0.75, 1, np.nan], n) if rng.random() < 0.5 else None,
        cooldown=int(rng.choice([0, 1, 4])),
    )


def over_the_wire(candles: Candles, signals: dict[int, Signal]) -> dict[int, Signal]:
    """Write and read signals as services do."""
    found = {}
    for row, signal in signals.items():
        event = CandleEvaluated(
            exchange="x",
            symbol="A/USD",
            timeframe="1h",
            open_time=int(candles.open_time[row]),
            close_time=int(candles.close_time[row]),
            signals=(signal,),
        )
        (found[row],) = decode_evaluation(event.model_dump_json().encode()).signals
    return found


def by_the_account(
    candles: Candles, said: Evaluations, costs: Costs, finer: Candles | None
) -> BacktestResult:
    configuration = Configuration(UUID(int=1), "s", "x", "A/USD", "1h", {})
    signals = over_the_wire(candles, dict(signals_in(said, configuration, candles)))
    account, result = Account(Decimal(100_000), costs.kept()), BacktestResult()
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for row, (time, prices) in enumerate(zip(candles.close_time.tolist(), rows, strict=True)):
        moment = Moment(
            time,
            {SERIES: Prices(*prices)},
            [(SERIES, signals[row])] if row in signals else [],
            frozenset({SERIES}) if row == len(candles) - 1 else frozenset(),
            finer={} if finer is None else {SERIES: finer},
        )
        result.add(account.settle(moment, None, frozenset({"x:A/USD"})))
    return result


def compare(candles: Candles, mine: Simulation, theirs: BacktestResult) -> None:
    told = [
        (
            int(candles.open_time[entry]),
            int(candles.open_time[leave]) + (0 if REASONS[reason] in ON_OPEN else HOUR),
            "long" if side == 1 else "short",
            REASONS[reason],
        )
        for entry, leave, side, reason in zip(
            mine.entry.tolist(), mine.exit.tolist(), mine.side.tolist(), mine.reason.tolist(),
            strict=True,
        )
    ]  # fmt: skip
    kept = [(t.entry_time, t.exit_time, t.side, t.exit_reason) for t in theirs.trades]
    assert told == kept

    def close_to(found: FloatArray, name: str, **tolerance: float) -> None:
        expected = [float(getattr(trade, name)) for trade in theirs.trades]
        assert found == pytest.approx(expected, **tolerance)

    close_to(mine.entry_price, "entry_price", rel=1e-9, abs=0)
    close_to(mine.exit_price, "exit_price", rel=1e-9, abs=0)
    # a profit is the difference of amounts of up to the cash
    close_to(mine.net, "profit", abs=1e-6)
    equity = [float(point.equity) for point in theirs.equity]
    assert mine.equity == pytest.approx(equity, rel=1e-11)
    exposure = [float(point.exposure) for point in theirs.equity]
    assert mine.exposure == pytest.approx(exposure, rel=1e-11)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    digits=st.sampled_from([0, 1, 2, 5, 12]),
    costs=COSTS,
    holes=st.booleans(),
    finer=st.sampled_from([None, 1.0, 0.7]),
)
def test_whatever_a_strategy_says(
    seed: int, digits: int, costs: Costs, holes: bool, finer: float | None
) -> None:
    rng = np.random.default_rng(seed)
    candles, parts = market(200, rng, digits)
    if holes:
        candles = some(candles, rng, 0.9)
    said = anything(candles, rng, digits)
    inside = None if finer is None else some(parts, rng, finer)
    mine = Simulator(costs.simulated()).run(candles, said, finer=inside)
    compare(candles, mine, by_the_account(candles, said, costs, inside))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(["sma_cross", "liquidity_sweep"]),
    common=st.fixed_dictionaries(
        {
            "trail_atr": st.sampled_from([0.0, 0.5, 1.5]),
            "limit_atr": st.sampled_from([0.0, 0.2, 1.0]),
            "max_candles": st.sampled_from([0, 1, 5]),
            "cooldown": st.sampled_from([0, 1, 5]),
            "stop_atr": st.sampled_from([0.5, 3.0]),
            "target_atr": st.sampled_from([0.5, 3.0]),
        }
    ),
    costs=COSTS,
    first=st.sampled_from([0, 100]),
    with_finer=st.booleans(),
)
def test_bundled_strategies_with_the_parameters_of_all(
    seed: int, name: str, common: dict[str, float], costs: Costs, first: int, with_finer: bool
) -> None:
    candles, parts = market(250, np.random.default_rng(seed), 2)
    own = {"fast": 2, "slow": 5}
    if name == "liquidity_sweep":
        own = {"window": 5, "sweep_atr": 0, "volume_factor": 0.2, "allow_short": 1}
    params = {**common, **own}
    finer = parts if with_finer else None
    strategy = get_strategy(name)
    mine = Simulator(costs.simulated()).trade(
        candles, strategy, strategy.vector(params), first, finer
    )
    theirs = backtest(
        [candles],
        [Configuration(UUID(int=1), name, "x", "A/USD", "1h", params)],
        costs.kept(),
        EqualWeights(),
        between=(int(candles.open_time[first]), None),
        finer=[] if finer is None else [finer],
    )
    compare(candles, mine, theirs)


@pytest.fixture(scope="module")
def own_strategies() -> Iterator[None]:
    """Strategies of a file, which move stops, let targets fall and are not always confident."""
    names = load_strategy_file(RULES_FILE)
    yield
    for name in names:
        del STRATEGIES[name]
    strategy_files._loaded.clear()


@pytest.mark.usefixtures("own_strategies")
@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(["chandelier", "falling"]),
    params=st.fixed_dictionaries(
        {
            "window": st.sampled_from([3, 12]),
            "stop_atr": st.sampled_from([0.5, 2.5]),
            "trail_atr": st.sampled_from([0.0, 1.5]),
            "limit_atr": st.sampled_from([0.0, 0.2]),
            "max_candles": st.sampled_from([0, 5]),
            "cooldown": st.sampled_from([0, 3]),
        }
    ),
    costs=COSTS,
)
def test_strategies_that_say_everything(
    seed: int, name: str, params: dict[str, float], costs: Costs
) -> None:
    candles, _ = market(250, np.random.default_rng(seed), 2)
    params = {**params, "allow_short": 1}
    strategy = get_strategy(name)
    mine = Simulator(costs.simulated()).trade(candles, strategy, strategy.vector(params))
    theirs = backtest(
        [candles],
        [Configuration(UUID(int=1), name, "x", "A/USD", "1h", params)],
        costs.kept(),
        EqualWeights(),
    )
    compare(candles, mine, theirs)


def test_an_account_of_a_market_without_margin_enters_no_shorts_in_either() -> None:
    candles, _ = market(300, np.random.default_rng(3), 2)
    params = {"window": 5, "sweep_atr": 0.0, "volume_factor": 0.0, "allow_short": 1}
    strategy = get_strategy("liquidity_sweep")
    mine = Simulator(SimulationRules()).trade(candles, strategy, strategy.vector(params))
    configuration = Configuration(UUID(int=1), strategy.name, "x", "A/USD", "1h", params)
    theirs = backtest([candles], [configuration], AccountRules(), EqualWeights())
    assert {trade.side for trade in theirs.trades} == {"long"}
    compare(candles, mine, theirs)
