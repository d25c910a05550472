"""Which rules of a venue are news, which bind, and how a markets file says them."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from tradepulse.market_data.files.markets import MarketsFileError, markets_text, read_markets
from tradepulse.market_data.instrument_rules import (
    KeptRules,
    RuleSource,
    is_news,
    market_rules,
    newest,
)
from tradepulse.market_data.venues.listed import (
    DECIMAL_PLACES,
    SIGNIFICANT_DIGITS,
    TICK_SIZE,
    listed_rules,
)
from tradepulse.market_data.venues.rules import VENUES
from tradepulse.trading.sizing import InstrumentRules

BTC = "kraken:BTC/USD"


def kept(tick: str | None, at: int | None, source: RuleSource = "ccxt") -> KeptRules:
    number = None if tick is None else Decimal(tick)
    return KeptRules("kraken", "BTC/USD", number, source=source, valid_from=at)


def test_what_a_venue_lists_as_before_is_no_news_even_after_a_file() -> None:
    known = [kept("0.1", 1), kept("0.5", 2, "file")]
    assert not is_news(kept("0.1", 3), known)
    assert is_news(kept("0.01", 3), known)
    assert is_news(kept("0.1", 3), [])
    assert is_news(kept("0.1", 3), [kept("0.1", 1, "file")])


def test_what_a_file_says_is_news_unless_it_binds() -> None:
    known = [kept("0.5", 1, "file"), kept("0.1", 2)]
    assert is_news(kept("0.5", 3, "file"), known)
    assert not is_news(kept("0.5", 3, "file"), known[:1])
    # what holds of an earlier time is compared with that
    assert not is_news(kept("0.5", 1, "file"), known)
    assert is_news(kept("0.2", 1, "file"), known)


def test_the_newest_that_is_not_in_the_future_binds() -> None:
    rows = [kept("0.2", 5), kept("0.3", 9), kept(None, 1), kept("0.1", None, "file")]
    assert newest(rows, 6)[BTC].price_tick == Decimal("0.2")
    assert newest(rows, 9)[BTC].price_tick == Decimal("0.3")
    assert newest(rows, 4)[BTC].price_tick is None
    assert newest(rows, 0)[BTC].price_tick == Decimal("0.1")


def test_what_is_given_by_hand_replaces_what_is_kept_field_by_field() -> None:
    known = {BTC: KeptRules(
        "kraken", "BTC/USD", Decimal("0.1"), Decimal("0.001"), Decimal(1), Decimal(5),
        source="ccxt", valid_from=1,
    )}  # fmt: skip
    told = InstrumentRules(
        Decimal("0.1"), Decimal("0.001"), Decimal(5), min_quantity=Decimal(1), tick_is_of_now=True
    )
    names = [BTC, "kraken:ETH/USD"]
    assert market_rules(names, known, {}) == {BTC: told, "kraken:ETH/USD": InstrumentRules()}
    by_hand = {BTC: {"allows_margin": True}, "kraken:ETH/USD": {"min_notional": Decimal(3)}}
    assert market_rules(names, known, by_hand) == {
        BTC: InstrumentRules(**{**_fields(told), "allows_margin": True}),
        "kraken:ETH/USD": InstrumentRules(min_notional=Decimal(3)),
    }
    # a tick by hand binds on every candle, also none
    (found,) = market_rules([BTC], known, {BTC: {"price_tick": Decimal(2)}}).values()
    assert (found.price_tick, found.tick_is_of_now) == (2, False)
    (found,) = market_rules([BTC], known, {BTC: {"price_tick": None}}).values()
    assert (found.price_tick, found.quantity_step) == (None, Decimal("0.001"))


def _fields(rules: InstrumentRules) -> dict[str, Any]:
    return {name: getattr(rules, name) for name in InstrumentRules.__dataclass_fields__}


def test_kept_rules_come_back_from_their_json() -> None:
    for one in (kept("0.00000001", 7), kept(None, None, "file")):
        assert KeptRules.from_json(json.loads(json.dumps(one.as_json()))) == one


@pytest.mark.parametrize(
    ("mode", "told", "step"),
    [
        (4, 0.1, "0.1"),
        (4, 1e-08, "0.00000001"),
        (4, 25, "25"),
        (4, 0, None),
        (4, None, None),
        (DECIMAL_PLACES, 8, "0.00000001"),
        (DECIMAL_PLACES, 0, "1"),
        (DECIMAL_PLACES, -1, "10"),
        (SIGNIFICANT_DIGITS, 5, None),
    ],
)
def test_a_precision_is_read_by_the_mode_of_its_venue(
    mode: int, told: float | None, step: str | None
) -> None:
    market = {"symbol": "BTC/USD", "precision": {"price": told, "amount": told}, "limits": {}}
    found = listed_rules("kraken", market, mode, 3)
    wanted = None if step is None else Decimal(step)
    assert (found.price_tick, found.quantity_step) == (wanted, wanted)
    assert (found.min_quantity, found.min_notional, found.source) == (0, 0, "ccxt")


# markets files


def test_a_markets_file_is_json_by_instrument_or_in_rows_or_csv(tmp_path: Path) -> None:
    rows = [
        KeptRules("kraken", "BTC/USD", Decimal("0.1"), Decimal("1e-8"), Decimal("0.0001"),
                  Decimal("0.5"), source="file", valid_from=1_788_220_800_000),
        KeptRules("bitstamp", "ETH/USD", min_notional=Decimal(10), source="file", valid_from=None),
    ]  # fmt: skip
    texts = {
        "a.json": '{"kraken:BTC/USD": {"price_tick": 0.1, "quantity_step": "1e-8", '
        '"min_quantity": "0.0001", "min_notional": 0.5, "valid_from": "2026-09-01"}, '
        '"bitstamp:ETH/USD": {"min_notional": 10}}',
        "b.json": markets_text(rows),
        "c.csv": "\ufeffexchange,symbol,price_tick,quantity_step,min_quantity,min_notional,"
        "valid_from\nkraken,BTC/USD,0.1,0.00000001,0.0001,0.5,1788220800000\n"
        "bitstamp,ETH/USD,,,,10,\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert read_markets(tmp_path / name) == rows, name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "it holds no market"),
        ('{"kraken:BTC/USD": 3}', "kraken:BTC/USD must be an object"),
        ('{"BTC/USD": {}}', "each market needs its exchange and symbol"),
        ('[{"price_tick": 1}]', "as kraken and BTC/USD; it has price_tick"),
        ('{"a:B/C": {"tick": 1}}', "a:B/C: unknown 'tick'; known are exchange, symbol"),
        ('{"a:B/C": {"price_tick": "x"}}', "a:B/C: price_tick 'x' is no number"),
        ('{"a:B/C": {"price_tick": true}}', "a:B/C: price_tick True is no number"),
        ('{"a:B/C": {"price_tick": 0}}', "a:B/C: price_tick is 0; it must be above 0"),
        ('{"a:B/C": {"min_quantity": -1}}', "a:B/C: min_quantity is -1; it must be 0 or more"),
        ('{"a:B/C": {"valid_from": "soon"}}', "a:B/C: valid_from soon is no time"),
        ("exchange,symbol\na,B/C,1\n", "line 2 has not as many fields"),
        ("exchange,symbol,min_notional\na,B/C\n", "line 2 has not as many fields"),
        ("{", "Expecting property name"),
    ],
)  # fmt: skip
def test_a_markets_file_that_cannot_be_is_refused_in_one_line(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "m"
    path.write_text(text)
    with pytest.raises(MarketsFileError, match=r"^\S+/m: ") as refused:
        read_markets(path)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_markets_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MarketsFileError, match="no text in UTF-8"):
        read_markets(tmp_path / "m")


@pytest.mark.parametrize("venue", VENUES)
def test_the_precisions_of_our_venues_are_steps(venue: str) -> None:
    modes = ccxt.DECIMAL_PLACES, ccxt.SIGNIFICANT_DIGITS, ccxt.TICK_SIZE
    assert modes == (DECIMAL_PLACES, SIGNIFICANT_DIGITS, TICK_SIZE)
    assert getattr(ccxt, venue)().precisionMode == TICK_SIZE
