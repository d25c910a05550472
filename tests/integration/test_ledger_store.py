"""The ledger's tables: whatever a restart falls into, the account goes on as if nothing was."""

import asyncio
import json
import random
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest
from asyncpg import Pool

from contracts.events import Signal, signal_id
from executor_svc.store import LedgerStore
from executor_svc.totals import LedgerCheck, Totals
from tradepulse.runtime.db import at, connect, connect_pool, migrate, migrations
from tradepulse.runtime.ownership import take_over
from tradepulse.trading.account import Account
from tradepulse.trading.fills import Prices
from tradepulse.trading.moments import Moment, Settlement
from tradepulse.trading.orders import Steps
from tradepulse.trading.sizing import AccountRules, InstrumentRules

pytestmark = pytest.mark.integration
HOUR = 3_600_000
SERIES = ("x:A/USD:1h", "x:B/USD:1h")
INSTRUMENTS = frozenset({"x:A/USD", "x:B/USD"})
CASH = Decimal(100_000)
RULES = AccountRules(
    maker_fee=Decimal("0.0002"),
    impact=0.1,
    markets={name: InstrumentRules(allows_margin=True) for name in INSTRUMENTS},
)


def moments(
    count: int, chance: random.Random, configurations: Sequence[int] = (1, 2)
) -> list[Moment]:
    """Make closes of two walks, with signals of every kind at random and holes."""
    closes = dict.fromkeys(SERIES, 100.0)
    made = []
    for number in range(1, count + 1):
        candles, signals = {}, []
        for series in SERIES:
            if chance.random() < 0.03:
                continue
            open_ = closes[series] * (1 + chance.gauss(0, 0.003))
            close = open_ * (1 + chance.gauss(0, 0.01))
            high = max(open_, close) * (1 + chance.expovariate(200))
            low = min(open_, close) * (1 - chance.expovariate(200))
            closes[series] = close
            candles[series] = Prices(open_, high, low, close, chance.expovariate(0.001))
            signals += [
                (series, signal)
                for configuration in configurations
                if (signal := said(configuration, series, number, close, chance)) is not None
            ]
        ended = frozenset(candles) if number == count else frozenset()
        made.append(Moment(number * HOUR, candles, signals, ended))
    return made


def said(
    configuration: int, series: str, number: int, close: float, chance: random.Random
) -> Signal | None:
    if chance.random() < 0.6:
        return None
    one = UUID(int=10 * configuration + SERIES.index(series))
    action = chance.choice(["enter_long", "enter_short", "exit"])
    sign = -1 if action == "enter_short" else 1

    def sometimes(value: float) -> float | None:
        return value if action != "exit" and chance.random() < 0.5 else None

    entry = Signal(
        id=signal_id(one, series, number),
        configuration_id=one,
        strategy="s",
        action=action,
        reference_price=close,
        stop_price=sometimes(close * (1 - sign * 0.03)),
        take_profit_price=sometimes(close * (1 + sign * 0.03)),
        share=0.5,
        expires_at=(number + 1) * HOUR,
        limit_price=sometimes(close * (1 - sign * 0.004)),
        trail=sometimes(close * chance.choice([0.01, 0.02])),
        max_holding_ms=chance.choice([None, 3 * HOUR, 7 * HOUR]),
    )
    more = random.Random(entry.id.int)
    if action == "exit" and more.random() < 0.5:
        level = close * more.choice([0.98, 1.02])
        return entry.model_copy(update={"action": "move_stop", "stop_price": level})
    steps = ((60, close * (1 + sign * 0.02)), (180, close * (1 + sign * 0.01)))
    changes = {"targets": more.choice([(), (), steps]), "confidence": more.choice([0.5, 1.0])}
    rest = more.choice([None, None, 2 * HOUR, 9 * HOUR])
    return entry.model_copy(update=changes | {"cooldown_ms": rest})


async def test_an_account_loaded_after_every_few_closes_trades_on_as_one_never_stopped(
    database_url: str,
) -> None:
    chance = random.Random(11)
    closes = moments(400, chance)
    whole = Account(CASH, RULES)
    expected = [whole.settle(moment, None, INSTRUMENTS) for moment in closes]
    await migrate(database_url)
    pool = await connect_pool(database_url)
    store, check = LedgerStore(pool, "main"), LedgerCheck(pool, "main")
    found: list[Settlement] = []
    followed = 0
    begin = 0
    while begin < len(closes):
        owner = await take_over(pool, "executor:main")
        account = Account(
            await store.open_account(CASH),
            RULES,
            positions=await store.open_positions(),
            orders=await store.open_orders(),
            marks=owner.state.get("marks"),
            stopped=await store.last_stops(),
        )
        followed += sum(p.trail is not None and p.exit_at is not None
                        for p in account.positions.values())  # fmt: skip
        end = begin + chance.randint(1, 4)
        done = [account.settle(moment, None, INSTRUMENTS) for moment in closes[begin:end]]
        found += done
        await store.record(
            done, account.cash, owner, done[-1].close_time, {}, {"marks": account.marks}
        )
        assert await check.imbalance() == 0
        begin = end
    assert found == expected
    assert await check.totals() == Totals(
        realised=sum((t.profit for s in expected for t in s.closed), Decimal(0)),
        fees=sum((f.fee for s in expected for f in s.fills), Decimal(0)),
        peak=max(CASH, *(s.equity.equity for s in expected if s.equity is not None)),
    )
    await pool.execute("update positions set fees = fees + 1 where exit_time is null")
    held = await pool.fetchval("select count(*) from positions where exit_time is null")
    await pool.execute("update accounts set cash = cash + 0.5")
    assert await check.imbalance() == held + Decimal("0.5")
    assert followed > 20
    refused = {o.reason for settled in found for o in settled.orders.values()}
    assert "cooling down after a stop" in refused
    reasons = {trade.exit_reason for settled in found for trade in settled.closed}
    assert reasons == {"signal", "stop", "take_profit", "time", "end_of_data"}
    assert await kept(pool) == in_memory(expected)
    await pool.close()


