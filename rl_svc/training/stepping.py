"""The compiled part of the environment: accounts from one decision to the next.

A decision is a close at which a configuration that is flat has an entry signal: elsewhere weights
have no effect. Its weights are those of the close before it, as they are live, so whoever decides
them sees the candles up to that one and not the signal. Beside each account goes its twin, which
follows the same signals under equal weights.
"""

import math

from rl_svc.training.chance import drawn
from rl_svc.training.fleet import (
    BoolArray,
    Fleet,
    Float32Array,
    Outcome,
    Seen,
    Terms,
)
from tradepulse.research.arrays import FloatArray
from tradepulse.research.positions import row_of_expiry
from tradepulse.research.virtual.books import (
    Costs,
    equity_of,
    open_books,
)
from tradepulse.research.virtual.entering import is_asked, settle_entries
from tradepulse.research.virtual.filling import settle_fills
from tradepulse.research.virtual.market import Market
from tradepulse.strategies.compiled import row_by_row, step
from tradepulse.trading.weights import WEIGHT_DIGITS

POINTS = 1_000.0
"""Rewards are log growth times this."""
LEAST = 0.01
"""A ruined account counts as one that kept so much: no reward is infinite."""
TRIES = 1_000
"""Episodes that are drawn in vain before there must be something wrong."""
RUNS, CUT, RUINED = 0, 1, 2


@step
def _sharing(fleet: Fleet, i: int, t: int, market: Market) -> int:
    count = 0
    for j in range(market.marks.shape[1]):
        count += fleet.kept[i, j] and market.traded[t, j]
    return count


@step
def _fallback(fleet: Fleet, i: int, terms: Terms, market: Market) -> float:
    sharing = _sharing(fleet, i, fleet.now[i], market)
    return min(terms.budget / max(sharing, 1), 1.0)


@step
def _decide_twin(fleet: Fleet, i: int, market: Market, terms: Terms) -> None:
    """Decide the entries of a twin by equal weights of the close before."""
    t, twin = fleet.now[i], len(fleet.now) + i
    if market.first[t] == market.first[t + 1]:
        return
    share = min(terms.budget / max(_sharing(fleet, i, t - 1, market), 1), 1.0)
    share = math.floor(share * WEIGHT_DIGITS) / WEIGHT_DIGITS
    for j in range(market.marks.shape[1]):
        is_there = fleet.kept[i, j] and market.traded[t - 1, j]
        fleet.weights[twin, j] = share if is_there else 0.0
    binding = (fleet.weights, twin, _fallback(fleet, i, terms, market))
    _enter(fleet, i, twin, binding, market, terms)


@step
def _enter(
    fleet: Fleet,
    i: int,
    a: int,
    binding: tuple[FloatArray, int, float],
    market: Market,
    terms: Terms,
) -> None:
    settle_entries(
        fleet.books, a, fleet.now[i], market, _costs(fleet, i), terms.limits, binding, fleet.active
    )


@step
def _costs(fleet: Fleet, i: int) -> Costs:
    costs = fleet.costs
    return Costs(costs[i, 0], costs[i, 1], costs[i, 2], costs[i, 3])


@row_by_row
def _advance(fleet: Fleet, i: int, market: Market, terms: Terms) -> int:
    """Go to the next close at which an account is asked, or to the end of its episode."""
    twin, costs = len(fleet.now) + i, _costs(fleet, i)
    while True:
        fleet.now[i] += 1
        t = fleet.now[i]
        settle_fills(fleet.books, i, t, market, costs)
        if terms.has_twin:
            settle_fills(fleet.books, twin, t, market, costs)
        if t >= fleet.until[i]:
            return CUT
        if is_asked(fleet.books, i, t, market, fleet.active):
            return RUNS
        if terms.has_twin:
            _decide_twin(fleet, i, market, terms)


@step
def _choose(fleet: Fleet, i: int, market: Market, terms: Terms) -> None:
    """Draw instruments, their order and configurations of an episode."""
    seed, episode = terms.seed, fleet.episode[i]
    count, configurations = market.marks.shape[1], len(market.instrument)
    left = 0
    for j in range(count):
        fleet.kept[i, j] = drawn(seed, i, episode, 8 + j) >= terms.drops_instrument
        fleet.order[i, j] = j
        left += fleet.kept[i, j]
    if left == 0:
        fleet.kept[i, :] = True
    if terms.shuffles:
        for j in range(count - 1, 0, -1):
            other = int(drawn(seed, i, episode, 8 + count + j) * (j + 1))
            moved = fleet.order[i, other]
            fleet.order[i, other] = fleet.order[i, j]
            fleet.order[i, j] = moved
    for c in range(configurations):
        stays = drawn(seed, i, episode, 8 + 2 * count + c) >= terms.drops_configuration
        follows = stays and fleet.kept[i, market.instrument[c]]
        fleet.active[i, c] = fleet.active[len(fleet.now) + i, c] = follows


