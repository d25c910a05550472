"""The first promise: a replay through the services gives the backtest's trades, trade for trade."""

import asyncio
import json
import random
import signal
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from system import (
    START,
    System,
    announcement,
    candle_events,
    demo_candles,
    equity_rows,
    every_configuration_for,
    expected,
    of_own_strategies,
    trade_rows,
    with_four_hours,
)

from contracts.topics import CANDLES
from tests.made_models import made_model
from tradepulse.market_data.instrument_rules import KeptRules, keep_rules, market_rules
from tradepulse.market_data.store import store_candles
from tradepulse.research.model_files import write_model
from tradepulse.research.model_registry import import_model
from tradepulse.runtime.db import connect, ms, opened_pool
from tradepulse.runtime.publisher import Publisher
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model_bytes import bytes_of
from tradepulse.trading.weights import FixedWeights, InverseVolatility

pytestmark = pytest.mark.integration
DAYS = 90
FIXED = {
    "bitfinex:BTC/USD": 0.3,
    "bitfinex:ETH/USD": 0.25,
    "bitfinex:LTC/USD": 0.2,
    "bitfinex:XRP/USD": 0.15,
    "bitfinex:EOS/USD": 0.1,
}


KEPT = {
    one.instrument: one
    for one in (
        # coarser than the market's: many of its prices do not lie on it
        KeptRules("bitfinex", "BTC/USD", Decimal(5), Decimal("0.0005"), Decimal("0.002"),
                  Decimal(10), source="ccxt", valid_from=START),
        KeptRules("bitfinex", "ETH/USD", Decimal("0.01"), Decimal("0.01"), min_notional=Decimal(25),
                  source="file", valid_from=START),
        KeptRules("bitfinex", "LTC/USD", Decimal(1), Decimal("0.1"), source="ccxt",
                  valid_from=START),
    )
}  # fmt: skip
BY_HAND = {"bitfinex:LTC/USD": {"price_tick": "0.001"}}
"""The rules of the first case, as they are kept, and as the environment says."""


MODEL = made_model(11, max_weight=0.8)
BUDGET = 2.5


def environment(policy: str, folder: Path) -> dict[str, str]:
    """Return rl_svc's environment."""
    if policy == "model":
        return {"POLICY": f"model:{folder / 'model.npz'}", "BUDGET": str(BUDGET)}
    if policy == "registered":
        return {"POLICY": f"model:{MODEL.model_id}", "BUDGET": str(BUDGET)}
    return {"POLICY": policy, "FIXED_WEIGHTS": json.dumps(FIXED)}


async def publish_shuffled(system: System, events: dict, chance: random.Random) -> None:
    """Publish each series in its own order and at its own pace, with random pauses."""
    publisher = await Publisher(system.bootstrap, "test").start()

    async def one(queue: list) -> None:
        while queue:
            part = [queue.pop(0) for _ in range(min(len(queue), chance.randint(1, 700)))]
            messages = [(e.instrument, e.model_dump_json().encode()) for e in part]
            await publisher.send_many(CANDLES, messages)
            await asyncio.sleep(chance.random() * 0.4)

    await asyncio.gather(*(one(queue) for queue in events.values()))
    await publisher.stop()


async def stutter(system: System, names: list[str], chance: random.Random) -> None:
    """Stop and continue services at random, so that their outputs come at odd times."""
    while True:
        name = chance.choice(names)
        system.signal(name, signal.SIGSTOP)
        await asyncio.sleep(chance.random() * 0.4)
        system.signal(name, signal.SIGCONT)
        await asyncio.sleep(chance.random() * 0.3)


