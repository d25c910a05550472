"""The stream: coalesced, bounded, fed by events; what the server watches for the pages."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid5

import httpx
import numpy as np
import pytest
from studio_rows import candle, series_of

from contracts.events import (
    NAMESPACE,
    CandleEvaluated,
    EquityMarked,
    OrderDecided,
    OrderFilled,
    PortfolioWeightsDecided,
    PositionClosed,
    Signal,
)
from contracts.topics import CANDLES, EVALUATIONS
from studio_svc.access.middleware import TokenError, read_token
from studio_svc.overview.curve import EquityCurve
from studio_svc.stream.feed import PageFeed, watching_decoder
from studio_svc.stream.hub import MAX_PAGES, Hub, TooManyPagesError
from studio_svc.stream.mailbox import KEPT_CANDLES, KEPT_POINTS, KEPT_ROWS, Mailbox
from studio_svc.stream.watch import Refresher, pause_after
from studio_svc.system.health import HealthWatch
from studio_svc.system.views import HealthView
from studio_svc.web_app.thinning import extremes

BTC, ETH = series_of("BTC/USD"), series_of("ETH/USD")
ID = uuid5(NAMESPACE, "x")
OTHER_ID = uuid5(NAMESPACE, "y")
WHERE = {"exchange": "kraken", "symbol": "BTC/USD", "timeframe": "30m"}


def row(n: int) -> tuple[int, float, float, float, float, float]:
    return (n, 1.0, 1.0, 1.0, 1.0, 1.0)


class TestMailbox:
    def test_every_candle_of_the_picked_series_and_the_last_of_others(self) -> None:
        mailbox = Mailbox(BTC)
        for n in range(3):
            mailbox.add_candle(BTC, row(n))
            mailbox.add_candle(ETH, row(n))
        push = mailbox.drain()
        assert push == {
            "last": {BTC: row(2), ETH: row(2)},
            "candles": {"series": BTC, "rows": [row(0), row(1), row(2)], "reset": False},
        }
        assert mailbox.drain() is None

    def test_candles_are_bounded_and_said_to_begin_anew(self) -> None:
        mailbox = Mailbox(BTC)
        for n in range(100_000):
            mailbox.add_candle(BTC, row(n))
            assert len(mailbox._candles) < 2 * KEPT_CANDLES
        push = mailbox.drain()
        assert push is not None
        assert push["candles"]["reset"]
        opens = [candle[0] for candle in push["candles"]["rows"]]
        assert opens == list(range(100_000 - len(opens), 100_000))
        assert len(opens) >= KEPT_CANDLES

    def test_equity_is_bounded_and_keeps_its_deepest_point(self) -> None:
        mailbox = Mailbox(None)
        for n in range(50_000):
            mailbox.add_equity((n, 1.0 if n == 31_117 else 100.0 + n % 7, 0.0, 0.0, 0))
        push = mailbox.drain()
        assert push is not None
        assert len(push["equity"]) < 2 * KEPT_POINTS
        assert push["equity"][-1][0] == 49_999
        assert min(point[1] for point in push["equity"]) == 1.0

    def test_a_page_that_lags_is_told_to_reload(self) -> None:
        mailbox = Mailbox(None)
        for n in range(KEPT_ROWS):
            mailbox.add_row("orders", n)
        push = mailbox.drain()
        assert push is not None
        assert "reload" not in push
        for n in range(KEPT_ROWS + 1):
            mailbox.add_row("orders", n)
        push = mailbox.drain()
        assert push is not None
        assert push["reload"]
        assert push["orders"] == list(range(1, KEPT_ROWS + 1))

    def test_one_lag_is_one_reload(self) -> None:
        mailbox = Mailbox(None)
        for n in range(3 * KEPT_ROWS):
            mailbox.add_row("orders", n)
        assert (mailbox.drain() or {})["reload"]
        mailbox.add_row("orders", 0)
        assert mailbox.drain() == {"orders": [0]}
        assert mailbox.drain() is None

    def test_a_correction_stands_where_the_candle_does(self) -> None:
        mailbox = Mailbox(BTC)
        for n in (4, 5):
            mailbox.add_candle(BTC, row(n))
        mailbox.add_candle(BTC, (2, *row(2)[1:]), is_newest=False)
        mailbox.add_candle(BTC, (4, 9.0, 9.0, 9.0, 9.0, 9.0), is_newest=False)
        push = mailbox.drain()
        assert push is not None
        assert push["last"] == {BTC: row(5)}
        assert push["candles"]["rows"] == [row(2), (4, 9.0, 9.0, 9.0, 9.0, 9.0), row(5)]

    def test_what_begins_anew_is_in_order_and_the_newest(self) -> None:
        mailbox = Mailbox(BTC)
        for n in range(2 * KEPT_CANDLES):
            mailbox.add_candle(BTC, row(n))
            if n % 50 == 49:
                mailbox.add_candle(BTC, row(n - 40), is_newest=False)
        push = mailbox.drain()
        assert push is not None
        assert push["candles"]["reset"]
        opens = [candle[0] for candle in push["candles"]["rows"]]
        assert opens == list(range(2 * KEPT_CANDLES - len(opens), 2 * KEPT_CANDLES))
        # what was corrected before is forgotten with it
        mailbox.add_candle(BTC, row(2 * KEPT_CANDLES))
        assert (mailbox.drain() or {})["candles"]["reset"] is False

    def test_small_things_are_replaced(self) -> None:
        mailbox = Mailbox(None)
        mailbox.replace("weights", 1)
        mailbox.replace("weights", 2)
        assert mailbox.drain() == {"weights": 2}


class TestCurve:
    def test_extremes_survive(self) -> None:
        values = np.sin(np.arange(10_000) / 100)
        values[7_777] = -3.0
        values[1_234] = 3.0
        rows = extremes(values, 50)
        assert len(rows) <= 50
        assert {0, 1_234, 7_777, 9_999} <= set(rows.tolist())
        assert (np.diff(rows) > 0).all()

    @pytest.mark.parametrize("n", [0, 1, 2, 9, 10, 11, 12, 100])
    def test_at_most_the_limit(self, n: int) -> None:
        rows = extremes(np.zeros(n), 10)
        assert len(rows) <= min(n, 10)
        assert not n or (rows[0], rows[-1]) == (0, n - 1)

    def test_drawdown_over_several_reads(self) -> None:
        curve = EquityCurve()
        assert curve.drawdown is None
        for times, equity in (([1, 2], [100.0, 120.0]), ([], []), ([3, 4], [60.0, 90.0])):
            flat = np.zeros(len(times))
            curve.extend(
                (np.array(times, np.int64), np.array(equity), flat, flat, flat.astype(np.int64))
            )
        assert curve.max_drawdown == 0.5
        assert curve.drawdown == 0.25
        assert curve.last_time == 4
        assert curve.points(4)[2] == (3, 60.0, 0.0, 0.0, 0)


async def read(stream: AsyncIterator[bytes]) -> tuple[str, dict[str, Any]]:
    async with asyncio.timeout(60):
        message = (await anext(stream)).decode()
    head, data, *_ = message.split("\n")
    assert message.endswith("\n\n")
    return head.removeprefix("event: "), json.loads(data.removeprefix("data: "))


class TestHub:
    async def test_pushes_are_coalesced(self) -> None:
        hub = Hub(push_interval_s=0.05)
        stream = hub.stream(BTC)
        assert (await read(stream))[0] == "hello"
        clock = asyncio.get_running_loop().time
        started, pushes, candles = clock(), 0, 0
        for n in range(5_000):
            hub.candle(BTC, row(n), n + 1, "replay")
            if n % 1_000 == 999:
                event, data = await read(stream)
                assert event == "update"
                assert data["event_time"] == n + 1
                candles += len(data["candles"]["rows"])
                pushes += 1
        assert pushes == 5
        assert candles == 5_000
        assert clock() - started >= 4 * 0.05

    async def test_the_correction_of_an_older_candle_is_not_the_last(self) -> None:
        hub = Hub(push_interval_s=0)
        stream = hub.stream(BTC)
        await read(stream)
        hub.candle(BTC, row(8), 9, "live")
        hub.candle(ETH, row(1), 2, "live")
        assert (await read(stream))[1]["last"] == {BTC: list(row(8)), ETH: list(row(1))}
        # in a push of its own, where nothing newer stands beside it
        hub.candle(BTC, row(3), 4, "repaired")
        _, push = await read(stream)
        assert "last" not in push
        assert push["candles"]["rows"] == [list(row(3))]
        assert (hub.event_time, hub.source) == (9, "live")
        # the last one itself may be corrected
        hub.candle(BTC, (8, 2.0, 2.0, 2.0, 2.0, 2.0), 9, "repaired")
        assert (await read(stream))[1]["last"] == {BTC: [8, 2.0, 2.0, 2.0, 2.0, 2.0]}
        assert (hub.event_time, hub.source) == (9, "repaired")

    async def test_event_time_never_goes_back(self) -> None:
        hub = Hub(push_interval_s=0)
        stream = hub.stream(None)
        await read(stream)
        told = []
        for close in (5, 9, 2, 9, 7, 11):
            hub.candle(BTC, row(close - 1), close, "replay")
            told.append((await read(stream))[1]["event_time"])
        assert told == [5, 9, 9, 9, 9, 11]

    async def test_a_page_that_lags_reloads_once(self) -> None:
        hub = Hub(push_interval_s=0)
        stream = hub.stream(None)
        await read(stream)
        for _ in range(KEPT_ROWS + 1):
            hub.row("orders", HealthView(service="a", up=True, ready=True, detail=""))
        assert (await read(stream))[1]["reload"]
        for _ in range(3):
            hub.row("orders", HealthView(service="a", up=True, ready=True, detail=""))
            assert "reload" not in (await read(stream))[1]

    async def test_a_quiet_page_is_pinged(self) -> None:
        hub = Hub(ping_interval_s=0.01)
        stream = hub.stream(None)
        await read(stream)
        assert await read(stream) == ("ping", {"event_time": None})

    async def test_a_page_that_left_is_forgotten(self) -> None:
        hub = Hub()
        stream = hub.stream(None)
        await read(stream)
        assert hub.pages == 1
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
        assert hub.pages == 0

    async def test_closing_ends_every_stream(self) -> None:
        # so long that only being woken ends it
        hub = Hub(ping_interval_s=100_000)
        streams = [hub.stream(None) for _ in range(3)]
        for stream in streams:
            await read(stream)
        waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
        await asyncio.sleep(0)
        hub.close()
        async with asyncio.timeout(60):
            for message in await asyncio.gather(*waiting):
                assert b"event: ping" in message
        for stream in streams:
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
        assert hub.pages == 0

    async def test_too_many_pages_are_refused(self) -> None:
        hub = Hub()
        streams = [hub.stream(None) for _ in range(MAX_PAGES)]
        for stream in streams:
            await read(stream)
        with pytest.raises(TooManyPagesError, match="close one"):
            hub.stream(None)
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]  # it is a generator

    async def test_unchanged_state_is_not_pushed_again(self) -> None:
        hub = Hub(ping_interval_s=0.01, push_interval_s=0)
        stream = hub.stream(None)
        await read(stream)
        hub.state("health", [1])
        assert (await read(stream))[1]["health"] == [1]
        hub.state("health", [1])
        assert (await read(stream))[0] == "ping"


class TestEvents:
    def feed(self) -> tuple[Hub, PageFeed, list[str]]:
        hub, marks = Hub(), list[str]()
        feed = PageFeed(
            hub, "main", "main", lambda: marks.append("ledger"), lambda: marks.append("configs")
        )
        return hub, feed, marks

    async def test_each_event_reaches_its_place(self) -> None:
        hub, feed, marks = self.feed()
        stream = hub.stream(BTC)
        await read(stream)
        closed = candle("BTC/USD", 0)
        signal = Signal(
            id=ID, configuration_id=ID, strategy="sma_cross", action="enter_long",
            reference_price=2, expires_at=9,
        )  # fmt: skip
        order = OrderDecided(
            account="main", order_id=ID, signal_id=ID, configuration_id=ID, **WHERE, side="buy",
            order_type="market", quantity=Decimal("0.10"), reference_price=2.0, status="REFUSED",
            reason="stale", decided_at=5,
        )  # fmt: skip
        waits = OrderDecided(
            account="main", order_id=OTHER_ID, signal_id=ID, configuration_id=ID, **WHERE,
            side="buy", order_type="market", quantity=Decimal(0), reference_price=2.0,
            status="OPEN", decided_at=5, notional=Decimal(500),
        )  # fmt: skip
        fill = OrderFilled(
            account="main", fill_id=ID, order_id=ID, configuration_id=ID, **WHERE, side="buy",
            quantity=Decimal(1), price=Decimal("2.50"), fee=Decimal("0.01"), filled_at=6,
        )  # fmt: skip
        trade = PositionClosed(
            account="main", position_id=ID, configuration_id=ID, **WHERE, side="long",
            quantity=Decimal(1), entry_time=1, entry_price=Decimal(2), exit_time=3,
            exit_price=Decimal(3), exit_reason="stop", fees=Decimal(0), profit=Decimal("0.90"),
        )  # fmt: skip
        equity = EquityMarked(
            account="main", close_time=8, cash=Decimal(1), equity=Decimal("2.5"),
            exposure=Decimal(0), open_positions=2,
        )  # fmt: skip
        events: list[Any] = [
            closed,
            None,
            CandleEvaluated(
                **WHERE, open_time=closed.open_time, close_time=closed.close_time, signals=(signal,)
            ),
            PortfolioWeightsDecided(
                portfolio="main", close_time=1, policy="p", weights={"kraken:BTC/USD": 0.5}
            ),
            PortfolioWeightsDecided(portfolio="other", close_time=1, policy="p", weights={}),
            order,
            waits,
            fill,
            trade,
            equity,
            equity.model_copy(update={"account": "other", "close_time": 9}),
        ]
        for event in events:
            feed.on_event(event)
        _, push = await read(stream)
        assert push["event_time"] == closed.close_time
        assert hub.source == "replay"
        assert push["candles"]["rows"][0][0] == closed.open_time
        assert push["signals"][0]["decided_at"] == closed.close_time
        assert push["signals"][0]["series"] == BTC
        assert push["weights"]["weights"] == {"kraken:BTC/USD": 0.5}
        assert push["orders"][0]["quantity"] == "0.10"
        assert push["orders"][0]["reason"] == "stale"
        assert (push["orders"][1]["quantity"], push["orders"][1]["notional"]) == (None, "500")
        assert push["fills"] == [
            {"order_id": str(ID), "fill_price": "2.50", "fee": "0.01", "filled_at": 6}
        ]
        assert push["trades"][0]["profit"] == "0.90"
        assert push["equity"] == [[8, 2.5, 1.0, 0.0, 2]]
        assert marks == ["ledger"] * 3

    def test_weights_that_are_told_again_are_not_the_newest(self) -> None:
        (hub, feed, _), told = self.feed(), []
        for close in (5, 9, 7, 9):
            feed.on_event(
                PortfolioWeightsDecided(portfolio="main", close_time=close, policy="p", weights={})
            )
            told.append(hub.latest("weights").close_time)
        assert told == [5, 9, 9, 9]

    def test_what_cannot_be_decoded_is_counted_not_raised(self) -> None:
        counted: list[int] = []
        decode = watching_decoder(CANDLES, lambda: counted.append(1))
        assert decode(candle("BTC/USD", 1).model_dump_json().encode()) == candle("BTC/USD", 1)
        assert decode(b"\xff") is None
        assert decode(b"{}") is None
        assert len(counted) == 2

    def test_empty_evaluations_are_not_decoded(self) -> None:
        decode = watching_decoder(EVALUATIONS, lambda: pytest.fail("decoded"))
        evaluation = CandleEvaluated(**WHERE, open_time=0, close_time=1_800_000)
        assert decode(evaluation.model_dump_json().encode()) is None
        signal = Signal(
            id=ID, configuration_id=ID, strategy="s", action="exit", reference_price=1,
            expires_at=1,
        )  # fmt: skip
        full = evaluation.model_copy(update={"signals": (signal,)})
        assert decode(full.model_dump_json().encode()) == full


class TestWatch:
    async def test_health_of_each_kind(self) -> None:
        answers: Mapping[str, Any] = {
            "ready": httpx.Response(200, text="ready\n"),
            "waiting": httpx.Response(503, text="waiting for kafka\n"),
            "silent": httpx.Response(200, text=""),
        }

        def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host not in answers:
                raise httpx.ConnectError("refused")
            assert request.url.path == "/readyz"
            response: httpx.Response = answers[request.url.host]
            return response

        names = (*answers, "down")
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            lacking = ["broker", "database"]
            urls = {name: f"http://{name}/" for name in names}

            async def troubles() -> dict[str, str]:
                return {"silent": "no market", "waiting": "no market"}

            watch = HealthWatch(urls, client, lambda: lacking, troubles)
            assert [view.detail for view in watch.now] == ["not asked yet"] * 4
            assert await watch.look() == [
                HealthView(service="ready", up=True, ready=True, detail="ready"),
                HealthView(service="waiting", up=True, ready=False, detail="waiting for kafka"),
                HealthView(
                    service="silent",
                    up=True,
                    ready=True,
                    detail="status 200",
                    trouble="no market",
                ),
                HealthView(
                    service="down", up=False, ready=False, detail="does not answer: ConnectError"
                ),
                HealthView(
                    service="studio_svc",
                    up=True,
                    ready=False,
                    detail="waiting for broker, database",
                ),
            ]
            lacking.clear()
            own = (await watch.look())[-1]
            assert (own.service, own.ready, own.detail) == ("studio_svc", True, "ready")

    async def test_reads_follow_marks_and_survive_an_absent_database(self) -> None:
        outcomes: list[object] = [None, None]
        done = asyncio.Event()

        async def read_again() -> None:
            outcomes.pop()
            if not outcomes:
                done.set()

        refresher = Refresher(read_again, interval_s=0)
        task = asyncio.create_task(refresher.run())
        await asyncio.sleep(0.01)
        assert len(outcomes) == 2
        refresher.mark()
        async with asyncio.timeout(60):
            while len(outcomes) == 2:  # noqa: ASYNC110 - a list tells nobody
                await asyncio.sleep(0.01)
        assert len(outcomes) == 1
        refresher.mark()
        async with asyncio.timeout(60):
            await done.wait()
        task.cancel()

    @pytest.mark.parametrize("every_s", [None, 3600])
    async def test_an_absent_database_is_asked_again(
        self, monkeypatch: pytest.MonkeyPatch, every_s: float | None
    ) -> None:
        monkeypatch.setattr("studio_svc.stream.watch.POLL_INTERVAL_S", 0)
        calls = SimpleNamespace(count=0)
        done = asyncio.Event()

        async def read_again() -> None:
            calls.count += 1
            if calls.count < 3:
                raise ConnectionRefusedError
            done.set()

        refresher = Refresher(read_again, interval_s=0, every_s=every_s)
        if every_s is None:
            refresher.mark()
        # what is looked at now and then is looked at from the start on
        task = asyncio.create_task(refresher.run())
        async with asyncio.timeout(60):
            await done.wait()
        task.cancel()


class TestTokenFile:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (None, "does not exist"),
            ("", "is empty"),
            (" \n", "is empty"),
            ("2-few-chars", "must hold one word of 16"),
            ("two words of a good length", "must hold one word"),
            ("tökentökentökentöken", "not ASCII"),
        ],
    )
    def test_refused(self, tmp_path: Path, text: str | None, reason: str) -> None:
        path = tmp_path / "token"
        if text is not None:
            path.write_text(text, encoding="utf-8")
        with pytest.raises(TokenError, match=reason) as caught:
            read_token(path)
        assert "\n" not in str(caught.value)
        assert not text or not text.strip() or text not in str(caught.value)

    def test_read(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("0123456789abcdef\n")
        assert read_token(tmp_path / "token") == "0123456789abcdef"

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(TokenError, match="cannot be read"):
            read_token(tmp_path)


def test_what_takes_longer_to_read_is_read_less_often() -> None:
    assert pause_after(0.001, 0.5) == 0.5
    # nine tenths of the time the database has rest
    assert pause_after(0.3, 0.5) == pytest.approx(2.7)
