"""Columns of trades and candles, and how one becomes the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
EIGHT_DECIMALS = 1e8


@dataclass(frozen=True)
class Trades:
    """Trades as columns, in the order of their times; `sells` tells the taker's side."""

    time: NDArray[np.int64]
    id: NDArray[np.int64]
    sells: NDArray[np.bool_]
    price: NDArray[np.float64]
    amount: NDArray[np.float64]

    def where(self, mask: NDArray[np.bool_]) -> "Trades":
        """Keep the trades of a mask."""
        return Trades(
            self.time[mask], self.id[mask], self.sells[mask], self.price[mask], self.amount[mask]
        )


def recorded(trades: Sequence[tuple[int, float, float, str]]) -> Trades:
    """Return trades given as rows (time, price, amount, side); ValueError if out of order."""
    time = np.array([row[0] for row in trades], dtype=np.int64)
    if (np.diff(time) < 0).any():
        raise ValueError("the trades of a tape must be in the order of their times")
    return Trades(
        time,
        np.arange(1, len(time) + 1),
        np.array([row[3] == "sell" for row in trades], dtype=bool),
        np.array([row[1] for row in trades], dtype=np.float64),
        np.array([row[2] for row in trades], dtype=np.float64),
    )


def from_candles(rows: Array, timeframe: int) -> Trades:
    """Return up to four trades a candle: its open, the nearer extreme, the other, its close."""
    traded = rows[rows[:, 5] > 0]
    opens, rising = traded[:, 0].astype(np.int64), traded[:, 4] >= traded[:, 1]
    second = np.where(rising, traded[:, 3], traded[:, 2])
    third = np.where(rising, traded[:, 2], traded[:, 3])
    price = np.column_stack([traded[:, 1], second, third, traded[:, 4]])
    # in units of the last decimal on the wire, so that the four add up to the volume there
    units = np.round(traded[:, 5] * EIGHT_DECIMALS)
    quarter = np.maximum(np.floor(units / 4), 1)
    last = np.maximum(units - 3 * quarter, 1)
    amount = np.column_stack([quarter, quarter, quarter, last]) / EIGHT_DECIMALS
    offsets = np.array([0, timeframe // 4, timeframe // 2, 3 * timeframe // 4])
    before = np.column_stack([price[:, 0], price[:, :3]])
    count = price.size
    return Trades(
        (opens[:, None] + offsets).ravel(),
        np.arange(1, count + 1),
        (price < before).ravel(),
        price.ravel(),
        amount.ravel(),
    )


def grouped(trades: Trades, timeframe: int, anchor: int) -> tuple[Array, Array, Array]:
    """Return candles of trades: open times, (open, high, low, close, volume), counts."""
    if len(trades.time) == 0:
        return np.zeros(0, np.int64), np.zeros((0, 5)), np.zeros(0, np.int64)
    floor = (trades.time - anchor) // timeframe * timeframe + anchor
    opens, first, counts = np.unique(floor, return_index=True, return_counts=True)
    price = trades.price
    values = np.column_stack(
        [
            price[first],
            np.maximum.reduceat(price, first),
            np.minimum.reduceat(price, first),
            price[first + counts - 1],
            np.add.reduceat(trades.amount, first),
        ]
    )
    return opens, values, counts


def merged(floors: Array, values: Array) -> tuple[Array, Array]:
    """Return candles of smaller candles, given the open time that each falls into."""
    if len(floors) == 0:
        return floors, values
    opens, first, counts = np.unique(floors, return_index=True, return_counts=True)
    return opens, np.column_stack(
        [
            values[first, 0],
            np.maximum.reduceat(values[:, 1], first),
            np.minimum.reduceat(values[:, 2], first),
            values[first + counts - 1, 3],
            np.add.reduceat(values[:, 4], first),
        ]
    )