@pytest.mark.parametrize(
    ("policy", "kept", "by_hand"),
    [
        ("fixed", KEPT, BY_HAND),
        ("inverse_volatility", {}, {}),
        ("model", {}, {}),
        ("registered", {}, {}),
    ],
)
@pytest.mark.usefixtures("own_strategies")
async def test_replay_gives_the_trades_of_the_backtest(
    policy: str,
    kept: dict[str, KeptRules],
    by_hand: dict[str, dict[str, str]],
    kafka_bootstrap: str,
    database_url: str,
    no_topics: None,
    tmp_path: Path,
) -> None:
    chance = random.Random(policy)
    # a model does not know its instruments at first: their fallback is a part of it
    by_model = policy in {"model", "registered"}
    candles = with_four_hours(demo_candles(DAYS, 2 if by_model else 10))
    configurations = [*every_configuration_for(candles), *of_own_strategies(candles)]
    write_model(tmp_path / "model.npz", MODEL)
    policies = {
        "fixed": FixedWeights(FIXED),
        "inverse_volatility": InverseVolatility(96),
        "model": LearnedPolicy(MODEL, BUDGET),
        "registered": LearnedPolicy(MODEL, BUDGET),
    }
    result = expected(
        candles,
        configurations,
        policies[policy],
        market_rules(
            {one.instrument for one in candles},
            kept,
            {
                name: {field: Decimal(text) for field, text in told.items()}
                for name, told in by_hand.items()
            },
        ),
    )
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare(configurations)
    connection = await connect(database_url)
    await store_candles(connection, candles, "replay")
    await keep_rules(connection, list(kept.values()))
    await connection.close()
    async with opened_pool(database_url, max_size=1) as pool:
        await import_model(pool, bytes_of(MODEL), "main", "m", "model.npz")
    try:
        system.start("signal_svc")
        # a reference may be on a partition of the other one
        system.start("signal_svc_2", module="signal_svc.app")
        system.start("rl_svc", **environment(policy, tmp_path))
        system.start("executor_svc", MARKETS=json.dumps(by_hand))
        await system.announce(announcement(candles))
        events = {one.series: candle_events(one) for one in candles}
        count = sum(map(len, events.values()))
        disturbing = asyncio.create_task(stutter(system, list(system.processes), chance))
        await publish_shuffled(system, events, chance)
        disturbing.cancel()
        for name in system.processes:
            system.signal(name, signal.SIGCONT)
        await system.wait_settled(max(int(one.close_time[-1]) for one in candles), 300)
        await system.outbox_is_empty()
    finally:
        system.stop()
    live = await system.trades()
    print(f"{policy}: {count} candles, {len(configurations)} configurations, {len(live)} trades")
    assert len(live) > 500
    assert live == trade_rows(result)
    names = {one.configuration_id: one.strategy for one in configurations}
    left = {(names[trade.configuration_id], trade.exit_reason) for trade in result.trades}
    assert left >= {("chandelier", "stop"), ("falling", "stop"), ("falling", "take_profit")}
    ledger = await system.ledger()
    assert [(ms(row[1]), *row[2:]) for row in ledger["equity"]] == equity_rows(result)
    refused = {row[0] for row in ledger["orders"] if row[15] == "REFUSED"}
    assert refused == {order.order_id for order in result.refused}
    strategies = {one.configuration_id: one.strategy for one in configurations}
    traded = Counter(strategies[trade.configuration_id] for trade in result.trades)
    assert len(traded) == 7
    assert min(traded.values()) > 20, traded
    # each of the rules was at work
    assert {t.exit_reason for t in result.trades} >= {"signal", "stop", "take_profit", "time"}
    states = {(row[8], row[15]) for row in ledger["orders"]}
    assert states >= {("limit", "FILLED"), ("limit", "EXPIRED"), ("stop", "FILLED")}
    first_stops = {row[11] for row in ledger["orders"]}
    assert any(row[10] not in first_stops for row in ledger["positions"])
    assert result.trades[0].exit_time > START
    told = (tmp_path / "executor_svc.log").read_text().count("no rules of the venue are known")
    assert told == len({one.instrument for one in candles} - kept.keys())
    decided = Counter((row[2], row[7]) for row in ledger["weights"])
    assert {reason: n for (_, reason), n in decided.items() if reason} == result.fallbacks
    if by_model:
        assert decided.keys() == {("inverse_volatility", "history"), (policies["model"].name, None)}
        assert {row[5:7] for row in ledger["weights"]} == {(BUDGET, MODEL.model_id)}
        assert max(sum(json.loads(row[3]).values()) for row in ledger["weights"]) > 2
    bitcoins = [trade for trade in result.trades if trade.symbol == "BTC/USD"]
    if kept:
        assert all(t.quantity % Decimal("0.0005") == 0 for t in bitcoins)
        assert {t.entry_price % 5 == 0 for t in bitcoins} == {True, False}
