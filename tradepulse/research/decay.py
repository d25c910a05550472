"""Do live trades still come from the distribution of the backtest? Pure, in event time.

Two tests of the returns of trades (profit after costs over entry notional).

**Loss of edge** is a conformal test martingale (Vovk, Nouretdinov, Gammerman: "Testing
exchangeability on-line", ICML 2003; Volkhonskiy et al.: "Inductive conformal martingales for
change-point detection", 2017). As long as live trades and the backtest's are exchangeable, the
conformal p-value of each new trade is uniform and independent of those before. Bets that pay when
p is small (power bets `e * p**(e - 1)`, Vovk's "power martingale") then make a wealth that is a
martingale from 1. By Ville's inequality it ever reaches `1 / rate` with a probability of at most
`rate`, however long and however often one looks. The p-values are one-sided: only returns that are
low among all that were seen make wealth. The wealth is a mixture over the exponents `e` and over
the trade at which the edge was lost (prior `1 / (k * (k + 1))`), so a long good life costs little
speed later.

**Agreement**, asked before a configuration counts as mature, is the two-sample test of Kolmogorov
and Smirnov: mature means that it does not reject after enough trades over enough days.

The backtest's trades are not quite exchangeable with live ones where they were chosen: what passed
the gates is on average better than what comes. Of those that pass without an edge 1.5 to 3 % would
reach `1 / rate` at a rate of 1 % (docs/guides/lifecycle.md); so there the alarm is at `3 / rate`.

What the guarantee does not cover: trades whose returns depend on each other, as in a storm of
volatility, are not exchangeable, and more alarms than the rate are possible. A strategy that stops
trading is not noticed.
"""

import statistics
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid5

DAY_MS = 86_400_000
OUTSIDE = "out-of-sample"
EXPONENTS = tuple(n / 10 for n in range(1, 10))
"""Of the power bets: small ones pay for disasters, great ones for a slow bleeding."""


@dataclass(frozen=True, slots=True)
class LifecycleRules:
    """When paper trades have proved enough, and when live trades prove the contrary.

    Attributes:
        min_trades: live trades before a configuration may be mature; agreement is tested at each
            multiple of it.
        min_days: days from the first of them to the last, in event time.
        agreement_p: the two-sample test rejects below this p-value.
        false_alarm_rate: bound on the probability that decay is ever found where there is none.
        min_reference: out-of-sample trades below which the in-sample trades join the reference.
        chosen_factor: by which the alarm is higher where the reference was chosen.
    """

    min_trades: int = 30
    min_days: float = 30.0
    agreement_p: float = 0.05
    false_alarm_rate: float = 0.01
    min_reference: int = 20
    chosen_factor: float = 3.0

    def alarm(self, *, chosen: bool) -> float:
        """Return the wealth at which an edge counts as lost."""
        return (self.chosen_factor if chosen else 1.0) / self.false_alarm_rate


