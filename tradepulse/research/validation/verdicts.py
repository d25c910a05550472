"""Verdicts on the configuration itself. Pure; docs/guides/validation.md explains each gate."""

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.counting import counted
from tradepulse.research.validation.gates import Gate, Thresholds, gate
from tradepulse.research.validation.request import Record
from tradepulse.research.validation.resampling import bootstrapped_profits, permuted_drawdowns
from tradepulse.research.validation.significance import probabilistic_sharpe
from tradepulse.strategies.detectors import Detection

FloatArray = NDArray[np.float64]

SAMPLES = 5_000
"""Orders and draws of the trades: a share of them is known to about 0.3 %."""
FEWEST_TRADES = 5
"""Trades below which drawing them again says nothing."""
TAIL = 0.95


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
            f"It closed {counted(found.trades, 'trade')} out of sample; at least {asked.trades} "
            "are needed to tell skill from luck.",
            {"in_sample": before.trades},
        ),
        gate(
            "holdout_profit",
            profit,
            asked.profit_pct,
            never("out of sample")
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
            f"{or_undefined(before.sharpe)} in sample.",
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
        f"Drawn again with replacement, the {counted(len(returns), 'trade')} out of sample end "
        f"with a profit in {share:.1%} of {SAMPLES:,} draws.",
        {"median_pct": middle, "lowest_5_pct": low, "trades": len(returns)},
    )


def cost_stress(normal: Record, stressed: Record, factor: float, asked: Thresholds) -> Gate:
    """Judge whether the profit out of sample survives higher costs."""
    if stressed.figures.trades == 0:
        return gate("cost_stress", None, asked.stressed_profit_pct, never("out of sample"))
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
        f"Of {counted(len(profits), 'neighbour')}, each with one parameter changed by a tenth, "
        f"{counted(good, 'keeps', 'keep')} a profit both in and out of sample.",
        {
            "neighbours": len(profits),
            "in_sample_with_profit": int((profits[:, 0] > 0).sum()),
            "out_of_sample_with_profit": int((profits[:, 1] > 0).sum()),
            "median_sharpe_in_sample": sharpes[0],
            "median_sharpe_out_of_sample": sharpes[1],
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
        f"In 95 % of {SAMPLES:,} random orders of its {counted(len(returns), 'trade')} the equity "
        f"falls by at most {bound:.1f} % from a peak; the median is {np.median(deepest):.1f} %.",
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


def _earned(profit: float) -> str:
    return f"earned {profit:.2f} %" if profit >= 0 else f"lost {-profit:.2f} %"


def or_undefined(value: float | None) -> str:
    """Write a figure for a sentence."""
    return "undefined" if value is None else f"{value:.2f}"


def never(where: str) -> str:
    """Say that nothing was traded."""
    return f"It never traded {where}."


def _too_few(trades: int, where: str) -> str:
    return f"It closed {counted(trades, 'trade')} {where}, too few to draw them again."
