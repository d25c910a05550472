"""What is known of the venues, how failures are told apart, what an answer settles."""

import json
from datetime import UTC, datetime
from pathlib import Path

import ccxt.pro
import numpy as np
import pytest
from ccxt.base import errors as ccxt_errors
from hypothesis import given
from hypothesis import strategies as st

from tradepulse.candles.timeframes import TIMEFRAMES_MS
from tradepulse.market_data.backfill import bundled, without
from tradepulse.market_data.venues import answers
from tradepulse.market_data.venues.errors import (
    RateLimitedError,
    VenueDownError,
    VenueError,
    VenueRefusedError,
)
from tradepulse.market_data.venues.failures import DEFAULT_RETRY_AFTER_S, failure
from tradepulse.market_data.venues.history import Patience
from tradepulse.market_data.venues.options import read_venues_file
from tradepulse.market_data.venues.rules import VENUES, VenueRules, check_timeframe, rules_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = 60_000


@pytest.mark.parametrize("rules", VENUES.values(), ids=list(VENUES))
def test_the_rules_are_those_of_ccxt(rules: VenueRules) -> None:
    client = getattr(ccxt.pro, rules.name)()
    assert set(rules.timeframes) == set(TIMEFRAMES_MS) & set(client.timeframes)
    for timeframe in rules.timeframes:
        assert client.parse_timeframe(timeframe) * 1000 == TIMEFRAMES_MS[timeframe]
    assert client.features["spot"]["fetchOHLCV"]["limit"] == rules.candles_per_call
    assert bool(client.has["watchOHLCV"]) == rules.watches_candles
    assert client.has["watchTrades"]
    assert client.rateLimit == rules.spacing_ms
    assert client.fees["trading"]["maker"] == rules.maker
    assert client.fees["trading"]["taker"] == rules.taker


def test_the_limits_and_what_is_missing() -> None:
    assert {name: rules.candles_per_call for name, rules in VENUES.items()} == {
        "binanceus": 1000,
        "coinbase": 300,
        "kraken": 720,
        "bitstamp": 1000,
    }
    missing = {n: sorted(set(TIMEFRAMES_MS) - set(r.timeframes)) for n, r in VENUES.items()}
    assert missing == {
        "binanceus": [],
        "coinbase": ["12h", "3m", "4h", "8h"],
        "kraken": ["12h", "2h", "3m", "6h", "8h"],
        "bitstamp": ["8h"],
    }
    with pytest.raises(VenueRefusedError, match="unknown venue 'mtgox'; known are binanceus, "):
        rules_of("mtgox")
    with pytest.raises(VenueRefusedError, match="coinbase has no 4h candles, only 1m, 5m"):
        check_timeframe(VENUES["coinbase"], "4h")


@pytest.mark.parametrize(
    ("error", "status", "kind", "told"),
    [
        (ccxt_errors.RequestTimeout("kraken GET https://x/y"), None, VenueDownError, "timed out"),
        (ccxt_errors.ExchangeNotAvailable("kraken 503"), 503, VenueDownError, "HTTP 503"),
        (ccxt_errors.OnMaintenance("kraken"), 200, VenueDownError, "does not answer"),
        (ccxt_errors.ExchangeError("kraken odd"), 200, VenueDownError, "odd"),
        (KeyError("open"), 200, VenueDownError, "'open'"),
        (ConnectionResetError("reset"), None, VenueDownError, "reset"),
        (ccxt_errors.ExchangeNotAvailable("no"), 400, VenueRefusedError, "HTTP 400"),
        (ccxt_errors.ExchangeNotAvailable("no"), 451, VenueRefusedError, "HTTP 451"),
        (ccxt_errors.AuthenticationError("no"), 401, VenueRefusedError, "HTTP 401"),
        (ccxt_errors.BadSymbol("FOO"), 200, VenueRefusedError, "does not know this symbol"),
        (ccxt_errors.BadRequest("bad"), 200, VenueRefusedError, "bad"),
        (ccxt_errors.ExchangeError("slow"), 429, RateLimitedError, "fewer requests"),
        (ccxt_errors.RateLimitExceeded("EAPI"), 200, RateLimitedError, "fewer requests"),
        (ccxt_errors.DDoSProtection("ban"), 418, RateLimitedError, "fewer requests"),
    ],
)
def test_failures_are_for_now_or_for_good(
    error: Exception, status: int | None, kind: type[VenueError], told: str
) -> None:
    met = failure("kraken", error, status, {}, NOW)
    assert type(met) is kind
    assert told in str(met)
    assert "https" not in str(met)
    assert "\n" not in str(met)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("99999", 300.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("soon", DEFAULT_RETRY_AFTER_S),
        ("nan", DEFAULT_RETRY_AFTER_S),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float) -> None:
    met = failure("kraken", ccxt_errors.ExchangeError("x"), 429, {"retry-after": header}, NOW)
    assert isinstance(met, RateLimitedError)
    assert met.retry_after_s == seconds


def test_pauses_grow_to_a_bound() -> None:
    patience = Patience(tries=9, first_s=0.5, longest_s=10)
    for tried in range(1, 9):
        whole = min(10, 0.5 * 2 ** (tried - 1))
        assert whole / 2 <= patience.pause_s(tried) <= whole


