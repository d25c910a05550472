"""A small training on a real database: two instruments, six hundred days of four hours."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import asyncpg
import numpy as np
from prometheus_client import CollectorRegistry

from contracts.events import NAMESPACE
from rl_svc.training.job import Training
from rl_svc.training.meters import TrainingMeters
from rl_svc.training.store import TrainingStore
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.store import series_ends, store_candles
from tradepulse.research.configurations import (
    NewConfiguration,
    activate_within,
    add_discovered,
)
from tradepulse.research.policy_checks import Stored
from tradepulse.research.policy_spec import PolicySpec
from tradepulse.research.worker import Worker
from tradepulse.strategies import get_strategy

Pool = asyncpg.Pool
DAY = 86_400_000
FOUR_HOURS = DAY // 6
START = 1_514_764_800_000
DAYS = 600
END = START + DAYS * DAY
SYMBOLS = ("BTC/USD", "ETH/USD")
SERIES = tuple(f"venue:{symbol}:4h" for symbol in SYMBOLS)
PPO: dict[str, Any] = {
    "accounts": 16, "rollout": 10, "batch_size": 80, "epochs": 2, "every": 2, "patience": 30,
    "widths": [8, 8],
}  # fmt: skip
STEPS = 960
"""Six updates."""


def spec_of(**changes: Any) -> PolicySpec:
    return PolicySpec(**{"seeds": 2, "steps": STEPS, "ppo": PPO, **changes})


def market(symbol: str, seed: int, days: int = DAYS) -> Candles:
    rng = np.random.default_rng(seed)
    rows = 6 * days
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, rows)))
    open_ = np.concatenate((close[:1], close[:-1]))
    high = np.maximum(open_, close) * (1 + rng.exponential(0.002, rows))
    low = np.minimum(open_, close) * (1 - rng.exponential(0.002, rows))
    times = START + FOUR_HOURS * np.arange(rows, dtype=np.int64)
    return Candles("venue", symbol, "4h", times, open_, high, low, close, np.full(rows, 1e6))


async def filled(pool: "Pool[asyncpg.Record]") -> list[UUID]:
    """Store candles, and a configuration of each symbol that was chosen by the first hundred days.

    Returns:
        the configurations' ids; they are active.
    """
    async with pool.acquire() as connection:
        series = [market(symbol, number) for number, symbol in enumerate(SYMBOLS)]
        await store_candles(connection, series, "import")
    searched = {
        "in_sample_range": [START, START + 75 * DAY],
        "out_of_sample_range": [START + 75 * DAY, START + 100 * DAY],
    }
    return [await configured(pool, symbol, searched) for symbol in SYMBOLS]


async def configured(
    pool: "Pool[asyncpg.Record]", symbol: str, metrics: dict[str, Any], **changes: Any
) -> UUID:
    given: dict[str, Any] = {
        "configuration_id": uuid5(NAMESPACE, f"{symbol} {changes}"),
        "strategy": "sma_cross",
        "exchange": "venue",
        "symbol": symbol,
        "timeframe": "4h",
        "params": get_strategy("sma_cross").complete({"fast": 5, "slow": 20}),
        "share": 1.0,
        "metrics": metrics,
        **changes,
    }
    async with pool.acquire() as connection, connection.transaction():
        row = await add_discovered(connection, NewConfiguration(**given), "a test")
        await activate_within(connection, row.configuration_id, "a test")
    return row.configuration_id


async def stored_in(pool: "Pool[asyncpg.Record]") -> Stored:
    async with pool.acquire() as connection:
        return await series_ends(connection)


class Here:
    """The process of the test."""

    def begin(self) -> None:
        """Nothing is to be done."""

    def close(self) -> None:
        """Nothing is to be done."""


def trainer_of(
    pool: "Pool[asyncpg.Record]", folder: Path, at_once: int = 2, **changes: Any
) -> Worker:
    store = TrainingStore(pool, uuid4().hex)
    folder.mkdir(exist_ok=True)
    return Worker(
        store,
        Here(),
        {
            "policy": Training(
                store, folder, at_once, TrainingMeters(CollectorRegistry()), **changes
            )
        },
        CollectorRegistry(),
        heartbeat_s=0.3,
        on_commit=lambda: None,
    )
