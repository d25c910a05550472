"""Training of policies: learned to the best growth, the same as stable-baselines3, and how fast.

    python bench/rl.py                          all but the peer: twenty minutes
    python bench/rl.py --only speed --peer PYTHON
    python bench/rl.py --only testbed           one part: speed, same, testbed, curves

`speed` takes steps with stable-baselines3's PPO and with ours, on one thread, with the same
network, settings and environment (that of bench/rl_env.py), rollouts and updates together; times
are of the processor. The peer is FinRL's stock portfolio environment under its own settings of PPO,
installed by itself:

    python -m venv finrl
    finrl/bin/pip install stable-baselines3==2.9.2 pandas matplotlib
    finrl/bin/pip install --no-deps finrl==0.3.7

`same` compares the parameters after 320 minibatches from one rollout. `testbed` trains three seeds
on each market whose best weights are known (`rl_svc/training/testbed.py`). `curves` compares how
ten seeds of both learn.
"""

import argparse
import copy
import json
import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rl_env import RULES, learning_env, ready_of
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from rl_svc.training.compiled_ppo import CompiledPPO
from rl_svc.training.policy import PortfolioPolicy
from rl_svc.training.testbed import (
    LEAK,
    NO_DRIFT,
    REGIMES,
    SHUFFLED,
    STILL,
    Market,
    interquartile_mean,
    interval,
    measure,
)
from rl_svc.training.testbed_env import STEPS, deterministic, trained
from tradepulse.research.virtual.market import VirtualMarket, market_of
from tradepulse.trading.backtest import Prepared

MARKETS = {
    "still": (STILL, STEPS, 0.92),
    "regimes": (REGIMES, STEPS, 0.97),
    "shuffled": (SHUFFLED, STEPS, None),
    "no drift": (NO_DRIFT, STEPS, None),
    "no drift, long": (NO_DRIFT, 3_000_000, None),
    "leak": (LEAK, STEPS, 0.90),
}
"""Its name, what is traded, steps, and the share of the best growth that is asked for."""
SEEDS = (1, 2, 3)
TEN = range(10)
SETTINGS = {"batch 64": (64, 32, 64, 10), "batch 8,192": (512, 32, 8192, 10)}
"""Accounts, steps of each, batch, passes."""
AT_LEAST = {"peer": 15, "stable-baselines3": 2.5}
console = Console(width=100)


@cache
def signals() -> tuple[Prepared, VirtualMarket]:
    """Make what the accounts of `speed` and `same` trade: see bench/rl_env.py."""
    ready = ready_of(4_368)
    return ready, market_of(ready, RULES.markets)


def model_of(kind: type[PPO], settings: tuple[int, int, int, int]) -> PPO:
    """Make one of both kinds, with the settings of a measurement."""
    accounts, steps, batch, passes = settings
    return kind(
        PortfolioPolicy, learning_env(*signals(), accounts), n_steps=steps, batch_size=batch,
        n_epochs=passes, seed=1, device="cpu",
    )  # fmt: skip


def steps_per_second(kind: type[PPO], settings: tuple[int, int, int, int], seconds: float) -> float:
    """Learn for so many seconds at least, and return steps a second."""
    model = model_of(kind, settings)
    a_round = settings[0] * settings[1]
    model.learn(a_round)  # compiles, fills caches
    taken, begun = 0, time.process_time()
    while (spent := time.process_time() - begun) < seconds:
        model.learn(a_round)
        taken += a_round
    return taken / spent


