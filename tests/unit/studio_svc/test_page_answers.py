"""Answers of the page, worked out from rows and events without a database."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from starlette.datastructures import Headers

from contracts.events import OrderDecided
from studio_svc.access.middleware import _cookie, _is_foreign
from studio_svc.data.views import TriedView
from studio_svc.orders.store import _position
from studio_svc.orders.views import order_of
from studio_svc.overview.curve import EquityCurve
from studio_svc.shared.configurations import _figures
from tradepulse.market_data.gaps.tries_store import Tried

ID = UUID(int=1)
AT = datetime(2026, 1, 1, tzinfo=UTC)
AT_MS = 1_767_225_600_000


ROW: dict[str, Any] = {
    "position_id": ID, "configuration_id": ID, "strategy": "s", "exchange": "x",
    "symbol": "A/USD", "timeframe": "1h", "side": "long", "quantity": Decimal(2),
    "entry_time": AT, "entry_price": Decimal(100), "stop_price": None,
    "take_profit_price": None, "fees": Decimal("1.5"), "last_price": None,
    "trail": None, "exit_at": None, "targets": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("side", "last", "unrealised"),
    [("long", 110.0, 18.5), ("long", 90.0, -21.5), ("short", 110.0, -21.5), ("short", 90.0, 18.5)],
)
def test_what_a_position_would_bring_now(side: str, last: float, unrealised: float) -> None:
    found = _position(ROW | {"side": side, "last_price": last}, AT_MS)
    assert found.unrealised == unrealised
    assert found.unrealised_pct == pytest.approx(unrealised / 2)
    assert (found.series, found.entry_time) == ("x:A/USD:1h", AT_MS)
    unknown = _position(ROW, AT_MS)
    assert unknown.unrealised is unknown.unrealised_pct is None
    assert _position(ROW | {"quantity": Decimal(0)}, AT_MS).unrealised_pct is None


@pytest.mark.parametrize(
    ("settled_minutes", "target", "following"),
    [
        (None, "120", ("110", 60)),
        (30, "120", ("110", 60)),
        (60, "110", ("105.5", 150)),
        # a shorter series has settled more, but the candle that is open began before the step
        (150, "110", ("105.5", 150)),
        (179, "110", ("105.5", 150)),
        (180, "105.5", None),
    ],
)
def test_of_a_falling_target_the_step_of_the_next_candle_is_shown(
    settled_minutes: int | None, target: str, following: tuple[str, int] | None
) -> None:
    falling = {"take_profit_price": Decimal(120), "targets": [[60, "110"], [150, "105.5"]]}
    settled = None if settled_minutes is None else AT_MS + settled_minutes * 60_000
    found = _position(ROW | falling, settled)
    assert found.take_profit_price == Decimal(target)
    if following is None:
        assert found.next_target is None
    else:
        assert found.next_target is not None
        assert found.next_target.price == Decimal(following[0])
        assert found.next_target.at == AT_MS + following[1] * 60_000


@pytest.mark.parametrize(("quantity", "shown"), [(Decimal("1.5"), Decimal("1.5")), (0, None)])
def test_an_order_whose_quantity_is_not_known_shows_none(
    quantity: Decimal, shown: Decimal | None
) -> None:
    event = OrderDecided(
        account="main", order_id=ID, signal_id=None, configuration_id=ID, exchange="x",
        symbol="A/USD", timeframe="1h", side="buy", order_type="market", quantity=quantity,
        reference_price=100.0, status="OPEN", decided_at=5, notional=Decimal(50),
    )  # fmt: skip
    found = order_of(event)
    assert (found.quantity, found.series, found.status) == (shown, "x:A/USD:1h", "OPEN")


def test_what_was_tried_for_a_gap_is_told_with_its_time() -> None:
    tried = Tried(7, "venue", "1h", 3, "part", "3 candles came", AT)
    assert TriedView.of(tried).model_dump() == {
        "at": AT_MS, "step": "venue", "timeframe": "1h", "candles": 3, "outcome": "part",
        "note": "3 candles came",
    }  # fmt: skip


def test_the_curve_knows_its_end_and_its_falls() -> None:
    curve = EquityCurve()
    assert (curve.last_time, curve.drawdown, curve.max_drawdown, len(curve)) == (None, None, 0, 0)

    def more(*rows: tuple[int, float]) -> None:
        times, equity = (np.array(column) for column in zip(*rows, strict=True))
        flat = np.zeros(len(rows))
        curve.extend((times, equity.astype(float), flat, flat, np.zeros(len(rows), np.int64)))

    more((1, 100.0), (2, 80.0))
    assert (curve.last_time, curve.peak, len(curve)) == (2, 100, 2)
    assert curve.drawdown == curve.max_drawdown == pytest.approx(0.2)
    more((3, 90.0))
    assert (curve.last_time, curve.drawdown) == (3, pytest.approx(0.1))
    more((4, 200.0), (5, 150.0))
    assert (curve.peak, curve.drawdown, curve.max_drawdown) == (200, 0.25, 0.25)


def test_only_figures_are_shown_as_figures() -> None:
    assert _figures({"a": 1, "b": 2.5, "c": None, "d": True, "e": "text", "f": [1]}) == {
        "a": 1, "b": 2.5, "c": None
    }  # fmt: skip
    assert _figures(None) is _figures("text") is None


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        (["a=1; b=2"], "2"),
        (["b=1; b=2"], "2"),
        (['b="2"; c=3'], "2"),
        (["b=1", "b=2; a=7"], "2"),
        (["bb=7; b=2=3"], "2=3"),
        (["bb=7; c=2"], None),
        ([], None),
    ],
)
def test_the_last_cookie_of_a_name_counts(headers: list[str], value: str | None) -> None:
    raw = [(b"cookie", one.encode()) for one in headers]
    assert _cookie(Headers(raw=raw), "b") == value


@pytest.mark.parametrize(
    ("headers", "is_reading", "foreign"),
    [
        ({}, True, False),
        ({}, False, False),
        ({"origin": "http://h:1", "host": "h:1"}, False, False),
        ({"origin": "http://h:2", "host": "h:1"}, False, True),
        ({"origin": "http://[", "host": "h:1"}, False, True),
        ({"origin": "null", "host": "h:1"}, True, True),
        ({"sec-fetch-site": "same-origin"}, False, False),
        ({"sec-fetch-site": "none"}, False, False),
        ({"sec-fetch-site": "same-site"}, True, True),
        ({"sec-fetch-site": "cross-site"}, True, True),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False, True),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}, True, True),
    ],
)
def test_a_request_of_another_site_is_known(
    headers: dict[str, str], is_reading: bool, foreign: bool
) -> None:
    assert _is_foreign(Headers(headers), is_reading=is_reading) is foreign
