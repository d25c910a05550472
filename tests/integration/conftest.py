"""The longest files first, so that no worker waits for another one's last."""

from collections.abc import Iterator

import pytest
from system import OWN_FILE

from tradepulse.strategies import files as strategy_files
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.files import load_strategy_file

LONGEST = (
    "test_up.py",
    "test_secured.py",
    "test_dashboards.py",
    "test_kill.py",
    "test_live_day.py",
    "test_live_processes.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; all else stays in its order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture
def own_strategies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The strategies of a file, known here and to every service."""
    monkeypatch.setenv("STRATEGY_FILES", str(OWN_FILE))
    names = load_strategy_file(OWN_FILE)
    yield
    for name in names:
        del STRATEGIES[name]
    strategy_files._loaded.clear()
