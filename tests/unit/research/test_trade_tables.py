"""Tables of candles with what is said at their closes, and the trades that come of it.

Each table is traded by the account, by the simulator of searches and by a virtual account, as a
long around 100 and mirrored at 100, as a short. Rows are hours; a price of a signal is that of the
long. Entries take half of 10,000, without costs.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.research.simulate import REASONS, SimulationRules, Simulator
from tradepulse.research.virtual.market import decided_weights, market_of
from tradepulse.research.virtual.replay import replay
from tradepulse.strategies import ENTER_LONG, EXIT, MOVE, Evaluations
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import Evaluated, Prepared, backtest_of
from tradepulse.trading.sizing import AccountRules, InstrumentRules
from tradepulse.trading.weights import EqualWeights

HOUR = 3_600_000
CALM = (100.0, 101.0, 99.0, 100.0)
MARKETS = {"x:A/USD": InstrumentRules(allows_margin=True)}
FREE = AccountRules(fee=Decimal(0), slippage=0.0, markets=MARKETS)
ON_OPEN = {"signal", "time"}


@dataclass(frozen=True)
class Say:
    """What is said at a close."""

    action: int
    stop: float = np.nan
    target: float = np.nan
    limit: float = np.nan
    trail: float = np.nan
    targets: tuple[tuple[float, float], ...] = ()


def enter(**said: Any) -> Say:
    return Say(ENTER_LONG, **said)


def move(stop: float) -> Say:
    return Say(MOVE, stop)


LEAVE = Say(EXIT)


@dataclass(frozen=True)
class Table:
    """Rows of (open, high, low, close), each with what is said at its close, and the trades.

    Attributes:
        rows: prices, or prices and what is said.
        trades: reason, row of the entry, row of the exit, price of the exit.
        holes: rows that are missing.
    """

    rows: list[Any]
    trades: list[tuple[str, int, int, float]]
    max_candles: int = 0
    cooldown: int = 0
    holes: tuple[int, ...] = ()


TABLES = {
    "a moved stop binds from the next candle on": Table(
        [(CALM, enter(stop=90)), ((100, 105, 95, 104), move(96)), (104, 104, 96, 97), CALM],
        [("stop", 1, 2, 96)],
    ),
    "moved at the close of the signal, nothing is held yet": Table(
        [(CALM, enter(stop=90)), (100, 104, 95, 104), (104, 104, 91, 97), CALM],
        [("end_of_data", 1, 3, 100)],
    ),
    "it never moves away": Table(
        [(CALM, enter(stop=95)), (CALM, move(93)), (100, 100, 94, 97), CALM],
        [("stop", 1, 2, 95)],
    ),
    "a level above the close concerns shorts": Table(
        [(CALM, enter(stop=90)), (CALM, move(101)), (100, 103, 91, 97), CALM],
        [("end_of_data", 1, 3, 100)],
    ),
    "a level at the close concerns both": Table(
        [(CALM, enter(stop=90)), (CALM, move(100)), (101, 103, 99.5, 102), CALM],
        [("stop", 1, 2, 100)],
    ),
    "no level moves nothing": Table(
        [(CALM, enter(stop=90)), (CALM, move(np.nan)), (CALM, move(-1)), (100, 103, 90, 97), CALM],
        [("stop", 1, 3, 90)],
    ),
    "a position without a stop is given one": Table(
        [(CALM, enter()), (CALM, move(97)), (98, 98, 80, 90), CALM],
        [("stop", 1, 2, 97)],
    ),
    "a gap through a moved stop fills at the open": Table(
        [(CALM, enter()), (CALM, move(97)), (96, 98, 80, 90), CALM],
        [("stop", 1, 2, 96)],
    ),
    "with a trail the nearer one counts": Table(
        [
            (CALM, enter(trail=10)),
            ((100, 101, 99, 100), move(97)),
            ((100, 106, 99, 105), move(95)),
            (105, 109, 100, 108),
            (108, 108, 98, 98),
            CALM,
        ],
        [("stop", 1, 4, 99)],
    ),
    "a moved stop and a target in one candle: the stop wins": Table(
        [(CALM, enter(target=105)), (CALM, move(97)), (100, 106, 96, 100), CALM],
        [("stop", 1, 2, 97)],
    ),
    "an exit decided at a close comes before the moved stop of the next candle": Table(
        [(CALM, enter()), (CALM, move(99.5)), (99.8, 100, 99.6, 99.8), (99, 99, 90, 91), CALM],
        [("time", 1, 3, 99)],
        max_candles=2,
    ),
    "in the candle of a limit fill": Table(
        [(CALM, enter(limit=98)), ((100, 101, 97, 99), move(96)), (99, 99, 95, 96), CALM],
        [("stop", 1, 2, 96)],
    ),
    "over a hole": Table(
        [(CALM, enter()), (CALM, move(97)), CALM, (100, 100, 96, 97), CALM],
        [("stop", 1, 3, 97)],
        holes=(2,),
    ),
    "a stop of a position before is not the next one's": Table(
        [
            (CALM, enter()),
            (CALM, move(97)),
            ((98, 98, 96, 97), enter()),
            CALM,
            (100, 100, 90, 95),
            CALM,
        ],
        [("stop", 1, 2, 97), ("end_of_data", 3, 5, 100)],
    ),
    "a target falls with the candle that opens so late": Table(
        [(CALM, enter(targets=((0, 110), (120, 104)))), *[(100, 105, 99, 100)] * 3, CALM],
        [("take_profit", 1, 3, 104)],
    ),
    "within a candle it falls with the next one": Table(
        [(CALM, enter(targets=((0, 110), (60.5, 104)))), *[(100, 105, 99, 100)] * 3, CALM],
        [("take_profit", 1, 3, 104)],
    ),
    "until its first step the plain target is valid": Table(
        [(CALM, enter(target=108, targets=((60, 104),))), (100, 109, 99, 100), CALM],
        [("take_profit", 1, 1, 108)],
    ),
    "a step at once takes the place of the plain target": Table(
        [(CALM, enter(target=103, targets=((0, 108),))), (100, 107, 99, 100), CALM],
        [("end_of_data", 1, 2, 100)],
    ),
    "a step that the open is beyond fills there": Table(
        [(CALM, enter(targets=((60, 104),))), (100, 107, 99, 106), (106, 107, 105, 106), CALM],
        [("take_profit", 1, 2, 106)],
    ),
    "a step on the losing side: at its price or better": Table(
        [(CALM, enter(targets=((0, 110), (60, 95)))), CALM, (93, 96, 92, 94), CALM],
        [("take_profit", 1, 2, 95)],
    ),
    "a step on the losing side that the open is beyond": Table(
        [(CALM, enter(targets=((0, 110), (60, 95)))), CALM, (97, 98, 92, 94), CALM],
        [("take_profit", 1, 2, 97)],
    ),
    "a falling target and the stop in one candle: the stop wins": Table(
        [(CALM, enter(stop=95, targets=((60, 104),))), CALM, (100, 105, 94, 100), CALM],
        [("stop", 1, 2, 95)],
    ),
    "a step that the open is beyond and the stop in one candle: the stop wins": Table(
        [(CALM, enter(stop=95, targets=((60, 99),))), CALM, (100, 105, 94, 100), CALM],
        [("stop", 1, 2, 95)],
    ),
    "a moved stop before a falling target": Table(
        [
            (CALM, enter(targets=((60, 104), (120, 102)))),
            (CALM, move(98)),
            (100, 103, 98.5, 100),
            (100, 103, 97, 100),
            CALM,
        ],
        [("stop", 1, 3, 98)],
    ),
    "an exit by signal at the open comes before the step of that candle": Table(
        [(CALM, enter(targets=((60, 99),))), (CALM, LEAVE), (101, 103, 97, 100), CALM],
        [("signal", 1, 2, 101)],
    ),
    "the candle of a limit fill counts no step, the next one does": Table(
        [(CALM, enter(limit=98, targets=((0, 104),))), (100, 105, 97, 99), (99, 105, 99, 99), CALM],
        [("take_profit", 1, 2, 104)],
    ),
    "over a hole the time goes on": Table(
        [(CALM, enter(targets=((120, 104),))), CALM, CALM, (100, 105, 99, 100), CALM],
        [("take_profit", 1, 3, 104)],
        holes=(2,),
    ),
    "the order of the steps means nothing, of two at one time the later counts": Table(
        [
            (CALM, enter(targets=((60, 104), (0, 110), (60, 103)))),
            *[(100, 105, 99, 100)] * 2,
            CALM,
        ],
        [("take_profit", 1, 2, 103)],
    ),
    "what is no price is no step": Table(
        [(CALM, enter(targets=((0, np.nan), (60, 300), (np.nan, 101)))), (100, 105, 99, 100), CALM],
        [("end_of_data", 1, 2, 100)],
    ),
    "without a rest the candle that stopped may enter": Table(
        [(CALM, enter(stop=98)), ((100, 100, 97, 99), enter()), CALM, CALM],
        [("stop", 1, 1, 98), ("end_of_data", 2, 3, 100)],
    ),
    "a rest of one candle: in the next one nothing is entered": Table(
        [(CALM, enter(stop=98)), ((100, 100, 97, 99), enter()), (CALM, enter()), CALM, CALM],
        [("stop", 1, 1, 98), ("end_of_data", 3, 4, 100)],
        cooldown=1,
    ),
    "a rest of two": Table(
        [
            (CALM, enter(stop=98)),
            *[((100, 100, 97, 99), enter())] * 2,
            (CALM, enter()),
            (CALM, enter()),
            CALM,
        ],
        [("stop", 1, 1, 98), ("end_of_data", 4, 5, 100)],
        cooldown=2,
    ),
    "a moved stop is a stop": Table(
        [(CALM, enter()), (CALM, move(98)), ((100, 100, 97, 99), enter()), (CALM, enter()), CALM],
        [("stop", 1, 2, 98), ("end_of_data", 4, 4, 100)],
        cooldown=1,
    ),
    "so is a trailing one": Table(
        [(CALM, enter(trail=2)), ((100, 100, 97, 99), enter()), (CALM, enter()), CALM, CALM],
        [("stop", 1, 1, 98), ("end_of_data", 3, 4, 100)],
        cooldown=1,
    ),
    "after a target, a signal or the end of time nobody rests": Table(
        [
            (CALM, enter(target=102)),
            ((100, 103, 99, 100), enter()),
            (CALM, LEAVE),
            (CALM, enter()),
            CALM,
            (CALM, enter()),
            CALM,
            CALM,
        ],
        [("take_profit", 1, 1, 102), ("signal", 2, 3, 100), ("end_of_data", 4, 7, 100)],
        cooldown=5,
    ),
    "a hole is a part of the rest": Table(
        [(CALM, enter(stop=98)), (100, 100, 97, 99), CALM, (CALM, enter()), CALM, CALM],
        [("stop", 1, 1, 98), ("end_of_data", 4, 5, 100)],
        cooldown=2,
        holes=(2,),
    ),
    "a rest beyond the end": Table(
        [(CALM, enter(stop=98)), ((100, 100, 97, 99), enter()), (CALM, enter()), CALM],
        [("stop", 1, 1, 98)],
        cooldown=100_000,
    ),
}


@dataclass(frozen=True)
class Traded:
    """A table as one of its sides trades it."""

    candles: Candles
    said: Evaluations


def traded(table: Table, *, is_long: bool) -> Traded:
    """Return a table's candles and what is said, as of the long or mirrored."""
    rows = [row if isinstance(row[0], tuple) else (row, None) for row in table.rows]
    kept = [k for k in range(len(rows)) if k not in table.holes]
    prices = np.array([rows[k][0] for k in kept], dtype=np.float64)
    if not is_long:
        prices = 200 - prices[:, [0, 2, 1, 3]]
    times = np.array(kept, dtype=np.int64) * HOUR
    columns = np.ascontiguousarray(prices.T)
    candles = Candles("x", "A/USD", "1h", times, *columns, np.full(len(kept), 1e9))
    says = [rows[k][1] or Say(0) for k in kept]

    def level(name: str) -> NDArray[np.float64]:
        found = np.array([getattr(say, name) for say in says], dtype=np.float64)
        return found if is_long or name == "trail" else 200 - found

    action = np.array([say.action for say in says], dtype=np.int8)
    if not is_long:
        action[action == ENTER_LONG] = -ENTER_LONG
    names = ("stop", "target", "limit", "trail")
    said = Evaluations(
        action,
        *(level(name) for name in names),
        table.max_candles,
        targets=falling(says, is_long=is_long),
        cooldown=table.cooldown,
    )
    return Traded(candles, said)


