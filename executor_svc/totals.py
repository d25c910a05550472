"""What an account has made so far, and whether the ledger's tables agree with one another."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import asyncpg

from tradepulse.trading.orders import movement

log = logging.getLogger(__name__)

CHECK_EVERY_S = 60.0
_TOTALS = """
select coalesce(sum(profit), 0) as realised, coalesce(sum(fees), 0) as fees, (
    select greatest(a.initial_cash, (
        select max(e.equity) from equity e where e.account = a.account))
    from accounts a where a.account = $1) as peak
from positions where account = $1
"""
_FREE = """
select a.cash - a.initial_cash - coalesce((
    select sum(profit) from positions p where p.account = a.account and p.exit_time is not null), 0)
from accounts a where a.account = $1
"""
_HELD = """
select side, quantity, entry_price, fees from positions where account = $1 and exit_time is null
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """What an account has made so far, quote currency.

    Attributes:
        realised: profit of closed positions, after their fees.
        fees: of all fills.
        peak: highest equity at any close; what it began with counts.
    """

    realised: Decimal
    fees: Decimal
    peak: Decimal


class LedgerCheck:
    """Looks at the tables of one account as a whole, beside the way of the candles."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", account: str) -> None:
        self._pool = pool
        self._account = account

    async def totals(self) -> Totals:
        """Return what the account has made so far; it must be there."""
        row = await self._pool.fetchrow(_TOTALS, self._account)
        if row is None:
            raise RuntimeError(f"the totals of {self._account} were not returned")
        return Totals(**row)

    async def imbalance(self) -> Decimal:
        """Return by how much cash differs from what began, was earned, and is in positions: 0."""
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            free: Decimal = await connection.fetchval(_FREE, self._account)
            held = await connection.fetch(_HELD, self._account)
        spent = (movement(p["side"], p["quantity"], p["entry_price"]) + p["fees"] for p in held)
        return free + sum(spent, Decimal(0))

    async def keep_checking(self, show: Callable[[Decimal], None]) -> None:
        """Show the imbalance for ever, and say where there is one."""
        while True:
            imbalance = await self.imbalance()
            if imbalance:
                log.error(
                    "the ledger does not balance: cash is not what it began with, has earned and "
                    "holds in positions. See docs/guides/recovery.md",
                    extra={"account": self._account, "imbalance": str(imbalance)},
                )
            show(imbalance)
            await asyncio.sleep(CHECK_EVERY_S)