@dataclass(frozen=True, slots=True)
class Reference:
    """Returns of the backtest's trades that live trades are compared with, and which they are.

    `chosen` tells whether they were chosen for their looks, by the gates or by a search.
    """

    returns: tuple[float, ...]
    source: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class LiveTrade:
    """One closed live trade: its position, exit time (epoch ms), and return."""

    position_id: UUID
    exit_time: int
    value: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A stage that live trades have earned.

    Attributes:
        stage: what the configuration becomes.
        at: exit time of the trade that settled it, epoch ms.
        reason: one sentence.
        evidence: the figures behind it, as JSON takes them.
    """

    stage: Literal["MATURE", "DECAY"]
    at: int
    reason: str
    evidence: dict[str, Any]


def reference_of(
    out_of_sample: Sequence[float], in_sample: Sequence[float], rules: LifecycleRules
) -> Reference:
    """Choose what live trades are compared with: out of sample, unless that is too few."""
    if len(out_of_sample) >= rules.min_reference:
        return Reference(tuple(out_of_sample), OUTSIDE)
    # the search chose the in-sample trades for their looks: better than nothing, and said so
    return Reference((*in_sample, *out_of_sample), "in-sample and out-of-sample", chosen=True)


def tie_breaker(position_id: UUID) -> float:
    """Return a number inside (0, 1) that looks random and is always the same for a position."""
    return ((uuid5(position_id, "tie").int >> 75) + 0.5) / 2**53


class LossOfEdge:
    """The martingale: feed it live returns in time order, read `wealth`."""

    def __init__(self, reference: Sequence[float]) -> None:
        self._seen = sorted(reference)
        self._stakes = [0.0] * len(EXPONENTS)
        self.trades = 0
        self.wealth = 1.0
        """What 1 has become by betting that the edge is lost."""

    def observe(self, value: float, tie: float) -> float:
        """Take in one return, with a uniform number that breaks ties; return its p-value.

        Args:
            value: the trade's return; it joins what later ones are compared with.
            tie: inside (0, 1), independent of the returns.
        """
        below = bisect_left(self._seen, value)
        equal = bisect_right(self._seen, value) - below + 1
        p = (below + tie * equal) / (len(self._seen) + 1)
        insort(self._seen, value)
        self.trades += 1
        begun = 1 / (self.trades * (self.trades + 1))
        self._stakes = [
            (stake + begun) * exponent * p ** (exponent - 1)
            for stake, exponent in zip(self._stakes, EXPONENTS, strict=True)
        ]
        self.wealth = 1 / (self.trades + 1) + statistics.fmean(self._stakes)
        return p


def agreement(reference: Sequence[float], returns: Sequence[float]) -> float:
    """Return the p-value of the two-sample Kolmogorov-Smirnov test (asymptotic, two-sided)."""
    # only optimizer_svc asks this: whoever else reads this module is spared the import
    from scipy.stats import ks_2samp  # noqa: PLC0415 - see above

    return float(ks_2samp(reference, returns, method="asymp").pvalue)


def review(
    stage: Literal["PAPER", "MATURE"],
    reference: Reference,
    trades: Sequence[LiveTrade],
    rules: LifecycleRules,
) -> list[Finding]:
    """Return what live trades have settled, in order; empty while nothing is.

    The same trades give the same findings, however often and in whatever portions they are seen.

    Args:
        stage: the configuration's; only one on paper can become mature.
        reference: the backtest's trades.
        trades: all live trades since the stage PAPER began, in order of exit time.
        rules: thresholds.
    """
    test = LossOfEdge(reference.returns)
    alarm = rules.alarm(chosen=reference.chosen)
    found: list[Finding] = []
    returns: list[float] = []
    for trade in trades:
        test.observe(trade.value, tie_breaker(trade.position_id))
        returns.append(trade.value)
        days = (trade.exit_time - trades[0].exit_time) / DAY_MS
        if test.wealth >= alarm:
            evidence = _evidence(reference, returns, days, test.wealth, alarm)
            found.append(Finding("DECAY", trade.exit_time, _lost(evidence, rules), evidence))
            break
        if (
            stage == "PAPER"
            and not found
            and len(returns) % rules.min_trades == 0
            and days >= rules.min_days
            and len(reference.returns) >= rules.min_reference
        ):
            p = agreement(reference.returns, returns)
            if p >= rules.agreement_p:
                evidence = _evidence(reference, returns, days, test.wealth, alarm)
                evidence |= {"agreement_p": p, "agreement_threshold": rules.agreement_p}
                found.append(Finding("MATURE", trade.exit_time, _proved(evidence), evidence))
    return found


def _evidence(
    reference: Reference, returns: Sequence[float], days: float, wealth: float, alarm: float
) -> dict[str, Any]:
    return {
        "trades": len(returns),
        "days": round(days, 2),
        "mean_return": statistics.fmean(returns),
        "reference_trades": len(reference.returns),
        "reference_mean_return": statistics.fmean(reference.returns) if reference.returns else None,
        "reference_source": reference.source,
        "wealth": wealth,
        "alarm_at": alarm,
    }


def _compared(evidence: dict[str, Any]) -> str:
    mean = evidence["reference_mean_return"]
    return (
        f"mean return {evidence['mean_return']:+.3%} against "
        f"{'none' if mean is None else format(mean, '+.3%')} of the backtest's "
        f"{evidence['reference_trades']} {evidence['reference_source']} trades"
    )


def _lost(evidence: dict[str, Any], rules: LifecycleRules) -> str:
    return (
        f"after {evidence['trades']} live trades over {evidence['days']:.0f} days the test for a "
        f"lost edge stands at {evidence['wealth']:.0f}, at or above {evidence['alarm_at']:.0f}, "
        f"which chance alone reaches with a probability of at most {rules.false_alarm_rate:.1%}; "
        + _compared(evidence)
    )


def _proved(evidence: dict[str, Any]) -> str:
    return (
        f"{evidence['trades']} live trades over {evidence['days']:.0f} days agree with the "
        f"backtest: p {evidence['agreement_p']:.2f}, at least "
        f"{evidence['agreement_threshold']:.2f}; " + _compared(evidence)
    )
