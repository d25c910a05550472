"""What the compiled part of the environment reads and writes, as arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.arrays import FloatArray, IntArray
from tradepulse.research.virtual.books import Books, Costs, Limits

BoolArray = NDArray[np.bool_]
Float32Array = NDArray[np.float32]


class Terms(NamedTuple):
    """What holds for all accounts, see `EnvSettings`.

    Attributes:
        costs: of which each episode's are drawn.
        limits: of each account.
        cash: with which each episode begins.
        first: the first close whose weights may be an episode's first.
        latest: the last such close.
        end: the last close of all.
        least_ms: of an episode; so is `most_ms`.
        most_ms: see `least_ms`.
        spread: costs are multiplied by 1 - spread to 1 + spread.
        drops_instrument: probability; so is `drops_configuration`.
        drops_configuration: see `drops_instrument`.
        shuffles: whether instruments stand in another order in each episode.
        has_twin: whether the reward is the excess over equal weights.
        risk_penalty: on what the drawdown grows by.
        halflife_ms: of the discount.
        budget: of equal weights.
        seed: of all that is drawn.
    """

    costs: Costs
    limits: Limits
    cash: float
    first: int
    latest: int
    end: int
    least_ms: int
    most_ms: int
    spread: float
    drops_instrument: float
    drops_configuration: float
    shuffles: bool
    has_twin: bool
    risk_penalty: float
    halflife_ms: float
    budget: float
    seed: int


class Fleet(NamedTuple):
    """The state of n accounts; account n + i of the books is the twin of account i.

    Attributes:
        books: of accounts and twins.
        now: int64 `(n,)`, the close whose entries wait for their weights.
        until: int64 `(n,)`, the close at which the episode is cut off.
        episode: int64 `(n,)`, how many began.
        worth: float64 `(2n,)`, equity at `now`.
        peak: float64 `(n,)`, the highest of `worth`.
        costs: float64 `(n, 4)`, as `Costs`.
        kept: bool `(n, N)`, the instruments of the episode.
        order: int64 `(n, N)`, the instrument that each slot shows.
        active: bool `(2n, C)`, the configurations of the episode.
        weights: float64 `(2n, N)`, scratch: by instrument.
    """

    books: Books
    now: IntArray
    until: IntArray
    episode: IntArray
    worth: FloatArray
    peak: FloatArray
    costs: FloatArray
    kept: BoolArray
    order: IntArray
    active: BoolArray
    weights: FloatArray


class Seen(NamedTuple):
    """What the policy sees, float32 `(T, N, F)`, and of whom it can tell something, `(T, N)`."""

    observations: Float32Array
    mask: BoolArray


class Outcome(NamedTuple):
    """What the steps came to, written by account.

    Attributes:
        rewards: float32 `(n,)`.
        endings: int8 `(n,)`, `RUNS`, `CUT` or `RUINED`.
        discounts: float32 `(n,)`, of what follows.
        observations: float32 `(n, N, F)`, by slot, all zeros where masked.
        mask: bool `(n, N)`, by slot.
        last: float32 `(n, N, F)`, observations at the end of an episode that ended.
    """

    rewards: Float32Array
    endings: NDArray[np.int8]
    discounts: Float32Array
    observations: Float32Array
    mask: BoolArray
    last: Float32Array
