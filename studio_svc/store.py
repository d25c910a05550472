"""Reads what the page shows from PostgreSQL."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np

from studio_svc import queries
from studio_svc.overview.curve import Columns, EquityCurve
from studio_svc.views import (
    CandleRow,
    CandlesView,
    ConfigurationDetailView,
    ConfigurationEventView,
    ConfigurationView,
    EquityView,
    JobView,
    OrderView,
    OverviewView,
    PositionView,
    SeriesView,
    SignalView,
    TradeView,
    WeightsView,
)
from tradepulse.candles.timeframes import TIMEFRAMES_MS, timeframe_ms
from tradepulse.research.configurations import configuration_events
from tradepulse.runtime.db import at, ms

Record = asyncpg.Record
LENGTHS = (list(TIMEFRAMES_MS), list(TIMEFRAMES_MS.values()))


class StudioStore:
    """One account and one portfolio, read from the tables of all services."""

    def __init__(self, pool: "asyncpg.Pool[Record]", account: str, portfolio: str) -> None:
        self.pool = pool
        self._account = account
        self._portfolio = portfolio
        self._curve = EquityCurve()
        self._extending = asyncio.Lock()

    async def published_until(self) -> int | None:
        """Return the close time up to which candles were published, epoch ms; None: no feed."""
        found: int | None = await self.pool.fetchval(queries.PUBLISHED_UNTIL)
        return found

    async def series(self, visible_until: int | None) -> list[SeriesView]:
        """Return every series with its last candle that closed at or before `visible_until`."""
        rows = await self.pool.fetch(queries.SERIES, visible_until, *LENGTHS)
        return [
            SeriesView(
                series=_series(row),
                exchange=row["exchange"],
                symbol=row["symbol"],
                timeframe=row["timeframe"],
                timeframe_ms=row["length"],
                last=_candle(row),
                source=row["source"],
            )
            for row in rows
        ]

    async def candles(
        self, series: str, limit: int, before: int | None, visible_until: int | None
    ) -> CandlesView:
        """Return the last `limit` candles that opened before `before`, oldest first.

        Raises:
            ValueError: the series' timeframe is not known.
        """
        exchange, symbol, timeframe = series.split(":")
        length = timeframe_ms(timeframe)
        rows = await self.pool.fetch(
            queries.CANDLES, exchange, symbol, timeframe, before, visible_until, length, limit
        )
        return CandlesView(
            series=series, timeframe_ms=length, rows=[_candle(row) for row in reversed(rows)]
        )

    async def equity(self, limit: int) -> EquityView:
        """Return the whole equity curve, thinned to `limit` points that keep all extremes."""
        curve = await self._extended_curve()
        return EquityView(account=self._account, stored=len(curve), points=curve.points(limit))

    async def overview(self, event_time: int | None, source: str | None) -> OverviewView:
        """Return the account's figures; `event_time` and `source` come from the stream."""
        curve = await self._extended_curve()
        account = await self.pool.fetchrow(queries.ACCOUNT, self._account)
        last = await self.pool.fetchrow(queries.LAST_EQUITY, self._account)
        [stats] = await self.pool.fetch(queries.TRADE_STATS, self._account)
        refused = await self.pool.fetchval(queries.REFUSED, self._account)
        configurations = [c for c in await self.configurations() if c.is_active]
        initial: Decimal | None = account["initial_cash"] if account else None
        equity: Decimal | None = last["equity"] if last else initial
        trades: int = stats["trades"]
        return OverviewView(
            account=self._account,
            initial_cash=initial,
            cash=account["cash"] if account else None,
            equity=equity,
            exposure=last["exposure"] if last else None,
            open_positions=last["open_positions"] if last else 0,
            settled_time=_ms(last["close_time"]) if last else None,
            event_time=event_time,
            source=source,
            net_profit_pct=float(equity / initial - 1) * 100 if equity and initial else None,
            drawdown_pct=None if curve.drawdown is None else curve.drawdown * 100,
            max_drawdown_pct=curve.max_drawdown * 100 if len(curve) else None,
            trades=trades,
            win_rate=stats["wins"] / trades if trades else None,
            fees=stats["fees"],
            active_configurations=len(configurations),
            refused_orders=refused,
            configurations=configurations,
        )

    async def positions(self) -> list[PositionView]:
        """Return the open positions, valued at the last settled closes."""
        settled = await self.pool.fetchrow(queries.LAST_EQUITY, self._account)
        rows = await self.pool.fetch(
            queries.POSITIONS,
            self._account,
            _ms(settled["close_time"]) if settled else None,
            *LENGTHS,
        )
        return [_position(row) for row in rows]

    async def trades(self, limit: int, series: str | None) -> list[TradeView]:
        """Return the closed positions, newest first."""
        key = series.split(":") if series else [None, None, None]
        rows = await self.pool.fetch(queries.TRADES, self._account, *key, limit)
        return [TradeView(series=_series(row), **_fields(row)) for row in rows]

    async def signals(self, limit: int) -> list[SignalView]:
        """Return the signals, newest first."""
        rows = await self.pool.fetch(queries.SIGNALS, limit)
        return [SignalView(series=_series(row), **_fields(row)) for row in rows]

    async def orders(self, limit: int) -> list[OrderView]:
        """Return the orders with their fills or refusals, newest first."""
        rows = await self.pool.fetch(queries.ORDERS, self._account, limit)
        return [OrderView(series=_series(row), **_fields(row)) for row in rows]

    async def weights(self) -> WeightsView | None:
        """Return the last published weight vector."""
        row = await self.pool.fetchrow(queries.WEIGHTS, self._portfolio)
        return WeightsView(**_fields(row)) if row else None

    async def configurations(self) -> list[ConfigurationView]:
        """Return the trained configurations, active ones first."""
        rows = await self.pool.fetch(queries.CONFIGURATIONS, self._account, None)
        return [ConfigurationView(**_configuration(row)) for row in rows]

    async def configuration(self, configuration_id: UUID) -> ConfigurationDetailView | None:
        """Return one configuration with its history, None where there is none of this id."""
        row = await self.pool.fetchrow(queries.CONFIGURATIONS, self._account, configuration_id)
        if row is None:
            return None
        events = await configuration_events(self.pool, configuration_id)
        shown = [ConfigurationEventView(**{**asdict(one), "at": ms(one.at)}) for one in events]
        return ConfigurationDetailView(**_configuration(row), events=shown)

    async def jobs(self, limit: int) -> list[JobView]:
        """Return the jobs: what runs, what waits, what ended, the newest of each first."""
        rows = await self.pool.fetch(queries.JOBS, limit, None)
        return [JobView(**_fields(row)) for row in rows]

    async def job(self, job_id: UUID) -> JobView | None:
        """Return one job, None where there is none of this id."""
        row = await self.pool.fetchrow(queries.JOBS, 1, job_id)
        return JobView(**_fields(row)) if row else None

    async def _extended_curve(self) -> EquityCurve:
        async with self._extending:  # two requests at once would append the same rows twice
            last = self._curve.last_time
            rows = await self.pool.fetch(
                queries.EQUITY_SINCE, self._account, None if last is None else at(last)
            )
            self._curve.extend(_columns(rows))
            return self._curve


