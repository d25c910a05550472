"""The routes of the ledger: every row, oldest first, page by page, by what commands filter by."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from studio_svc.ledger.store import LedgerStore
from studio_svc.ledger.views import Asked, AskedByConfiguration, AskedBySymbol, LedgerPage
from tradepulse.ledger.rows import EquityRow, OrderRow, SignalRow, TradeRow, WeightRow
from tradepulse.ledger.tables import EQUITY, ORDERS, SIGNALS, TRADES, WEIGHTS, Table

OfConfiguration = Annotated[AskedByConfiguration, Query()]


def ledger_routes(store: LedgerStore) -> APIRouter:
    """Return the routes that give every row of the ledger."""
    router = APIRouter(prefix="/api/ledger", tags=["account"])

    async def answered(table: Table, asked: Asked) -> Response:
        # as the database has them; thousands of rows that are validated hold up every other request
        page = await store.page(table, asked)
        return Response(msgspec.json.encode(page), media_type="application/json")

    @router.get("/trades", response_model=LedgerPage[TradeRow])
    async def ledger_trades(asked: OfConfiguration) -> Response:
        """Return the closed positions, by the time at which they were closed."""
        return await answered(TRADES, asked)

    @router.get("/orders", response_model=LedgerPage[OrderRow])
    async def ledger_orders(asked: OfConfiguration) -> Response:
        """Return the orders with their fills, or with the reason of their refusal."""
        return await answered(ORDERS, asked)

    @router.get("/signals", response_model=LedgerPage[SignalRow])
    async def ledger_signals(asked: OfConfiguration) -> Response:
        """Return the signals of the strategies."""
        return await answered(SIGNALS, asked)

    @router.get("/equity", response_model=LedgerPage[EquityRow])
    async def ledger_equity(asked: Annotated[Asked, Query()]) -> Response:
        """Return what the account was worth at each close that it has settled."""
        return await answered(EQUITY, asked)

    @router.get("/weights", response_model=LedgerPage[WeightRow])
    async def ledger_weights(asked: Annotated[AskedBySymbol, Query()]) -> Response:
        """Return the portfolio's weights, a row for each instrument and close."""
        return await answered(WEIGHTS, asked)

    return router
