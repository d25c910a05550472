"""Rows at which a strategy says something, found for many rows at once, as bits.

Most rows say nothing. A loop that asks `decide` row by row spends most of its time with them; one
that asks it for the action alone, of so many rows as are known when it is compiled, becomes code
that does eight rows in one instruction. The loop that trades then jumps from one set bit to the
next and asks for the levels there.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.strategies import EXIT, NONE, Answer
from tradepulse.strategies.compiled import step
from tradepulse.strategies.market import Market

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Bits = NDArray[np.uint64]
Columns = tuple[NDArray[np.int8] | FloatArray, ...]

WORD = 64
TILE = 8
"""Words of a tile: the rows of all columns that a batch reads stay near the processor."""
TILE_ROWS = TILE * WORD


class Said(NamedTuple):
    """What is said in a tile, as bits: word k has those of 64 rows.

    Attributes:
        enters: an action that is neither `NONE` nor `EXIT`, so `MOVE`, too, uint64 `(TILE,)`.
        exits: `EXIT`, so too.
        begin: first row of the tile.
        end: row that follows its last one.
    """

    enters: Bits
    exits: Bits
    begin: int
    end: int


SHIFT = 0
"""Rows before i that `decide` reads."""
NEAR = False
"""Whether it reads the rows from i - SHIFT to i and nothing else, and does nothing else with i.

Many rows are asked at once by shifted numbers, of parts of the columns. A `decide` that compares i
with a number, or reads further back than it says, would answer something else there; of our own
strategies a test holds that they do not. A user's are asked row by row.
"""

_ONE = np.uint64(1)
_ALL = np.uint64(2**64 - 1)
_DE_BRUIJN = 0x03F79D71B4CB0A89
_TOP = np.uint64(58)


def _places() -> IntArray:
    """Return where the bit stands that a product with the de Bruijn sequence begins with."""
    places = np.empty(WORD, dtype=np.int64)
    for place in range(WORD):
        places[((_DE_BRUIJN << place) & int(_ALL)) >> int(_TOP)] = place
    return places


_PLACE = _places()
_SEQUENCE = np.uint64(_DE_BRUIJN)


@step
def tiles_of(rows: int) -> int:
    """Return how many tiles so many rows fill."""
    return (rows + TILE_ROWS - 1) // TILE_ROWS


@step
def next_row(bits: Bits, row: int, said: Said) -> int:
    """Return the first row from `row` on whose bit is set, the tile's end if there is none."""
    if row >= said.end:
        return said.end
    k = (row - said.begin) >> 6
    word = bits[k] & (_ALL << np.uint64(row & 63))
    while word == 0:
        k += 1
        if k >= TILE:
            return said.end
        word = bits[k]
    lowest = word & (~word + _ONE)
    return int(said.begin + (k << 6) + _PLACE[(lowest * _SEQUENCE) >> _TOP])


def _decide(i: int, c: Market, f: Columns, p: FloatArray) -> Answer:
    raise NotImplementedError


def mark_said(
    candles: Market, f: Columns, p: FloatArray, asked: int, tile: int, words: Bits
) -> Said:
    """Return what is said in a tile from row `asked` on; the last row of all is not asked.

    A template: `_decide` stands for the strategy's.

    Args:
        candles: the series.
        f: columns that the strategy reads.
        p: parameters that it reads.
        asked: first row that is asked.
        tile: which tile.
        words: room for the answer, uint64 `(2, TILE)`.
    """
    enters, exits = words
    begin, end = tile * TILE_ROWS, min((tile + 1) * TILE_ROWS, len(candles.close))
    if NEAR and begin >= max(asked, SHIFT) and end < len(candles.close):
        # rows of a number known when this is compiled, none of them below zero
        a = begin - SHIFT
        c = Market(
            candles.open[a:end], candles.high[a:end], candles.low[a:end],
            candles.close[a:end], candles.volume[a:end], candles.open_time[a:end],
        )  # fmt: skip
        g = (
            f[0][a:end], f[1][a:end], f[2][a:end], f[3][a:end],
            f[4][a:end], f[5][a:end], f[6][a:end], f[7][a:end],
        )  # fmt: skip
        for k in range(TILE):
            enter = leave = np.uint64(0)
            for j in range(WORD):
                action = _decide(SHIFT + k * WORD + j, c, g, p).action
                # & asks both at once: a branch could not be done for eight rows
                enter |= np.uint64((action != NONE) & (action != EXIT)) << np.uint64(j)
                leave |= np.uint64(action == EXIT) << np.uint64(j)
            enters[k], exits[k] = enter, leave
    else:
        enters[:], exits[:] = 0, 0
        for i in range(max(begin, asked, SHIFT), min(end, len(candles.close) - 1)):
            action = _decide(i, candles, f, p).action
            bit = _ONE << np.uint64(i % WORD)
            if action == EXIT:
                exits[(i - begin) // WORD] |= bit
            elif action != NONE:
                enters[(i - begin) // WORD] |= bit
    return Said(enters, exits, begin, end)