def peer(python: str, rows: int) -> dict[str, Any] | None:
    """Ask FinRL, and tell where it ends instead."""
    here = Path(__file__).parent / "peer_finrl.py"
    asked = subprocess.run(
        [python, str(here), str(rows), "4096"], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        console.print(f"FinRL at {rows} rows ended: {asked.stderr.strip().splitlines()[-1]}")
        return None
    answer: dict[str, Any] = json.loads(asked.stdout.splitlines()[-1])
    return answer


def speed(python: str | None) -> None:
    """Print steps a second of all, and their ratios."""
    table = Table("what", "steps/s", "ours is faster by")
    ours = {}
    for name, settings in SETTINGS.items():
        theirs = steps_per_second(PPO, settings, 15)
        ours[name] = steps_per_second(CompiledPPO, settings, 8)
        table.add_row(
            f"stable-baselines3, {name}", f"{theirs:,.0f}", f"{ours[name] / theirs:.1f} x"
        )
        table.add_row(f"CompiledPPO, {name}", f"{ours[name]:,.0f}", "")
    for rows in (3_000, 26_000) if python else ():
        found = peer(str(python), rows)
        if found:
            theirs = found["steps_per_second"]
            faster = ", ".join(f"{rate / theirs:,.0f} x ({name})" for name, rate in ours.items())
            table.add_row(f"FinRL, {rows:,} rows, batch 64", f"{theirs:,.0f}", faster)
            console.print(" ".join(f"{k} {v}" for k, v in found["versions"].items()))
    if not python:
        console.print("FinRL is left out: --peer names a Python that has it")
    console.print(table)
    console.print(f"targets: {AT_LEAST['stable-baselines3']} x stable-baselines3 at batch 64, "
                  f"{AT_LEAST['peer']} x FinRL at 26,000 rows")  # fmt: skip


def same() -> None:
    """Print how far parameters are apart after 320 minibatches from one rollout."""
    settings = (64, 32, 64, 10)  # 32 minibatches in each of ten passes
    models = [model_of(kind, settings) for kind in (PPO, CompiledPPO)]
    theirs, ours = models
    before = torch.nn.utils.parameters_to_vector(ours.policy.parameters()).detach().clone()
    _, callback = theirs._setup_learn(1000)  # noqa: SLF001 - as `learn` begins
    theirs.collect_rollouts(theirs.env, callback, theirs.rollout_buffer, theirs.n_steps)
    ours._setup_learn(1000)  # noqa: SLF001
    ours.rollout_buffer = copy.deepcopy(theirs.rollout_buffer)
    after = []
    for model in models:
        np.random.seed(1)  # noqa: NPY002 - what orders are drawn from
        model.train()
        after.append(torch.nn.utils.parameters_to_vector(model.policy.parameters()).detach())
    moved, apart = (float((after[1] - one).abs().max()) for one in (before, after[0]))
    console.print(f"320 minibatches: moved by up to {moved:.3f}, apart by at most {apart:.1e}")


def testbed() -> None:
    """Train every market and seed, and print what was reached."""
    table = Table("market", "seed", "growth a step", "best", "share", "at least", "seconds")
    for name, (market, steps, least) in MARKETS.items():
        draws = market.draws()
        for seed in SEEDS:
            begun = time.process_time()
            policy = deterministic(trained(CompiledPPO, market, seed, steps=steps))
            seconds = time.process_time() - begun
            found = measure(market, policy, draws)
            known = found.best > 1e-5
            table.add_row(
                name, str(seed), f"{found.growth:.4%}", f"{found.best:.4%}",
                f"{found.share:.1%}" if known else f"equal weights: {found.equal:.4%}",
                "" if least is None else f"{least:.0%}", f"{seconds:.1f}",
            )  # fmt: skip
    console.print(table)


class Shares(BaseCallback):
    """The share of the best growth after every fourth rollout."""

    def __init__(self, market: Market) -> None:
        super().__init__()
        self.market, self.draws, self.shares, self.rounds = market, market.draws(), [], 0

    def _on_rollout_start(self) -> None:
        if self.rounds % 4 == 0:
            found = measure(self.market, deterministic(self.model), self.draws)
            self.shares.append(found.share)
        self.rounds += 1

    def _on_step(self) -> bool:
        return True


def curves() -> None:
    """Print the interquartile mean over ten seeds of both, with its interval."""
    table = Table("market", "steps", "stable-baselines3", "CompiledPPO", "overlap")
    for name in ("still", "regimes"):
        market, found = MARKETS[name][0], []
        for kind in (PPO, CompiledPPO):
            of_kind = []
            for seed in TEN:
                noted = Shares(market)
                trained(kind, market, seed, callback=noted)
                of_kind.append(noted.shares)
            found.append(np.array(of_kind))
        bounds, means = [interval(one) for one in found], [interquartile_mean(one) for one in found]
        for i in range(len(means[0])):
            shown = [f"{m[i]:.1%} ({b[0, i]:.1%} to {b[1, i]:.1%})"
                     for m, b in zip(means, bounds, strict=True)]  # fmt: skip
            meets = bounds[0][0, i] <= bounds[1][1, i] and bounds[1][0, i] <= bounds[0][1, i]
            table.add_row(name, f"{4 * i * 8192:,}", *shown, "yes" if meets else "NO")
    console.print(table)


def main() -> None:
    """Measure what is asked for, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=("speed", "same", "testbed", "curves"))
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has FinRL")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console.print(f"{sys.version.split()[0]}, torch {torch.__version__}, one thread")
    parts = {"same": same, "speed": lambda: speed(options.peer), "testbed": testbed,
             "curves": curves}  # fmt: skip
    for name, part in parts.items():
        if options.only in (None, name):
            part()


if __name__ == "__main__":
    main()
