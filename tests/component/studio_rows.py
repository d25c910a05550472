"""Plausible rows of all tables that the page shows, made without chance."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from contracts.events import NAMESPACE, CandleClosed
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import Connection, at

HALF_HOUR = 1_800_000
START = int(datetime(2018, 3, 1, tzinfo=UTC).timestamp() * 1000)
SYMBOLS = {"BTC/USD": 10_300.0, "ETH/USD": 865.0, "LTC/USD": 205.0}
EXCHANGE = "kraken"
ACCOUNT = "main"
CASH = Decimal(10_000)
JOB = uuid5(NAMESPACE, "job")


def series_of(symbol: str) -> str:
    return f"{EXCHANGE}:{symbol}:30m"


def price(symbol: str, n: float) -> float:
    """A smooth, wavy path around the symbol's first price."""
    phase = sum(map(ord, symbol))
    wave = (
        0.06 * math.sin(n / 61 + phase)
        + 0.025 * math.sin(n / 17 + 2 * phase)
        + 0.008 * math.sin(n / 3.1 + phase)
        + 0.004 * math.sin(n * 2.7 + phase)
    )
    return SYMBOLS[symbol] * (1 + wave)


def candle(symbol: str, n: int) -> CandleClosed:
    first, last = price(symbol, n), price(symbol, n + 1)
    wick = 0.0025 * SYMBOLS[symbol] * abs(math.sin(n * 1.7))
    return CandleClosed(
        exchange=EXCHANGE,
        symbol=symbol,
        timeframe="30m",
        open_time=START + n * HALF_HOUR,
        close_time=START + (n + 1) * HALF_HOUR,
        open=round(first, 2),
        high=round(max(first, last) + wick, 2),
        low=round(min(first, last) - wick, 2),
        close=round(last, 2),
        volume=round(120 + 90 * math.sin(n / 5) ** 2 + 200 * abs(math.sin(n * 1.3)) ** 8, 3),
        source="replay",
    )


def configuration_id(symbol: str, strategy: str) -> UUID:
    return uuid5(NAMESPACE, f"{symbol}:{strategy}")


@dataclass(frozen=True)
class Seeded:
    """What was written."""

    candles: int
    trades: int
    open_positions: int
    settled_time: int


async def seed(connection: "asyncpg.Connection[asyncpg.Record]", candles: int = 400) -> Seeded:
    """Write rows of every table, `candles` of each symbol; the connection has JSON codecs."""
    rows = [candle(symbol, n) for symbol in SYMBOLS for n in range(candles)]
    await store_candles(connection, rows, "replay")
    settled = START + candles * HALF_HOUR
    await connection.execute(
        "insert into feeds (feed, spec, published_until) values ('replay', '{}', $1)", settled
    )
    await _configurations(connection)
    await connection.execute(
        "insert into accounts (account, initial_cash, cash) values ($1, $2, $3)",
        ACCOUNT, CASH, CASH,
    )  # fmt: skip
    trades, still_open = await _ledger(connection, candles)
    await connection.execute(
        "insert into portfolio_weights values ('main', $1, 'inverse_volatility', $2, $3)",
        at(settled),
        {f"{EXCHANGE}:BTC/USD": 0.46, f"{EXCHANGE}:ETH/USD": 0.31, f"{EXCHANGE}:LTC/USD": 0.18},
        [],
    )
    return Seeded(candles, trades, still_open, settled)


def figures(profit: float, trades: int) -> dict[str, Any]:
    return {
        "net_profit_pct": profit,
        "gross_win_rate": 0.47,
        "sharpe": profit / 9,
        "sortino": profit / 6,
        "volatility": 0.4,
        "max_drawdown_pct": 9.6,
        "profit_factor": 1.21,
        "expectancy": 4.2,
        "exposure": 0.31,
        "trades": trades,
    }


