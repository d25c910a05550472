"""The search's simulator by hand; test_engines_agree.py compares it with the account engine."""

from itertools import pairwise

import numpy as np
import pytest

from tests.candle_series import beside_bitcoin
from tradepulse.candles.arrays import Candles
from tradepulse.research.simulate import REASONS, Simulation, SimulationRules, Simulator
from tradepulse.strategies import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    Evaluations,
    get_strategy,
)
from tradepulse.trading.fills import LONG, SHORT

HOUR = 3_600_000
FREE = SimulationRules(initial_cash=1_000, fee=0, slippage=0, fraction=0.5, min_notional=0)
Row = tuple[float, float, float, float]


def candles_of(rows: list[Row]) -> Candles:
    o, h, l, c = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    times = np.arange(len(rows), dtype=np.int64) * HOUR
    return Candles("x", "A/USD", "1h", times, o, h, l, c, np.ones(len(rows)))


def says(n: int, **actions: tuple[int, float, float]) -> Evaluations:
    """Say at row 3 with `r3=(action, stop, target)`."""
    found = Evaluations(np.zeros(n, np.int8), *(np.full(n, np.nan) for _ in range(4)))
    for name, (action, stop, target) in actions.items():
        row = int(name[1:])
        found.action[row], found.stop[row], found.take_profit[row] = action, stop, target
    return found


def trades_of(result: Simulation) -> list[tuple[int, int, int, float, float, str]]:
    return [
        (int(a), int(b), int(s), float(p), float(q), REASONS[int(r)])
        for a, b, s, p, q, r in zip(
            result.entry, result.exit, result.side, result.entry_price, result.exit_price,
            result.reason, strict=True,
        )
    ]  # fmt: skip


NAN = float("nan")
CALM = (100.0, 101.0, 99.0, 100.0)
LONG_95_105 = (ENTER_LONG, 95.0, 105.0)
SHORT_105_95 = (ENTER_SHORT, 105.0, 95.0)


@pytest.mark.parametrize(
    ("third", "trade"),
    [
        # the entry is at the open of row 1; row 2 decides
        ((100, 101, 95, 96), (1, 2, LONG, 100, 95, "stop")),
        ((100, 105, 99, 104), (1, 2, LONG, 100, 105, "take_profit")),
        ((100, 105, 95, 100), (1, 2, LONG, 100, 95, "stop")),
        ((90, 92, 88, 91), (1, 2, LONG, 100, 90, "stop")),
        ((110, 112, 108, 109), (1, 2, LONG, 100, 110, "take_profit")),
        ((100, 104, 96, 103), (1, 3, LONG, 100, 100, "end_of_data")),
    ],
)
def test_stops_and_targets_of_a_long(
    third: Row, trade: tuple[int, int, int, float, float, str]
) -> None:
    candles = candles_of([CALM, CALM, third, CALM])
    assert trades_of(Simulator(FREE).run(candles, says(4, r0=LONG_95_105))) == [trade]


@pytest.mark.parametrize(
    ("third", "price", "reason"),
    [
        ((100, 105, 99, 104), 105, "stop"),
        ((100, 101, 95, 96), 95, "take_profit"),
        ((100, 105, 95, 100), 105, "stop"),
        ((110, 112, 108, 109), 110, "stop"),
        ((90, 92, 88, 91), 90, "take_profit"),
    ],
)
def test_stops_and_targets_of_a_short(third: Row, price: float, reason: str) -> None:
    candles = candles_of([CALM, CALM, third, CALM])
    rules = SimulationRules(fee=0, slippage=0, allows_margin=True)
    result = Simulator(rules).run(candles, says(4, r0=SHORT_105_95))
    assert trades_of(result) == [(1, 2, SHORT, 100, price, reason)]
    assert not len(Simulator(FREE).run(candles, says(4, r0=SHORT_105_95)).entry)


def test_a_stop_binds_on_the_entry_candle() -> None:
    candles = candles_of([CALM, (100, 101, 94, 96), CALM, CALM])
    result = Simulator(FREE).run(candles, says(4, r0=LONG_95_105))
    assert trades_of(result) == [(1, 1, LONG, 100, 95, "stop")]


def test_an_exit_signal_fills_at_the_next_open_before_the_stop() -> None:
    candles = candles_of([CALM, CALM, CALM, (98, 99, 90, 91), CALM])
    result = Simulator(FREE).run(candles, says(5, r0=LONG_95_105, r2=(EXIT, NAN, NAN)))
    assert trades_of(result) == [(1, 3, LONG, 100, 98, "signal")]


def test_after_an_exit_a_new_signal_is_needed_and_the_same_candle_may_give_it() -> None:
    stopped = (100.0, 101.0, 94.0, 96.0)
    candles = candles_of([CALM, CALM, stopped, CALM, CALM, CALM])
    once = Simulator(FREE).run(candles, says(6, r0=LONG_95_105))
    assert len(once.entry) == 1
    again = Simulator(FREE).run(candles, says(6, r0=LONG_95_105, r2=LONG_95_105))
    assert [t[:2] for t in trades_of(again)] == [(1, 2), (3, 5)]


