"""Verdicts of the gates on a policy, each in a sentence."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.counting import counted
from tradepulse.research.policies.baselines import SCALED, TITLES
from tradepulse.research.policies.gates import (
    COSTLY,
    SAME,
    Checks,
    GateName,
    PolicyThresholds,
    gate,
)
from tradepulse.research.policies.paired import (
    Excess,
    interquartile_interval,
    interquartile_mean,
)
from tradepulse.research.policies.replays import Record
from tradepulse.research.policies.report import Label, PolicyGate
from tradepulse.research.validation.overfitting import blocks_for, cscv
from tradepulse.research.validation.significance import chance_deviation, deflated_sharpe

FloatArray = NDArray[np.float64]


def enough_days(days: int, asked: PolicyThresholds) -> PolicyGate:
    """Judge how long the test range is."""
    return gate(
        "test_days",
        days,
        asked.test_days,
        f"It was judged on {counted(days, 'day')}; fewer than {asked.test_days} show nothing.",
    )


def beaten(
    name: GateName, excesses: Mapping[str, Excess], label: Label, asked: PolicyThresholds
) -> PolicyGate:
    """Judge by the baseline whose bound is lowest, and name all that are not beaten."""
    worst, one = min(excesses.items(), key=lambda item: item[1].lower)
    days = counted(one.days, "day")
    costs = f" at {COSTLY:g} times the costs" if name == "cost_stress" else ""
    lower = one.over_all(one.lower)
    if all(each.joint <= asked.level for each in excesses.values()):
        which = "all baselines" if label == "sizing" else TITLES[SCALED]
        verdict = (
            f"It beats {which}{costs}: it ended {_end(one)} {TITLES[worst]}, the closest of them, "
            f"and with {1 - asked.level:.0%} certainty by more than {lower:.2f} % in {days}."
        )
        return gate(name, lower, 0.0, verdict)
    open_ = [TITLES[k] for k, each in excesses.items() if each.joint > asked.level]
    if abs(one.mean) <= SAME and one.reach <= SAME:
        verdict = f"It did what {TITLES[worst]} did{costs}, every day."
    else:
        verdict = (
            f"It ended {_end(one)} {TITLES[worst]}{costs}; in {days} chance alone gives up to "
            f"{one.over_all(one.reach):.2f} %, so it had to be more than that."
        )
    verdict += f" Not beaten: {', '.join(open_)}."
    return gate(name, lower, 0.0, verdict)


def _end(one: Excess) -> str:
    excess = one.over_all(one.mean)
    return f"{abs(excess):.2f} % {'above' if excess >= 0 else 'below'}"


def seeds(
    over: Sequence[FloatArray], rival: str, asked: PolicyThresholds, seed: int
) -> list[PolicyGate]:
    """Judge whether the seeds of a training agree."""
    count, title = len(over), TITLES[rival]
    ends = np.array([100 * math.expm1(float(one.sum())) for one in over])
    above = int((ends > 0).sum())
    share = above / count if count else None
    low: float | None = None
    mean = "There is no seed."
    if count:
        low, high = interquartile_interval(ends, seed=seed)
        mean = (
            f"The middle half of the seeds ended {interquartile_mean(ends):+.2f} % from {title} in "
            f"the mean, 95 % interval {low:+.2f} to {high:+.2f} %; all of it must be above 0."
        )
    return [
        gate(
            "seeds",
            count,
            asked.seeds,
            f"It was trained with {counted(count, 'seed')}; fewer than {asked.seeds} cannot tell "
            "training from luck.",
        ),
        gate(
            "seeds_agree",
            share,
            asked.agreeing,
            f"Of {counted(count, 'seed')} {above} ended above {title}, each alone.",
        ),
        gate("seeds_mean", low, 0.0, mean),
    ]


def overfitting(checkpoints: FloatArray, asked: PolicyThresholds) -> PolicyGate:
    """Judge whether choosing a checkpoint by the past works."""
    days, trials = checkpoints.shape
    blocks = blocks_for(days)
    if trials < 2 or not blocks:  # noqa: PLR2004 - one is always the best
        return gate(
            "overfitting",
            None,
            asked.overfitting,
            f"{counted(trials, 'checkpoint')} on {counted(days, 'day')} of validation are too few "
            "to tell.",
        )
    found = cscv(checkpoints, blocks, by="mean")
    return gate(
        "overfitting",
        found.harm,
        asked.overfitting,
        f"Of {trials} checkpoints the one that is best in one half of the validation days is in "
        f"the other half no better than the median in {found.probability:.0%} of "
        f"{len(found.logits):,} halvings, and neither that nor above equal weights in "
        f"{found.harm:.0%}.",
    )


def deflated(over: FloatArray, rival: str, looks: int, asked: PolicyThresholds) -> PolicyGate:
    """Judge whether the excess is the luck of many looks."""
    moves = float(np.ptp(over)) > SAME
    found = deflated_sharpe(over, looks, chance_deviation(len(over))) if moves else None
    looked = "the first policy" if looks == 1 else f"number {looks} of the policies"
    return gate(
        "deflated_sharpe",
        found,
        asked.deflated,
        f"Its excess over {TITLES[rival]} never changes, so it has no Sharpe ratio."
        if found is None
        else f"It is {looked} judged on these days; that its excess over {TITLES[rival]} is no "
        f"lucky one of so many has a probability of {found:.1%}.",
    )


def drawdown(policy: Record, equal: Record, asked: PolicyThresholds) -> PolicyGate:
    """Judge the fall beside that of equal weights."""
    own, theirs = policy.figures.max_drawdown_pct, equal.figures.max_drawdown_pct
    bound = asked.drawdown * (theirs or 0.0)
    return gate(
        "drawdown",
        own,
        bound,
        f"It fell by {own or 0.0:.2f} % from a peak, equal weights by {theirs or 0.0:.2f} %; "
        f"{asked.drawdown:g} times that is allowed.",
    )


def exposure_share(policy: Record, equal: Record) -> float | None:
    """Return what a policy held beside what equal weights did."""
    own, theirs = policy.figures.exposure, equal.figures.exposure
    return own / theirs if own is not None and theirs else None


def exposure(
    share: float | None, policy: Record, equal: Record, asked: PolicyThresholds
) -> PolicyGate:
    """Judge whether it trades, or only trades less."""
    own, theirs = policy.figures.exposure, equal.figures.exposure
    if share is None:
        return gate(
            "exposure", None, asked.exposure, "Equal weights held nothing, or it was ruined."
        )
    said = f"It held {own or 0.0:.2%} of its equity in the mean, equal weights {theirs or 0.0:.2%}"
    if share >= asked.exposure:
        return gate("exposure", share, asked.exposure, f"{said}.")
    found = gate(
        "exposure",
        share,
        asked.exposure,
        f"{said}: it mainly trades less, so it is judged against {TITLES[SCALED]} only and called "
        "de-risking.",
    )
    return found.model_copy(update={"passed": True})


def sanity(weight_faults: Sequence[str], checks: Checks, asked: PolicyThresholds) -> PolicyGate:
    """Judge the weights and the model."""
    faults = list(weight_faults)
    away, slow = checks.export_difference, checks.decision_ms
    if away is None or not away <= asked.export_difference:
        faults.append(
            "the exported model was not compared with the network"
            if away is None
            else f"the exported model is up to {away:.1e} away from the network"
        )
    if not checks.reload_equal:
        faults.append(
            "it was not loaded again"
            if checks.reload_equal is None
            else "loaded again it decides otherwise"
        )
    if slow is None or not slow <= asked.decision_ms:
        faults.append(
            "its decisions were not timed"
            if slow is None
            else f"1 of 100 decisions takes more than {slow:.2f} ms, {asked.decision_ms:g} are "
            "allowed"
        )
    said = "; ".join(faults)
    return gate(
        "sanity",
        len(faults),
        0,
        f"{said[0].upper()}{said[1:]}."
        if faults
        else "Weights are in range, the model is its network, and fast enough.",
    )


def faults_of(weights: FloatArray, budget: float) -> list[str]:
    """Return what is wrong with weights `(T, N)`, each in a few words."""
    if not np.isfinite(weights).all():
        return ["a weight is no number"]
    found = []
    if weights.size and (weights.min() < 0 or weights.max() > 1):
        found.append("a weight is below 0 or above 1")
    if weights.size and weights.sum(axis=1).max() > budget + 1e-9:
        found.append(f"weights sum to more than the budget, {budget:g}")
    return found