async def _configurations(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.execute(
        "insert into training_jobs (job_id, spec, status, done, total, started_at, finished_at) "
        "values ($1, $2, 'SUCCEEDED', 400, 400, now(), now())",
        JOB,
        {"method": "random", "strategies": ["sma_cross", "liquidity_sweep"]},
    )
    await connection.execute(
        "insert into training_jobs (job_id, spec, status, done, total, started_at) "
        "values ($1, $2, 'RUNNING', 118, 300, now())",
        uuid5(NAMESPACE, "running"),
        {"method": "grid", "strategies": ["sma_cross"]},
    )
    for number, symbol in enumerate(SYMBOLS):
        for strategy, params in (
            ("sma_cross", {"fast": 12.0, "slow": 55.0, "stop_atr": 2.5}),
            ("liquidity_sweep", {"lookback": 48.0, "atr": 14.0, "stop": 1.5, "target": 3.0}),
        ):
            is_active = not (symbol == "LTC/USD" and strategy == "sma_cross")
            await connection.execute(
                "insert into trained_configurations (configuration_id, job_id, strategy, exchange,"
                " symbol, timeframe, params, share, stage, is_active, metrics) "
                "values ($1, $2, $3, $4, $5, '30m', $6, 0.5, $7, $8, $9)",
                configuration_id(symbol, strategy),
                JOB,
                strategy,
                EXCHANGE,
                symbol,
                params,
                "PAPER" if is_active else "VALIDATION",
                is_active,
                {
                    "in_sample": figures(18.4 - 3 * number, 96),
                    "out_of_sample": figures(4.1 - 3.4 * number, 41),
                },
            )


async def report(connection: Connection, configuration: UUID, found: dict[str, Any]) -> None:
    """Store a report of a configuration."""
    await connection.execute(
        "with job as (insert into training_jobs (job_id, kind, spec, status) values "
        "(gen_random_uuid(), 'validation', '{}', 'SUCCEEDED') returning job_id) "
        "insert into validation_reports (configuration_id, job_id, passed, report) "
        "select $1, job_id, $2, $3 from job",
        configuration,
        found["passed"],
        found,
    )


async def _ledger(
    connection: "asyncpg.Connection[asyncpg.Record]", candles: int
) -> tuple[int, int]:
    """Enter every 23rd candle, leave eleven later; refuse every fifth entry."""
    equity, trades, still_open = CASH, 0, 0
    profits: dict[int, Decimal] = {}
    for k, n in enumerate(range(20, candles, 23)):
        symbol = list(SYMBOLS)[k % 3]
        refused = k % 5 == 4
        opened, left = n + 1, n + 12
        side = "long" if k % 3 else "short"
        signal = uuid5(NAMESPACE, f"signal:{n}")
        order = uuid5(signal, "entry")
        ids = (configuration_id(symbol, "sma_cross"), EXCHANGE, symbol, "30m")
        reference = price(symbol, opened)
        quantity = Decimal(0) if refused else Decimal(str(round(2_000 / reference, 4)))
        await connection.execute(
            "insert into signals values ($1,$2,'sma_cross',$3,$4,$5,$6,$7,$8,null,0.8,$9)",
            signal, *ids, f"enter_{side}", reference, reference * 0.97, _close(n),
        )  # fmt: skip
        await connection.execute(
            "insert into orders values ($1,$2,$3,$4,$5,$6,$7,$8,'market',$9,$10,null,null,true,"
            "null,$11,$12,$13)",
            order, ACCOUNT, signal, *ids, "buy" if side == "long" else "sell", quantity, reference,
            "REFUSED" if refused else "FILLED",
            "notional 2.10 is below the market's minimum of 10" if refused else "", _close(n),
        )  # fmt: skip
        if refused:
            continue
        entry = Decimal(str(round(reference, 2)))
        fee = (quantity * entry * Decimal("0.0026")).quantize(Decimal("0.01"))
        await connection.execute(
            "insert into fills values ($1,$2,$3,$4,$5,$6)",
            uuid5(order, "fill"), order, quantity, entry, fee, _close(n),
        )  # fmt: skip
        position = [uuid5(order, "position"), ACCOUNT, *ids, side, quantity, _close(n), entry]
        insert = (
            "insert into positions (position_id, account, configuration_id, exchange, symbol, "
            "timeframe, side, quantity, entry_time, entry_price, stop_price, take_profit_price, "
            "exit_time, exit_price, exit_reason, fees, profit) "
            "values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17)"
        )
        sign = 1 if side == "long" else -1
        stop, target = entry * (1 - sign * Decimal("0.03")), entry * (1 + sign * Decimal("0.05"))
        if left >= candles:
            await connection.execute(
                insert, *position, round(stop, 2), round(target, 2), None, None, None, fee, None
            )
            still_open += 1
            continue
        leave = Decimal(str(round(price(symbol, left), 2)))
        profit = (sign * (leave - entry) * quantity - 2 * fee).quantize(Decimal("0.01"))
        profits[left] = profits.get(left, Decimal(0)) + profit
        await connection.execute(
            insert, *position, round(stop, 2), round(target, 2), _close(left), leave,
            ("signal", "stop", "take_profit")[trades % 3], 2 * fee, profit,
        )  # fmt: skip
        trades += 1
    points = []
    for n in range(candles):
        equity += profits.get(n, Decimal(0))
        wave = Decimal(str(round(25 * math.sin(n / 6), 2)))
        held = still_open if n == candles - 1 else n % 2
        points.append((ACCOUNT, _close(n), equity - 2_000, equity + wave, Decimal(2_000), held))
    await connection.copy_records_to_table("equity", records=points)
    return trades, still_open


def _close(n: int) -> datetime:
    return at(START + (n + 1) * HALF_HOUR)
