"""Markets of a few instruments, and strategies that say anything, all at random."""

from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.strategies import MOVE, Evaluations
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import Evaluated, Prepared
from tradepulse.trading.sizing import InstrumentRules

FloatArray = NDArray[np.float64]
HOUR = 3_600_000
FREE = InstrumentRules(allows_margin=True)


def walk(
    symbol: str,
    n: int,
    rng: np.random.Generator,
    digits: int,
    first: int = 0,
    swing: float = 0.008,
) -> tuple[Candles, Candles]:
    """Make n hours and their quarters; few digits make prices and levels meet exactly."""
    m = 4 * n
    close = 100 * np.exp(np.cumsum(rng.normal(0, swing, m)))
    open_ = np.roll(close, 1) * np.exp(rng.normal(0, 0.002, m))
    open_[0] = close[0]
    high = np.maximum(open_, close) * (1 + rng.exponential(0.002, m))
    low = np.minimum(open_, close) * (1 - rng.exponential(0.002, m))
    o, h, l, c = (np.round(column, digits).reshape(n, 4) for column in (open_, high, low, close))
    volume = rng.exponential(500, m).reshape(n, 4) * rng.choice([0, 1], (n, 1), p=[0.05, 0.95])
    times = (np.arange(m, dtype=np.int64) + 4 * first) * HOUR // 4
    parts = Candles("x", symbol, "15m", times, *(a.ravel() for a in (o, h, l, c, volume)))
    hours = (times[::4], o[:, 0], h.max(axis=1), l.min(axis=1), c[:, 3], volume.sum(axis=1))
    return Candles("x", symbol, "1h", *hours), parts


def some(candles: Candles, rng: np.random.Generator, share: float) -> Candles:
    """Leave out rows at random: holes."""
    keep = rng.random(len(candles)) < share
    keep[0] = True
    names = ("open_time", "open", "high", "low", "close", "volume")
    columns = (getattr(candles, name)[keep] for name in names)
    return Candles(candles.exchange, candles.symbol, candles.timeframe, *columns)


def falling(
    candles: Candles, sign: FloatArray, rng: np.random.Generator, digits: int
) -> FloatArray:
    """Up to four steps at any times and at prices on either side, some of which are none."""
    n = len(candles)
    steps = np.full((8, n), np.nan)
    for k in range(0, 8, 2):
        steps[k] = rng.choice([-5, 0, 30, 45.5, 60, 120, 240, 600, np.nan], n)
        levels = candles.close * (1 + sign * rng.normal(0.004, 0.01, n))
        steps[k + 1] = np.where(rng.random(n) < 0.8, np.round(levels, digits), -1)
    steps[:, rng.random(n) < 0.3] = np.nan
    return steps


def anything(candles: Candles, rng: np.random.Generator, digits: int) -> Evaluations:
    """Say anything at random, half of the time without each of the levels."""
    n = len(candles)
    busy = rng.choice([0.05, 0.4])
    shares = [1 - 1.9 * busy, busy, busy / 4, busy / 4, 0.4 * busy]
    action = rng.choice([0, 1, -1, 2, MOVE], n, p=shares)

    def sometimes(column: FloatArray) -> FloatArray:
        return np.where((rng.random(n) < 0.5) & np.isin(action, (1, -1)), column, np.nan)

    def away(scale: float) -> FloatArray:
        return np.round(candles.close * rng.exponential(scale, n), digits) + 10.0**-digits

    sign = np.where(action == -1, -1.0, 1.0)
    # now and then nowhere, and now and then beyond the price
    where = rng.choice([-1, 1, np.nan, -99], n, p=[0.5, 0.4, 0.05, 0.05])
    moves = candles.close + where * away(0.01)
    return Evaluations(
        action.astype(np.int8),
        np.where(action == MOVE, moves, sometimes(candles.close - sign * away(0.03))),
        sometimes(candles.close + sign * away(0.03)),
        sometimes(candles.close - sign * away(0.003)),
        sometimes(away(0.03)),
        int(rng.choice([0, 1, 3, 10])),
        targets=falling(candles, sign, rng, digits) if rng.random() < 0.5 else None,
        confidence=rng.choice([0.05, 0.3, 0.75, 1, np.nan], n) if rng.random() < 0.5 else None,
        cooldown=int(rng.choice([0, 1, 4])),
    )


