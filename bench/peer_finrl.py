"""FinRL's stock portfolio environment with stable-baselines3's PPO, asked by bench/rl.py.

    PYTHON bench/peer_finrl.py ROWS STEPS

Only the module of the environment is loaded: the package itself imports brokers and other trainers,
which need much more. Prints one line of JSON: steps a second of processor time, and versions.
"""

import importlib.util
import json
import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from stable_baselines3 import PPO

STOCKS = 8
INDICATORS = ["macd", "rsi_30", "cci_30", "dx_30"]
LOOKBACK = 252
BATCH = 64


def environment_class() -> Any:
    """Load the class from where the package lies, without running the package."""
    package = importlib.util.find_spec("finrl")
    if package is None or package.origin is None:
        raise SystemExit("finrl is not installed here")
    path = Path(package.origin).parent / "meta/env_portfolio_allocation/env_portfolio.py"
    spec = importlib.util.spec_from_file_location("env_portfolio", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"finrl has no {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.StockPortfolioEnv


def frame(rows: int) -> pd.DataFrame:
    """Make random walks with made-up indicators, as its tutorial lays them out."""
    chance = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.01, (rows, STOCKS)), axis=0))
    covariances = [np.cov(chance.normal(0, 0.01, (LOOKBACK, STOCKS)).T) for _ in range(50)]
    made = {
        "date": np.repeat(pd.date_range("2010-01-01", periods=rows, freq="h").astype(str), STOCKS),
        "tic": np.tile([f"S{i}" for i in range(STOCKS)], rows),
        "close": close.ravel(),
        **{name: chance.normal(size=rows * STOCKS) for name in INDICATORS},
    }
    table = pd.DataFrame(made, index=np.repeat(np.arange(rows), STOCKS))
    table["cov_list"] = [covariances[i // STOCKS % 50] for i in range(rows * STOCKS)]
    return table


def main() -> None:
    """Measure and print."""
    rows, steps = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    env = environment_class()(
        df=frame(rows), stock_dim=STOCKS, hmax=100, initial_amount=1_000_000,
        transaction_cost_pct=0.001, reward_scaling=1e-4, state_space=STOCKS,
        action_space=STOCKS, tech_indicator_list=INDICATORS,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("results").mkdir()  # it draws pictures there
        # its own settings of PPO
        model = PPO(
            "MlpPolicy", env, n_steps=2048, ent_coef=0.005, learning_rate=1e-4, batch_size=BATCH,
            seed=1, device="cpu",
        )  # fmt: skip
        model.learn(BATCH)  # fill caches; it takes a whole rollout
        begun = time.process_time()
        model.learn(steps)
        seconds = time.process_time() - begun
    taken = -(-steps // 2048) * 2048
    versions = {name: version(name) for name in ("finrl", "stable-baselines3", "torch", "pandas")}
    print(json.dumps({"rows": rows, "steps_per_second": taken / seconds, "versions": versions}))


if __name__ == "__main__":
    main()
