"""Somebody who is asked now and then: heard for a while, and given up after a long silence."""

import asyncio
import itertools

import pytest

from tradepulse.runtime import hearing
from tradepulse.runtime.hearing import Hearing


async def test_it_is_given_up_after_a_silence_that_is_long_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    answers = [True, False, True, *(False,) * 20]
    heard: list[bool] = []

    async def answer() -> bool:
        return answers.pop(0)

    async def passes(seconds: float) -> None:
        nonlocal now
        heard.append(partner.hears)
        now += seconds

    monkeypatch.setattr("tradepulse.runtime.hearing.asyncio.sleep", passes)
    partner = Hearing(answer, lambda: now)
    assert not partner.hears
    assert await partner.keep_asking(60) == 65
    # asked every 5 s: the last answer is the third one, and counts for 10 s
    assert heard == [True] * 5 + [False] * 10


@pytest.mark.parametrize("answered", [True, False])
async def test_so_is_who_hangs(answered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "ASKED_EVERY_S", 0.001)
    asked: list[asyncio.Future[bool]] = []

    def answer() -> asyncio.Future[bool]:
        asked.append(asyncio.get_running_loop().create_future())
        if answered and len(asked) == 1:
            asked[0].set_result(True)
        return asked[-1]

    # a second passes with every look at it
    partner = Hearing(answer, itertools.count().__next__)
    assert await partner.keep_asking(60) == 61
    assert not partner.hears
    # it was asked once more, and that was given up
    assert len(asked) == 1 + answered
    assert asked[-1].cancelled()
