"""Each fault of the plan, as the unmodified ccxt clients show it to a bot."""

from typing import Any

import pytest
from ccxt.base.errors import (
    AuthenticationError,
    DDoSProtection,
    ExchangeError,
    ExchangeNotAvailable,
    InsufficientFunds,
    InvalidNonce,
    NetworkError,
    OperationFailed,
    OrderNotFound,
    RateLimitExceeded,
    RequestTimeout,
)

from tests.fakes.exchange import HOUR, MINUTE, FakeExchange, Instrument, Refusal, Tape
from tests.fakes.exchange.clients import connected, watching
from tests.fakes.exchange.faults import (
    ClockSkew,
    Disconnect,
    DropSocket,
    Duplicated,
    GarbageFrame,
    Late,
    LostMessage,
    NoAnswer,
    PartialFill,
    RateLimited,
    Refuse,
    RefuseSocket,
    Reject,
    ServerError,
    SilentSocket,
    SlowAnswer,
    TruncatedBody,
    TruncatedFrame,
)

VENUES = ("binanceus", "coinbase", "kraken", "bitstamp")
START = 1_700_006_400_000
BTC = Instrument("BTC/USD", amount_decimals=6)
CLIENT_ID = {"coinbase": "client_order_id"}


def exchange(*venues: str, seed: int = 0, symbols: tuple[str, ...] = ("BTC/USD",)) -> FakeExchange:
    """One trade a second, at 100, 101, 102, ... so that a price tells which trade it was."""
    trades = [(START + n * 1000, 100.0 + n, 1.0, "buy") for n in range(3_600)]
    tapes = [Tape(Instrument(symbol, amount_decimals=6), trades=trades) for symbol in symbols]
    funds = {"USD": 100_000, "BTC": 10}
    return FakeExchange(
        START, dict.fromkeys(venues, tapes), dict.fromkeys(venues, funds), seed=seed
    )


def numbers(trades: list[dict]) -> list[int]:
    return [int(trade["price"]) - 100 for trade in trades]


async def buy(client: Any, venue: str) -> dict:
    name = CLIENT_ID.get(venue, "clientOrderId")
    return await client.create_order("BTC/USD", "limit", "buy", 0.5, 90, {name: "mine-1"})


@pytest.mark.parametrize("venue", VENUES)
class TestRequests:
    @pytest.mark.parametrize(
        ("fault", "error", "accepted"),
        [
            (NoAnswer(), RequestTimeout, False),
            (NoAnswer(after=True), RequestTimeout, True),
            (Disconnect(), ExchangeNotAvailable, False),
            (Disconnect(after=True), ExchangeNotAvailable, True),
            (ServerError(502), ExchangeNotAvailable, False),
            (ServerError(504), RequestTimeout, False),
        ],
    )
    async def test_an_order_whose_answer_is_lost(
        self, venue: str, fault: object, error: type[Exception], *, accepted: bool
    ) -> None:
        async with exchange(venue) as fake, connected(fake, venue) as client:
            planned = fake.faults.add(fault, venue=venue, method="create_order", count=1)
            patience = client.timeout
            if isinstance(fault, NoAnswer):
                client.timeout = 1_000
            with pytest.raises(error):
                await buy(client, venue)
            client.timeout = patience
            assert planned.hits == 1
            found = await client.fetch_open_orders("BTC/USD")
            assert [order["clientOrderId"] for order in found] == ["mine-1"] * accepted
            if not accepted:
                await buy(client, venue)  # the same client order id is free

    async def test_rate_limit(self, venue: str) -> None:
        async with exchange(venue) as fake, connected(fake, venue) as client:
            fake.faults.add(RateLimited(retry_after=7), method="fetch_ohlcv", count=1)
            limited = (DDoSProtection, RateLimitExceeded)
            with pytest.raises(limited):
                await client.fetch_ohlcv("BTC/USD", "1m", since=START)
            assert client.last_response_headers["Retry-After"] == "7"
            assert len(await client.fetch_ohlcv("BTC/USD", "1m", since=START)) == 1

    async def test_a_slow_answer_is_an_answer(self, venue: str) -> None:
        async with exchange(venue) as fake, connected(fake, venue, timeout=5_000) as client:
            planned = fake.faults.add(SlowAnswer(0.1), method="fetch_ticker")
            assert (await client.fetch_balance())["USD"]["total"] == 100_000
            fake.faults.add(SlowAnswer(0.1), method="fetch_ohlcv", count=1)
            assert len(await client.fetch_ohlcv("BTC/USD", "1m", since=START)) == 1
            assert planned.hits == 0

    async def test_truncated_json_looks_like_no_data(self, venue: str) -> None:
        async with exchange(venue) as fake, connected(fake, venue) as client:
            fake.faults.add(TruncatedBody(), method="fetch_ohlcv", count=1)
            # the trap: no error at all, and an empty page
            assert await client.fetch_ohlcv("BTC/USD", "1m", since=START) == []
            assert len(await client.fetch_ohlcv("BTC/USD", "1m", since=START)) == 1
            fake.faults.add(TruncatedBody(), method="create_order", count=1)
            answer = await buy(client, venue)
            assert answer["id"] is None
            assert len(await client.fetch_open_orders("BTC/USD")) == 1

    async def test_unavailable(self, venue: str) -> None:
        async with exchange(venue) as fake, connected(fake, venue) as client:
            fake.faults.add(Refuse(Refusal.UNAVAILABLE), method="fetch_balance", count=1)
            error = {"binanceus": OperationFailed, "coinbase": ExchangeError}
            with pytest.raises(error.get(venue, ExchangeNotAvailable)):
                await client.fetch_balance()
            assert (await client.fetch_balance())["BTC"]["total"] == 10

    async def test_only_the_symbol_in_scope(self, venue: str) -> None:
        async with (
            exchange(venue, symbols=("BTC/USD", "ETH/USD")) as fake,
            connected(fake, venue) as client,
        ):
            fake.faults.add(ServerError(503), symbol="ETH/USD")
            with pytest.raises(ExchangeNotAvailable):
                await client.fetch_ohlcv("ETH/USD", "1m", since=START)
            assert len(await client.fetch_ohlcv("BTC/USD", "1m", since=START)) == 1
            fake.faults.clear()
            assert len(await client.fetch_ohlcv("ETH/USD", "1m", since=START)) == 1

    async def test_a_share_of_requests_fails(self, venue: str) -> None:
        async with exchange(venue, seed=3) as fake, connected(fake, venue) as client:
            planned = fake.faults.add(ServerError(503), method="fetch_ohlcv", probability=0.5)
            failed = 0
            for _ in range(30):
                try:
                    await client.fetch_ohlcv("BTC/USD", "1m", since=START)
                except ExchangeNotAvailable:
                    failed += 1
            assert failed == planned.hits
            assert 5 < failed < 25


