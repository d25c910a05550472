"""Does a learned policy do harm, and does it still see what it was trained on? Pure, in event time.

**Harm** is tested by betting (Shafer 2021; Waudby-Smith and Ramdas 2024). Each UTC day gives one
number, the log growth of the model's virtual account less that of equal weights on the same
signals. The null hypothesis is that the model does no harm: whatever came before, the expected
excess of the next day is not below 0, but for `TOLERANCE`. A bet `1 + b * min(loss, c) / c` pays
when the model loses; its expectation is at most 1 under the null, as losses are counted up to `c`
only, gains in full. So the wealth ever reaches `1 / rate` with a probability of at most `rate`
(Ville), however long one looks; days may depend on each other and swing as they like. `c` follows
from the days before. The wealth is a mixture over the bets `b` and over the day on which harm
began, as that of `decay.py`.

The test of `decay.py` itself asks another question: whether days still look like those of a
reference. It would retire a model that is merely less good than the test range on which it was
chosen, or whose days only swing more. Neither does harm.

What it does not cover: a day that gains more than `c / b`, ten root mean squares of the days
before, counts as that much, for no bet can lose more than all. A test simulates how little that is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.checks import time_text
from tradepulse.trading.policies.figure_bins import SHIFTED, WINDOW_DAYS
from tradepulse.trading.weights import DAY_MS

FloatArray = NDArray[np.float64]

BETS = (0.05, 0.1, 0.2, 0.4)
"""Of the wealth: small ones for a slow bleeding, great ones for a fast one."""
CAP = 4.0
"""Losses are counted up to so many root mean squares of the days before."""
SCALE_DAYS, LEAST_DAYS = 60, 5
"""Days that the scale is taken from at most; with fewer than the least nothing is bet."""
TOLERANCE = 1e-5
"""What a day may lose, as log growth: 0.4 % a year. Weights are rounded down, so that a model which
always holds equal weights ends a trace below them on every day of a market that rises."""
_NOTHING = 1e-12
"""An excess below this is rounding: neither account traded otherwise than the other."""


@dataclass(frozen=True, slots=True)
class DriftRules:
    """When a model is retired, and when a person is warned.

    Attributes:
        false_alarm_rate: bound on the probability that a harmless model is ever retired.
        shifted_days: days running that a figure's index is above its limit before it is told.
        changed: share of the configurations, of then and of now, that may be other ones.
    """

    false_alarm_rate: float = 0.01
    shifted_days: int = 3
    changed: float = 0.5

    @property
    def bound(self) -> float:
        """The wealth at which a model counts as harmful."""
        return 1 / self.false_alarm_rate


RULES = DriftRules()


@dataclass(frozen=True, slots=True)
class ModelDay:
    """What was found about a model on one UTC day of event time.

    Attributes:
        day: its midnight, epoch ms.
        begun: number of the event by which the model came into service; its test begins there.
        closes: from this midnight until before the next, those that it decided.
        clipped: share of the figures it saw that were beyond the bound; None where none was seen.
        counts: by figure, how many lay in each bin of its training; empty without bins.
        psi: stability index of each figure over the last `WINDOW_DAYS` days; empty before there are
            so many, or without bins.
        growth: log growth of its virtual account; None where nothing could be traded.
        equal: the same under equal weights.
        evidence: wealth of the test for harm after the day.
        bound: at which it is retired.
    """

    day: int
    begun: int
    closes: int
    clipped: float | None
    counts: tuple[tuple[int, ...], ...] = ()
    psi: Mapping[str, float] = field(default_factory=dict)
    growth: float | None = None
    equal: float | None = None
    evidence: float = 1.0
    bound: float = RULES.bound

    @property
    def end(self) -> int:
        """The midnight that ends it, epoch ms."""
        return self.day + DAY_MS

    @property
    def excess(self) -> float | None:
        """Log growth less that of equal weights."""
        if self.growth is None or self.equal is None:
            return None
        return self.growth - self.equal

    @property
    def is_alarm(self) -> bool:
        """Whether the model is to be retired."""
        return self.evidence >= self.bound


def evidence_of(excess: FloatArray) -> FloatArray:
    """Return the wealth of the test for harm after each day.

    What it says of a day depends on that day and those before alone.

    Args:
        excess: float64 `(days, ...)`, daily log growth less that of equal weights; NaN or 0 for a
            day that tells nothing. Each column is a test of its own.
    """
    tells = np.abs(np.nan_to_num(excess)) > _NOTHING
    daily = np.where(tells, excess + TOLERANCE, 0.0)
    wealth = np.ones(excess.shape)
    stakes = np.zeros((len(BETS), *excess.shape[1:]))
    bets = np.array(BETS).reshape(-1, *(1 for _ in excess.shape[1:]))
    count = np.zeros(excess.shape[1:])
    for day in range(len(excess)):
        before = slice(max(0, day - SCALE_DAYS), day)
        known = tells[before].sum(axis=0)
        squares = np.square(daily[before]).sum(axis=0)
        cap = CAP * np.sqrt(squares / np.maximum(known, 1))
        plays = tells[day] & (known >= LEAST_DAYS) & (cap > 0)
        loss = np.minimum(-daily[day], cap) / np.where(cap > 0, cap, 1.0)
        count = count + plays
        begun = np.where(plays, 1 / np.maximum(count * (count + 1), 1), 0.0)
        factor = np.where(plays, np.maximum(1 + bets * loss, 0.0), 1.0)
        stakes = (stakes + begun) * factor
        wealth[day] = 1 / (count + 1) + stakes.mean(axis=0)
    return wealth


def next_evidence(days: Sequence[ModelDay], excess: float | None) -> float:
    """Return the wealth after another day, behind those since the model came into service."""
    told = [*(one.excess for one in days), excess]
    known = np.array([np.nan if one is None else one for one in told], np.float64)
    return float(evidence_of(known)[-1])


def harm_of(days: Sequence[ModelDay], rules: DriftRules = RULES) -> tuple[str, dict[str, Any]]:
    """Return why a model is retired, in a sentence and in figures.

    Args:
        days: since it came into service, the last one with the alarm.
        rules: thresholds.
    """
    told = [one.excess for one in days if one.excess is not None]
    mean, total = float(np.mean(told)), float(np.sum(told))
    last, ended = days[-1], 100 * float(np.expm1(total))
    first_day, last_day = (time_text(one.day)[:10] for one in (days[0], last))
    evidence = {
        "days": len(told),
        "first_day": first_day,
        "last_day": last_day,
        "excess_pct": ended,
        "mean_daily_excess_pct": 100 * mean,
        "worst_day_excess_pct": 100 * min(told),
        "evidence": last.evidence,
        "alarm_at": last.bound,
        "false_alarm_rate": rules.false_alarm_rate,
    }
    reason = (
        f"does harm: its virtual account ended {abs(ended):.2f} % "
        f"{'below' if total < 0 else 'above'} that of equal weights after {len(told)} days, from "
        f"{first_day} to {last_day} ({100 * mean:+.3f} % a day); the test for harm stands at "
        f"{last.evidence:.0f}, at or above {last.bound:.0f}, which a harmless model reaches with a "
        f"probability of at most {rules.false_alarm_rate:.0%}"
    )
    return reason, evidence


def warnings_of(
    days: Sequence[ModelDay],
    limits: Mapping[str, float] | None,
    trained: Collection[UUID],
    active: Collection[UUID],
    rules: DriftRules = RULES,
) -> list[str]:
    """Return what a person should know of a model in service, each a line.

    Args:
        days: the last ones, in their order.
        limits: by figure, the index above which it is shifted; None where the model does not say.
        trained: the configurations that it was trained on; empty where nobody knows.
        active: those that trade now.
        rules: thresholds.
    """
    found = []
    if limits is None:
        found.append(
            "whether its figures still lie where they lay in training is not measured: the model "
            "does not say where that was; train it anew to know"
        )
    else:
        found += _shifted([one for one in days if one.psi][-rules.shifted_days :], limits, rules)
    if trained:
        kept = len(set(trained) & set(active))
        union = len(set(trained) | set(active))
        if union - kept > rules.changed * union:
            found.append(
                f"trained for other signals: {kept} of the {len(trained)} configurations of its "
                f"training are active, beside {len(active) - kept} others; train one for those of "
                "now"
            )
    return found


def _shifted(last: Sequence[ModelDay], limits: Mapping[str, float], rules: DriftRules) -> list[str]:
    """Return a line where figures were beyond their limits on each of the last days."""
    if len(last) < rules.shifted_days:
        return []
    names = [
        name
        for name, limit in limits.items()
        if all(one.psi.get(name, 0.0) > limit for one in last)
    ]
    if not names:
        return []
    told = ", ".join(
        f"{name} ({last[-1].psi[name]:.2f}, at most {limits[name]:.2f})" for name in names[:5]
    )
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""  # noqa: PLR2004 - as above
    line = (
        f"sees another market than in training: for {rules.shifted_days} days the stability index "
        f"of {told}{more} over {WINDOW_DAYS} days is above {SHIFTED} and above what any such days "
        "of its training had"
    )
    return [line]
