"""What the pages read, each its own part of the tables."""

from dataclasses import dataclass
from typing import Self

import asyncpg

from studio_svc.data.store import MarketDataStore
from studio_svc.ledger.store import LedgerStore
from studio_svc.markets.store import CandleStore
from studio_svc.orders.store import OrderStore
from studio_svc.overview.store import OverviewStore
from studio_svc.rl.jobs import TrainingStore
from studio_svc.rl.store import WeightStore
from studio_svc.studio.store import StudioStore


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of all pages, by the page's name."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    overview: OverviewStore
    markets: CandleStore
    studio: StudioStore
    rl: WeightStore
    trainings: TrainingStore
    orders: OrderStore
    ledger: LedgerStore
    data: MarketDataStore

    @classmethod
    def over(cls, pool: "asyncpg.Pool[asyncpg.Record]", account: str, portfolio: str) -> Self:
        """Return the stores of one account and one portfolio."""
        return cls(
            pool=pool,
            overview=OverviewStore(pool, account),
            markets=CandleStore(pool),
            studio=StudioStore(pool, account),
            rl=WeightStore(pool, portfolio),
            trainings=TrainingStore(pool),
            orders=OrderStore(pool, account),
            ledger=LedgerStore(pool, account, portfolio),
            data=MarketDataStore(pool),
        )