def ready_at_random(rng: np.random.Generator, digits: int) -> Prepared:
    """Three instruments, one as hours and quarters, that begin and end when they like."""
    series, finer = {}, {}
    # large ones ruin a short
    swing = float(rng.choice([0.008, 0.1]))
    for symbol in ("A/USD", "B/USD", "C/USD"):
        n = int(rng.integers(25, 90))
        hours, parts = walk(symbol, n, rng, digits, int(rng.integers(0, 30)), swing)
        if rng.random() < 0.5:
            finer[hours.series] = some(parts, rng, 0.9)
        one = some(hours, rng, rng.choice([0.5, 1.0]))
        series[one.series] = one
        if symbol == "A/USD":
            series[parts.series] = some(parts.rows(4, len(parts) - 3), rng, 0.9)
    begin = int(rng.choice([0, 20])) * HOUR
    traded = {name: one.between(begin, None) for name, one in series.items()}
    traded = {name: one for name, one in traded.items() if len(one)}
    asked = []
    for number in rng.permutation(int(rng.integers(1, 9))).tolist():
        one = series[str(rng.choice(sorted(traded)))]
        configuration = Configuration(
            UUID(int=number), "s", "x", one.symbol, one.timeframe, {},
            share=float(rng.choice([0.3, 1.0])), exits_only=bool(rng.random() < 0.05),
        )  # fmt: skip
        first = int(np.searchsorted(one.open_time, begin))
        asked.append(Evaluated(configuration, anything(one, rng, digits), first))
    return Prepared(series, traded, finer, asked)


def scripted(symbol: str, prices: list[float], said: dict[int, tuple[int, float]]) -> Evaluated:
    """Say (action, limit) at rows."""
    n = len(prices)
    action, limit, none = np.zeros(n, dtype=np.int8), np.full(n, np.nan), np.full(n, np.nan)
    for row, (what, at) in said.items():
        action[row], limit[row] = what, at
    configuration = Configuration(UUID(int=ord(symbol[0])), "s", "x", symbol, "1h", {})
    return Evaluated(configuration, Evaluations(action, none, none, limit, none), 0)


def as_candles(symbol: str, prices: list[float]) -> Candles:
    n, column = len(prices), np.array(prices)
    opens = np.concatenate((column[:1], column[:-1]))
    opens[-1] = column[-1]
    times = np.arange(n, dtype=np.int64) * HOUR
    return Candles(
        "x", symbol, "1h", times, opens, np.maximum(opens, column) + 1,
        np.minimum(opens, column) - 1, column, np.full(n, 100.0),
    )  # fmt: skip


def planted(cycles: int, rng: np.random.Generator) -> Prepared:
    """Return a market in which every trade of A gains 1 % on average, and every one of B loses it.

    Every four hours both buy at 100 and sell two hours later, at what is drawn with 2 % of noise.
    """
    series, asked = {}, []
    for symbol, gain in (("A/USD", 0.01), ("B/USD", -0.01)):
        ends = 100 * np.exp(rng.normal(gain, 0.02, cycles))
        at = np.full((cycles, 4), 100.0)
        at[:, 2] = ends
        # sold at the open of the third hour
        opens = np.column_stack([at[:, 0], at[:, 1], ends, np.full(cycles, 100.0)])
        o, c = opens.ravel(), at.ravel()
        times = np.arange(4 * cycles, dtype=np.int64) * HOUR
        candles = Candles(
            "x", symbol, "1h", times, o, np.maximum(o, c), np.minimum(o, c), c, np.full(len(c), 1e6)
        )
        action, none = np.zeros(len(c), dtype=np.int8), np.full(len(c), np.nan)
        action[0::4], action[1::4] = 1, 2
        configuration = Configuration(UUID(int=ord(symbol[0])), "s", "x", symbol, "1h", {})
        series[candles.series] = candles
        asked.append(Evaluated(configuration, Evaluations(action, none, none, none, none), 0))
    return Prepared(series, series, {}, asked)
