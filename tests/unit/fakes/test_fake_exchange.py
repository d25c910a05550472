"""The fake exchange without its wire: tape, matching, funds, plan of faults."""

from decimal import Decimal

import numpy as np
import pytest

from tests.fakes.exchange import DAY, HOUR, MINUTE, Instrument, Refusal, Tape
from tests.fakes.exchange.clock import Clock
from tests.fakes.exchange.core import OrderChanged, Traded, VenueCore
from tests.fakes.exchange.faults import Faults, Halt, LostMessage, NoAnswer, PartialFill, Reject
from tests.fakes.exchange.orders import Fees, OrderRequest, RefusedError
from tests.fakes.exchange.synthetic import random_candles, random_trades
from tests.fakes.exchange.tape import Candle

START = 1_700_006_400_000  # a whole hour
BTC = Instrument("BTC/USD")
FREE = Fees(Decimal(0), Decimal(0))


def served(tape: Tape, *, fills_quiet: bool = True) -> Tape:
    return tape.at_venue(fills_quiet=fills_quiet, anchor=0)


def rows_of(candles: list[Candle]) -> np.ndarray:
    return np.array([(c.open_time, c.open, c.high, c.low, c.close, c.volume) for c in candles])


class TestTape:
    def test_trades_made_from_candles_rebuild_them(self) -> None:
        rows = random_candles(300, START)
        tape = served(Tape(BTC, candles=rows))
        end = START + 300 * MINUTE - 1
        trades = tape.trades(START - 1, end)
        assert len(trades) == 4 * len(rows)
        rebuilt = served(Tape(BTC, trades=[(t.time, t.price, t.amount, t.side) for t in trades]))
        found = rows_of(rebuilt.candles(MINUTE, end))
        np.testing.assert_array_equal(found[:, :5], rows[:, :5])
        np.testing.assert_allclose(found[:, 5], rows[:, 5], rtol=0, atol=1e-8)

    @pytest.mark.parametrize("minutes", [5, 15, 60])
    def test_larger_candles_hold_the_smaller(self, minutes: int) -> None:
        rows = random_candles(240, START)
        tape = served(Tape(BTC, candles=rows))
        found = rows_of(tape.candles(minutes * MINUTE, START + 240 * MINUTE))
        parts = rows.reshape(-1, minutes, 6)
        np.testing.assert_array_equal(found[:, 0], parts[:, 0, 0])
        np.testing.assert_array_equal(found[:, 1], parts[:, 0, 1])
        np.testing.assert_array_equal(found[:, 2], parts[:, :, 2].max(axis=1))
        np.testing.assert_array_equal(found[:, 3], parts[:, :, 3].min(axis=1))
        np.testing.assert_array_equal(found[:, 4], parts[:, -1, 4])
        np.testing.assert_allclose(found[:, 5], parts[:, :, 5].sum(axis=1))

    def test_the_last_candle_holds_only_what_has_traded(self) -> None:
        trades = [(START, 10.0, 1.0, "buy"), (START + 30_000, 12.0, 2.0, "sell")]
        tape = served(Tape(BTC, trades=trades))
        assert tape.candles(MINUTE, START + 29_999) == [Candle(START, 10, 10, 10, 10, 1, 1)]
        assert tape.candles(MINUTE, START + 30_000) == [Candle(START, 10, 12, 10, 12, 3, 2)]
        assert tape.candles(MINUTE, START - 1) == []

    def test_a_forming_hour_counts_finished_minutes_and_trades(self) -> None:
        rows = random_candles(90, START)
        tape = served(Tape(BTC, candles=rows))
        now = START + 75 * MINUTE + MINUTE // 2  # two of four trades of that minute
        forming = tape.candles(HOUR, now)[-1]
        assert forming.open_time == START + HOUR
        assert forming.open == rows[60, 1]
        assert forming.volume == pytest.approx(rows[60:75, 5].sum() + rows[75, 5] * 3 / 4)

    def test_quiet_intervals(self) -> None:
        trades = [(START, 10.0, 1.0, "buy"), (START + 3 * MINUTE, 12.0, 2.0, "buy")]
        now = START + 4 * MINUTE
        flat = served(Tape(BTC, trades=trades)).candles(MINUTE, now)
        assert [c.open_time for c in flat] == [START + n * MINUTE for n in range(5)]
        assert flat[1] == Candle(START + MINUTE, 10, 10, 10, 10, 0, 0)
        holes = served(Tape(BTC, trades=trades), fills_quiet=False).candles(MINUTE, now)
        assert [c.open_time for c in holes] == [START, START + 3 * MINUTE]

    def test_holes_of_given_candles_stay(self) -> None:
        rows = np.delete(random_candles(10, START), [4, 5], axis=0)
        found = served(Tape(BTC, candles=rows)).candles(MINUTE, START + 9 * MINUTE)
        assert [c.open_time for c in found[:-1]] == list(rows[:-1, 0])

    def test_limits_keep_either_end(self) -> None:
        tape, now = served(Tape(BTC, candles=random_candles(20, START))), START + 15 * MINUTE
        opens = [
            [c.open_time for c in tape.candles(MINUTE, now, **limits)]
            for limits in (
                {"start": START + MINUTE, "first": 3},
                {"last": 3},
                {"end": START + 5 * MINUTE, "last": 2},
                {"start": START + 14 * MINUTE, "first": 5},
            )
        ]
        expected = [[1, 2, 3], [13, 14, 15], [4, 5], [14, 15]]
        assert opens == [[START + n * MINUTE for n in minutes] for minutes in expected]

    def test_a_halt_takes_trades_and_cuts_candles(self) -> None:
        rows = random_candles(20, START)
        tape = served(Tape(BTC, candles=rows))
        halt = (START + 5 * MINUTE + MINUTE // 2, START + 8 * MINUTE)
        tape.halt((halt,))
        now = START + 15 * MINUTE
        found = rows_of(tape.candles(MINUTE, now)[:-1])
        kept = [n for n in range(15) if n not in (6, 7)]
        assert list(found[:, 0]) == [START + n * MINUTE for n in kept]
        assert found[5, 5] == pytest.approx(rows[5, 5] / 2)
        assert not [t for t in tape.trades(START, now) if halt[0] <= t.time < halt[1]]
        assert tape.is_halted(halt[0])
        assert not tape.is_halted(halt[1])
        tape.halt(())
        np.testing.assert_array_equal(rows_of(tape.candles(MINUTE, now)[:-1]), rows[:15])

    def test_a_halt_leaves_a_hole_in_candles_built_from_trades(self) -> None:
        tape = served(Tape(BTC, trades=random_trades(2_000, START, START + HOUR)))
        tape.halt(((START + 10 * MINUTE, START + 20 * MINUTE),))
        opens = [c.open_time for c in tape.candles(MINUTE, START + HOUR - 1)]
        minutes = [(time - START) // MINUTE for time in opens]
        assert minutes == [n for n in range(60) if not 10 <= n < 20]

    def test_pages_of_trades(self) -> None:
        tape = served(Tape(BTC, trades=random_trades(100, START, START + HOUR)))
        everything = tape.trades(0, START + HOUR)
        assert [trade.id for trade in everything] == list(range(1, 101))
        assert tape.trades_from_id(41, START + HOUR, 10) == everything[40:50]
        assert tape.last_trades(everything[49].time, 5) == everything[45:50]
        assert tape.trades(everything[9].time, START + HOUR, 3) == everything[10:13]

    def test_a_day(self) -> None:
        rows = random_candles(2_000, START)
        now = START + 1_999 * MINUTE
        day = served(Tape(BTC, candles=rows)).day(now)
        past = rows[(rows[:, 0] > now - DAY) & (rows[:, 0] < now)]
        assert day.high >= past[:, 2].max()
        assert day.close == rows[1_999, 1]

    def test_trades_out_of_order_are_refused(self) -> None:
        with pytest.raises(ValueError, match="in the order of their times"):
            Tape(BTC, trades=[(2, 1.0, 1.0, "buy"), (1, 1.0, 1.0, "buy")])


class Market:
    """A core on a tape of single trades at whole seconds."""

    def __init__(self, prices: list[float], amount: float = 1.0, fees: Fees = FREE) -> None:
        trades = [(START + n * 1000, p, amount, "buy") for n, p in enumerate(prices)]
        self.clock = Clock(START)
        self.faults = Faults(self.clock)
        self.events: list[object] = []
        balances = {"USD": Decimal(1_000), "BTC": Decimal(10)}
        instrument = Instrument("BTC/USD", level_amount=Decimal(2))
        tape = served(Tape(instrument, trades=trades))
        self.core = VenueCore("kraken", self.clock, self.faults, [tape], balances, fees)
        self.core.listen(self.events.append)

    def run(self, seconds: int) -> None:
        until = self.clock.now + seconds * 1000
        for time in self.core.replay(until):
            self.clock.move_to(time)
        self.clock.move_to(until)

    def order(self, side: str, amount: str, price: str | None = None, **more: object):
        return self.core.place(
            OrderRequest(
                "BTC/USD",
                side,
                "market" if price is None else "limit",
                Decimal(amount),
                None if price is None else Decimal(price),
                **more,
            )
        )


class TestMatching:
    def test_a_market_order_walks_the_book(self) -> None:
        market = Market([100.0])
        order = market.order("buy", "3")
        assert [(f.price, f.amount) for f in order.fills] == [
            (Decimal("100.01"), 2),
            (Decimal("100.02"), 1),
        ]
        assert order.status == "closed"
        assert market.core.wallet.total("BTC") == 13
        assert market.core.wallet.total("USD") == 1_000 - Decimal("300.04")
        assert market.core.wallet.held("USD") == 0

    def test_an_order_larger_than_the_book_expires_with_what_it_got(self) -> None:
        market = Market([10.0])
        order = market.order("buy", "21")
        assert (order.status, order.filled, order.remaining) == ("expired", 20, 1)
        assert market.core.wallet.held("USD") == 0

    def test_a_limit_order_waits_for_a_trade_through_its_price(self) -> None:
        market = Market([100.0, 99.0, 98.99, 98.0], amount=0.4)
        order = market.order("buy", "1", "99")
        assert market.core.wallet.held("USD") == 99
        market.run(1)
        assert order.fills == []
        market.run(2)
        assert [(f.price, f.amount, f.maker) for f in order.fills] == [
            (Decimal(99), Decimal("0.4"), True),
            (Decimal(99), Decimal("0.4"), True),
        ]
        assert order.status == "open"
        assert market.core.wallet.held("USD") == Decimal("19.8")
        market.core.cancel(order)
        assert (order.status, order.remaining) == ("canceled", Decimal("0.2"))
        assert market.core.wallet.held("USD") == 0

    def test_the_better_price_is_served_first(self) -> None:
        market = Market([100.0, 95.0])
        low, high = market.order("buy", "1", "98"), market.order("buy", "1", "99")
        market.run(1)
        assert (low.filled, high.filled) == (0, 1)

    def test_a_crossing_limit_order_takes_and_rests(self) -> None:
        market = Market([100.0, 99.0], amount=5)
        order = market.order("buy", "5", "100.02")
        assert [(f.amount, f.maker) for f in order.fills] == [(2, False), (2, False)]
        market.run(1)
        assert order.status == "closed"
        assert order.fills[-1].maker

    def test_fees_in_the_quote_or_in_what_was_received(self) -> None:
        rate = Decimal("0.001")
        quote = Market([100.0], fees=Fees(rate, rate))
        quote.order("buy", "1")
        assert quote.core.wallet.total("BTC") == 11
        assert quote.core.wallet.total("USD") == 1_000 - Decimal("100.01") * (1 + rate)
        received = Market([100.0], fees=Fees(rate, rate, in_received=True))
        received.order("buy", "1")
        assert received.core.wallet.total("BTC") == 11 - rate
        assert received.core.wallet.total("USD") == 1_000 - Decimal("100.01")

    def test_a_market_buy_by_cost_spends_no_more(self) -> None:
        market = Market([100.0], fees=Fees(Decimal("0.01"), Decimal("0.01")))
        order = market.core.place(OrderRequest("BTC/USD", "buy", "market", cost=Decimal(100)))
        assert order.status == "closed"
        assert Decimal("99.99") < 1_000 - market.core.wallet.total("USD") <= 100

    @pytest.mark.parametrize(
        ("side", "amount", "price", "refusal"),
        [
            ("buy", "11", "100", Refusal.INSUFFICIENT_FUNDS),
            ("sell", "10.1", "100", Refusal.INSUFFICIENT_FUNDS),
            ("buy", "0.000001", "100", Refusal.AMOUNT_TOO_SMALL),
            ("buy", "0.001", "100", Refusal.COST_TOO_SMALL),
            ("buy", "1", "99.999", Refusal.BAD_PRECISION),
            ("buy", "1.123456789", "99", Refusal.BAD_PRECISION),
        ],
    )
    def test_refusals(self, side: str, amount: str, price: str, refusal: Refusal) -> None:
        market = Market([100.0])
        with pytest.raises(RefusedError) as refused:
            market.order(side, amount, price)
        assert refused.value.refusal is refusal
        assert market.core.orders == {}
        assert market.core.wallet.held("USD") == 0

    def test_more_refusals(self) -> None:
        market = Market([100.0])
        market.order("buy", "1", "90", client_id="once")
        for refusal, place in (
            (Refusal.DUPLICATE_CLIENT_ID, lambda: market.order("buy", "1", client_id="once")),
            (Refusal.WOULD_TAKE, lambda: market.order("buy", "1", "101", post_only=True)),
            (Refusal.UNKNOWN_ORDER, lambda: market.core.find(client_id="other")),
            (Refusal.UNKNOWN_SYMBOL, lambda: market.core.tape("ETH/USD")),
        ):
            with pytest.raises(RefusedError) as refused:
                place()
            assert refused.value.refusal is refusal

    def test_fill_or_kill_and_immediate_or_cancel(self) -> None:
        market = Market([10.0])
        killed = market.order("buy", "30", "11", time_in_force="FOK")
        assert (killed.status, killed.filled) == ("expired", 0)
        cut = market.order("buy", "3", "10.01", time_in_force="IOC")
        assert (cut.status, cut.filled) == ("expired", 2)

    def test_planned_rejections_partial_fills_and_halts(self) -> None:
        market = Market([100.0, 99.0], amount=5)
        market.faults.add(Reject(Refusal.UNAVAILABLE), count=1)
        with pytest.raises(RefusedError):
            market.order("buy", "1")
        market.faults.add(PartialFill(0.25), count=2)
        assert (order := market.order("buy", "1")).status == "expired"
        assert order.filled == Decimal("0.25")
        resting = market.order("buy", "1", "100.01")
        assert (resting.status, resting.filled) == ("open", Decimal("0.25"))
        market.faults.add(Halt(START, START + 2_000))
        with pytest.raises(RefusedError) as refused:
            market.order("buy", "1")
        assert refused.value.refusal is Refusal.MARKET_HALTED
        market.run(1)
        assert resting.filled == Decimal("0.25")

    def test_events_come_in_order(self) -> None:
        market = Market([100.0, 99.0, 98.0], amount=0.5)
        market.order("buy", "0.5", "99")
        market.run(2)
        seen = [
            (type(event).__name__, event.time - START)
            for event in market.events
            if isinstance(event, Traded | OrderChanged)
        ]
        assert seen == [
            ("OrderChanged", 0),
            ("Traded", 1_000),
            ("OrderChanged", 2_000),
            ("Traded", 2_000),
        ]

    def test_two_markets_print_in_the_order_of_time(self) -> None:
        clock = Clock(START)
        tapes = [
            served(Tape(Instrument(symbol), trades=random_trades(50, START, START + HOUR, seed=n)))
            for n, symbol in enumerate(("BTC/USD", "ETH/USD"))
        ]
        core = VenueCore("kraken", clock, Faults(clock), tapes, {}, FREE)
        told: list[Traded] = []
        core.listen(told.append)
        for time in core.replay(START + HOUR):
            clock.move_to(time)
        assert [event.time for event in told] == sorted(event.time for event in told)
        for tape in tapes:
            mine = [event.trade for event in told if event.symbol == tape.instrument.symbol]
            assert mine == tape.trades(START, START + HOUR)

    def test_the_clock_does_not_go_back(self) -> None:
        clock = Clock(5)
        with pytest.raises(ValueError, match="cannot go back"):
            clock.move_to(4)


class TestFaults:
    def test_scope_and_count(self) -> None:
        faults = Faults(Clock(0))
        planned = faults.add(
            NoAnswer(), venue="kraken", method="create_order", symbol="BTC/USD", count=2, skip=1
        )

        def strike(venue: str, method: str, symbol: str | None) -> bool:
            return faults.take(venue, method, symbol, NoAnswer) is not None

        assert not strike("bitstamp", "create_order", "BTC/USD")
        assert not strike("kraken", "fetch_order", "BTC/USD")
        assert not strike("kraken", "create_order", None)
        struck = [strike("kraken", "create_order", "BTC/USD") for _ in range(5)]
        assert struck == [False, True, True, False, False]
        assert planned.hits == 2

    def test_market_time(self) -> None:
        clock = Clock(0)
        faults = Faults(clock)
        faults.add(LostMessage(), start=10, until=20)
        struck = []
        for now in (0, 9, 10, 19, 20):
            clock.move_to(now)
            struck.append(faults.take("kraken", None, None, LostMessage) is not None)
        assert struck == [False, False, True, True, False]

    def test_draws_repeat_with_their_seed(self) -> None:
        def draws(seed: int) -> list[bool]:
            faults = Faults(Clock(0), seed)
            faults.add(LostMessage(), probability=0.3)
            return [faults.take("kraken", None, None, LostMessage) is not None for _ in range(500)]

        assert draws(1) == draws(1)
        assert draws(1) != draws(2)
        assert 100 < sum(draws(1)) < 200
