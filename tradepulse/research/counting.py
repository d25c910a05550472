"""Counts in sentences that people read."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return `1 trade`, `2 trades`, `1,234 trades`.

    Args:
        count: how many.
        one: what one of them is called.
        many: what several are called; by default `one` with an s.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
