"""The longest files first, so that no worker waits for another one's last."""

import pytest

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