async def kept(pool: "Pool[asyncpg.Record]") -> dict[str, set[tuple[object, ...]]]:
    orders = await pool.fetch("select order_id, status, order_type, limit_price, trail, "
                              "max_holding_ms, reason, quantity, notional, targets::text "
                              "from orders")  # fmt: skip
    positions = await pool.fetch("select position_id, stop_price, trail, exit_at, exit_price, "
                                 "targets::text from positions")  # fmt: skip
    return {"orders": set(map(tuple, orders)), "positions": set(map(tuple, positions))}


def in_memory(settled: Sequence[Settlement]) -> dict[str, set[tuple[object, ...]]]:
    orders = {name: order for s in settled for name, order in s.orders.items()}
    positions = {p.position_id: p for s in settled for p in (*s.opened, *s.moved)}
    prices = {t.position_id: t.exit_price for s in settled for t in s.closed}
    return {
        "orders": {
            (
                *(o.order_id, o.status, o.order_type, o.limit_price, o.trail),
                *(o.max_holding_ms, o.reason, o.quantity, o.notional, as_text(o.targets)),
            )
            for o in orders.values()
        },
        "positions": {
            (
                p.position_id,
                p.stop_price,
                p.trail,
                None if p.exit_at is None else at(p.exit_at),
                prices.get(p.position_id),
                as_text(p.targets),
            )
            for p in positions.values()
        },
    }


def as_text(targets: Steps) -> str | None:
    return json.dumps([[minutes, str(price)] for minutes, price in targets]) if targets else None


async def test_a_ledger_written_before_these_rules_loads_and_trades_on(database_url: str) -> None:
    connection = await connect(database_url)
    await connection.execute(dict(migrations())["0001_first.sql"])
    await connection.execute(
        """
        create table migrations (name text primary key, applied_at timestamptz default now());
        insert into migrations (name) values ('0001_first.sql');
        insert into accounts (account, initial_cash, cash) values ('main', 100000, 99000);
        insert into positions (position_id, account, configuration_id, exchange, symbol, timeframe,
            side, quantity, entry_time, entry_price, stop_price, fees)
        values ('00000000-0000-0000-0000-00000000000a', 'main',
            '00000000-0000-0000-0000-000000000001', 'x', 'A/USD', '1h', 'long', 10,
            to_timestamp(3600), 100, 95, 1);
        insert into orders (order_id, account, signal_id, configuration_id, exchange, symbol,
            timeframe, side, order_type, quantity, reference_price, stop_price, opens_position,
            status, decided_at)
        values ('00000000-0000-0000-0000-00000000000b', 'main',
            '00000000-0000-0000-0000-00000000000c', '00000000-0000-0000-0000-000000000002', 'x',
            'B/USD', '1h', 'buy', 'market', 5, 100, 95, true, 'OPEN', to_timestamp(7200));
        """
    )
    await connection.close()
    assert "0002_positions.sql" in await migrate(database_url)
    pool = await connect_pool(database_url)
    store = LedgerStore(pool, "main")
    owner = await take_over(pool, "executor:main")
    account = Account(
        await store.open_account(CASH),
        AccountRules(Decimal(0), slippage=0.0),
        positions=await store.open_positions(),
        orders=await store.open_orders(),
        marks=dict.fromkeys(INSTRUMENTS, 100.0),
    )
    candles = {
        SERIES[0]: Prices(100, 101, 94, 96, 1),
        SERIES[1]: Prices(101, 102, 100, 101, 1),
    }
    done = account.settle(Moment(3 * HOUR, candles), None, INSTRUMENTS)
    assert [(t.exit_reason, t.exit_price) for t in done.closed] == [("stop", Decimal(95))]
    assert [(p.entry_price, p.trail, p.exit_at) for p in done.opened] == [
        (Decimal(101), None, None)
    ]
    # sized as 5 at 100 before; now it spends that
    assert [(f.quantity * f.price).quantize(Decimal("1e-9")) for f in done.fills[:1]] == [500]
    await store.record([done], account.cash, owner, 3 * HOUR, {}, {"marks": account.marks})
    assert [p.configuration_id.int for p in await store.open_positions()] == [2]
    assert not await store.open_orders()
    await pool.close()


