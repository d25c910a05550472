"""From what was measured to gates with a verdict in words. Pure; docs/validation.md explains it."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tradepulse.trading.detectors import Detection
from tradepulse.trading.metrics import DAYS_PER_YEAR
from tradepulse.trading.validation.gates import Gate, Thresholds, gate
from tradepulse.trading.validation.overfitting import blocks_for, cscv
from tradepulse.trading.validation.procedure import Figures, Paths, Walked, yearly_sharpe
from tradepulse.trading.validation.request import Record
from tradepulse.trading.validation.resampling import bootstrapped_profits, permuted_drawdowns
from tradepulse.trading.validation.significance import (
    chance_deviation,
    deflated_sharpe,
    expected_maximum,
    probabilistic_sharpe,
)

FloatArray = NDArray[np.float64]

SAMPLES = 5_000
"""Orders and draws of the trades: a share of them is known to about 0.3 %."""
FEWEST_TRADES = 5
"""Trades below which drawing them again says nothing."""
TAIL = 0.95
QUARTILE = 25


def holdout(outside: Record, inside: Record, asked: Thresholds) -> list[Gate]:
    """Judge what the configuration did on candles that its search did not see."""
    found, before = outside.figures, inside.figures
    traded = found.trades > 0
    profit = found.net_profit_pct if traded else None
    return [
        gate(
            "trades",
            found.trades,
            asked.trades,
            f"It closed {found.trades} trades out of sample; at least {asked.trades} are needed to "
            "tell skill from luck.",
            {"in_sample": before.trades},
        ),
        gate(
            "holdout_profit",
            profit,
            asked.profit_pct,
            _never("out of sample")
            if profit is None
            else f"On data that the search never saw it {_earned(profit)} after costs; in sample "
            f"it {_earned(before.net_profit_pct or 0.0)}.",
            {"in_sample": before.net_profit_pct},
        ),
        gate(
            "holdout_sharpe",
            found.sharpe,
            asked.sharpe,
            "Out of sample its Sharpe ratio is undefined: its equity did not move."
            if found.sharpe is None
            else f"Its Sharpe ratio is {found.sharpe:.2f} out of sample and "
            f"{_or_none(before.sharpe)} in sample.",
            {
                "in_sample": before.sharpe,
                "probability_above_0": None
                if outside.daily is None
                else probabilistic_sharpe(outside.daily),
            },
        ),
    ]


def bootstrap(outside: Record, asked: Thresholds, seed: int) -> Gate:
    """Judge how sure the profit out of sample is."""
    returns = outside.returns
    if len(returns) < FEWEST_TRADES:
        return gate("bootstrap", None, asked.bootstrap, _too_few(len(returns), "out of sample"))
    profits = bootstrapped_profits(returns, SAMPLES, seed)
    share = float((profits > 0).mean())
    low, middle = (float(np.quantile(profits, q)) for q in (1 - TAIL, 0.5))
    return gate(
        "bootstrap",
        share,
        asked.bootstrap,
        f"Drawn again with replacement, the {len(returns)} trades out of sample end with a profit "
        f"in {share:.1%} of {SAMPLES:,} draws.",
        {"median_pct": middle, "lowest_5_pct": low, "trades": len(returns)},
    )


def cost_stress(normal: Record, stressed: Record, factor: float, asked: Thresholds) -> Gate:
    """Judge whether the profit out of sample survives higher costs."""
    if stressed.figures.trades == 0:
        return gate("cost_stress", None, asked.stressed_profit_pct, _never("out of sample"))
    profit = stressed.figures.net_profit_pct or 0.0
    return gate(
        "cost_stress",
        profit,
        asked.stressed_profit_pct,
        f"With fees and slippage {factor:g} times as high it {_earned(profit)} out of sample, "
        f"instead of {normal.figures.net_profit_pct or 0.0:+.2f} %.",
        {"factor": factor, "sharpe": stressed.figures.sharpe},
    )


def neighbourhood(
    profits: FloatArray, sharpes: tuple[float | None, float | None], asked: Thresholds
) -> Gate:
    """Judge whether the profit survives small changes of each parameter.

    Args:
        profits: float64 `(neighbours, 2)`, net profit in percent in and out of sample.
        sharpes: median Sharpe ratio of the neighbours in and out of sample.
        asked: thresholds.
    """
    if len(profits) == 0:
        return gate(
            "neighbours", 1.0, asked.neighbours, "No parameter has a neighbour: nothing to change."
        )
    good = int((profits > 0).all(axis=1).sum())
    return gate(
        "neighbours",
        good / len(profits),
        asked.neighbours,
        f"Of {len(profits)} neighbours, each with one parameter changed by a tenth, {good} keep a "
        "profit both in and out of sample.",
        {
            "neighbours": len(profits),
            "in_sample_with_profit": int((profits[:, 0] > 0).sum()),
            "out_of_sample_with_profit": int((profits[:, 1] > 0).sum()),
            "median_sharpe_in_sample": sharpes[0],
            "median_sharpe_out_of_sample": sharpes[1],
        },
    )


def deflated(inside: Record, spread: FloatArray, trials: int, asked: Thresholds) -> Gate:
    """Judge whether the Sharpe ratio in sample is more than the best of so many would show.

    Args:
        inside: in sample.
        spread: float64 `(days, t)`, daily returns in sample of trials that did not depend on the
            figures of others.
        trials: every trial ever made on the series, at least 1.
        asked: thresholds.
    """
    if inside.daily is None or np.ptp(inside.daily) == 0:
        return gate("deflated_sharpe", None, asked.deflated_sharpe, _never("in sample"))
    year = math.sqrt(DAYS_PER_YEAR)
    ratios = yearly_sharpe(spread)
    ratios = ratios[np.isfinite(ratios)] / year
    chance = chance_deviation(len(inside.daily))
    measured = float(ratios.std(ddof=1)) if len(ratios) > 1 else None
    # what is beyond chance's is a true difference between the sets, as what each pays in costs
    deviation = chance if measured is None else min(measured, chance)
    value = deflated_sharpe(inside.daily, trials, deviation)
    luck = expected_maximum(trials, deviation) * year
    return gate(
        "deflated_sharpe",
        value,
        asked.deflated_sharpe,
        "The Sharpe ratio in sample has no variance to judge it by."
        if value is None
        else f"Of {trials:,} trials without any edge the best is expected to show a Sharpe ratio "
        f"of {luck:.2f}; this one showed {_or_none(inside.figures.sharpe)}, which is more than "
        f"luck with a probability of {value:.1%}.",
        {
            "trials": trials,
            "expected_maximum": luck,
            "deviation_of_trials": None if measured is None else measured * year,
            "deviation_by_chance": chance * year,
            "days": len(inside.daily),
            "probability_if_first_trial": probabilistic_sharpe(inside.daily),
        },
    )


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
            else f"Joined, the tests have a Sharpe ratio of {_or_none(sharpes['rolling'])} rolling "
            f"and {_or_none(sharpes['anchored'])} anchored.",
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


def drawdown(inside: Record, outside: Record, asked: Thresholds, seed: int) -> Gate:
    """Judge how deep the same trades could have fallen in another order."""
    returns = np.concatenate((inside.returns, outside.returns))
    if len(returns) < FEWEST_TRADES:
        return gate("drawdown", None, asked.drawdown_pct, _too_few(len(returns), "in all"))
    deepest = permuted_drawdowns(returns, SAMPLES, seed)
    bound = float(np.quantile(deepest, TAIL))
    return gate(
        "drawdown",
        bound,
        asked.drawdown_pct,
        f"In 95 % of {SAMPLES:,} random orders of its {len(returns)} trades the equity falls by at "
        f"most {bound:.1f} % from a peak; the median is {np.median(deepest):.1f} %.",
        {
            "median": float(np.median(deepest)),
            "in_sample": inside.figures.max_drawdown_pct,
            "out_of_sample": outside.figures.max_drawdown_pct,
            "trades": len(returns),
        },
    )


def detected(name: str, found: Detection | None) -> Gate:
    """Judge what a detector found; None where the candles were too few to ask it."""
    if found is None:
        return gate(name, None, 0, "The candles are too few for a single output of the strategy.")
    return gate(
        name,
        0 if found.passed else 1,
        0,
        f"{found.sentence[0].upper()}{found.sentence[1:]}.",
        {"compared": found.compared, "of": found.of, "acted": found.acted, "first_row": found.row},
    )


def _has_profit(figures: Figures) -> bool:
    return (figures["net_profit_pct"] or 0.0) > 0


def _earned(profit: float) -> str:
    return f"earned {profit:.2f} %" if profit >= 0 else f"lost {-profit:.2f} %"


def _or_none(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


def _never(where: str) -> str:
    return f"It never traded {where}."


def _too_few(trades: int, where: str) -> str:
    return f"It closed {trades} trades {where}, too few to draw them again."
