"""Samplers measured: what each finds in so many trials on known surfaces, and what a trial costs.

    python bench/samplers.py                     every method, 100 and 300 trials
    python bench/samplers.py --trials 3000 --seeds 1 --only bayesian cma_es

Figures are medians over the seeds: the best value found, of which 0 is the least there is, and for
two goals the area up to (4, 4) that the front leaves over, of which zdt1 can reach 1/3.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from tradepulse.research.search.samplers import METHODS, ONE_GOAL, make_sampler
from tradepulse.strategies import Param, Strategy, get_strategy

console = Console(width=150)
Params = Mapping[str, float]
FloatArray = np.ndarray


def toy(*space: Param, constraint: Callable[[Params], str | None] = lambda _: None) -> Strategy:
    """A strategy that is nothing but a space."""
    return replace(
        get_strategy("sma_cross"),
        name="toy",
        space=space,
        defaults={param.name: param.low for param in space},
        constraint=constraint,
    )


CUBE = toy(*(Param(name, 0, 1) for name in "abcde"))
CENTRE = np.array([0.3, 0.62, 0.15, 0.8, 0.45])
MIXED = toy(
    Param("fast", 2, 200, integer=True, log=True),
    Param("slow", 5, 400, integer=True, log=True),
    Param("factor", 0.01, 10, log=True),
    Param("level", 0, 1),
    Param("votes", 1, 6, integer=True),
    constraint=lambda p: None if p["fast"] < p["slow"] else "fast must be less than slow",
)
ZDT = toy(*(Param(name, 0, 1) for name in "abcdef"))


def valley(p: Params) -> tuple[float, ...]:
    """Rosenbrock's curved valley."""
    z = 1 + 3 * (np.array(list(p.values())) - CENTRE)
    return (float((100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum()),)


def ripples(p: Params) -> tuple[float, ...]:
    """Ackley's funnel with many dents."""
    z = 10 * (np.array(list(p.values())) - CENTRE)
    wide = -20 * math.exp(-0.2 * math.sqrt(float((z**2).mean())))
    return (wide - math.exp(float(np.cos(2 * np.pi * z).mean())) + 20 + math.e,)


def mixed(p: Params) -> tuple[float, ...]:
    """A bowl in logarithms and whole numbers; its least lies near a refused region."""
    return (
        math.log(p["fast"] / 21) ** 2
        + math.log(p["slow"] / 34) ** 2
        + math.log(p["factor"] / 0.7) ** 2
        + 4 * (p["level"] - 0.2) ** 2
        + 0.3 * abs(p["votes"] - 5),
    )


def zdt1(p: Params) -> tuple[float, ...]:
    """E. Zitzler, K. Deb and L. Thiele (2000), its best moved off the edge; 1 - sqrt(x)."""
    first, *others = p.values()
    g = 1 + 9 * sum(abs(other - 0.35) for other in others) / len(others)
    return (first, g * (1 - math.sqrt(first / g)))


def zdt3(p: Params) -> tuple[float, ...]:
    """Of the same: a front in pieces, here raised to lie above 0."""
    first, *others = p.values()
    g = 1 + 9 * sum(abs(other - 0.35) for other in others) / len(others)
    ratio = first / g
    return (first, g * (1 - math.sqrt(ratio) - ratio * math.sin(10 * math.pi * first)) + 1)


SURFACES: dict[str, tuple[Strategy, Callable[[Params], tuple[float, ...]], int]] = {
    "valley": (CUBE, valley, 1),
    "ripples": (CUBE, ripples, 1),
    "mixed": (MIXED, mixed, 1),
    "zdt1": (ZDT, zdt1, 2),
    "zdt3": (ZDT, zdt3, 2),
}


def left_over(losses: FloatArray, corner: float = 4.0) -> float:
    """Return the area below `corner` that no row dominates."""
    area, edge = 0.0, corner
    for first, second in sorted(map(tuple, losses)):
        if second < edge and first < corner:
            area += (edge - second) * (corner - first)
            edge = second
    return corner**2 - area


def search(name: str, surface: str, trials: int, seed: int) -> tuple[float, float]:
    """Return how good the best was and the milliseconds of a trial."""
    strategy, value, goals = SURFACES[surface]
    spent = -time.process_time()
    sampler = make_sampler(name, strategy, {}, trials=trials, seed=seed, goals=goals)
    found: list[FloatArray] = []
    while True:
        sets = sampler.ask(sampler.batch)
        spent += time.process_time()
        if not sets:
            break
        losses = np.array([value(params) for params in sets])
        found.append(losses)
        spent -= time.process_time()
        sampler.tell(sets, losses, np.zeros(len(sets)))
    everything = np.concatenate(found)
    quality = float(everything.min()) if goals == 1 else left_over(everything)
    return quality, 1_000 * spent / len(everything)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=METHODS)
    parser.add_argument("--surfaces", nargs="+", choices=SURFACES, default=list(SURFACES))
    chosen = parser.parse_args()
    for name in chosen.only or METHODS:
        # the import of its library is no part of a trial
        make_sampler(name, CUBE, {}, trials=100, seed=0).ask(1)

    for trials in chosen.trials:
        table = Table("method", *chosen.surfaces, "ms per trial", title=f"{trials} trials")
        for name in chosen.only or METHODS:
            cells, costs = [], []
            for surface in chosen.surfaces:
                if SURFACES[surface][2] > 1 and name in ONE_GOAL:
                    cells.append("-")
                    continue
                runs = [search(name, surface, trials, seed) for seed in range(chosen.seeds)]
                cells.append(f"{statistics.median(quality for quality, _ in runs):.3g}")
                costs += [cost for _, cost in runs]
            table.add_row(name, *cells, f"{statistics.median(costs):.2f}")
        console.print(table)


if __name__ == "__main__":
    main()
