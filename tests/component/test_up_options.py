"""What `tradepulse up` says to wrong options, wrong folders and absent servers: one line each."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from tradepulse import __version__
from tradepulse.candles.arrays import Candles
from tradepulse.cli import doctor
from tradepulse.cli.up.choice import Choice, OptionError, choice_of, recall, remember, speed_of
from tradepulse.cli.up.dashboard import View, plain_line
from tradepulse.cli.up.figures import Figures
from tradepulse.cli.up.live import series_of
from tradepulse.cli.up.own import own_candles, traded
from tradepulse.cli.up.replay import Replay, replay_of
from tradepulse.embedded.children import EmbeddedError
from tradepulse.embedded.ports import free_ports
from tradepulse.embedded.state import StateFolder, lock_holder
from tradepulse.library.demo import demo_candles
from tradepulse.market_data.files import CandleFileError, write_candles

DAY = 86_400_000
LAZY = """
from tradepulse.strategies import Param, hold, strategy

@strategy(space=(SPACE), defaults={"window": 20}, features={})
def up_mine(i, c, f, p):
    \"\"\"Do nothing.\"\"\"
    return hold()
"""
COMMAND = (
    "import typer; from tradepulse.cli.up.command import up; "
    "app = typer.Typer(); app.command()(up); app()"
)


def series(symbol: str, days: int) -> Candles:
    times = 17_500 * DAY + np.arange(days, dtype=np.int64) * DAY
    flat = np.full(days, 10.0)
    return Candles("venue", symbol, "1d", times, flat, flat, flat, flat, flat)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "candles.parquet"
    write_candles(path, [series("BTC/USD", 100), series("ETH/USD", 100)])
    return path


def replay(choice: Choice, folder: Path, told: list[str] | None = None) -> Replay:
    """Do with a choice what `up` does."""
    own = traded(choice.strategies)
    file = own_candles(choice, folder, ([] if told is None else told).append)
    return replay_of(choice, "max", file, own)


def refused(*arguments: str, cwd: Path, **environment: str) -> str:
    (line,) = lines_of_refusal(*arguments, cwd=cwd, **environment)
    return line


def lines_of_refusal(*arguments: str, cwd: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()


def test_by_default_a_quarter_is_for_training() -> None:
    replay = replay_of(Choice())
    assert replay.file == demo_candles()
    assert replay.start == 1_522_540_800_000  # 2018-04-01
    (job,) = replay.jobs
    assert job.end == replay.start
    assert len(job.symbols) == 5
    assert job.activate
    assert replay.environment()["REPLAY_TO"] == ""


def test_symbols_and_range_are_taken(file: Path, tmp_path: Path) -> None:
    first = int(series("BTC/USD", 1).open_time[0])
    day = np.datetime_as_string(np.datetime64(first + 50 * DAY, "ms"), "D")
    made = replay(choice_of(file, " ETH/USD ,ETH/USD", str(day), None), tmp_path)
    assert made.file == file
    assert made.symbols == ("ETH/USD",)
    assert (made.start, made.past) == (first + 50 * DAY, 50)
    assert made.environment()["REPLAY_SYMBOLS"] == "ETH/USD"


def test_a_zip_of_another_layout_is_replayed_with_a_strategy_of_ones_own(tmp_path: Path) -> None:
    day = 17_500 * DAY
    times = range(day, day + 40 * DAY, DAY)
    rows = [
        f"{time},10,12,9,{10 + n % 3},5,{time + DAY - 1},50,3,2,20,0"
        for n, time in enumerate(times)
    ]
    archive = tmp_path / "BTCUSDT-1d-2017-11.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("BTCUSDT-1d-2017-11.csv", "\n".join(rows) + "\n")
    mine = tmp_path / "up_mine.py"
    mine.write_text(LAZY.replace("SPACE", "Param('window', 5, 50, integer=True),"))
    state, told = tmp_path / "state", []
    state.mkdir()
    choice = choice_of(archive, None, None, None, ["sma_cross", str(mine)])
    made = replay(choice, state, told)
    assert "layout binance" in told[0]
    assert made.file == state / "replayed.parquet"
    (job,) = made.jobs
    assert (job.exchange, job.symbols, job.timeframe) == ("binance", ("BTC/USDT",), "1d")
    assert job.strategies == ("sma_cross", "up_mine")
    assert made.own.bundled() == ("sma_cross",)
    assert made.own.environment("a.py, b.py") == {"STRATEGY_FILES": f"a.py,b.py,{mine}"}
    assert made.on_paper == ()

    # read once: the zip is not needed again
    archive.unlink()
    untrained = replay(replace(choice, training=False), state)
    assert untrained.jobs == ()
    assert (untrained.start, untrained.past) == (day, 0)
    assert [one.series for one in untrained.on_paper] == ["binance:BTC/USDT:1d"]
    later = replay(replace(choice, training=False, start="2017-12-11"), state)
    assert (later.jobs, later.past) == ((), 11)

    # and kept with the state, so that a start without options goes on with it
    remember(state, choice)
    assert recall(state, Choice()) == choice
    for wanted, said in (
        (Choice(training=False), r"\(--no-training as it comes, not given\): use --fresh"),
        (Choice(strategies=("momentum",)), r"\(--strategy sma_cross,.*up_mine.py, not momentum\)"),
    ):
        with pytest.raises(OptionError, match=said):
            recall(state, wanted)


def test_a_strategy_without_anything_to_search_says_the_remedy(file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "up_fixed.py"
    mine.write_text(LAZY.replace("SPACE", "").replace('"window": 20', "").replace("mine", "fixed"))
    choice = choice_of(file, None, None, None, [str(mine)])
    with pytest.raises(OptionError) as refused:
        replay(choice, tmp_path)
    assert str(refused.value) == (
        "--strategy: up_fixed: every parameter is fixed, nothing is left to search; --no-training "
        "trades it by its defaults"
    )
    assert len(replay(replace(choice, training=False), tmp_path).on_paper) == 2


def test_a_strategy_that_there_is_not_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^--strategy: unknown strategy 'nope'; known are "):
        traded(["nope"])
    with pytest.raises(OptionError, match=r"^--strategy: strategy file none\.py: No such file"):
        traded(["none.py"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            (None, None, "2018-02-30", None),
            "--from: 2018-02-30 is no time, there is no such day or hour",
        ),
        ((None, None, None, "soon"), "--to: soon is no time"),
        ((None, " , ", None, None), "--symbols names nothing"),
    ],
)
def test_a_wrong_option_is_refused(arguments: tuple[str | None, ...], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        choice_of(*arguments)  # type: ignore[arg-type]  # some of them are None


def test_ranges_without_training_or_trading_are_refused() -> None:
    with pytest.raises(OptionError, match="nothing lies before the replay's start 2017-10-01"):
        replay_of(Choice(start="2017-10-01"))
    with pytest.raises(OptionError, match="nothing is left to trade from 2020-01-01"):
        replay_of(Choice(start="2020-01-01"))
    with pytest.raises(OptionError, match="nothing is left to trade"):
        replay_of(Choice(start="2019-01-01", end="2018-12-31"))


def test_an_unknown_symbol_is_refused_with_the_known_ones(file: Path, tmp_path: Path) -> None:
    with pytest.raises(CandleFileError, match=r"DOGE/USD; it has BTC/USD, ETH/USD"):
        replay(choice_of(file, "BTC/USD,DOGE/USD", None, None), tmp_path)


def test_live_series_are_read() -> None:
    assert series_of(" kraken:BTC/USD:5m,kraken:BTC/USD:5m, coinbase:ETH/USD:1h") == (
        ("kraken", "BTC/USD", "5m"),
        ("coinbase", "ETH/USD", "1h"),
    )
    assert series_of("") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("BTC/USD", "write exchange:symbol:timeframe"),
        ("mtgox:BTC/USD:5m", "mtgox.*binanceus, coinbase, kraken, bitstamp"),
        ("kraken:BTC/USD:7m", "unknown timeframe '7m'; known are 1m"),
        ("kraken:BTCUSD:5m", "no spot symbol"),
    ],
)
def test_wrong_live_series_are_refused(text: str, said: str) -> None:
    with pytest.raises(OptionError, match=f"^--live {text}: .*{said}"):
        series_of(text)


def test_a_folder_holds_either_a_replay_or_a_live_run(tmp_path: Path) -> None:
    live = Choice(live=True)
    remember(tmp_path, live)
    assert recall(tmp_path, Choice()) == live
    assert recall(tmp_path, live) == live
    with pytest.raises(OptionError, match="holds a live run, not a replay: use --fresh"):
        recall(tmp_path, Choice(symbols=("ETH/USD",)))
    remember(tmp_path, Choice())
    with pytest.raises(OptionError, match="holds a replay, not --live: use --fresh"):
        recall(tmp_path, live)


def test_live_and_a_file_are_refused_together(tmp_path: Path) -> None:
    line = refused("--live", "kraken:BTC/USD:5m", "--symbols", "BTC/USD", cwd=tmp_path)
    assert "--live replays nothing: leave out" in line


@pytest.mark.parametrize("text", ["fast", "0", "-1", "nan", "inf"])
def test_a_wrong_speed_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="event-time seconds"):
        speed_of(text)


def test_a_state_folder_keeps_its_replay(tmp_path: Path) -> None:
    choice = Choice(symbols=("BTC/USD",), start="2018-05-01")
    assert recall(tmp_path, choice) == choice
    remember(tmp_path, choice)
    assert recall(tmp_path, Choice()) == choice
    assert recall(tmp_path, choice) == choice
    with pytest.raises(OptionError, match=r"another replay \(--symbols BTC/USD, not ETH/USD\)"):
        recall(tmp_path, Choice(symbols=("ETH/USD",)))


def test_one_run_at_a_time_uses_a_state_folder(tmp_path: Path) -> None:
    first = StateFolder.open(tmp_path / "s")
    assert lock_holder(tmp_path / "s") == str(os.getpid())
    with pytest.raises(EmbeddedError, match=rf"in use by another .* \(process {os.getpid()}\)"):
        StateFolder.open(tmp_path / "s", fresh=True)
    assert first.token() == first.token()
    assert first.token_file.stat().st_mode & 0o777 == 0o600
    first.close()
    assert lock_holder(tmp_path / "s") is None


def test_fresh_empties_the_folder_and_nothing_else(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    StateFolder.open(tmp_path / "s").close()
    (tmp_path / "s" / "link").symlink_to(kept)
    (tmp_path / "s" / "old").mkdir()
    StateFolder.open(tmp_path / "s", fresh=True).close()
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"logs", "tradepulse.lock"}
    assert (kept / "file").exists()
    with pytest.raises(EmbeddedError, match="holds other files"):
        StateFolder.open(kept, fresh=True)
    assert (kept / "file").exists()


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_killed_run_is_waited_for_while_its_processes_end(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from tradepulse.embedded.state import StateFolder\n"
        "state = StateFolder.open(Path(sys.argv[1]))\n"
        # it must not hold our end of the pipe, or we would wait for it
        "null = subprocess.DEVNULL\n"
        "left = subprocess.Popen(['sleep', '600'], stdout=null, pass_fds=[state.lock])\n"
        "print(left.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s")], check=False, stdout=subprocess.PIPE
    )
    assert done.returncode == -signal.SIGKILL
    left = int(done.stdout)
    assert is_running(left)
    ending = threading.Timer(1, os.kill, (left, signal.SIGKILL))
    ending.start()
    StateFolder.open(tmp_path / "s").close()
    ending.join()
    # the lock is let go a moment before the process is gone
    ended = time.monotonic() + 60
    while is_running(left) and time.monotonic() < ended:
        time.sleep(0.01)
    assert not is_running(left)


def test_the_command_says_one_line(tmp_path: Path) -> None:
    slip, line = lines_of_refusal("--from", "x", cwd=tmp_path, FEES="0.1")
    assert slip == "tradepulse up: FEES is no setting and nothing reads it; did you mean FEE?"
    assert "--from: x is no time; write 2018-10-01" in line
    unknown = refused("--symbols", "DOGE/USD", "--port", "0", cwd=tmp_path)
    assert "it has BTC/USD, EOS/USD" in unknown
    wrong = refused("--port", "0", cwd=tmp_path, DATABASE_URL="mysql://u:secret@h/d")
    assert "DATABASE_URL" in wrong
    assert "secret" not in wrong
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 is in use" in refused("--port", str(port), cwd=tmp_path)
    assert not (tmp_path / ".tradepulse" / "run.json").exists()


def test_an_absent_database_is_one_line_without_its_password(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    line = refused(
        "--port",
        "0",
        cwd=tmp_path,
        DATABASE_URL=f"postgresql://u:secret@127.0.0.1:{port}/d",
        KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{port}",
    )
    assert "DATABASE_URL" in line
    assert "secret" not in line


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    line = refused("--state", "/dev/full/state", "--port", "0", cwd=tmp_path)
    assert "/dev/full" in line


def test_a_plain_line_says_where_the_replay_stands() -> None:
    view = View(phase="Training", progress=(3, 9), unready={"signal_svc": "not answering yet"})
    assert plain_line(view) == "Training | 3/9 | signal_svc not answering yet"
    assert Figures().change is None


def test_the_doctor_finds_this_machine_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert doctor.doctor(tmp_path / "s") == 0
    shown = capsys.readouterr().out
    assert "PostgreSQL" in shown
    (port,) = free_ports(1)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:secret@127.0.0.1:{port}/d")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{port}")
    assert doctor.doctor(tmp_path / "s") == 1
    assert "secret" not in capsys.readouterr().out
    assert doctor.doctor(tmp_path / "s", as_json=True) == 1
    told = capsys.readouterr().out
    assert "secret" not in told
    found = json.loads(told)
    assert found["tradepulse"] == __version__
    verdicts = {one["what"]: one["verdict"] for one in found["findings"]}
    assert verdicts["Python"] == "ok"
    assert verdicts["DATABASE_URL"] == "fail"
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "nonsense")
    failed = [found for found in doctor.examine(tmp_path / "s") if found.verdict == "fail"]
    assert [found.what for found in failed] == ["addresses"]