def _ms(time: datetime | None) -> int | None:
    return None if time is None else ms(time)


def _series(row: Record) -> str:
    return f"{row['exchange']}:{row['symbol']}:{row['timeframe']}"


def _candle(row: Record) -> CandleRow:
    return (
        row["open_time"], row["open"], row["high"], row["low"], row["close"], row["volume"],
    )  # fmt: skip


def _fields(row: Record) -> dict[str, Any]:
    return {
        name: ms(value) if isinstance(value, datetime) else value for name, value in row.items()
    }


def _columns(rows: Sequence[Record]) -> Columns:
    return (
        np.array([ms(row["close_time"]) for row in rows], np.int64),
        np.array([row["equity"] for row in rows], np.float64),
        np.array([row["cash"] for row in rows], np.float64),
        np.array([row["exposure"] for row in rows], np.float64),
        np.array([row["open_positions"] for row in rows], np.int64),
    )


def _position(row: Record) -> PositionView:
    quantity, entry = float(row["quantity"]), float(row["entry_price"])
    unrealised = None
    if row["last_price"] is not None:
        sign = 1 if row["side"] == "long" else -1
        unrealised = sign * (row["last_price"] - entry) * quantity - float(row["fees"])
    notional = quantity * entry
    return PositionView(
        series=_series(row),
        unrealised=unrealised,
        unrealised_pct=None if unrealised is None or not notional else unrealised / notional * 100,
        **_fields(row),
    )


def _configuration(row: Record) -> dict[str, Any]:
    metrics: dict[str, Any] = row["metrics"]
    fields = _fields(row)
    fields["trials"] = metrics.get("trials", row["trials"])
    return {
        "series": _series(row),
        "in_sample": _figures(metrics.get("in_sample")),
        "out_of_sample": _figures(metrics.get("out_of_sample")),
        **fields,
    }


def _figures(metrics: object) -> dict[str, float | None] | None:
    """Keep what is a figure; the evidence beside it (dates, notes) is not for this table."""
    if not isinstance(metrics, dict):
        return None
    return {
        name: value
        for name, value in metrics.items()
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    }
