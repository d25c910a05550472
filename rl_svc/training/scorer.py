"""The shared scorer in compiled code: forward, backward, and how its arrays lie in memory.

A scorer is a network of two hidden tanh layers that makes one number of an instrument's features
(`Tower`). There are two: `pi` makes the logits, `vf` makes the values, whose mean over the
instruments is the value of the portfolio. An instrument whose features are all zero is masked: it
has no row in the networks, no part in the likelihood of an action and none in the value.

Everything works in the type of the parameters: float32 for training, float64 for checks. Needs
numba and SciPy (its BLAS), no torch.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tradepulse.strategies.compiled import reordered

Array: TypeAlias = np.ndarray[Any, Any]
"""Of float32, or of float64 throughout."""

LOGIT_SCALE = 4.0
"""Logits are this times a Gaussian around the head. PPO moves a mean by a fraction of the policy's
own deviation, so that logits of deviation 1 crawl."""
SATURATED = 7.43
"""Where the convergent of tanh crosses 1, less 3e-7."""
ABOVE = (1.0, 2145.0, 675675.0, 64324260.0, 1964187225.0, 13749310575.0)
BELOW = (66.0, 45045.0, 7567560.0, 413513100.0, 6547290750.0, 13749310575.0)
"""The eleventh convergent of Lambert's continued fraction x / (1 + x² / (3 + x² / (5 + …))): above
and below, by falling powers of x². Off by at most 4e-7, and by 6e-7 in float32."""


class Tower(NamedTuple):
    """The parameters of a scorer, or their gradients; laid out as torch does: (outputs, inputs)."""

    w1: Array
    b1: Array
    w2: Array
    b2: Array
    w3: Array
    b3: Array


class Room(NamedTuple):
    """Room for a chunk of rows in one scorer: activations and their gradients, rows first.

    `out` is what the scorer makes of each row, `slope` the loss by it; `sums` has the shapes of the
    parameters.
    """

    h1: Array
    h2: Array
    d1: Array
    d2: Array
    out: Array
    slope: Array
    sums: Tower


class Rows(NamedTuple):
    """A chunk: its unmasked rows and whose they are; then, by sample, how many rows it has.

    `deviation` is that of a row's action from its mean, in standard deviations. `log_prob` and
    `value` are a sample's; `push` and `pull` are the loss by them.
    """

    x: Array
    sample: np.ndarray[Any, np.dtype[np.int64]]
    instrument: np.ndarray[Any, np.dtype[np.int64]]
    deviation: Array
    unmasked: np.ndarray[Any, np.dtype[np.int64]]
    log_prob: Array
    value: Array
    push: Array
    pull: Array


class Scratch(NamedTuple):
    """All room that a chunk needs, and the coefficients of tanh in the working type."""

    rows: Rows
    pi: Room
    vf: Room
    tanh: Array


class Learner(NamedTuple):
    """Parameters, gradients and Adam's moments: flat, and as views into the flat ones."""

    parameters: Array
    gradients: Array
    first: Array
    second: Array
    pi: Tower
    vf: Tower
    log_std: Array
    pi_slope: Tower
    vf_slope: Tower
    log_std_slope: Array


@reordered
def squash(a: Array, bias: Array, c: Array) -> None:
    """Make tanh(a + bias) of each row, in place. What is not a number comes out as some number."""
    n5, n4, n3, n2, n1, n0 = c[0], c[1], c[2], c[3], c[4], c[5]
    m5, m4, m3, m2, m1, m0, end = c[6], c[7], c[8], c[9], c[10], c[11], c[12]
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            x = min(max(a[i, j] + bias[j], -end), end)
            s = x * x
            above = ((((n5 * s + n4) * s + n3) * s + n2) * s + n1) * s + n0
            below = ((((m5 * s + m4) * s + m3) * s + m2) * s + m1) * s + m0
            a[i, j] = x * above / below


@reordered
def score(tower: Tower, room: Room, x: Array, tanh: Array) -> None:
    """Fill the room's activations and `out` for these rows (rows, features)."""
    n = x.shape[0]
    h1, h2 = room.h1[:n], room.h2[:n]
    np.dot(x, tower.w1.T, h1)
    squash(h1, tower.b1, tanh)
    np.dot(h1, tower.w2.T, h2)
    squash(h2, tower.b2, tanh)
    np.dot(h2, tower.w3[0], room.out[:n])
    for i in range(n):
        room.out[i] += tower.b3[0]


@reordered
def through_tanh(d: Array, h: Array, bias_slope: Array) -> None:
    """Carry the loss's gradient back through h = tanh(·), and add it to the bias's."""
    one = d.dtype.type(1)
    for i in range(d.shape[0]):
        for j in range(d.shape[1]):
            d[i, j] *= one - h[i, j] * h[i, j]
            bias_slope[j] += d[i, j]


