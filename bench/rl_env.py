"""The environment of the portfolio policy: decisions a second on one core, and what it is worth.

    python bench/rl_env.py [--rows N] [--accounts N] [--steps N] [--train STEPS]

Forty configurations (five strategies on eight symbols, two in five with limit, trail or time) trade
half a year of hours of seeded random walks. First the account of the backtest and a virtual one
trade it all with the same weights, and must be worth the same at every close. Then accounts step
from decision to decision, each with its twin under equal weights. With `--train`, which needs the
extra `rl-train`, compiled PPO learns on what a served policy sees. Times are of the processor. The
walks have no drift: nothing is to be earned.
"""

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import numpy as np
from rich.console import Console
from rich.table import Table

from rl_svc.training.env import EnvSettings, SignalEnv
from tradepulse.candles.arrays import Candles
from tradepulse.research.virtual.market import VirtualMarket, decided_weights, market_of
from tradepulse.research.virtual.replay import replay
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import Prepared, backtest_of, prepared
from tradepulse.trading.policies.features import observe_rows, scale_of, scaled
from tradepulse.trading.sizing import AccountRules, InstrumentRules
from tradepulse.trading.weights import EqualWeights, InverseVolatility, WeightPolicy

if TYPE_CHECKING:
    from rl_svc.training.vec_env import SignalVecEnv

HOUR = 3_600_000
SYMBOLS = 8
FEATURES = 20
TARGET = 100_000
PLAIN: dict[str, float] = {}
STRATEGIES = {
    "sma_cross": PLAIN,
    "liquidity_sweep": PLAIN,
    "donchian_breakout": {"limit_atr": 0.3, "trail_atr": 3.0},
    "rsi_reversion": {"max_candles": 24},
    "supertrend": PLAIN,
}
RULES = AccountRules(
    markets={f"x:S{i}/USD": InstrumentRules(allows_margin=True) for i in range(SYMBOLS)}
)
R = TypeVar("R")
console = Console(width=100)