def falling(says: list[Say], *, is_long: bool) -> NDArray[np.float64] | None:
    """Return the falling targets, None where there is none."""
    if not any(say.targets for say in says):
        return None
    steps = np.full((8, len(says)), np.nan)
    for row, say in enumerate(says):
        for k, (minutes, price) in enumerate(say.targets):
            steps[2 * k : 2 * k + 2, row] = minutes, price if is_long else 200 - price
    return steps


def ready(one: Traded) -> Prepared:
    """Return a table as a backtest takes it."""
    configuration = Configuration(UUID(int=1), "s", "x", "A/USD", "1h", {})
    series = {one.candles.series: one.candles}
    return Prepared(series, series, {}, [Evaluated(configuration, one.said, 0)])


@pytest.mark.parametrize(
    ("confidence", "invested"), [(None, 0.5), (np.nan, 0.5), (1.0, 0.5), (0.75, 0.5), (0.2, 0.2)]
)
def test_an_entry_is_as_large_as_the_strategy_is_confident(
    confidence: float | None, invested: float
) -> None:
    one = traded(Table([(CALM, enter()), CALM, CALM], []), is_long=True)
    given = None if confidence is None else np.full(3, confidence)
    one = replace(one, said=replace(one.said, confidence=given))
    free = SimulationRules(initial_cash=10_000, fee=0, slippage=0)
    mine = Simulator(free).run(one.candles, one.said)
    assert mine.exposure[1] == pytest.approx(10_000 * invested)
    prepared = ready(one)
    theirs = backtest_of(prepared, FREE, EqualWeights(), cash=Decimal(10_000))
    # no instrument may have more than half of the equity
    assert float(theirs.equity[1].exposure) == pytest.approx(10_000 * invested)
    virtual = replay(
        market_of(prepared, MARKETS), decided_weights(prepared, EqualWeights()), FREE, 10_000.0
    )
    assert virtual.exposure[1] == pytest.approx(10_000 * invested)


