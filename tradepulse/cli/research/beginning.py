"""The beginning of a strategy: a commented file and its test."""

from pathlib import Path

from tradepulse.cli.errors import CliError

STRATEGY = '''"""Say in a line what this file is for."""

from tradepulse.strategies import Param, enter_long, hold, leave, strategy, times
from tradepulse.strategies.features import atr, sma


@strategy(
    # what a configuration may set, within its bounds; a search varies all but `searched=False`
    space=(
        Param("window", 5, 100, integer=True, log=True),
        Param("trend_window", 20, 400, integer=True, log=True),
        Param("stop_atr", 0, 10),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
    ),
    defaults={"window": 20, "trend_window": 100, "stop_atr": 3, "atr_window": 14},
    # columns over all candles; `sma("trend_window", on="4h")` would be one of a higher timeframe,
    # `change("window", of="BTC")` one of another instrument
    features={
        "mean": sma("window"),
        "trend": sma("trend_window"),
        "unit": atr("atr_window", only_if=("stop_atr",)),
    },
)
def NAME(i, c, f, p):
    """Buy a dip below the mean in a rising market, leave when it no longer rises.

    Idea: say why this should earn money.
    Source: say where it comes from.
    """
    # row i is the candle that has just closed; rows i - 1 and i may be read
    if c.close[i] < f.trend[i] and c.close[i - 1] >= f.trend[i - 1]:
        return leave()
    dips = c.close[i] < f.mean[i] and c.close[i - 1] >= f.mean[i - 1]
    if dips and c.close[i] > f.trend[i]:
        # bought at the next open; `target=`, `trail=`, `limit=` and others may be given, too
        return enter_long(stop=c.close[i] - times(p.stop_atr, f.unit[i]))
    # `hold(stop=...)` would move the stop of what is held
    return hold()
'''

TEST = '''"""Tests of NAME: `pytest test_NAME.py`."""

from pathlib import Path

from tradepulse.strategies import ENTER_LONG, EXIT, get_strategy
from tradepulse.strategies.detectors import look_ahead, recursive
from tradepulse.strategies.files import load_strategy_file
from tradepulse.strategies.made_candles import random_walks

load_strategy_file(Path(__file__).with_name("NAME.py"))
NAME = get_strategy("NAME")
CANDLES = random_walks(2_000, NAME)


def test_it_enters_and_leaves() -> None:
    said = NAME.run(CANDLES, {})
    assert (said.action == ENTER_LONG).any()
    assert (said.action == EXIT).any()


def test_it_knows_no_future_and_forgets_the_past() -> None:
    for detector in (look_ahead, recursive):
        found = detector(NAME, {}, CANDLES)
        assert found.passed, found.sentence
'''


def write_beginning(name: str, folder: Path) -> tuple[Path, Path]:
    """Write `NAME.py` and `test_NAME.py`, and return where.

    Args:
        name: of the strategy.
        folder: that is there.

    Raises:
        CliError: the name cannot be one or is taken, or a file is there or cannot be written.
    """
    from tradepulse.strategies import strategy_names

    if not name.isidentifier() or name.startswith("_"):
        raise CliError(
            f"{name!r} cannot be the name of a strategy: give one of letters, digits and "
            "underscores, as my_pullback"
        )
    if name in strategy_names():
        raise CliError(f"there is a strategy {name!r}; give another name")
    files = folder / f"{name}.py", folder / f"test_{name}.py"
    for file in files:
        if file.exists():
            raise CliError(f"{file} is there already; give another name, or remove it")
    for file, text in zip(files, (STRATEGY, TEST), strict=True):
        try:
            file.write_text(text.replace("NAME", name))
        except OSError as error:
            raise CliError(f"{file} cannot be written: {error.strerror}") from error
    return files
