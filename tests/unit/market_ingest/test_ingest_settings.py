"""The settings of market_ingest: read from the environment, refused in one line."""

from pathlib import Path

import pytest

from market_ingest.settings import HistorySettings, IngestSettings
from tests.candle_series import random_walk
from tradepulse.market_data.files import write_candles
from tradepulse.runtime.settings import load_settings

BASE = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "DATABASE_URL": "postgresql://me@/db",
    "REPLAY_FILE": "candles.parquet",
}


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in BASE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_defaults(env: pytest.MonkeyPatch) -> None:
    settings = load_settings(IngestSettings)
    assert settings.replay_speed == "max"
    assert settings.feed is None
    assert (settings.replay_symbols, settings.replay_from, settings.replay_to) == (None,) * 3


def test_everything_given(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    series = [random_walk("BTC/USD", 10), random_walk("ETH/USD", 10), random_walk("XRP/USD", 10)]
    path = tmp_path / "c.csv"
    write_candles(path, series)
    times = series[0].open_time
    env.setenv("REPLAY_FILE", str(path))
    env.setenv("REPLAY_SYMBOLS", "BTC/USD, XRP/USD,")
    env.setenv("REPLAY_SPEED", "3600")
    env.setenv("REPLAY_FROM", str(times[2]))
    env.setenv("REPLAY_TO", str(times[5]))
    settings = load_settings(IngestSettings)
    assert settings.replay_speed == 3600.0
    assert [(s.symbol, s.open_time.tolist()) for s in settings.candles()] == [
        ("BTC/USD", times[2:5].tolist()),
        ("XRP/USD", times[2:5].tolist()),
    ]


def test_empty_means_not_given(env: pytest.MonkeyPatch) -> None:
    for name in ("REPLAY_SYMBOLS", "REPLAY_FROM", "REPLAY_TO", "FEED"):
        env.setenv(name, "")
    settings = load_settings(IngestSettings)
    assert (settings.replay_symbols, settings.replay_to, settings.feed) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REPLAY_SPEED", "0"),
        ("REPLAY_SPEED", "inf"),
        ("REPLAY_SPEED", "fast"),
        ("REPLAY_FROM", "2018-01-01"),
        ("FEED", "two words"),
        ("REPLAY_FILE", ""),
    ],
)
def test_a_wrong_value_is_named(
    env: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    env.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        load_settings(IngestSettings)
    assert caught.value.code == 2
    line = capsys.readouterr().err
    assert name in line
    assert line.count("\n") == 1


def test_a_range_that_ends_before_it_begins(
    env: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env.setenv("REPLAY_FROM", "5")
    env.setenv("REPLAY_TO", "5")
    with pytest.raises(SystemExit):
        load_settings(HistorySettings)
    assert "REPLAY_FROM is not before REPLAY_TO" in capsys.readouterr().err