@pytest.mark.parametrize("is_long", [True, False], ids=["long", "short"])
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_comes_to_its_trades_in_every_engine(table: Table, is_long: bool) -> None:
    one = traded(table, is_long=is_long)
    prepared = ready(one)
    theirs = backtest_of(prepared, FREE, EqualWeights(), cash=Decimal(10_000))
    found = [
        (
            trade.exit_reason,
            trade.entry_time // HOUR,
            # the candle in which it was left
            (trade.exit_time - (trade.exit_reason not in ON_OPEN)) // HOUR,
            float(trade.exit_price) if is_long else 200 - float(trade.exit_price),
        )
        for trade in theirs.trades
    ]
    assert found == table.trades
    free = SimulationRules(initial_cash=10_000, fee=0, slippage=0, allows_margin=True)
    mine = Simulator(free).run(one.candles, one.said)
    hours = one.candles.open_time // HOUR
    assert [
        (REASONS[reason], hours[entry], hours[leave], price if is_long else 200 - price)
        for reason, entry, leave, price in zip(
            mine.reason.tolist(), mine.entry, mine.exit, mine.exit_price.tolist(), strict=True
        )
    ] == table.trades
    virtual = replay(
        market_of(prepared, MARKETS), decided_weights(prepared, EqualWeights()), FREE, 10_000.0
    )
    equity = [float(point.equity) for point in theirs.equity]
    assert virtual.equity == pytest.approx(equity, rel=1e-12)
    assert mine.equity == pytest.approx(equity, rel=1e-12)
