"""Verdicts on the choice among many trials, and on the procedure that made it. Pure."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.reality_check import Luck, chance_of, t_of
from tradepulse.research.validation.gates import Details, Gate, Thresholds, gate
from tradepulse.research.validation.overfitting import blocks_for, cscv
from tradepulse.research.validation.procedure import Figures, Paths, Walked, yearly_sharpe
from tradepulse.research.validation.request import Record
from tradepulse.research.validation.significance import (
    chance_deviation,
    deflated_sharpe,
    expected_maximum,
    probabilistic_sharpe,
)
from tradepulse.research.validation.verdicts import never, or_undefined
from tradepulse.trading.metrics import DAYS_PER_YEAR

FloatArray = NDArray[np.float64]

QUARTILE = 25


def reality_check(
    inside: Record, spread: FloatArray, searches: Sequence[Luck], trials: int, asked: Thresholds
) -> Gate:
    """Judge how likely the best of all trials shows as much in sample without any edge.

    The deflated Sharpe ratio stands beside it as a figure.

    Args:
        inside: in sample.
        spread: float64 `(days, t)`, daily returns in sample of trials that did not depend on the
            figures of others.
        searches: all that were ever made on the market.
        trials: every trial ever made on it, at least 1.
        asked: thresholds.
    """
    t = None if inside.daily is None else t_of(inside.daily)
    if inside.daily is None or t is None:
        return gate("reality_check", None, asked.luck, never("in sample"))
    chance = chance_of(t, searches, trials)
    covered = sum(one.covered for one in searches)
    made = f"{trials:,} {'trial' if trials == 1 else 'trials'}"
    return gate(
        "reality_check",
        chance,
        asked.luck,
        f"Its mean daily return in sample stands {t:.2f} standard errors above 0; the best of "
        f"{made} on its market does so by luck alone with a probability of {chance:.1%}.",
        {
            "t": t,
            "trials": trials,
            "searches": len(searches),
            "trials_taken_as_independent": trials - covered,
            **_deflated(inside.daily, spread, trials),
        },
    )


def _deflated(daily: FloatArray, spread: FloatArray, trials: int) -> Details:
    """Return the deflated Sharpe ratio, and what it is made of."""
    year = math.sqrt(DAYS_PER_YEAR)
    ratios = yearly_sharpe(spread)
    ratios = ratios[np.isfinite(ratios)] / year
    chance = chance_deviation(len(daily))
    measured = float(ratios.std(ddof=1)) if len(ratios) > 1 else None
    # what is beyond chance's is a true difference between the sets, as what each pays in costs
    deviation = chance if measured is None else min(measured, chance)
    return {
        "deflated_sharpe": deflated_sharpe(daily, trials, deviation),
        "expected_maximum": expected_maximum(trials, deviation) * year,
        "deviation_of_trials": None if measured is None else measured * year,
        "deviation_by_chance": chance * year,
        "days": len(daily),
        "probability_if_first_trial": probabilistic_sharpe(daily),
    }


def overfitting(daily: FloatArray, source: str, asked: Thresholds) -> list[Gate]:
    """Judge how often the best of one half of the time disappoints in the other.

    The rank alone is not enough: where costs tell the sets apart, the best stays the best and
    still loses.

    Args:
        daily: float64 `(days, t)`, in sample, of trials that did not depend on others' figures.
        source: what they are, for the details.
        asked: thresholds.
    """
    moving = daily[:, np.ptp(daily, axis=0) > 0]
    blocks = blocks_for(len(daily))
    if moving.shape[1] < 2 or blocks == 0:  # noqa: PLR2004 - nothing to choose between
        reason = (
            f"{len(daily)} days in sample are too few to cut into blocks."
            if blocks == 0
            else f"Only {moving.shape[1]} of {daily.shape[1]} parameter sets traded: there is "
            "nothing to choose between."
        )
        return [
            gate("overfitting", None, asked.overfitting, reason),
            gate("loss", None, asked.loss, reason),
        ]
    found = cscv(moving, blocks)
    year = math.sqrt(DAYS_PER_YEAR)
    there, here = (float(np.median(one)) * year for one in (found.inside, found.outside))
    return [
        gate(
            "overfitting",
            found.probability,
            asked.overfitting,
            f"In {found.probability:.1%} of {len(found.logits):,} ways to halve the time, the best "
            f"of {moving.shape[1]:,} parameter sets in one half was no better than the median in "
            "the other.",
            {"source": source, "parameter_sets": moving.shape[1], "blocks": blocks},
        ),
        gate(
            "loss",
            found.loss,
            asked.loss,
            f"In {found.loss:.1%} of these ways the best of one half earned nothing in the other; "
            f"its Sharpe ratio was {there:.2f} in the one and {here:.2f} in the other.",
            {"median_sharpe_in_half": there, "median_sharpe_in_other_half": here},
        ),
    ]


def walked(windows: Sequence[Walked], asked: Thresholds) -> list[Gate]:
    """Judge the procedure of searching anew in every window; the worse of both kinds counts."""
    if not windows:
        reason = "The data are too short for a walk-forward."
        return [
            gate("walk_forward_windows", None, asked.windows, reason),
            gate("walk_forward_sharpe", None, asked.walk_forward_sharpe, reason),
        ]
    shares, sharpes = {}, {}
    for kind in ("rolling", "anchored"):
        tests = [one for one in windows if one.kind == kind]
        shares[kind] = sum(_has_profit(one.outside) for one in tests) / max(len(tests), 1)
        joined = np.concatenate([one.daily for one in tests]) if tests else np.zeros(1)
        ratio = float(yearly_sharpe(joined[:, np.newaxis])[0])
        sharpes[kind] = None if math.isnan(ratio) else ratio
    share = min(shares.values())
    known = [ratio for ratio in sharpes.values() if ratio is not None]
    sharpe = min(known) if len(known) == len(sharpes) else None
    return [
        gate(
            "walk_forward_windows",
            share,
            asked.windows,
            f"Searched anew before every test, {shares['rolling']:.0%} of the rolling and "
            f"{shares['anchored']:.0%} of the anchored windows earned something in their test.",
            shares,
        ),
        gate(
            "walk_forward_sharpe",
            sharpe,
            asked.walk_forward_sharpe,
            "In no test was anything traded."
            if sharpe is None
            else "Joined, the tests have a Sharpe ratio of "
            f"{or_undefined(sharpes['rolling'])} rolling and "
            f"{or_undefined(sharpes['anchored'])} anchored.",
            sharpes,
        ),
    ]


def joined_paths(found: Paths | None, asked: Thresholds) -> Gate:
    """Judge the paths through all days; None where the days are too few for any."""
    if found is None:
        return gate(
            "combinatorial_paths",
            None,
            asked.path_sharpe,
            "The data are too short to cut into groups and test every pair of them.",
        )
    lower, middle = (float(np.percentile(found.sharpe, q)) for q in (QUARTILE, 50))
    positive = int((found.sharpe > 0).sum())
    return gate(
        "combinatorial_paths",
        lower,
        asked.path_sharpe,
        f"Of {len(found.sharpe)} paths through the data, each chosen on other days than it trades, "
        f"{positive} have a Sharpe ratio above 0; the median is {middle:.2f}.",
        {
            "paths": len(found.sharpe),
            "lowest": float(found.sharpe.min()),
            "median": middle,
            "highest": float(found.sharpe.max()),
            "purged_days": found.purge,
            "embargoed_days": found.embargo,
        },
    )


def _has_profit(figures: Figures) -> bool:
    return (figures["net_profit_pct"] or 0.0) > 0