def test_signals_in_a_position_and_at_the_last_close_are_ignored() -> None:
    found = says(5, r0=LONG_95_105, r1=(ENTER_LONG, 99.5, 100.5), r4=LONG_95_105)
    result = Simulator(FREE).run(candles_of([CALM] * 5), found)
    assert trades_of(result) == [(1, 4, LONG, 100, 100, "end_of_data")]


def test_fees_slippage_equity_and_exposure_by_hand() -> None:
    rules = SimulationRules(
        initial_cash=1_000, fee=0.01, slippage=0.02, fraction=0.5, min_notional=0
    )
    rows = [CALM, (100, 112, 99, 110), (120, 121, 119, 120), CALM]
    result = Simulator(rules).run(
        candles_of(rows), says(4, r0=(ENTER_LONG, NAN, NAN), r1=(EXIT, NAN, NAN))
    )
    # 500 buy 500 / (102 x 1.01) units, marked at 110, out at 117.6 less 1 %
    units = 500 / 103.02
    left = 500 + units * 117.6 * 0.99
    assert trades_of(result) == [(1, 2, LONG, 102, 117.6, "signal")]
    assert result.equity == pytest.approx([1000, 500 + units * 110, left, left])
    assert result.exposure == pytest.approx([0, units * 110, 0, 0])
    assert result.gross == pytest.approx([units * 15.6])
    assert result.net == pytest.approx([left - 1000])


def test_an_entry_buys_what_its_notional_pays_at_the_fill() -> None:
    candles = candles_of([CALM, (120, 121, 119, 120), CALM, CALM])
    all_in = SimulationRules(initial_cash=1_000, fee=0, slippage=0, fraction=1)
    result = Simulator(all_in).run(candles, says(4, r0=(ENTER_LONG, NAN, NAN)))
    assert trades_of(result) == [(1, 3, LONG, 120, 100, "end_of_data")]
    assert result.equity[1:] == pytest.approx([1_000, 1_000 / 1.2, 1_000 / 1.2])


def test_a_ruined_account_is_liquidated_and_trades_no_more() -> None:
    rows = [CALM, CALM, (100, 205, 100, 201), (400, 400, 400, 400), CALM, CALM]
    rules = SimulationRules(fee=0, slippage=0.01, fraction=1, allows_margin=True)
    said = says(6, r0=(ENTER_SHORT, NAN, NAN), r2=(ENTER_LONG, NAN, NAN), r3=(EXIT, NAN, NAN))
    result = Simulator(rules).run(candles_of(rows), said)
    (trade,) = trades_of(result)
    assert trade == (1, 2, SHORT, 99, pytest.approx(203.01), "liquidation")
    debt = 200_000 - 100_000 / 99 * 203.01
    assert result.equity == pytest.approx([100_000, 200_000 - 10_000 / 99 * 1_000] + [debt] * 4)


def test_an_entry_below_the_minimum_notional_is_refused() -> None:
    small = SimulationRules(initial_cash=15, fraction=0.5, min_notional=10)
    assert not len(Simulator(small).run(candles_of([CALM] * 4), says(4, r0=LONG_95_105)).entry)


def test_wrong_rows_are_refused() -> None:
    simulator = Simulator(FREE)
    with pytest.raises(ValueError, match="3 evaluations for 4 candles"):
        simulator.run(candles_of([CALM] * 4), says(3))
    with pytest.raises(ValueError, match="first row 4 is outside of 4 candles"):
        simulator.run(candles_of([CALM] * 4), says(4), first=4)


def test_buffers_are_reused_and_leave_no_trace() -> None:
    long_series = market(500, 1)
    short_series = long_series.rows(0, 200)
    params = {"fast": 3, "slow": 9, "stop_atr": 1.0}
    found = get_strategy("sma_cross")
    used, fresh = Simulator(FREE), Simulator(FREE)
    first = used.run(long_series, found.run(long_series, params))
    where = first.equity.__array_interface__["data"]
    second = used.run(short_series, found.run(short_series, params))
    alone = fresh.run(short_series, found.run(short_series, params))
    assert second.equity.__array_interface__["data"] == where
    assert trades_of(second) == trades_of(alone)
    assert second.equity.tobytes() == alone.equity.tobytes()


def market(n: int, seed: int) -> Candles:
    """Make a walk with gaps between candles and prices of two digits, so levels are touched."""
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.01, n))), 2)
    open_ = np.round(np.roll(close, 1) * np.exp(rng.normal(0, 0.004, n)), 2)
    open_[0] = close[0]
    top = np.maximum(open_, close)
    bottom = np.minimum(open_, close)
    high = np.round(top * (1 + rng.exponential(0.004, n)), 2)
    low = np.round(bottom * (1 - rng.exponential(0.004, n)), 2)
    high, low = np.maximum(high, top), np.minimum(low, bottom)
    times = np.arange(n, dtype=np.int64) * HOUR
    walk = Candles("x", "A/USD", "1h", times, open_, high, low, close, rng.exponential(10, n))
    return beside_bitcoin(walk, seed)


def test_positions_never_overlap() -> None:
    candles = market(3_000, 5)
    found = get_strategy("sma_cross").run(candles, {"fast": 2, "slow": 5, "stop_atr": 0.5})
    trades = trades_of(Simulator(FREE).run(candles, found))
    assert len(trades) > 100
    assert all(before[1] <= after[0] for before, after in pairwise(trades))
