"""What a policy is trained on: a market, what is seen of it, and where training ends."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contracts.times import Timeframe
from rl_svc.training.env import EnvSettings, SignalEnv
from rl_svc.training.export import Layers, logits_of
from rl_svc.training.vec_env import SignalVecEnv
from tradepulse.research.arrays import FloatArray
from tradepulse.research.virtual.market import VirtualMarket, market_of
from tradepulse.research.virtual.replay import replay
from tradepulse.trading.backtest import Prepared
from tradepulse.trading.policies.features import observe_rows, scale_of, scaled
from tradepulse.trading.policies.figure_bins import FigureBins, bins_of
from tradepulse.trading.policies.softmax import LOGIT_BOUND, allocate
from tradepulse.trading.sizing import AccountRules, InstrumentRules
from tradepulse.trading.weights import EqualWeights

RUINED = 1e-9
"""What is left, as a share of the cash, of an account that lost more than it had."""

Span = tuple[int, int]
"""The first close, and the one that follows the last."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A market with what is seen of it; made by `course_of`.

    Attributes:
        market: what is traded.
        timeframe: of the returns that are seen.
        observations: float32 `(T, N, F)`, scaled by the training range alone.
        mask: bool `(T, N)`, who is known.
        scale: mean and deviation of each figure in the training range.
        rules: costs and limits of the accounts.
        train: what may be learned from.
        validation: what tells when to stop.
        env: of the accounts; its span is `train`.
        max_weight: of one instrument.
    """

    market: VirtualMarket
    timeframe: Timeframe
    observations: NDArray[np.float32]
    mask: NDArray[np.bool_]
    scale: tuple[NDArray[np.float32], NDArray[np.float32]]
    rules: AccountRules
    train: Span
    validation: Span
    env: EnvSettings
    max_weight: float

    def vec_env(self, accounts: int, seed: int) -> SignalVecEnv:
        """Return accounts that trade the training range."""
        env = SignalEnv(
            self.market, self.observations, self.mask, self.rules, accounts, seed, self.env
        )
        return SignalVecEnv(env, self.max_weight)

    @property
    def seen_in_validation(self) -> NDArray[np.float32]:
        """What decides the validation range, float32 `(rows, N * F)`."""
        begin, end = self._deciding
        return self.observations[begin:end].reshape(end - begin, -1)

    def validation_excess(self, logits: FloatArray) -> float:
        """Return the log growth in the validation range, less that of equal weights.

        Args:
            logits: `(rows, N)`, for the rows of `seen_in_validation`.
        """
        begin, end = self._deciding
        weights = np.zeros(self.mask.shape)
        weights[begin:end] = allocate(
            logits.astype(np.float64), self.mask[begin:end], self.max_weight, self.env.budget
        )
        return self._growth(weights) - self._growth(self._equal())

    def difference(self, logits: FloatArray, layers: Layers) -> float:
        """Return the greatest difference between logits and those that layers make of the same.

        Args:
            logits: `(rows, N)`, for the rows of `seen_in_validation`.
            layers: of one network, as a served model has them.
        """
        begin, end = self._deciding
        own = logits_of(layers, self.observations[begin:end])
        apart = np.abs(np.clip(own, -LOGIT_BOUND, LOGIT_BOUND) - logits)
        return float(apart[self.mask[begin:end]].max(initial=0.0))

    @property
    def figure_bins(self) -> FigureBins:
        """Where the figures lie in the training range."""
        within, times = slice(*self.train), self.market.arrays.close_time
        return bins_of(self.observations[within], self.mask[within], times[within])

    @property
    def checksum(self) -> str:
        """SHA-256 of all that training depends on, hexadecimal."""
        digest = hashlib.sha256()
        for array in (self.observations, self.mask, *self.market.arrays):
            digest.update(np.ascontiguousarray(array).tobytes())
        told = (self.rules, self.train, self.validation, self.env, self.max_weight)
        digest.update(repr(told).encode())
        return digest.hexdigest()

    @property
    def _deciding(self) -> Span:
        # the weights of the close before bind at the first
        return max(self.validation[0] - 1, 0), self.validation[1]

    def _growth(self, weights: FloatArray) -> float:
        cash, budget = self.env.cash, self.env.budget
        done = replay(self.market, weights, self.rules, cash, self.validation, budget)
        return math.log(max(float(done.equity[-1]) / cash, RUINED))

    def _equal(self) -> FloatArray:
        traded, policy = self.market.arrays.traded, EqualWeights(self.env.budget)
        share = [0.0]
        for count in range(1, traded.shape[1] + 1):
            named: dict[str, list[float]] = {str(n): [] for n in range(count)}
            share.append(policy.weights(named)["0"])
        counts = traded.sum(axis=1, keepdims=True)
        return np.where(traded, np.array(share)[counts], 0.0)


def course_of(
    ready: Prepared,
    markets: Mapping[str, InstrumentRules],
    rules: AccountRules,
    spans: tuple[Span, Span],
    timeframe: Timeframe,
    *,
    max_weight: float,
    env: EnvSettings | None = None,
) -> Course:
    """Return what is to be learned from candles and signals.

    Args:
        ready: candles, and what the strategies say of them.
        markets: by instrument, see `market_of`.
        rules: costs and limits.
        spans: that of training and the later one of validation, in numbers of closes.
        timeframe: of the series whose returns are seen.
        max_weight: of one instrument.
        env: of the accounts; its span does not count.

    Raises:
        ValueError: an instrument has no series of the timeframe, the spans overlap or are beyond
            the candles, or no instrument is known in the training range.
    """
    market = market_of(ready, markets)
    closes = len(market.arrays.close_time)
    train, validation = spans
    if not 0 <= train[0] < train[1] <= validation[0] < validation[1] <= closes:
        raise ValueError(
            f"training on closes {train[0]} to {train[1]} and validation on {validation[0]} to "
            f"{validation[1]} of {closes}: validation must follow training, both within the candles"
        )
    traded = [name for name in sorted(ready.traded) if name.rpartition(":")[2] == timeframe]
    seen = {name.rpartition(":")[0] for name in traded}
    if lacking := [one for one in market.instruments if one not in seen]:
        raise ValueError(
            f"{lacking[0]} has no series of {timeframe}, which the policy would see; add it, or "
            "train by another timeframe"
        )
    begin = min(int(ready.traded[name].open_time[0]) for name in traded)
    observed = observe_rows([ready.warm[name] for name in traded], market.arrays.close_time, begin)
    within = slice(*train)
    scale = scale_of(observed.figures[within], observed.mask[within])
    return Course(
        market=market,
        timeframe=timeframe,
        observations=scaled(observed.figures, observed.mask, *scale),
        mask=observed.mask,
        scale=scale,
        rules=rules,
        train=train,
        validation=validation,
        env=replace(env or EnvSettings(), span=train),
        max_weight=max_weight,
    )