@pytest.mark.parametrize("venue", VENUES)
class TestOrders:
    async def test_rejected(self, venue: str) -> None:
        async with exchange(venue) as fake, connected(fake, venue) as client:
            fake.faults.add(Reject(Refusal.INSUFFICIENT_FUNDS), venue=venue, count=1)
            with pytest.raises(InsufficientFunds):
                await buy(client, venue)
            assert await client.fetch_open_orders("BTC/USD") == []
            await buy(client, venue)

    async def test_market_halted(self, venue: str) -> None:
        async with exchange(venue) as fake, connected(fake, venue) as client:
            fake.faults.outage(venue, START + MINUTE, START + 2 * MINUTE)
            fake.faults.add(Reject(Refusal.MARKET_HALTED), count=1)
            with pytest.raises((ExchangeError, ExchangeNotAvailable)):
                await buy(client, venue)
            await fake.advance(MINUTE)
            with pytest.raises(ExchangeNotAvailable):
                await buy(client, venue)
            await fake.advance(MINUTE)
            await buy(client, venue)
            page = await client.fetch_ohlcv("BTC/USD", "1m", since=START, limit=5)
            assert [(row[0] - START) // MINUTE for row in page] == [0, 2]

    async def test_partial_fills(self, venue: str) -> None:
        async with exchange(venue) as fake, connected(fake, venue) as client:
            fake.faults.add(PartialFill(0.25), venue=venue, count=2)
            sold = await client.create_order("BTC/USD", "market", "sell", 1)
            order = await client.fetch_order(sold["id"], "BTC/USD")
            assert order["status"] == ("expired" if venue == "binanceus" else "canceled")
            assert order["filled"] == 0.25
            resting = await client.create_order("BTC/USD", "limit", "sell", 1, 99)
            order = await client.fetch_order(resting["id"], "BTC/USD")
            assert (order["status"], order["filled"]) == ("open", 0.25)


class TestClockSkew:
    async def test_server_time_is_off(self) -> None:
        venues = ("binanceus", "coinbase", "kraken")
        async with exchange(*venues) as fake:
            fake.faults.add(ClockSkew(90_000))
            for venue in venues:
                # Coinbase's markets are asked for with a signature where there are keys
                async with connected(fake, venue, apiKey="", secret="") as client:
                    assert await client.fetch_time() == START + 90_000

    async def test_requests_stamped_with_another_time_are_refused(self) -> None:
        errors = {
            "binanceus": InvalidNonce,
            "coinbase": AuthenticationError,
            "bitstamp": InvalidNonce,
        }
        async with exchange(*errors) as fake:
            for venue, error in errors.items():
                async with connected(fake, venue) as client:
                    planned = fake.faults.add(ClockSkew(60_000), venue=venue)
                    with pytest.raises(error):
                        await client.fetch_balance()
                    fake.faults.clear()
                    assert planned.fault == ClockSkew(60_000)
                    await client.fetch_balance()

    async def test_a_client_that_takes_the_venues_time_over(self) -> None:
        async with exchange("binanceus") as fake:
            fake.faults.add(ClockSkew(-60_000))
            options = {"options": {"adjustForTimeDifference": True}}
            async with connected(fake, "binanceus", **options) as client:
                assert (await client.fetch_balance())["USD"]["total"] == 100_000

    async def test_two_clients_with_one_key_at_kraken(self) -> None:
        behind = {"options": {"timeDifference": 600_000}}
        async with (
            exchange("kraken") as fake,
            connected(fake, "kraken") as client,
            connected(fake, "kraken", **behind) as other,
        ):
            await client.fetch_balance()
            with pytest.raises(InvalidNonce):
                await other.fetch_balance()


# a socket that is asked whether it lives every 250 ms (real time), and given up after two misses
QUICK = {"streaming": {"keepAlive": 250}}


@pytest.mark.parametrize("venue", VENUES)
class TestSockets:
    @pytest.mark.parametrize("clean", [True, False])
    async def test_dropped(self, venue: str, *, clean: bool) -> None:
        async with (
            exchange(venue) as fake,
            connected(fake, venue) as client,
            watching(client, "watch_trades", "BTC/USD") as seen,
        ):
            await fake.subscribed(venue)
            await fake.advance(2_000)
            fake.faults.add(DropSocket(clean=clean), method="watch_trades", count=1)
            await fake.advance(1_000)
            await seen.until(lambda: bool(seen.errors))
            assert isinstance(seen.errors[0], NetworkError)
            fake.faults.clear()
            await fake.subscribed(venue)
            await fake.advance(1_000)
            await seen.until(lambda: 4 in numbers(seen.items))
            # what came meanwhile is missing, except where a snapshot tells it
            assert (3 in numbers(seen.items)) == (venue == "coinbase")

    async def test_refused(self, venue: str) -> None:
        async with exchange(venue) as fake, connected(fake, venue) as client:
            fake.faults.add(RefuseSocket(503), venue=venue, count=2)
            async with watching(client, "watch_trades", "BTC/USD") as seen:
                await fake.subscribed(venue)
                assert len(seen.errors) == 2
                assert all(isinstance(error, NetworkError) for error in seen.errors)
                await fake.advance(1_000)
                await seen.until(lambda: 1 in numbers(seen.items))

    async def test_silent(self, venue: str) -> None:
        async with (
            exchange(venue) as fake,
            connected(fake, venue) as client,
            connected(fake, venue) as other,
            watching(client, "watch_trades", "BTC/USD") as seen,
        ):
            await fake.subscribed(venue)
            async with watching(other, "watch_trades", "BTC/USD") as heard:
                await fake.subscribed(venue, 2)
                await fake.advance(1_000)
                await seen.until(lambda: 1 in numbers(seen.items))
                # the first socket gets each message first
                fake.faults.add(SilentSocket(), method="watch_trades", count=1)
                await fake.advance(10_000)
                await heard.until(lambda: 11 in numbers(heard.items))
                # nothing tells the client that anything is wrong
                assert max(numbers(seen.items)) == 1
                assert seen.errors == []
                assert fake.open_sockets(venue) == 2

    async def test_silent_without_pongs(self, venue: str) -> None:
        async with (
            exchange(venue) as fake,
            connected(fake, venue, **QUICK) as client,
            watching(client, "watch_trades", "BTC/USD") as seen,
        ):
            await fake.subscribed(venue)
            fake.faults.add(SilentSocket(pongs=False), method="watch_trades", count=1)
            await fake.advance(1_000)
            await seen.until(lambda: bool(seen.errors))
            assert isinstance(seen.errors[0], RequestTimeout)
            await fake.subscribed(venue)
            await fake.advance(1_000)
            await seen.until(lambda: 2 in numbers(seen.items))

    @pytest.mark.parametrize(
        ("fault", "expected"),
        [
            (LostMessage(), [1, 3, 4, 5, 6]),
            (Duplicated(), [1, 2, 2, 3, 4, 5, 6]),
            (Late(by=1), [1, 3, 2, 4, 5, 6]),
            (Late(by=3), [1, 3, 4, 5, 2, 6]),
        ],
    )
    async def test_lost_doubled_and_late(
        self, venue: str, fault: object, expected: list[int]
    ) -> None:
        async with (
            exchange(venue) as fake,
            connected(fake, venue) as client,
            watching(client, "watch_trades", "BTC/USD") as seen,
        ):
            await fake.subscribed(venue)
            fake.faults.add(fault, method="watch_trades", skip=1, count=1)
            await fake.advance(6_000)
            new = lambda: [n for n in numbers(seen.items) if n > 0]  # noqa: E731 - read where it stands
            await seen.until(lambda: len(new()) >= len(expected))
            assert new() == expected

    async def test_late_is_not_lost(self, venue: str) -> None:
        async with (
            exchange(venue) as fake,
            connected(fake, venue) as client,
            watching(client, "watch_trades", "BTC/USD") as seen,
        ):
            await fake.subscribed(venue)
            fake.faults.add(Late(by=50), method="watch_trades", count=1)
            await fake.advance(1_000)
            assert 1 not in numbers(seen.items)
            await fake.advance(1_000)
            await seen.until(lambda: numbers(seen.items)[-2:] == [2, 1])

    async def test_truncated_frames_make_the_client_deaf(self, venue: str) -> None:
        async with (
            exchange(venue) as fake,
            connected(fake, venue, **QUICK) as client,
            watching(client, "watch_trades", "BTC/USD") as seen,
        ):
            await fake.subscribed(venue)
            fake.faults.add(TruncatedFrame(), method="watch_trades", skip=1, count=1)
            await fake.advance(3_000)
            # ccxt's reader dies of it; only the missing pongs end the socket
            await seen.until(lambda: bool(seen.errors))
            assert isinstance(seen.errors[0], RequestTimeout)
            if venue != "coinbase":  # a new socket's snapshot tells them after all
                assert max(numbers(seen.items)) == 1
            await fake.subscribed(venue)
            await fake.advance(1_000)
            await seen.until(lambda: 4 in numbers(seen.items))

    async def test_garbage(self, venue: str) -> None:
        # ccxt before 4.5.90 becomes deaf at bitstamp, as of a truncated frame
        quick = QUICK if venue == "bitstamp" else {}
        async with (
            exchange(venue) as fake,
            connected(fake, venue, **quick) as client,
            watching(client, "watch_trades", "BTC/USD") as seen,
        ):
            await fake.subscribed(venue)
            fake.faults.add(GarbageFrame(), method="watch_trades", skip=1, count=1)
            await fake.advance(3_000)
            await seen.until(lambda: 3 in numbers(seen.items) or bool(seen.errors))
            assert 2 not in numbers(seen.items)
            assert bool(seen.errors) == (3 not in numbers(seen.items))
            assert all(venue == "bitstamp" for _ in seen.errors)


async def test_an_outage_of_one_venue() -> None:
    begin, end = START + 10_000, START + 60_000
    async with exchange("binanceus", "kraken") as fake:
        fake.faults.outage("kraken", begin, end)
        async with (
            connected(fake, "kraken") as down,
            connected(fake, "binanceus") as up,
            watching(down, "watch_trades", "BTC/USD") as seen,
            watching(up, "watch_trades", "BTC/USD") as others,
        ):
            await fake.subscribed("kraken")
            await fake.subscribed("binanceus")
            for _ in range(20):
                await fake.advance(1_000)
            await seen.until(lambda: bool(seen.errors))
            with pytest.raises(ExchangeNotAvailable):
                await down.fetch_ohlcv("BTC/USD", "1m", since=START)
            assert len(await up.fetch_ohlcv("BTC/USD", "1m", since=START)) == 1
            await fake.advance(HOUR // 60)
            await fake.subscribed("kraken")
            await fake.advance(2_000)
            await seen.until(lambda: 82 in numbers(seen.items))
            assert not [n for n in numbers(seen.items) if 10 <= n < 60]
            await others.until(lambda: len(others.items) >= 82)
            assert len(numbers(others.items)) == 82
            page = await down.fetch_ohlcv("BTC/USD", "1m", since=START)
            assert page[0][5] == 10  # the trades before the outage
            with pytest.raises((OrderNotFound, ExchangeError)):
                await down.cancel_order("O-UNKNOWN")
