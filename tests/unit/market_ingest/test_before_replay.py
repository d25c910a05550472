"""The one-shot import of what came before a replay: what it stores, and how it ends."""

import logging
from pathlib import Path

import pytest

from market_ingest.history import before_replay
from market_ingest.settings import HistorySettings
from tests.candle_series import random_walk
from tradepulse.market_data.files import write_candles

NOWHERE = "postgresql://me@127.0.0.1:1/db"


def test_what_is_refused_ends_with_1_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(before_replay, "configure_logging", lambda *_: None)
    for name, value in (
        ("DATABASE_URL", NOWHERE), ("REPLAY_FILE", str(tmp_path / "none.csv")), ("REPLAY_FROM", "5")
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        before_replay.main()
    assert ended.value.code == 1
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]


async def test_a_replay_from_the_first_candle_has_nothing_before_it(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    write_candles(path, [random_walk("A/USD", 3)])
    # no database is asked: there is none
    told = {"replay_file": path, "database_url": NOWHERE}
    assert await before_replay.store_history(HistorySettings(**told)) == 0


def test_a_replay_from_somewhere_on_is_ended_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def stored(_: HistorySettings) -> int:
        return 7

    monkeypatch.setattr(before_replay, "store_history", stored)
    monkeypatch.setattr(before_replay, "configure_logging", lambda *_: None)
    monkeypatch.setenv("DATABASE_URL", NOWHERE)
    monkeypatch.setenv("REPLAY_FILE", str(tmp_path / "none.csv"))
    with caplog.at_level(logging.INFO):
        before_replay.main()
    assert [record.__dict__["candles"] for record in caplog.records] == [7]
