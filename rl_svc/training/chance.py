"""Chance that is looked up by number: episode 7 of account 3 is the same whatever ran before it.

So the state of an environment is its arrays, and one that is taken up again goes on to the bit.
"""

import numpy as np

from tradepulse.strategies.compiled import step

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_U30, _U27, _U31, _U11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_UNIT = 2.0**-53


@step
def _mixed(x: np.uint64) -> np.uint64:
    # splitmix64: Steele, Lea and Flood 2014, as Vigna published it
    x = (x ^ (x >> _U30)) * _FIRST
    x = (x ^ (x >> _U27)) * _SECOND
    return x ^ (x >> _U31)


@step
def drawn(seed: int, account: int, episode: int, number: int) -> float:
    """Return a draw from [0, 1): the one of a number in an episode of an account."""
    x = _mixed(np.uint64(seed) + _STEP)
    x = _mixed((x ^ np.uint64(account)) + _STEP)
    x = _mixed((x ^ np.uint64(episode)) + _STEP)
    x = _mixed((x ^ np.uint64(number)) + _STEP)
    return np.int64(x >> _U11) * _UNIT
