"""Counts in sentences."""

from tradepulse.research.counting import counted


def test_one_is_no_many() -> None:
    assert [counted(n, "trade") for n in (0, 1, 2, 1234)] == [
        "0 trades", "1 trade", "2 trades", "1,234 trades"
    ]  # fmt: skip
    assert [counted(n, "strategy", "strategies") for n in (1, 2)] == ["1 strategy", "2 strategies"]