def walk(symbol: str, rows: int, seed: int) -> Candles:
    """Make hours of a random walk, in cents, with gaps between them."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.006, rows)))
    opens = np.concatenate((close[:1], close[:-1])) * np.exp(rng.normal(0, 0.001, rows))
    high = np.maximum(opens, close) * (1 + rng.exponential(0.003, rows))
    low = np.minimum(opens, close) * (1 - rng.exponential(0.003, rows))
    times = np.arange(rows, dtype=np.int64) * HOUR
    columns = (np.round(column, 2) for column in (opens, high, low, close))
    return Candles("x", symbol, "1h", times, *columns, rng.exponential(500, rows))


def ready_of(rows: int) -> Prepared:
    """Ask forty configurations what they say."""
    candles = [walk(f"S{i}/USD", rows, i) for i in range(SYMBOLS)]
    configurations = [
        Configuration(UUID(int=100 * i + k), name, "x", one.symbol, "1h", params)
        for i, one in enumerate(candles)
        for k, (name, params) in enumerate(STRATEGIES.items())
    ]
    return prepared(candles, configurations)


def timed(call: Callable[[], R], repeats: int = 5) -> tuple[float, R]:
    """Return the least seconds of some calls, and what the last one returned."""
    found, least = call(), np.inf
    for _ in range(repeats):
        begun = time.process_time()
        found = call()
        least = min(least, time.process_time() - begun)
    return least, found


def compare(ready: Prepared, market: VirtualMarket, policy: WeightPolicy, table: Table) -> None:
    """Trade everything by the account and by a virtual one, and add a row that compares them."""
    begun = time.process_time()
    kept = backtest_of(ready, RULES, policy)
    seconds = time.process_time() - begun
    weights = decided_weights(ready, policy)
    least, mine = timed(lambda: replay(market, weights, RULES))
    worth = np.array([float(point.equity) for point in kept.equity])
    apart = float(np.abs(mine.equity / worth - 1).max())
    if apart > 1e-9:
        raise SystemExit(f"{policy.name}: equity differs by {apart:.1e} of itself")
    table.add_row(
        policy.name, str(len(kept.trades)), f"{apart:.0e}", f"{seconds:.2f} s",
        f"{1000 * least:.2f} ms", f"{seconds / least:.0f} x",
    )  # fmt: skip


def stepped(market: VirtualMarket, accounts: int, steps: int, chosen: EnvSettings) -> list[str]:
    """Return decisions a second, closes a decision and closes a second of all accounts."""
    shape = market.arrays.marks.shape
    observations = np.zeros((*shape, FEATURES), dtype=np.float32)
    mask = np.ones(shape, dtype=np.bool_)
    env = SignalEnv(market, observations, mask, RULES, accounts, 1, chosen)
    env.reset()
    rng = np.random.default_rng(1)
    weights = rng.dirichlet(np.ones(SYMBOLS + 1), (steps + 5, accounts))[:, :, 1:]
    closes = 0.0
    for number in range(steps + 5):
        if number == 5:
            begun, closes = time.process_time(), 0.0
        step = env.step(weights[number])
        closes -= float(np.log2(step.discounts, dtype=np.float64).sum()) * 24
    seconds = time.process_time() - begun
    decisions = accounts * steps
    return [
        f"{decisions / seconds:,.0f}", f"{closes / decisions:.1f}", f"{closes / seconds:,.0f}",
    ]  # fmt: skip


def learning_env(ready: Prepared, market: VirtualMarket, accounts: int) -> "SignalVecEnv":
    """Make accounts that learn from features of the candles, as a served policy sees them."""
    from rl_svc.training.vec_env import SignalVecEnv  # noqa: PLC0415 - wants torch

    seen = observe_rows(list(ready.warm.values()), market.arrays.close_time)
    observations = scaled(seen.figures, seen.mask, *scale_of(seen.figures, seen.mask))
    env = SignalEnv(market, observations, seen.mask, RULES, accounts, 1)
    return SignalVecEnv(env, max_weight=0.5)


def trained(ready: Prepared, market: VirtualMarket, accounts: int, steps: int) -> str:
    """Train compiled PPO; return steps a second, all included."""
    from rl_svc.training.compiled_ppo import CompiledPPO  # noqa: PLC0415 - wants torch
    from rl_svc.training.policy import PortfolioPolicy  # noqa: PLC0415 - as above

    model = CompiledPPO(
        PortfolioPolicy, learning_env(ready, market, accounts), n_steps=32, batch_size=8_192,
        n_epochs=10, learning_rate=5e-3, target_kl=0.03, seed=1, device="cpu",
    )  # fmt: skip
    if reason := model.why_not_compiled():
        raise SystemExit(f"not compiled: {reason}")
    model.learn(32 * accounts)
    begun = time.process_time()
    model.learn(steps)
    return f"{model.num_timesteps / (time.process_time() - begun):,.0f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=4_368, help="hours (default: half a year)")
    parser.add_argument("--accounts", type=int, default=512)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--train", type=int, default=0, metavar="STEPS")
    options = parser.parse_args()
    ready = ready_of(options.rows)
    seconds, market = timed(lambda: market_of(ready, RULES.markets))
    console.print(
        f"{len(market.configurations)} configurations, {options.rows} closes, "
        f"{len(market.arrays.trades)} trades in the table, made in {1000 * seconds:.1f} ms"
    )
    table = Table("weights", "trades", "apart by", "account", "virtual", "ratio")
    for policy in (EqualWeights(), InverseVolatility()):
        compare(ready, market, policy, table)
    console.print(table)
    fleet = Table("accounts", "decisions/s", "closes/decision", "closes/s")
    for name, chosen in {
        "with twins": EnvSettings(),
        "alone": EnvSettings(reward="log_growth"),
        "with twins, all signals": EnvSettings(drops_instrument=0, drops_configuration=0),
    }.items():
        found = stepped(market, options.accounts, options.steps, chosen)
        fleet.add_row(f"{options.accounts} {name}", *found)
    console.print(fleet)
    console.print(f"target: {TARGET:,} decisions/s on one core")
    if options.train:
        rate = trained(ready, market, options.accounts, options.train)
        console.print(f"compiled PPO, {SYMBOLS} x {FEATURES} observations: {rate} steps/s")


if __name__ == "__main__":
    main()
