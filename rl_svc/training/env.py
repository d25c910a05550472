"""The environment of a portfolio policy: it sizes the entries of given configurations.

It knows NumPy and compiled code only; `vec_env.py` makes an environment of stable-baselines3 of it.
What an account does here equals what `Account` does, at every close (a test).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from rl_svc.training.fleet import (
    BoolArray,
    Fleet,
    Float32Array,
    Outcome,
    Seen,
    Terms,
)
from rl_svc.training.stepping import CUT, begin_all, step_all
from tradepulse.research.arrays import FloatArray
from tradepulse.research.virtual.books import books_of
from tradepulse.research.virtual.market import VirtualMarket
from tradepulse.research.virtual.replay import costs_of, limits_of
from tradepulse.trading.defaults import CASH
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import DAY_MS

Reward = Literal["excess", "log_growth"]
MOST_DAYS = 36_525.0
"""Of an episode."""
NO_SIGNAL = (
    "no episode finds an entry signal; give more configurations, longer episodes or a longer span"
)
_SCRATCH = {"weights", "room", "profits"}


@dataclass(frozen=True, slots=True)
class EnvSettings:
    """How accounts are drawn and rewarded.

    Attributes:
        days: shortest and longest episode; the whole span where that is shorter.
        span: the first close and the one that follows the last, all of the market by default.
        reward: log growth of the account, or its excess over that of the twin, times 1000.
        risk_penalty: taken from the reward for each unit by which the drawdown grows.
        halflife_days: after so long what follows counts half.
        cost_spread: fees and slippage of an episode are drawn from 1 -/+ this times the rules'.
        drops_instrument: probability that an episode does without an instrument.
        drops_configuration: probability that it does without a configuration.
        shuffles: whether instruments stand in another order in each episode.
        budget: what weights sum to at most; of the twin's equal weights.
        cash: with which an episode begins, quote currency.

    Raises:
        ValueError: one of them cannot be.
    """

    days: tuple[float, float] = (15.0, 30.0)
    span: tuple[int, int] | None = None
    reward: Reward = "excess"
    risk_penalty: float = 0.0
    halflife_days: float = 1.0
    cost_spread: float = 0.5
    drops_instrument: float = 0.2
    drops_configuration: float = 0.2
    shuffles: bool = True
    budget: float = 1.0
    cash: float = float(CASH)

    def __post_init__(self) -> None:
        if not 0 < self.days[0] <= self.days[1] <= MOST_DAYS:
            raise ValueError(f"episodes of {self.days[0]:g} to {self.days[1]:g} days cannot be")
        for name in ("cost_spread", "drops_instrument", "drops_configuration"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name):g}; it is at least 0, below 1")
        if self.reward not in get_args(Reward):
            raise ValueError(f"reward is {self.reward!r}; there are {', '.join(get_args(Reward))}")
        if not self.risk_penalty >= 0:
            raise ValueError(f"risk_penalty is {self.risk_penalty:g}; it must be 0 or more")
        for name in ("halflife_days", "budget", "cash"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name):g}; it must be above 0")


class Step(NamedTuple):
    """What one step of n accounts came to, see `Outcome`.

    Attributes:
        observations: float32 `(n, N, F)`, of the decision that is next.
        mask: bool `(n, N)`, who may have a weight there.
        rewards: float32 `(n,)`.
        ended: bool `(n,)`; the observations are those of a new episode then.
        cut: bool `(n,)`, those that ended because their time was up, not by ruin.
        discounts: float32 `(n,)`, by which what follows counts.
        last: float32 `(n, N, F)`, the observations at the end, where an episode ended.
    """

    observations: Float32Array
    mask: BoolArray
    rewards: Float32Array
    ended: BoolArray
    cut: BoolArray
    discounts: Float32Array
    last: Float32Array


@dataclass(slots=True, eq=False)
class SignalEnv:
    """Accounts that follow the signals of given configurations from decision to decision.

    Args:
        market: what is traded; its rules of markets bind.
        observations: float32 `(T, N, F)`, what is known at each close.
        mask: bool `(T, N)`, where something is known; elsewhere an instrument has no weight.
        rules: costs and limits of the accounts.
        accounts: how many.
        seed: of all that is drawn.
        settings: see `EnvSettings`.

    Raises:
        ValueError: the observations are of another market or not finite, or the span is too short
            or without entry signals.
    """

    market: VirtualMarket
    observations: Float32Array
    mask: BoolArray
    rules: AccountRules
    accounts: int
    seed: int
    settings: EnvSettings = field(default_factory=EnvSettings)
    _fleet: Fleet = field(init=False)
    _terms: Terms = field(init=False)
    _seen: Seen = field(init=False)

    def __post_init__(self) -> None:
        marks = self.market.arrays.marks
        shapes = self.observations.shape[:2], self.mask.shape
        if self.observations.ndim != 3 or shapes != (marks.shape, marks.shape):  # noqa: PLR2004
            raise ValueError(
                f"observations {self.observations.shape} and mask {self.mask.shape} for "
                f"{marks.shape[0]} closes of {marks.shape[1]} instruments"
            )
        if not np.isfinite(self.observations).all():
            raise ValueError("an observation is not finite; mask it and let it be 0")
        self._seen = Seen(
            np.ascontiguousarray(self.observations, dtype=np.float32),
            np.ascontiguousarray(self.mask, dtype=np.bool_),
        )
        self._terms = _terms_of(self.market, self.rules, self.settings, self.seed)
        self._fleet = _fleet_of(self.market, self.accounts)

    @property
    def shape(self) -> tuple[int, int]:
        """Instruments and features."""
        _, instruments, features = self._seen.observations.shape
        return instruments, features

    def reset(self) -> tuple[Float32Array, BoolArray]:
        """Begin a new episode of every account; return observations and mask, see `Step`."""
        outcome = self._outcome()
        self._found(begin_all(self._fleet, self.market.arrays, self._terms, self._seen, outcome))
        return outcome.observations, outcome.mask

    def step(self, weights: FloatArray) -> Step:
        """Size the entries that wait, and go to the next ones.

        Args:
            weights: float64 `(n, N)` by slot, without cash; that of a masked slot counts as 0.

        Raises:
            ValueError: a weight is not finite or below 0, or they are of another shape, or no
                episode has begun.
        """
        if weights.shape != (self.accounts, self.shape[0]):
            raise ValueError(f"weights {weights.shape} for {(self.accounts, self.shape[0])}")
        if not self._fleet.episode.all():
            raise ValueError("no episode has begun; reset first")
        if not (weights >= 0).all() or not np.isfinite(weights).all():
            raise ValueError("a weight is below 0 or not finite; nothing was traded")
        outcome = self._outcome()
        given = np.ascontiguousarray(weights, dtype=np.float64)
        self._found(
            step_all(self._fleet, self.market.arrays, self._terms, self._seen, given, outcome)
        )
        return Step(
            outcome.observations,
            outcome.mask,
            outcome.rewards,
            outcome.endings != 0,
            outcome.endings == CUT,
            outcome.discounts,
            outcome.last,
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that changes, to be taken up again by `restore`."""
        return {name: array.copy() for name, array in self._changing().items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on where another environment with the same arguments stood.

        Raises:
            ValueError: it had other arguments.
        """
        own = self._changing()
        if own.keys() != state.keys() or any(
            array.shape != state[name].shape for name, array in own.items()
        ):
            raise ValueError("this is the state of another environment: other accounts or signals")
        for name, array in own.items():
            array[...] = state[name]

    def _changing(self) -> dict[str, NDArray[Any]]:
        both = {**self._fleet.books._asdict(), **self._fleet._asdict()}
        del both["books"]
        return {name: array for name, array in both.items() if name not in _SCRATCH}

    def _outcome(self) -> Outcome:
        n, (instruments, features) = self.accounts, self.shape
        return Outcome(
            np.zeros(n, dtype=np.float32),
            np.zeros(n, dtype=np.int8),
            np.ones(n, dtype=np.float32),
            np.empty((n, instruments, features), dtype=np.float32),
            np.empty((n, instruments), dtype=np.bool_),
            np.zeros((n, instruments, features), dtype=np.float32),
        )

    def _found(self, found: bool) -> None:  # noqa: FBT001 - what compiled code returns
        if not found:
            raise ValueError(NO_SIGNAL)


def _terms_of(
    market: VirtualMarket, rules: AccountRules, settings: EnvSettings, seed: int
) -> Terms:
    close_time, first = market.arrays.close_time, market.arrays.first
    begin, end = settings.span or (0, len(close_time))
    if not 0 <= begin < end - 1 < len(close_time):
        raise ValueError(f"no two closes from {begin} to {end} of {len(close_time)}")
    if first[begin + 1] == first[end - 1]:
        raise ValueError(NO_SIGNAL)
    least, most = (int(days * DAY_MS) for days in settings.days)
    latest = int(np.searchsorted(close_time, close_time[end - 1] - least, side="right")) - 1
    return Terms(
        costs=costs_of(rules),
        limits=limits_of(rules),
        cash=float(settings.cash),
        first=begin,
        latest=min(max(latest, begin), end - 2),
        end=end - 1,
        least_ms=least,
        most_ms=most,
        spread=float(settings.cost_spread),
        drops_instrument=float(settings.drops_instrument),
        drops_configuration=float(settings.drops_configuration),
        shuffles=bool(settings.shuffles),
        has_twin=settings.reward == "excess",
        risk_penalty=float(settings.risk_penalty),
        halflife_ms=float(settings.halflife_days * DAY_MS),
        budget=float(settings.budget),
        seed=seed,
    )


def _fleet_of(market: VirtualMarket, accounts: int) -> Fleet:
    instruments, configurations = len(market.instruments), len(market.configurations)
    return Fleet(
        books=books_of(2 * accounts, market.arrays),
        now=np.zeros(accounts, dtype=np.int64),
        until=np.zeros(accounts, dtype=np.int64),
        episode=np.zeros(accounts, dtype=np.int64),
        worth=np.zeros(2 * accounts),
        peak=np.zeros(accounts),
        costs=np.zeros((accounts, 4)),
        kept=np.zeros((accounts, instruments), dtype=np.bool_),
        order=np.zeros((accounts, instruments), dtype=np.int64),
        active=np.zeros((2 * accounts, configurations), dtype=np.bool_),
        weights=np.zeros((2 * accounts, instruments)),
    )