async def test_two_accounts_in_one_database_know_nothing_of_each_other(database_url: str) -> None:
    """Each is what it would be alone, cash and all, however their closes alternate.

    Their signals are the same ones: several accounts may follow one configuration.
    """
    await migrate(database_url)
    pool = await connect_pool(database_url)
    cash = {"main": Decimal(100_000), "other": Decimal(2_500)}
    closes = moments(60, random.Random(11))
    stores = {name: LedgerStore(pool, name) for name in cash}
    owners = {name: await take_over(pool, f"executor:{name}") for name in cash}
    alone = {name: Account(cash[name], RULES, name=name) for name in cash}
    decided: dict[str, set[UUID]] = {name: set() for name in cash}
    for name, store in stores.items():
        assert await store.open_account(cash[name]) == cash[name]
    for number in range(60):
        for name, store in stores.items():
            settled = alone[name].settle(closes[number], None, INSTRUMENTS)
            decided[name] |= settled.orders.keys()
            await store.record(
                [settled], alone[name].cash, owners[name], settled.close_time, {}, {}
            )
    for name in cash:
        again = LedgerStore(pool, name)
        assert await again.open_account(Decimal(1)) == alone[name].cash
        held = {p.configuration_id: p for p in await again.open_positions()}
        assert held == alone[name].positions
        assert {o.configuration_id: o for o in await again.open_orders()} == alone[name].orders
        rows = await pool.fetch(
            "select cash from equity where account = $1 order by close_time", name
        )
        assert len(rows) == 60
        assert rows[-1]["cash"] == alone[name].cash
        orders = await pool.fetchval("select count(*) from orders where account = $1", name)
        assert orders == len(decided[name]) > 20
    assert not decided["main"] & decided["other"]
    assert alone["main"].cash != alone["other"].cash != cash["other"]
    await pool.close()


async def test_an_order_that_was_decided_before_and_is_not_there_is_no_silence(
    database_url: str,
) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    store = LedgerStore(pool, "main")
    await store.open_account(CASH)
    owner = await take_over(pool, "executor:main")
    account = Account(CASH, RULES)
    closes = moments(60, random.Random(11))
    entered = next(
        n for n, one in enumerate(closes) if account.settle(one, None, INSTRUMENTS).orders
    )
    filled = account.settle(closes[entered + 1], None, INSTRUMENTS)
    assert any(order.decided_at < filled.close_time for order in filled.orders.values())
    with pytest.raises(RuntimeError, match=r"of \d orders that were decided before: UPDATE 0"):
        await store.record([filled], account.cash, owner, filled.close_time, {}, {})
    assert await pool.fetchval("select count(*) from orders") == 0
    assert await pool.fetchval("select count(*) from outbox") == 0
    await pool.close()


async def test_closes_of_one_batch_are_written_as_they_are_one_by_one(database_url: str) -> None:
    """What is decided, filled and left within a batch is there as it was left, each once."""
    await migrate(database_url)
    pool = await connect_pool(database_url)
    closes = moments(80, random.Random(5))
    kept_rows = []
    for name, size in (("main", 80), ("other", 1)):
        store = LedgerStore(pool, name)
        await store.open_account(CASH)
        owner = await take_over(pool, f"executor:{name}")
        account = Account(CASH, RULES)
        for begin in range(0, len(closes), size):
            done = [account.settle(one, None, INSTRUMENTS) for one in closes[begin : begin + size]]
            await store.record(done, account.cash, owner, done[-1].close_time, {}, {})
        rows: list[list[tuple[object, ...]]] = []
        for table, order in (
            ("orders", "order_id"),
            ("positions", "position_id"),
            ("equity", "close_time"),
            ("fills", "fill_id"),
        ):
            found = await pool.fetch(f"select * from {table} order by {order}")
            rows.append([tuple(v for k, v in row.items() if k != "account") for row in found])
        kept_rows.append(rows)
        assert all(len(one) > 20 for one in rows)
        for table in ("fills", "positions", "orders", "equity"):
            await pool.execute(f"delete from {table}")
    assert kept_rows[0] == kept_rows[1]
    await pool.close()


async def test_a_ledger_that_does_not_balance_is_told_of(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    await LedgerStore(pool, "main").open_account(CASH)
    check = LedgerCheck(pool, "main")
    assert await check.totals() == Totals(Decimal(0), Decimal(0), CASH)
    for cash, level in ((CASH, []), (CASH - 3, ["ERROR"])):
        await pool.execute("update accounts set cash = $1", cash)
        shown: asyncio.Queue[Decimal] = asyncio.Queue()
        checking = asyncio.create_task(check.keep_checking(shown.put_nowait))
        assert await shown.get() == cash - CASH
        checking.cancel()
        assert [record.levelname for record in caplog.records] == level
    assert caplog.records[0].__dict__["imbalance"] == "-3"
    await pool.close()