@row_by_row
def _begin(fleet: Fleet, i: int, market: Market, terms: Terms) -> bool:
    """Begin an episode, flat, and go to its first decision; False if there is none."""
    seed = terms.seed
    for _ in range(TRIES):
        fleet.episode[i] += 1
        episode = fleet.episode[i]
        starts = terms.latest - terms.first + 1
        start = terms.first + int(drawn(seed, i, episode, 0) * starts)
        length = terms.most_ms - terms.least_ms
        length = terms.least_ms + int(drawn(seed, i, episode, 1) * length)
        fleet.now[i] = start
        fleet.until[i] = min(row_of_expiry(market.close_time, start, length), terms.end)
        rate = 1.0 + terms.spread * (2.0 * drawn(seed, i, episode, 2) - 1.0)
        slips = 1.0 + terms.spread * (2.0 * drawn(seed, i, episode, 3) - 1.0)
        fleet.costs[i, 0], fleet.costs[i, 1] = terms.costs.fee * rate, terms.costs.maker_fee * rate
        fleet.costs[i, 2] = terms.costs.slippage * slips
        fleet.costs[i, 3] = terms.costs.impact
        _choose(fleet, i, market, terms)
        twin = len(fleet.now) + i
        open_books(fleet.books, i, terms.cash)
        open_books(fleet.books, twin, terms.cash)
        if _advance(fleet, i, market, terms) == RUNS:
            fleet.worth[i] = fleet.peak[i] = equity_of(fleet.books, i, fleet.now[i], market)
            fleet.worth[twin] = equity_of(fleet.books, twin, fleet.now[i], market)
            return True
    return False


@step
def _growth(fleet: Fleet, a: int, worth: float) -> float:
    """Return the log growth of an account since its last decision, and keep its worth."""
    before = fleet.worth[a]
    fleet.worth[a] = worth
    if before <= 0.0:
        return 0.0
    return math.log(max(worth / before, LEAST))


@step
def _rewarded(fleet: Fleet, i: int, market: Market, terms: Terms) -> float:
    t, twin = fleet.now[i], len(fleet.now) + i
    fallen = 1.0 - fleet.worth[i] / fleet.peak[i]
    reward = _growth(fleet, i, equity_of(fleet.books, i, t, market))
    fleet.peak[i] = max(fleet.peak[i], fleet.worth[i])
    falls = 1.0 - fleet.worth[i] / fleet.peak[i]
    reward -= terms.risk_penalty * max(0.0, falls - fallen)
    if terms.has_twin:
        reward -= _growth(fleet, twin, equity_of(fleet.books, twin, t, market))
    return float(POINTS * reward)


@step
def _see(
    fleet: Fleet, i: int, market: Market, seen: Seen, observations: Float32Array, mask: BoolArray
) -> None:
    """Write what was known at the close before the one that waits."""
    row = fleet.now[i] - 1
    for slot in range(market.marks.shape[1]):
        j = fleet.order[i, slot]
        is_seen = fleet.kept[i, j] and market.traded[row, j] and seen.mask[row, j]
        mask[i, slot] = is_seen
        for f in range(observations.shape[2]):
            observations[i, slot, f] = seen.observations[row, j, f] if is_seen else 0.0


@row_by_row
def begin_all(fleet: Fleet, market: Market, terms: Terms, seen: Seen, outcome: Outcome) -> bool:
    """Begin an episode of every account; False if one finds no entry signal."""
    for i in range(len(fleet.now)):
        if not _begin(fleet, i, market, terms):
            return False
        _see(fleet, i, market, seen, outcome.observations, outcome.mask)
    return True


@row_by_row
def step_all(
    fleet: Fleet,
    market: Market,
    terms: Terms,
    seen: Seen,
    weights: FloatArray,
    outcome: Outcome,
) -> bool:
    """Take every account to its next decision; False if an episode finds no entry signal.

    Args:
        fleet: written to.
        market: what is traded.
        terms: of all accounts.
        seen: what the policy sees.
        weights: float64 `(n, N)`, by slot; those of masked slots count as 0.
        outcome: written to.
    """
    for i in range(len(fleet.now)):
        fleet.weights[i, :] = 0.0
        for slot in range(weights.shape[1]):
            j = fleet.order[i, slot]
            row = fleet.now[i] - 1
            if fleet.kept[i, j] and market.traded[row, j] and seen.mask[row, j]:
                fleet.weights[i, j] = weights[i, slot]
        binding = (fleet.weights, i, _fallback(fleet, i, terms, market))
        _enter(fleet, i, i, binding, market, terms)
        if terms.has_twin:
            _decide_twin(fleet, i, market, terms)
        since = market.close_time[fleet.now[i]]
        ending = _advance(fleet, i, market, terms)
        elapsed = market.close_time[fleet.now[i]] - since
        outcome.discounts[i] = 0.5 ** (elapsed / terms.halflife_ms)
        outcome.rewards[i] = _rewarded(fleet, i, market, terms)
        if fleet.worth[i] <= 0.0:
            ending = RUINED
        outcome.endings[i] = ending
        if ending != RUNS:
            _see(fleet, i, market, seen, outcome.last, outcome.mask)
            if not _begin(fleet, i, market, terms):
                return False
        _see(fleet, i, market, seen, outcome.observations, outcome.mask)
    return True
