"""The fake exchange over HTTP, read by the unmodified ccxt clients."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from ccxt.base.errors import (
    AuthenticationError,
    BadRequest,
    BadSymbol,
    ExchangeError,
    InsufficientFunds,
    InvalidOrder,
    OrderNotFound,
)

from tests.fakes.exchange import DAY, HOUR, MINUTE, FakeExchange, Instrument, Tape
from tests.fakes.exchange.clients import connected
from tests.fakes.exchange.faults import Halt
from tests.fakes.exchange.synthetic import random_candles, random_trades

VENUES = ("binanceus", "coinbase", "kraken", "bitstamp")
START = 1_700_006_400_000
# a real answer of Kraken, where it is
RECORDED = Path(__file__).parents[3] / "shared/data/nautilus_kraken_1m_720.parquet"
# candles a call: given `since`, and with a forming candle at the end where the venue adds one
ROWS = {"binanceus": 1000, "coinbase": 300, "kraken": 721, "bitstamp": 1000}
CLIENT_ID = {
    "binanceus": "clientOrderId",
    "coinbase": "client_order_id",
    "kraken": "clientOrderId",
    "bitstamp": "clientOrderId",
}
BTC = Instrument("BTC/USD", price_decimals=2, amount_decimals=6)


def exchange(tape: Tape, now: int, *venues: str) -> FakeExchange:
    funds = {"USD": 100_000, "BTC": 10}
    chosen = venues or VENUES
    return FakeExchange(now, {v: [tape] for v in chosen}, dict.fromkeys(chosen, funds))


def minutes(rows: list[list[float]]) -> list[int]:
    return [(int(row[0]) - START) // MINUTE for row in rows]


@pytest.mark.parametrize("venue", VENUES)
async def test_markets(venue: str) -> None:
    tapes = [
        Tape(Instrument(symbol, price_decimals=2, amount_decimals=6))
        for symbol in ("BTC/USD", "ETH/BTC", "DOGE/USD", "SOL/USDT")
    ]
    async with (
        FakeExchange(START, {venue: tapes}) as fake,
        connected(fake, venue) as client,
    ):
        assert set(client.markets) == {tape.instrument.symbol for tape in tapes}
        market = client.market("BTC/USD")
        assert (market["base"], market["quote"], market["spot"]) == ("BTC", "USD", True)
        assert market["active"]
        assert market["precision"]["price"] == 0.01
        assert market["precision"]["amount"] == 1e-6
        assert market["limits"]["amount"]["min"] == 1e-5
        assert market["limits"]["cost"]["min"] == 1
        fees = fake.core(venue).fees
        assert market["taker"] == float(fees.taker)
        assert market["maker"] == float(fees.maker)
        assert {"BTC", "DOGE", "ETH", "SOL", "USD"} <= set(client.currencies)


class TestCandles:
    @pytest.mark.parametrize("venue", VENUES)
    async def test_forward_pages_to_the_forming_candle(self, venue: str) -> None:
        count = 2_500
        rows = random_candles(count, START)
        now = START + (count - 10) * MINUTE + 20_000
        async with (
            exchange(Tape(BTC, candles=rows), now, venue) as fake,
            connected(fake, venue) as client,
        ):
            since = START + 100 * MINUTE
            if venue == "kraken":
                since = now - 700 * MINUTE // MINUTE * MINUTE
            pages, found = 0, []
            while page := await client.fetch_ohlcv("BTC/USD", "1m", since=since, limit=1000):
                assert len(page) <= ROWS[venue]
                pages += 1
                found += page
                since = page[-1][0] + MINUTE
                if since > now:
                    break
            first = minutes(found)[0]
            assert minutes(found) == list(range(first, count - 9))
            expected = rows[first : count - 10]
            np.testing.assert_array_equal(np.array(found[:-1], dtype=float), expected)
            assert found[-1][5] < rows[count - 10, 5]
            assert pages == (1 if venue == "kraken" else -(-(count - 10 - 100) // ROWS[venue]))

    @pytest.mark.parametrize("venue", VENUES)
    async def test_a_page_holds_no_more_than_the_venue_gives(self, venue: str) -> None:
        tape = Tape(BTC, candles=random_candles(2_000, START))
        now = START + 1_900 * MINUTE
        async with exchange(tape, now, venue) as fake, connected(fake, venue) as client:
            page = await client.fetch_ohlcv("BTC/USD", "1m", since=START, limit=5_000)
            assert len(page) == ROWS[venue]
            # Kraken answers the question that it likes: the last 720 and the forming one
            begin = 1_180 if venue == "kraken" else 0
            assert minutes(page) == list(range(begin, begin + ROWS[venue]))
            few = await client.fetch_ohlcv("BTC/USD", "1m", since=now - 3 * MINUTE)
            assert minutes(few) == [1_897, 1_898, 1_899, 1_900]

    @pytest.mark.parametrize("venue", ["binanceus", "kraken", "bitstamp"])
    async def test_without_since_the_latest(self, venue: str) -> None:
        tape = Tape(BTC, candles=random_candles(2_000, START))
        async with (
            exchange(tape, START + 1_900 * MINUTE, venue) as fake,
            connected(fake, venue) as client,
        ):
            page = await client.fetch_ohlcv("BTC/USD", "1m")
            count = {"binanceus": 500, "kraken": 721, "bitstamp": 1000}[venue]
            assert minutes(page) == list(range(1_901 - count, 1_901))

    @pytest.mark.parametrize("venue", ["binanceus", "coinbase"])
    async def test_backward_pages(self, venue: str) -> None:
        rows = random_candles(1_200, START)
        now = START + 1_200 * MINUTE - 1
        async with (
            exchange(Tape(BTC, candles=rows), now, venue) as fake,
            connected(fake, venue) as client,
        ):
            found: list[list[float]] = []
            until = START + 1_100 * MINUTE
            while until >= START:
                since = until - 199 * MINUTE
                page = await client.fetch_ohlcv(
                    "BTC/USD", "1m", since=since, limit=200, params={"until": until}
                )
                assert minutes(page)[-1] == (until - START) // MINUTE
                found = page + found
                until = since - MINUTE
            assert minutes(found) == list(range(1_101))

    @pytest.mark.parametrize("venue", VENUES)
    async def test_every_timeframe_of_the_client(self, venue: str) -> None:
        rows = random_candles(24 * 60 * 16, 1_699_920_000_000, timeframe=MINUTE)
        now = int(rows[-1, 0])
        async with (
            exchange(Tape(BTC, candles=rows), now, venue) as fake,
            connected(fake, venue) as client,
        ):
            missing = {"1s", "3d", "1w", "2w", "1M"}  # of other rules than a grid of one width
            for timeframe in set(client.timeframes) - missing:
                width = client.parse_timeframe(timeframe) * 1000
                since = now // width * width - 3 * width
                page = await client.fetch_ohlcv("BTC/USD", timeframe, since=since, limit=5)
                assert [row[0] for row in page] == [since + n * width for n in range(4)]
                inside = rows[(rows[:, 0] >= since) & (rows[:, 0] < since + width)]
                assert page[0][2] == inside[:, 2].max()
                assert page[0][5] == pytest.approx(inside[:, 5].sum())

    async def test_coinbase_refuses_a_long_span(self) -> None:
        tape = Tape(BTC, candles=random_candles(500, START))
        async with (
            exchange(tape, START + 500 * MINUTE, "coinbase") as fake,
            connected(fake, "coinbase") as client,
        ):
            with pytest.raises(BadRequest, match="less than 350"):
                await client.fetch_ohlcv(
                    "BTC/USD", "1m", since=START, params={"until": START + 350 * MINUTE}
                )

    @pytest.mark.parametrize("venue", VENUES)
    async def test_halts_are_holes(self, venue: str) -> None:
        tape = Tape(BTC, trades=random_trades(5_000, START, START + 2 * HOUR))
        async with (
            exchange(tape, START + 100 * MINUTE, venue) as fake,
            connected(fake, venue) as client,
        ):
            fake.faults.add(Halt(START + 30 * MINUTE, START + 40 * MINUTE), venue=venue)
            page = await client.fetch_ohlcv("BTC/USD", "1m", since=START, limit=60)
            assert minutes(page)[:50] == [n for n in range(60) if not 30 <= n < 40]


if RECORDED.exists():

    async def test_a_recorded_answer_of_kraken() -> None:
        frame = pl.read_parquet(RECORDED)
        rows = frame.select("ts", "open", "high", "low", "close", "volume").to_numpy()
        tape = Tape(Instrument("BTC/USDT", price_decimals=1), candles=rows)
        async with (
            FakeExchange(int(rows[-1, 0]) + MINUTE - 1, {"kraken": [tape]}) as fake,
            connected(fake, "kraken") as client,
        ):
            page = await client.fetch_ohlcv("BTC/USDT", "1m", since=0)
            np.testing.assert_array_equal(np.array(page, dtype=float), rows)


class TestTrades:
    def trades(self) -> list[tuple[int, float, float, str]]:
        return random_trades(3_000, START, START + 3 * HOUR)

    def told(self, found: list[dict]) -> list[tuple[int, float, float, str]]:
        return [(t["timestamp"], t["price"], t["amount"], t["side"]) for t in found]

    async def test_binanceus_pages_by_id(self) -> None:
        trades = self.trades()
        async with (
            exchange(Tape(BTC, trades=trades), START + 3 * HOUR, "binanceus") as fake,
            connected(fake, "binanceus") as client,
        ):
            found = await client.fetch_trades("BTC/USD", since=START, limit=1000)
            assert len(found) <= 1000
            assert self.told(found) == trades[: len(found)]
            while len(found) < len(trades):
                page = await client.fetch_trades(
                    "BTC/USD", params={"fromId": int(found[-1]["id"]) + 1}, limit=1000
                )
                found += page
            assert self.told(found) == trades
            assert await client.fetch_trades("BTC/USD", since=START + 4 * HOUR) == []

    async def test_kraken_pages_by_last(self) -> None:
        trades = self.trades()
        async with (
            exchange(Tape(BTC, trades=trades), START + 3 * HOUR, "kraken") as fake,
            connected(fake, "kraken") as client,
        ):
            since, found = str(START // 1000 - 1), []
            while True:
                answer = await client.publicGetTrades({"pair": "XXBTZUSD", "since": since})
                page = answer["result"]["XXBTZUSD"]
                if not page:
                    break
                assert len(page) <= 1000
                found += client.parse_trades(page, client.market("BTC/USD"))
                since = answer["result"]["last"]
            assert self.told(found) == trades

    async def test_coinbase_pages_by_time(self) -> None:
        trades = self.trades()
        async with (
            exchange(Tape(BTC, trades=trades), START + 3 * HOUR, "coinbase") as fake,
            connected(fake, "coinbase") as client,
        ):
            found: dict[str, dict] = {}
            until = START + 3 * HOUR
            while until > START:
                page = await client.fetch_trades(
                    "BTC/USD", since=until - HOUR, limit=1000, params={"until": until}
                )
                found |= {trade["id"]: trade for trade in page}
                until -= 30 * MINUTE
            ordered = sorted(found.values(), key=lambda trade: int(trade["id"]))
            assert self.told(ordered) == trades

    async def test_bitstamp_knows_the_last_hour_in_seconds(self) -> None:
        trades = self.trades()
        now = START + 3 * HOUR
        async with (
            exchange(Tape(BTC, trades=trades), now, "bitstamp") as fake,
            connected(fake, "bitstamp") as client,
        ):
            found = await client.fetch_trades("BTC/USD", since=START)
            expected = [t for t in trades if t[0] > now - HOUR]
            assert sorted(int(t["id"]) for t in found) == list(
                range(len(trades) - len(expected) + 1, len(trades) + 1)
            )
            assert {t["timestamp"] % 1000 for t in found} == {0}


@pytest.mark.parametrize("venue", VENUES)
async def test_ticker_book_and_time(venue: str) -> None:
    tape = Tape(BTC, candles=random_candles(3_000, START))
    now = START + DAY
    async with exchange(tape, now, venue) as fake, connected(fake, venue) as client:
        last = tape.price(now)
        ticker = await client.fetch_ticker("BTC/USD")
        assert ticker["last"] == last
        assert ticker["bid"] < last < ticker["ask"]
        book = await client.fetch_order_book("BTC/USD", 5)
        assert book["bids"][0][:2] == [ticker["bid"], 5.0]
        assert book["asks"][0][:2] == [ticker["ask"], 5.0]
        assert len(book["asks"]) == (10 if venue == "bitstamp" else 5)
        if client.has["fetchTime"]:
            assert await client.fetch_time() == now // 1000 * 1000


class TestOrders:
    """An order's life at each venue."""

    @pytest.mark.parametrize("venue", VENUES)
    async def test_a_limit_order_is_filled_in_parts(self, venue: str) -> None:
        trades = [
            (START + n * 1000, p, 0.4, "sell") for n, p in enumerate((100.0, 98.0, 97.5, 97.0))
        ]
        async with (
            exchange(Tape(BTC, trades=trades), START, venue) as fake,
            connected(fake, venue) as client,
        ):
            order = await client.create_order(
                "BTC/USD", "limit", "buy", 1, 99, {CLIENT_ID[venue]: "mine-1"}
            )
            assert order["filled"] in (None, 0)
            balance = await client.fetch_balance()
            assert balance["USD"]["free"] <= 100_000 - 99
            listed = await client.fetch_open_orders("BTC/USD")
            assert [row["id"] for row in listed] == [order["id"]]
            await fake.advance(1_000)
            partly = await client.fetch_order(order["id"], "BTC/USD")
            assert partly["status"] == "open"
            if venue != "bitstamp":  # its order status has no price and amount
                assert (partly["price"], partly["amount"]) == (99, 1)
                assert partly["remaining"] == pytest.approx(0.6)
            assert partly["filled"] == pytest.approx(0.4)
            await fake.advance(2_000)
            done = await client.fetch_order(order["id"], "BTC/USD")
            assert (done["status"], done["filled"]) == ("closed", 1)
            assert done["average"] == 99
            assert await client.fetch_open_orders("BTC/USD") == []
            fills = await client.fetch_my_trades("BTC/USD")
            assert sorted(fill["amount"] for fill in fills) == [0.2, 0.4, 0.4]
            assert {fill["order"] for fill in fills} == {order["id"]}
            fees = fake.core(venue).fees
            paid = sum(fill["fee"]["cost"] for fill in fills)
            in_base = venue == "binanceus"
            assert paid == pytest.approx(float(fees.maker) * (1 if in_base else 99), abs=2e-5)
            assert {fill["fee"]["currency"] for fill in fills} == {"BTC" if in_base else "USD"}
            balance = await client.fetch_balance()
            assert balance["BTC"]["total"] == pytest.approx(11 - (paid if in_base else 0))

    @pytest.mark.parametrize("venue", VENUES)
    async def test_market_orders(self, venue: str) -> None:
        tape = Tape(BTC, trades=[(START, 100.0, 1.0, "buy")])
        async with exchange(tape, START, venue) as fake, connected(fake, venue) as client:
            sold = await client.create_order("BTC/USD", "market", "sell", 2)
            order = await client.fetch_order(sold["id"], "BTC/USD")
            assert (order["status"], order["filled"], order["average"]) == ("closed", 2, 99.99)
            if venue == "coinbase":  # buys at market by what they may cost
                cost = {"params": {"cost": 100}}
                bought = await client.create_order("BTC/USD", "market", "buy", 0, **cost)
            else:
                bought = await client.create_order("BTC/USD", "market", "buy", 1)
            order = await client.fetch_order(bought["id"], "BTC/USD")
            assert (order["status"], order["average"]) == ("closed", 100.01)
            expected = 100 / 100.01 / 1.012 if venue == "coinbase" else 1
            assert order["filled"] == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("venue", VENUES)
    async def test_cancel(self, venue: str) -> None:
        tape = Tape(BTC, trades=[(START, 100.0, 1.0, "buy")])
        async with exchange(tape, START, venue) as fake, connected(fake, venue) as client:
            order = await client.create_order("BTC/USD", "limit", "sell", 1, 120)
            assert (await client.fetch_balance())["BTC"]["free"] == 9
            await client.cancel_order(order["id"], "BTC/USD")
            found = await client.fetch_order(order["id"], "BTC/USD")
            assert found["status"] == "canceled"
            assert (await client.fetch_balance())["BTC"]["free"] == 10
            # a second time it is unknown, in each venue's own way
            error = BadRequest if venue == "coinbase" else OrderNotFound
            with pytest.raises(error):
                await client.cancel_order(order["id"], "BTC/USD")

    async def test_lookup_by_client_order_id(self) -> None:
        tape = Tape(BTC, trades=[(START, 100.0, 1.0, "buy")])
        async with exchange(tape, START) as fake:
            for venue in VENUES:
                async with connected(fake, venue) as client:
                    order = await client.create_order(
                        "BTC/USD", "limit", "buy", 1, 90, {CLIENT_ID[venue]: "mine-7"}
                    )
                    if venue in {"binanceus", "bitstamp"}:
                        found = await client.fetch_order(
                            None, "BTC/USD", {"clientOrderId": "mine-7"}
                        )
                    elif venue == "kraken":
                        listed = await client.fetch_open_orders(
                            "BTC/USD", params={"clientOrderId": "mine-7"}
                        )
                        assert await client.fetch_open_orders(params={"clientOrderId": "no"}) == []
                        (found,) = listed
                    else:
                        (found,) = await client.fetch_open_orders("BTC/USD")
                    assert found["id"] == order["id"]
                    assert found["clientOrderId"] == "mine-7"

    async def test_traps_of_the_venues(self) -> None:
        tape = Tape(BTC, trades=[(START, 100.0, 1.0, "buy")])
        async with exchange(tape, START) as fake:
            async with connected(fake, "coinbase") as client:
                # ccxt drops clientOrderId and sends a random one
                await client.create_order(
                    "BTC/USD", "limit", "buy", 1, 90, {"clientOrderId": "dropped"}
                )
                (placed,) = fake.core("coinbase").orders.values()
                assert placed.request.client_id.startswith("ccxt-")
                # the same client order id again is the same order again
                twice = [
                    await client.create_order(
                        "BTC/USD", "limit", "buy", 1, 90, {"client_order_id": "same"}
                    )
                    for _ in range(2)
                ]
                assert twice[0]["id"] == twice[1]["id"]
                with pytest.raises(InvalidOrder, match="requires a price"):
                    await client.create_order("BTC/USD", "market", "buy", 1)
            async with connected(fake, "kraken") as client:
                order = await client.create_order(
                    "BTC/USD", "limit", "buy", 1, 90, {"clientOrderId": "mine"}
                )
                answer = (order["status"], order["filled"], order["timestamp"])
                assert answer == (None, None, None)
                # ccxt asks for a userref, which a client order id is not
                with pytest.raises(ExchangeError, match="userref"):
                    await client.fetch_order(order["id"], params={"clientOrderId": "mine"})
            async with connected(fake, "bitstamp") as client:
                await client.create_order(
                    "BTC/USD", "limit", "buy", 1, 90, {"clientOrderId": "mine"}
                )
                with pytest.raises(OrderNotFound):
                    await client.fetch_order(None, "BTC/USD", {"clientOrderId": "other"})

    @pytest.mark.parametrize("venue", VENUES)
    async def test_refused_orders(self, venue: str) -> None:
        tape = Tape(BTC, trades=[(START, 100.0, 1.0, "buy")])
        async with exchange(tape, START, venue) as fake, connected(fake, venue) as client:
            with pytest.raises(InsufficientFunds):
                await client.create_order("BTC/USD", "limit", "buy", 9_000, 100)
            with pytest.raises(InsufficientFunds):
                await client.create_order("BTC/USD", "limit", "sell", 11, 100)
            too_small = ExchangeError if venue == "coinbase" else InvalidOrder
            with pytest.raises(too_small):
                await client.create_order("BTC/USD", "limit", "buy", 0.000005, 100)
            assert fake.core(venue).orders == {}

    async def test_post_only(self) -> None:
        tape = Tape(BTC, trades=[(START, 100.0, 1.0, "buy")])
        async with exchange(tape, START) as fake:
            for venue in VENUES:
                more = {"moc_order": True} if venue == "bitstamp" else {"postOnly": True}
                async with connected(fake, venue) as client:
                    with pytest.raises(ExchangeError):
                        await client.create_order("BTC/USD", "limit", "buy", 1, 101, more)
                    await client.create_order("BTC/USD", "limit", "buy", 1, 99, more)
                    assert len(fake.core(venue).orders) == 1

    async def test_cancel_all(self) -> None:
        tape = Tape(BTC, trades=[(START, 100.0, 1.0, "buy")])
        async with exchange(tape, START) as fake:
            for venue in ("binanceus", "kraken", "bitstamp"):
                async with connected(fake, venue) as client:
                    for price in (90, 91, 92):
                        await client.create_order("BTC/USD", "limit", "buy", 1, price)
                    await client.cancel_all_orders("BTC/USD")
                    assert await client.fetch_open_orders("BTC/USD") == []