def _sorted_spans(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    at, found = 0, []
    for gap, length in parts:
        found.append((at + gap, at + gap + length))
        at += gap + length
    return found


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=6).map(_sorted_spans)


def points(parts: list[tuple[int, int]]) -> set[int]:
    return {point for lower, upper in parts for point in range(lower, upper)}


@given(spans, spans)
def test_what_is_left_of_ranges(whole: list[tuple[int, int]], taken: list[tuple[int, int]]) -> None:
    left = without(whole, taken)
    assert points(left) == points(whole) - points(taken)
    assert all(lower < upper for lower, upper in left)
    assert left == sorted(left)


@given(spans, st.integers(1, 30))
def test_near_ranges_are_asked_together(whole: list[tuple[int, int]], longest: int) -> None:
    joined = bundled(whole, longest)
    assert points(whole) <= points(joined)
    assert len(joined) <= len(whole)
    given = {upper - lower for lower, upper in whole}
    for lower, upper in joined:
        assert upper - lower <= longest or upper - lower in given


def rows(*opens: int) -> list[list[float]]:
    return [[float(time), 1.0, 2.0, 0.5, 1.5, 3.0] for time in opens]


def test_what_an_answer_is_about() -> None:
    window = 600 * MINUTE, 900 * MINUTE
    coinbase, kraken, binance = (VENUES[name] for name in ("coinbase", "kraken", "binanceus"))
    some = rows(700 * MINUTE)
    assert answers.coverage(coinbase, "1m", some, 1, window) == window
    assert answers.coverage(coinbase, "1m", [], 0, window) == window
    full = rows(*range(600 * MINUTE, 850 * MINUTE, MINUTE))
    assert answers.coverage(binance, "1m", full, 1000, window) == (600 * MINUTE, 850 * MINUTE)
    # less than it can send: it was not cut
    assert answers.coverage(kraken, "1m", some, 719, window) == window
    assert answers.coverage(kraken, "1m", some, 720, window) == (700 * MINUTE, 900 * MINUTE)
    later = rows(1_000 * MINUTE)
    assert answers.coverage(kraken, "1m", later, 721, window) == (900 * MINUTE, 900 * MINUTE)
    with pytest.raises(VenueDownError, match="other times than it was asked for"):
        answers.coverage(coinbase, "1m", later, 1, window)
    assert answers.settled(window, 750 * MINUTE + 59_000, MINUTE) == (600 * MINUTE, 749 * MINUTE)
    assert answers.settled(window, 500 * MINUTE) == (600 * MINUTE, 600 * MINUTE)


@pytest.mark.parametrize(
    "answer",
    [None, {}, [], {"candles": None}, {"data": {}}, {"result": {"last": 1}}, {"error": []}],
)
def test_an_answer_without_candles_where_they_belong_is_none(answer: object) -> None:
    for name, rules in VENUES.items():
        if isinstance(answer, list) and name == "binanceus":
            assert answers.raw_rows(rules, answer) == []
            continue
        with pytest.raises(VenueDownError, match=f"{name} sent an answer without candles"):
            answers.raw_rows(rules, answer)


@pytest.mark.parametrize(
    "bad", [[["x", 1, 2, 3, 4, 5]], [[1.0]], [[None] * 6], [[1, 2, 3]], [[1e300, 1, 1, 1, 1, 1]]]
)
def test_rows_that_are_none_are_refused(bad: list[list[object]]) -> None:
    with pytest.raises(VenueDownError, match="kraken sent candles"):
        answers.candles_of("kraken", "BTC/USD", "1m", bad)


def test_candles_that_nothing_can_be_done_with_are_told_apart() -> None:
    times = [MINUTE * 29_000_000 + i * MINUTE for i in range(4)]
    given = rows(*times)
    given[1][5] = float("nan")
    given.append(list(given[2]))
    candles, refused = answers.candles_of("kraken", "BTC/USD", "1m", given)
    assert candles.open_time.tolist() == [times[0], times[2], times[3]]
    assert [one.open_time for one in refused] == [times[1], times[2]]
    assert refused[0].reason == "volume is nan"
    assert "twice" in refused[1].reason
    assert candles.volume.dtype == np.float64


def written(folder: Path, content: object) -> Path:
    path = folder / "venues.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_venues_file_without_its_keys(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, {"kraken": {"apiKey": "my-key", "secret": "s", "timeout": 5}})
    assert read_venues_file(path) == {"kraken": {"timeout": 5}}
    assert "apiKey and secret for kraken: market data needs no keys" in caplog.text
    assert "my-key" not in caplog.text
    assert read_venues_file("") == {}
    assert read_venues_file(None) == {}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ([], 'must be an object, as {"kraken": {}}'),
        ({"mtgox": {}}, "unknown venue 'mtgox'; known are binanceus"),
        ({"kraken": "x"}, "kraken must be an object of ccxt's settings"),
    ],
)
def test_a_bad_venues_file_is_one_line(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_venues_file(written(tmp_path, content))
    assert told in str(refused.value)
    assert str(refused.value).startswith("VENUES_FILE: ")
    assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match="No such file"):
        read_venues_file(tmp_path / "none.json")
