"""Samplers measured: what each finds in so many trials on known surfaces, and what a trial costs.

    python bench/samplers.py                     every method and peer, 100 and 300 trials
    python bench/samplers.py --trials 5000 --seeds 1 --only bayesian "optuna TPE"

Beside the methods of `optimizer_svc.samplers` run the libraries that they could have been built on,
on the same unit cube: optuna's TPE, CMA-ES and NSGA-II, nevergrad's CMA and DE. Figures are medians
over the seeds: the best value found above the least there is (0 is perfect), for two goals the
area of [0, 1] x [0, 1] that the front leaves over, less that of the true front.
"""

import argparse
import math
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace

import nevergrad
import numpy as np
import optuna
from rich.console import Console
from rich.table import Table

from optimizer_svc.samplers import METHODS, Sampler, make_sampler
from optimizer_svc.samplers._sources import Cube, Fresh
from optimizer_svc.samplers._space import Space
from tradepulse.trading.strategies import Param, Strategy, get_strategy

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


class Optuna:
    """One of optuna's samplers as a proposer."""

    def __init__(self, kind: str, axes: int, trials: int, goals: int, seed: int) -> None:
        samplers = {
            "TPE": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True),
            "CMA-ES": lambda: optuna.samplers.CmaEsSampler(seed=seed),
            "NSGA-II": lambda: optuna.samplers.NSGAIISampler(
                seed=seed, population_size=min(max(trials // 12, 10), 50)
            ),
        }
        self.batch = {"TPE": 10, "CMA-ES": 8}.get(kind, min(max(trials // 12, 10), 50))
        self._study = optuna.create_study(sampler=samplers[kind](), directions=["minimize"] * goals)
        self._axes = {f"x{i}": optuna.distributions.FloatDistribution(0, 1) for i in range(axes)}
        self._asked: list[optuna.trial.Trial] = []

    def propose(self, fresh: Fresh) -> FloatArray:
        """Ask until there are enough that the strategy takes."""
        self._asked = []
        points = []
        refused = 0
        while len(points) < self.batch:
            trial = self._study.ask(self._axes)
            point = np.array(list(trial.params.values()))
            if not fresh(point) and refused < 50 * self.batch:
                refused += 1
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            self._asked.append(trial)
            points.append(point)
        return np.stack(points)

    def learn(self, _points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """Tell the trials that are kept from `propose`."""
        for trial, row, amount in zip(self._asked, losses, violation, strict=True):
            if amount == 0:
                self._study.tell(trial, row.tolist())
            else:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)


class Nevergrad:
    """One of nevergrad's optimizers as a proposer."""

    def __init__(self, kind: str, axes: int, trials: int, goals: int, seed: int) -> None:
        self.batch = {"CMA": 8}.get(kind, min(max(trials // 12, 10), 50))
        space = nevergrad.p.Array(init=np.full(axes, 0.5), lower=0.0, upper=1.0)
        space.random_state = np.random.RandomState(seed)
        made = (
            nevergrad.families.DifferentialEvolution(popsize=self.batch)
            if kind == "DE"
            else nevergrad.optimizers.registry[kind]
        )
        self._search = made(space, budget=trials, num_workers=self.batch)
        self._search.num_objectives = goals
        self._asked: list[nevergrad.p.Array] = []

    def propose(self, fresh: Fresh) -> FloatArray:
        """Ask until there are enough that the strategy takes."""
        self._asked = []
        refused = 0
        while len(self._asked) < self.batch:
            candidate = self._search.ask()
            if not fresh(candidate.value) and refused < 50 * self.batch:
                refused += 1
                self._search.tell(candidate, 1e9 if self._search.num_objectives == 1 else [1e9] * 2)
                continue
            self._asked.append(candidate)
        return np.stack([candidate.value for candidate in self._asked])

    def learn(self, _points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """Tell the trials that are kept from `propose`."""
        for candidate, row, amount in zip(self._asked, losses, violation, strict=True):
            told = row.tolist() if amount == 0 else [1e9] * len(row)
            self._search.tell(candidate, told if len(told) > 1 else told[0])


PEERS = {
    "optuna TPE": (Optuna, "TPE"),
    "optuna CMA-ES": (Optuna, "CMA-ES"),
    "optuna NSGA-II": (Optuna, "NSGA-II"),
    "nevergrad CMA": (Nevergrad, "CMA"),
    "nevergrad DE": (Nevergrad, "DE"),
}
ONE_GOAL = {"cma_es", "differential_evolution", "optuna CMA-ES", "nevergrad CMA"}


def make(name: str, strategy: Strategy, trials: int, goals: int, seed: int) -> Sampler:
    if name in METHODS:
        return make_sampler(name, strategy, {}, trials=trials, seed=seed, goals=goals)
    space = Space(strategy, {})
    kind, which = PEERS[name]
    proposer = kind(which, space.dimensions, trials, goals, seed)
    return Sampler(Cube(space, proposer, goals, np.random.default_rng(seed)), trials, goals)


def search(name: str, surface: str, trials: int, seed: int) -> tuple[float, float]:
    """Return how good the best was and the milliseconds of a trial."""
    strategy, value, goals = SURFACES[surface]
    spent = -time.process_time()
    sampler = make(name, strategy, trials, goals, seed)
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
    parser.add_argument("--only", nargs="+", choices=[*METHODS, *PEERS])
    parser.add_argument("--surfaces", nargs="+", choices=SURFACES, default=list(SURFACES))
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")

    for trials in chosen.trials:
        table = Table("method", *chosen.surfaces, "ms per trial", title=f"{trials} trials")
        for name in chosen.only or [*METHODS, *PEERS]:
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
