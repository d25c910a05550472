"""What a learned policy sees: the same to the bit in training and at a decision."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.candle_series import random_walk
from tradepulse.candles.arrays import Candles
from tradepulse.trading.policies import features as of
from tradepulse.trading.policies.features import ENOUGH, LOOKBACK, NAMES
from tradepulse.trading.weights import ReturnHistory, Span, traded_at

HALF_HOUR = 1_800_000


def market(count: int = 520) -> list[Candles]:
    """Four instruments: one with holes, one that begins late, one that ends early."""
    return [
        random_walk("B/USD", count, seed=1, without=[3, 200, 201, 400]),
        random_walk("A/USD", count, seed=2),
        random_walk("C/USD", count, seed=3, without=range(250)),
        random_walk("D/USD", count - 100, seed=4, without=[count - 150]),
    ]


def rows_of(series: list[Candles]) -> np.ndarray:
    return np.unique(np.concatenate([one.close_time for one in series]))


def decided(series: list[Candles]) -> list[of.Observed]:
    """Return what is seen close by close, as a backtest goes."""
    spans = {s.series: Span(int(s.open_time[0]), int(s.close_time[-1])) for s in series}
    history = ReturnHistory(LOOKBACK)
    closes: dict[int, list[tuple[str, float]]] = {}
    for one in series:
        history.begin(one.series)
        for time, close in zip(one.close_time.tolist(), one.close.tolist(), strict=True):
            closes.setdefault(time, []).append((one.series, close))
    seen = []
    for time in sorted(closes):
        for name, close in closes[time]:
            history.add(name, time, close)
        seen.append(of.observe(history.returns(traded_at(spans, time))))
    return seen


def test_training_and_serving_see_the_same_to_the_bit() -> None:
    series = market()
    rows = of.observe_rows(series, rows_of(series))
    assert rows.instruments == tuple(f"test:{name}/USD" for name in "ABCD")
    mean, scale = of.scale_of(rows.figures, rows.mask)
    trained = of.scaled(rows.figures, rows.mask, mean, scale)
    known = 0
    for row, one in enumerate(decided(series)):
        columns = [rows.instruments.index(name) for name in one.instruments]
        assert one.figures[0].tobytes() == rows.figures[row, columns].tobytes()
        assert one.mask[0].tolist() == rows.mask[row, columns].tolist()
        # who is not traded is not known
        assert rows.mask[row].sum() == one.mask[0].sum()
        served = of.scaled(one.figures, one.mask, mean, scale)
        assert served[0].tobytes() == trained[row, columns].tobytes()
        known += int(one.mask.sum())
    assert known > 800
    assert trained.dtype == np.float32
    assert not trained[~rows.mask].any()
    assert np.abs(trained).max() <= of.CLIP


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_how_many_rows_are_computed_at_once_changes_no_bit(columns, rows, seed):
    chance = np.random.default_rng(seed)
    counts = chance.integers(0, LOOKBACK + 1, (rows, columns))
    windows = chance.normal(0, 10.0 ** chance.integers(-6, 3), (rows, columns, LOOKBACK))
    windows[np.arange(LOOKBACK) < LOOKBACK - counts[..., None]] = 0
    whole, mask = of.features(windows, counts)
    for row in range(rows):
        one, known = of.features(windows[row : row + 1], counts[row : row + 1])
        assert one[0].tobytes() == whole[row].tobytes()
        assert known[0].tolist() == mask[row].tolist()
    # an instrument that is not known changes nothing of the others
    more = np.concatenate([windows, np.ones((rows, 1, LOOKBACK))], axis=1)
    none = np.concatenate([counts, np.full((rows, 1), ENOUGH - 1)], axis=1)
    beside, _ = of.features(more, none)
    assert beside[:, :columns].tobytes() == whole.tobytes()


def test_the_figures_are_those_of_their_definitions() -> None:
    chance = np.random.default_rng(5)
    returns = {"x:A": chance.normal(0, 0.02, LOOKBACK), "x:B": chance.normal(0, 0.01, 200)}
    seen = of.observe({name: one.tolist() for name, one in returns.items()})
    whole = np.zeros((2, LOOKBACK))
    whole[0], whole[1, -200:] = returns["x:A"], returns["x:B"]
    mean = whole.sum(axis=0) / np.where(np.arange(LOOKBACK) < LOOKBACK - 200, 1, 2)

    def told(values, market_sigma, correlation):
        sigma = math.sqrt(np.mean(values**2))
        path = np.concatenate([[0], np.cumsum(values[-168:])])
        short = math.sqrt(np.mean(values[-24:] ** 2))
        return [
            *(values[-h:].sum() / (sigma * math.sqrt(h)) for h in (1, 4, 12, 24, 72, 168)),
            math.log(short / sigma),
            math.log(sigma / market_sigma),
            correlation,
            (path[-1] - path.max()) / (sigma * math.sqrt(168)),
        ]

    sigma = math.sqrt(np.mean(mean**2))
    for row, values in enumerate(returns.values()):
        beside = mean[-len(values) :]
        correlation = values @ beside / math.sqrt((values @ values) * (beside @ beside))
        expected = [*told(values, sigma, correlation), *told(mean, sigma, 1.0)]
        assert seen.figures[0, row] == pytest.approx(expected, rel=1e-9)
    assert len(NAMES) == len(set(NAMES)) == 20


def test_a_scale_of_all_returns_changes_nothing() -> None:
    """So a return over the root of its days tells the same as one of a candle."""
    chance = np.random.default_rng(6)
    returns = {f"x:{i}": chance.normal(0, 0.02, LOOKBACK).tolist() for i in range(3)}
    larger = {name: [48 * r for r in one] for name, one in returns.items()}
    assert of.observe(larger).figures == pytest.approx(of.observe(returns).figures, rel=1e-9)


@pytest.mark.parametrize(
    ("returns", "is_known"),
    [
        ([0.01] * (ENOUGH - 1), False),
        ([0.01] * ENOUGH, True),
        ([0.0] * LOOKBACK, False),
        ([0.0] * (LOOKBACK - 1) + [1e-9], True),
        ([math.nan] * LOOKBACK, False),
        ([1e200] * LOOKBACK, False),
        ([], False),
    ],
)
def test_who_has_too_few_returns_or_no_movement_is_not_known(returns, is_known):
    with np.errstate(all="ignore"):
        seen = of.observe({"x:A": [0.01, -0.02] * 168, "x:B": returns})
    assert seen.mask[0].tolist() == [True, is_known]
    assert np.isfinite(seen.figures).all()
    assert seen.figures[0, 1].any() == is_known


def test_what_stands_still_at_last_is_finite() -> None:
    seen = of.observe({"x:A": [0.01] * 300 + [0.0] * 36, "x:B": [-0.01] * 300 + [0.0] * 36})
    assert seen.mask.all()
    assert np.isfinite(seen.figures).all()
    assert seen.figures[0, 0, 6] == pytest.approx(math.log(1e-4))


def test_nobody_and_nothing() -> None:
    assert of.observe({}).figures.shape == (1, 0, 20)
    assert not of.observe({"x:A": []}).mask.any()


def test_the_scale_is_of_what_is_known_alone() -> None:
    chance = np.random.default_rng(7)
    figures = chance.normal(3, 2, (200, 2, 20))
    figures[..., 7] = 0.5
    mask = np.ones((200, 2), bool)
    mask[:150, 1] = False
    figures[:150, 1] = 1e6
    mean, scale = of.scale_of(figures, mask)
    assert mean == pytest.approx(figures[mask].mean(axis=0), rel=1e-6)
    assert scale[7] == 1
    found = of.scaled(figures, mask, mean, scale)
    assert found[mask].std(axis=0)[0] == pytest.approx(1, abs=0.02)
    assert np.array_equal(
        of.scaled(np.full((1, 2, 20), 1e9), np.ones((1, 2), bool), mean, scale),
        np.full((1, 2, 20), 5.0),
    )
    with pytest.raises(ValueError, match="no instrument has 168 returns"):
        of.scale_of(figures, np.zeros_like(mask))


def test_one_timeframe_and_one_series_of_an_instrument() -> None:
    series = market()
    with pytest.raises(ValueError, match="one timeframe"):
        of.observe_rows([*series, random_walk("E/USD", 9, timeframe="1h")], rows_of(series))
    with pytest.raises(ValueError, match="two series"):
        of.observe_rows([*series, series[0]], rows_of(series))
