"""Binance US: how an instrument, a candle, an order and a fill are written."""

from decimal import Decimal
from typing import Any

from tests.fakes.exchange.instruments import Instrument
from tests.fakes.exchange.orders import Fill, Order
from tests.fakes.exchange.tape import Candle
from tests.fakes.exchange.wire import plain

STATUS = {"closed": "FILLED", "canceled": "CANCELED", "expired": "EXPIRED"}


def wire_id(instrument: Instrument) -> str:
    """Return the venue's name of an instrument."""
    return instrument.base + instrument.quote


def order_fields(order: Order) -> dict[str, Any]:
    """Return what every answer about an order holds."""
    request = order.request
    partly = "PARTIALLY_FILLED" if order.fills else "NEW"
    kind = "LIMIT_MAKER" if request.post_only else request.type.upper()
    return {
        "symbol": order.symbol.replace("/", ""),
        "orderId": int(order.id),
        "orderListId": -1,
        "clientOrderId": request.client_id or "",
        "price": plain(request.price or Decimal(0)),
        "origQty": plain(order.amount),
        "executedQty": plain(order.filled),
        "origQuoteOrderQty": plain(request.cost or Decimal(0)),
        "cummulativeQuoteQty": plain(order.cost),
        "status": STATUS.get(order.status, partly),
        "timeInForce": request.time_in_force,
        "type": kind,
        "side": request.side.upper(),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def stored_order(order: Order) -> dict[str, Any]:
    return order_fields(order) | {
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.created,
        "updateTime": order.updated,
        "isWorking": True,
        "workingTime": order.created,
    }


def own_trade(fill: Fill) -> dict[str, Any]:
    return {
        "symbol": fill.symbol.replace("/", ""),
        "id": fill.id,
        "orderId": int(fill.order_id),
        "orderListId": -1,
        "price": plain(fill.price),
        "qty": plain(fill.amount),
        "quoteQty": plain(fill.cost),
        "commission": plain(fill.fee),
        "commissionAsset": fill.fee_currency,
        "time": fill.time,
        "isBuyer": fill.side == "buy",
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def listing(item: Instrument) -> dict[str, Any]:
    return {
        "symbol": wire_id(item),
        "status": "TRADING",
        "baseAsset": item.base,
        "baseAssetPrecision": 8,
        "quoteAsset": item.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": plain(item.tick),
                "maxPrice": "10000000.00000000",
                "tickSize": plain(item.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": plain(item.min_amount),
                "maxQty": "900000.00000000",
                "stepSize": plain(item.lot),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": plain(item.min_cost),
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
            },
        ],
        "permissions": ["SPOT"],
    }


def kline_row(candle: Candle, instrument: Instrument, interval: int) -> list[Any]:
    prices = [candle.open, candle.high, candle.low, candle.close]
    return [
        candle.open_time,
        *(plain(instrument.price(price)) for price in prices),
        f"{candle.volume:.8f}",
        candle.open_time + interval - 1,
        f"{candle.volume * candle.close:.8f}",
        candle.trades,
        f"{candle.volume / 2:.8f}",
        f"{candle.volume * candle.close / 2:.8f}",
        "0",
    ]
