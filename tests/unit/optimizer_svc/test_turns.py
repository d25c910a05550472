"""Searches of one job, side by side."""

import asyncio

import pytest

from optimizer_svc.search.turns import together


async def test_searches_run_a_few_at_a_time_and_the_first_failure_ends_the_rest() -> None:
    running, most, ended = 0, 0, 0

    async def search() -> None:
        nonlocal running, most, ended
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        ended += 1

    await together([search] * 7, 3)
    assert (most, ended) == (3, 7)

    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def fails() -> None:
        raise ValueError("no candles")

    with pytest.raises(ValueError, match="no candles"):
        await together([for_ever, fails], 2)
