"""Small seeded markets for tests that need no recorded one."""

import numpy as np
from numpy.typing import NDArray

from tests.fakes.exchange.instruments import MINUTE


def random_candles(
    count: int, start: int, *, seed: int = 0, timeframe: int = MINUTE, price: float = 100.0
) -> NDArray[np.float64]:
    """Rows (open time, open, high, low, close, volume) without a hole; prices in cents.

    Args:
        count: number of candles.
        start: first open time, epoch ms.
        seed: of the random walk.
        timeframe: in ms.
        price: first open.
    """
    random = np.random.default_rng(seed)
    close = np.round(price * np.exp(np.cumsum(random.normal(0, 0.001, count))), 2)
    open_ = np.r_[price, close[:-1]]
    high = np.round(np.maximum(open_, close) + random.uniform(0.01, 0.2, count), 2)
    low = np.round(np.minimum(open_, close) - random.uniform(0.01, 0.2, count), 2)
    volume = np.round(random.uniform(1, 10, count), 8)
    times = start + np.arange(count) * timeframe
    return np.column_stack([times, open_, high, low, close, volume])


def random_trades(
    count: int, start: int, end: int, *, seed: int = 0, price: float = 100.0
) -> list[tuple[int, float, float, str]]:
    """Trades (time, price, amount, taker's side) spread over [start, end) at random; in cents."""
    random = np.random.default_rng(seed)
    times = np.sort(random.integers(start, end, count))
    prices = np.round(price * np.exp(np.cumsum(random.normal(0, 0.0005, count))), 2)
    amounts = np.round(random.uniform(0.01, 2, count), 6)
    sells = random.random(count) < 0.5
    return [
        (int(time), float(at), float(amount), "sell" if sell else "buy")
        for time, at, amount, sell in zip(times, prices, amounts, sells, strict=True)
    ]
