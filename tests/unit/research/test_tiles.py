"""The loop jumps from event to event, in tiles; one that walks every candle does the same."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_simulate import market as market_of
from test_sweep import vectors_of

from tradepulse.candles.arrays import Candles
from tradepulse.research.said import TILE_ROWS
from tradepulse.research.simulate import REASONS, Simulation, SimulationRules, Simulator
from tradepulse.research.sweep import Sweep
from tradepulse.strategies import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    Evaluations,
    get_strategy,
    strategy_names,
)
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.files import load_strategy_file
from tradepulse.trading import fills
from tradepulse.trading.fills import LONG, SHORT, FinerPrices, Prices, to_digits
from tradepulse.trading.metrics import FIGURES, metrics

HOUR = 3_600_000
NAN = math.nan
NO_FINER = FinerPrices(*(np.empty(0),) * 3)
ROWS = 3 * TILE_ROWS + 100


@dataclass
class Walk:
    """One account, candle by candle."""

    rules: SimulationRules
    cash: float
    side: int = 0
    quantity: float = 0.0
    price: float = NAN
    fee: float = 0.0
    stop: float = NAN
    target: float = NAN
    trail: float = NAN
    limit: float = NAN
    entered: int = -1
    trades: list[tuple[int, int, int, float, float, str]] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    exposure: list[float] = field(default_factory=list)
    net: list[float] = field(default_factory=list)
    gross: list[float] = field(default_factory=list)

    @property
    def maker_fee(self) -> float:
        return self.rules.fee if self.rules.maker_fee is None else self.rules.maker_fee

    def market(self, price: float, is_buy: bool, candle: Prices, quantity: float) -> float:
        rules = self.rules
        return fills.market_price(
            price, is_buy, rules.slippage, rules.impact, quantity, candle.volume
        )

    def enter(self, said: tuple[float, ...], close: float, candle: Prices, row: int) -> None:
        action, stop, target, limit, trail = said
        if action not in (ENTER_LONG, ENTER_SHORT) or (
            action == ENTER_SHORT and not self.rules.allows_margin
        ):
            return
        rules, side = self.rules, LONG if action == ENTER_LONG else SHORT
        stop = fills.trailed_stop(side, stop, trail, close, close)
        limit, expected, rate = to_digits(limit), close, rules.fee
        expected = close if math.isnan(limit) else limit
        spend = min(rules.fraction, 1.0) * self.cash
        if rules.risk_per_trade > 0 and abs(expected - stop) > 0:
            most = rules.risk_per_trade * self.cash / abs(expected - stop) * expected
            spend = min(spend, most)
        if math.isnan(limit):
            notional = spend / (1.0 + rate)
            price = fills.entry_price(
                spend, candle.open, side == LONG, rate, rules.slippage, rules.impact, candle.volume
            )
            quantity = notional / price
        else:
            notional = spend / (1.0 + max(rate, self.maker_fee))
            quantity = notional / limit
            outcome, price = fills.limit_fill(side, limit, candle.open, candle.high, candle.low)
            if outcome == fills.EXPIRED:
                return
            if outcome == fills.AT_LIMIT:
                rate = self.maker_fee
            else:
                worse = self.market(price, side == LONG, candle, quantity)
                price = fills.within_limit(worse, side == LONG, limit)
                limit = NAN
        if notional < rules.min_notional or quantity <= 0:
            return
        self.side, self.quantity, self.price = side, quantity, price
        self.fee, self.entered = quantity * price * rate, row
        self.stop, self.target, self.trail, self.limit = stop, to_digits(target), trail, limit
        self.cash -= side * quantity * price + self.fee

    def leave(self, row: int, reason: str, price: float, rate: float) -> None:
        fee = self.quantity * price * rate
        self.cash += self.side * self.quantity * price - fee
        gross = self.side * self.quantity * (price - self.price)
        self.trades.append((self.entered, row, self.side, self.price, price, reason))
        self.gross.append(gross)
        self.net.append(gross - (self.fee + fee))
        self.side, self.quantity = 0, 0.0

    def leave_at_a_level(self, row: int, candle: Prices) -> None:
        reason, price = fills.candle_exit(
            self.side, self.stop, self.target, self.limit, candle, NO_FINER, 0, 0
        )
        is_buy = self.side == SHORT
        if reason == fills.STOP:
            worse = self.market(price, is_buy, candle, self.quantity)
            self.leave(row, "stop", worse, self.rules.fee)
        elif reason == fills.TAKE_PROFIT and price != self.target:
            worse = self.market(price, is_buy, candle, self.quantity)
            taken = fills.within_limit(worse, is_buy, self.target)
            self.leave(row, "take_profit", taken, self.rules.fee)
        elif reason == fills.TAKE_PROFIT:
            self.leave(row, "take_profit", price, self.maker_fee)

    def close_candle(self, candle: Prices) -> None:
        held = self.quantity * candle.close
        self.equity.append(self.cash + self.side * held)
        self.exposure.append(held)
        if self.side and self.trail > 0:
            inside = not math.isnan(self.limit)
            top, bottom = (candle.close,) * 2 if inside else (candle.high, candle.low)
            self.stop = fills.trailed_stop(self.side, self.stop, self.trail, top, bottom)
        self.limit = NAN


def walked(candles: Candles, said: Evaluations, rules: SimulationRules) -> Walk:
    """Trade candle by candle, and look at everything in each."""
    walk = Walk(rules, rules.initial_cash)
    last, waiting, order = len(candles) - 1, "", None
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    levels = (said.action, said.stop, said.take_profit, said.limit, said.trail)
    answers = list(zip(*(level.tolist() for level in levels), strict=True))
    times = candles.open_time.tolist()
    for row, figures in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        candle = Prices(*figures)
        if order is not None:
            walk.enter(order, float(candles.close[row - 1]), candle, row)
        if waiting:
            worse = walk.market(candle.open, walk.side == SHORT, candle, walk.quantity)
            walk.leave(row, waiting, worse, rules.fee)
        elif walk.side:
            walk.leave_at_a_level(row, candle)
        if walk.side and walk.cash + walk.side * (walk.quantity * candle.close) <= 0:
            worse = fills.market_price(candle.close, walk.side == SHORT, rules.slippage)
            walk.leave(row, "liquidation", worse, rules.fee)
        if walk.side and row == last:
            walk.leave(row, "end_of_data", to_digits(candle.close), rules.fee)
        walk.close_candle(candle)
        waiting, order = "", None
        if not walk.side:
            order = answers[row]
        elif answers[row][0] == EXIT:
            waiting = "signal"
        elif said.max_candles and times[row] >= times[walk.entered] + HOUR * (said.max_candles - 1):
            waiting = "time"
    return walk


def market(rng: np.random.Generator, digits: int, spread: float, scale: float) -> Candles:
    """Make a walk with gaps, ties, holes, candles without volume."""
    n = ROWS
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, spread, n))), digits)
    close = np.maximum(close, 10.0**-digits)
    open_ = np.where(rng.random(n) < 0.5, np.roll(close, 1), close)
    high = np.round(np.maximum(open_, close) * (1 + rng.exponential(spread / 2, n)), digits)
    low = np.round(np.minimum(open_, close) * (1 - rng.uniform(0, min(spread, 0.5), n)), digits)
    high, low = np.maximum(high, np.maximum(open_, close)), np.minimum(low, close)
    times = np.cumsum(rng.choice([1, 2, 30], n, p=[0.98, 0.015, 0.005])) * HOUR
    volume = rng.exponential(500, n) * rng.choice([0, 1], n, p=[0.05, 0.95])
    prices = (column * scale for column in (open_, high, low, close))
    return Candles("x", "A/USD", "1h", times, *prices, volume)


def anything(
    candles: Candles, rng: np.random.Generator, density: float, reach: float
) -> Evaluations:
    """Say anything, seldom or often; levels near or far."""
    n = len(candles)
    chances = [1 - density, density * 0.4, density * 0.3, density * 0.3]
    action = rng.choice([0, ENTER_LONG, ENTER_SHORT, EXIT], n, p=chances).astype(np.int8)
    side = np.where(action == ENTER_SHORT, -1.0, 1.0)

    def sometimes(column: np.ndarray) -> np.ndarray:
        return np.where((rng.random(n) < 0.5) & (np.abs(action) == 1), column, NAN)

    def away(share: float) -> np.ndarray:
        return np.asarray(candles.close * rng.exponential(share, n)) + 1e-12

    return Evaluations(
        action,
        sometimes(candles.close - side * away(reach)),
        sometimes(candles.close + side * away(reach)),
        sometimes(candles.close - side * away(reach / 10)),
        sometimes(away(reach)),
        int(rng.choice([0, 0, 1, 7, 300])),
    )


def compare(candles: Candles, mine: Simulation, walk: Walk, rules: SimulationRules) -> None:
    columns = (mine.entry, mine.exit, mine.side, mine.entry_price, mine.exit_price)
    reasons = [REASONS[reason] for reason in mine.reason.tolist()]
    assert list(zip(*(c.tolist() for c in columns), reasons, strict=True)) == walk.trades
    assert mine.equity.tolist() == pytest.approx(walk.equity, rel=1e-12, abs=1e-12)
    assert mine.exposure.tolist() == pytest.approx(walk.exposure, rel=1e-12, abs=1e-12)
    figures = metrics(
        initial_equity=rules.initial_cash,
        close_time=candles.close_time,
        equity=np.array(walk.equity),
        exposure=np.array(walk.exposure),
        net=np.array(walk.net),
        gross=np.array(walk.gross),
    ).as_dict()
    expected = [NAN if figures[name] is None else figures[name] for name in FIGURES]
    np.testing.assert_allclose(mine.figures, np.array(expected, float), rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    digits=st.sampled_from([0, 1, 2, 9]),
    spread=st.sampled_from([0.001, 0.01, 0.15]),
    scale=st.sampled_from([1e-6, 1.0, 1e4]),
    density=st.sampled_from([0.002, 0.02, 0.5]),
    reach=st.sampled_from([0.003, 0.05, 1.0]),
    rules=st.builds(
        SimulationRules,
        fee=st.sampled_from([0.0, 0.001]),
        maker_fee=st.sampled_from([None, 0.0]),
        slippage=st.sampled_from([0.0, 0.0005]),
        impact=st.sampled_from([0.0, 0.1]),
        fraction=st.sampled_from([0.01, 0.5, 1.0]),
        risk_per_trade=st.sampled_from([0.0, 0.01]),
        min_notional=st.sampled_from([0.0, 30_000.0]),
        allows_margin=st.booleans(),
    ),
)
def test_whatever_is_said_is_traded_as_by_walking(
    seed: int,
    digits: int,
    spread: float,
    scale: float,
    density: float,
    reach: float,
    rules: SimulationRules,
) -> None:
    rng = np.random.default_rng(seed)
    candles = market(rng, digits, spread, scale)
    said = anything(candles, rng, density, reach)
    compare(candles, Simulator(rules).run(candles, said), walked(candles, said, rules), rules)


@pytest.mark.parametrize("at", [0, 1, TILE_ROWS - 2, TILE_ROWS - 1, TILE_ROWS, ROWS - 3, ROWS - 2])
@pytest.mark.parametrize("rows", [1, 2, TILE_ROWS, ROWS - 2])
@pytest.mark.parametrize("side", [ENTER_LONG, ENTER_SHORT])
def test_a_position_may_begin_and_end_at_any_edge_of_a_tile(at: int, rows: int, side: int) -> None:
    candles = market(np.random.default_rng(at), 2, 0.002, 1.0)
    none = np.full(ROWS, NAN)
    action = np.zeros(ROWS, np.int8)
    action[at] = side
    if at + rows < ROWS:
        action[at + rows] = EXIT
    said = Evaluations(action, none, none, none, none)
    rules = SimulationRules(allows_margin=True)
    result = Simulator(rules).run(candles, said)
    assert result.entry.tolist() == [at + 1]
    assert result.exit.tolist() == [min(at + rows + 1, ROWS - 1)]
    compare(candles, result, walked(candles, said, rules), rules)


@pytest.mark.parametrize("low", [99.5, 98.5, 97.0, 90.0])
@pytest.mark.parametrize("trail", [NAN, 0.5])
@pytest.mark.parametrize("at", [TILE_ROWS - 2, TILE_ROWS - 1, TILE_ROWS])
def test_a_limit_may_fill_in_the_first_candle_of_a_tile(at: int, trail: float, low: float) -> None:
    close = np.full(ROWS, 100.0)
    lows, highs = close - 0.01, close + 0.01
    lows[at + 1], highs[at + 1] = low, 106.0
    times = np.arange(ROWS) * HOUR
    candles = Candles("x", "A/USD", "1h", times, close, highs, lows, close, close)
    action = np.zeros(ROWS, np.int8)
    levels = [np.full(ROWS, NAN) for _ in range(4)]
    action[at] = ENTER_LONG
    for level, value in zip(levels, (98.0, 105.0, 99.0, trail), strict=True):
        level[at] = value
    said, rules = Evaluations(action, *levels), SimulationRules()
    compare(candles, Simulator(rules).run(candles, said), walked(candles, said, rules), rules)


@pytest.mark.parametrize("name", strategy_names())
@pytest.mark.parametrize("common", [{}, {"trail_atr": 2.0, "limit_atr": 0.2, "max_candles": 40}])
def test_what_is_said_is_what_evaluations_say(name: str, common: dict[str, float]) -> None:
    candles = market_of(ROWS, 11)
    found = get_strategy(name)
    rules = SimulationRules(allows_margin=True)
    vectors = vectors_of(name, 4, 3, **common)
    swept = Sweep(candles, found, rules, first=77).run(vectors).figures
    for vector, figures in zip(vectors, swept, strict=True):
        one = found.vector(dict(zip(found.index, vector.tolist(), strict=True)))
        whole = Simulator(rules).trade(candles, found, one, 77)
        parts = Simulator(rules).run(candles, found.evaluate(candles, one), 77)
        for column in whole.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(whole, column), getattr(parts, column))
        np.testing.assert_array_equal(figures, whole.figures)


OWN = """
from tradepulse.strategies import Param, enter_long, hold, leave, strategy


@strategy(space=(Param("n", 2, 50, integer=True),), defaults={"n": 7}, features={})
def by_row(i, c, f, p):
    if i < 60:
        return hold()
    if i % int(p.n) == 0 and c.close[i - 40] < c.close[i]:
        return enter_long(stop=c.close[i] * 0.9, target=c.close[i] * 1.2)
    return leave() if i % 11 == 0 else hold()
"""


def test_a_user_s_strategy_may_use_the_number_of_the_row(tmp_path: Path) -> None:
    """In a search it is asked of the same rows, of whole columns, as in an evaluation."""
    place = tmp_path / "own.py"
    place.write_text(OWN)
    (name,) = load_strategy_file(place)
    try:
        found, candles, rules = get_strategy(name), market_of(ROWS, 5), SimulationRules()
        vectors = np.array([found.vector({"n": n}) for n in (5, 7, 13)])
        swept = Sweep(candles, found, rules).run(vectors).figures
        for vector, figures in zip(vectors, swept, strict=True):
            evaluated = Simulator(rules).run(candles, found.evaluate(candles, vector))
            assert len(evaluated.entry) > 10
            np.testing.assert_array_equal(figures, evaluated.figures)
    finally:
        del STRATEGIES[name]
