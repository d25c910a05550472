"""Reads the account's figures and its equity curve."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import asyncpg
import numpy as np

from studio_svc.overview import queries
from studio_svc.overview.curve import Columns, EquityCurve
from studio_svc.overview.views import EquityView, OverviewView
from studio_svc.shared.configurations import trained_configurations
from studio_svc.shared.rows import Record
from tradepulse.runtime.db import at, ms


class OverviewStore:
    """One account as its ledger tells it."""

    def __init__(self, pool: "asyncpg.Pool[Record]", account: str) -> None:
        self.pool = pool
        self._account = account
        self._curve = EquityCurve()
        self._extending = asyncio.Lock()

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
        trained = await trained_configurations(self.pool, self._account)
        configurations = [one for one in trained if one.is_active]
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
            settled_time=ms(last["close_time"]) if last else None,
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

    async def _extended_curve(self) -> EquityCurve:
        async with self._extending:  # two requests at once would append the same rows twice
            last = self._curve.last_time
            rows = await self.pool.fetch(
                queries.EQUITY_SINCE, self._account, None if last is None else at(last)
            )
            self._curve.extend(_columns(rows))
            return self._curve


def _columns(rows: Sequence[Record]) -> Columns:
    return (
        np.array([ms(row["close_time"]) for row in rows], np.int64),
        np.array([row["equity"] for row in rows], np.float64),
        np.array([row["cash"] for row in rows], np.float64),
        np.array([row["exposure"] for row in rows], np.float64),
        np.array([row["open_positions"] for row in rows], np.int64),
    )