@reordered
def add(total: Array, part: Array) -> None:
    """Add one matrix to another, in place."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += part[i, j]


@reordered
def score_back(tower: Tower, slope: Tower, room: Room, x: Array) -> None:
    """Add to the parameters' gradients what these rows give, from `room.slope`."""
    n = x.shape[0]
    h1, h2, d1, d2 = room.h1[:n], room.h2[:n], room.d1[:n], room.d2[:n]
    for i in range(n):
        slope.b3[0] += room.slope[i]
        for j in range(h2.shape[1]):
            d2[i, j] = room.slope[i] * tower.w3[0, j]
            slope.w3[0, j] += room.slope[i] * h2[i, j]
    through_tanh(d2, h2, slope.b2)
    np.dot(d2.T, h1, room.sums.w2)
    add(slope.w2, room.sums.w2)
    np.dot(d2, tower.w2, d1)
    through_tanh(d1, h1, slope.b1)
    np.dot(d1.T, x, room.sums.w1)
    add(slope.w1, room.sums.w1)


@reordered
def gather(rows: Rows, observations: Array, instruments: int, samples: Array) -> int:
    """Copy the unmasked rows of these samples, given as (environments or steps, …) row numbers."""
    features = rows.x.shape[1]
    n = 0
    for b in range(samples.shape[0]):
        rows.unmasked[b] = 0
        for k in range(instruments):
            seen = False
            for j in range(features):
                value = observations[samples[b], k * features + j]
                rows.x[n, j] = value
                seen = seen or value != 0
            if seen:
                rows.sample[n], rows.instrument[n] = b, k
                rows.unmasked[b] += 1
                n += 1
    return n


@reordered
def forward(
    learner: Learner, scratch: Scratch, observations: Array, out: tuple[Array, Array]
) -> None:
    """Fill mean logits (samples, instruments), 0 where masked, and values (samples,).

    Args:
        learner: the parameters.
        scratch: its room is the most that is worked on at once.
        observations: (samples, instruments x features).
        out: the logits and the values.
    """
    logits, values = out
    rows = scratch.rows
    scale = logits.dtype.type(LOGIT_SCALE)
    for begin in range(0, len(observations), len(rows.unmasked)):
        end = min(begin + len(rows.unmasked), len(observations))
        n = gather(rows, observations, logits.shape[1], np.arange(begin, end))
        x = rows.x[:n]
        score(learner.pi, scratch.pi, x, scratch.tanh)
        score(learner.vf, scratch.vf, x, scratch.tanh)
        logits[begin:end] = 0
        values[begin:end] = 0
        for i in range(n):
            at = begin + rows.sample[i]
            logits[at, rows.instrument[i]] = scale * scratch.pi.out[i]
            values[at] += scratch.vf.out[i] / rows.unmasked[rows.sample[i]]


def shapes(features: int, pi: tuple[int, int], vf: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the shapes of all parameters: of `pi`, of `vf`, then log_std; flat in this order."""
    found: list[tuple[int, ...]] = []
    for wide, narrow in (pi, vf):
        found += [(wide, features), (wide,), (narrow, wide), (narrow,), (1, narrow), (1,)]
    return [*found, (1,)]


def views(flat: Array, shaped: list[tuple[int, ...]]) -> list[Array]:
    """Return views into a flat array, one after the other."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shaped])
    return [
        flat[end - int(np.prod(shape)) : end].reshape(shape)
        for shape, end in zip(shaped, ends, strict=True)
    ]


def learner(
    features: int, pi: tuple[int, int], vf: tuple[int, int], kind: type = np.float32
) -> Learner:
    """Return a learner whose arrays are all zero.

    Args:
        features: of an instrument.
        pi: widths of the hidden layers of the scorer that makes logits.
        vf: of the one that makes values.
        kind: float32, or float64 for checks.
    """
    shaped = shapes(features, pi, vf)
    size = sum(int(np.prod(shape)) for shape in shaped)
    flat: list[Array] = [np.zeros(size, kind) for _ in range(4)]
    parameters, gradients, first, second = flat
    own, slope = views(parameters, shaped), views(gradients, shaped)
    return Learner(
        parameters, gradients, first, second,
        Tower(*own[:6]), Tower(*own[6:12]), own[12],
        Tower(*slope[:6]), Tower(*slope[6:12]), slope[12],
    )  # fmt: skip


def scratch(of: Learner, instruments: int, samples: int) -> Scratch:
    """Return room for so many samples at once."""
    kind, n = of.parameters.dtype, samples * instruments

    def room(tower: Tower) -> Room:
        wide, narrow = tower.b1.size, tower.b2.size
        h1, h2, d1, d2 = (np.zeros((n, width), kind) for width in (wide, narrow, wide, narrow))
        sums = Tower(*(np.zeros_like(one) for one in tower))
        return Room(h1, h2, d1, d2, np.zeros(n, kind), np.zeros(n, kind), sums)

    whose = (np.zeros(n, np.int64), np.zeros(n, np.int64))
    by_sample = (np.zeros(samples, kind) for _ in range(4))
    rows = Rows(
        np.zeros((n, of.pi.w1.shape[1]), kind), *whose, np.zeros(n, kind),
        np.zeros(samples, np.int64), *by_sample,
    )  # fmt: skip
    return Scratch(rows, room(of.pi), room(of.vf), np.array([*ABOVE, *BELOW, SATURATED], kind))