@pytest.mark.parametrize("venue", VENUES)
async def test_unsigned_and_wrongly_signed(venue: str) -> None:
    tape = Tape(BTC, trades=[(START, 100.0, 1.0, "buy")])
    async with exchange(tape, START, venue) as fake:
        async with connected(fake, venue) as client:
            client.secret = "d3Jvbmc" + "A" * 9  # pragma: allowlist secret
            # Kraken's words for it are not among those that ccxt knows
            error = ExchangeError if venue == "kraken" else AuthenticationError
            with pytest.raises(error):
                await client.fetch_balance()
        async with connected(fake, venue) as client:
            client.apiKey = "another"  # pragma: allowlist secret
            with pytest.raises(AuthenticationError):
                await client.fetch_balance()


@pytest.mark.parametrize("venue", VENUES)
async def test_an_unknown_market(venue: str) -> None:
    tape = Tape(BTC, trades=[(START, 100.0, 1.0, "buy")])
    async with exchange(tape, START, venue) as fake, connected(fake, venue) as client:
        with pytest.raises(BadSymbol):
            await client.fetch_ohlcv("XXX/USD", "1m")
        delisted = dict(client.market("BTC/USD"), id="XXXUSD", symbol="XXX/USD")
        client.markets["XXX/USD"] = delisted
        with pytest.raises(ExchangeError):
            await client.fetch_ohlcv("XXX/USD", "1m", since=START)
