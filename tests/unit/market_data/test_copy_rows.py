"""Rows of PostgreSQL's binary COPY, as they come: in pieces that respect nothing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepulse.market_data.copy_rows import Decoder, blank, encoded, wire

ROW = wire(number=">i4", time=">i8", price=">f8")


async def sent(count: int) -> bytes:
    rows = blank(ROW, count)
    rows["number"] = np.arange(count)
    rows["time"] = 10**12 + np.arange(count)
    rows["price"] = np.arange(count) / 7
    return b"".join([part async for part in encoded(rows)])


async def test_the_bytes_are_those_of_the_manual() -> None:
    assert await sent(1) == (
        b"PGCOPY\n\xff\r\n\x00" + bytes(4) + bytes(4)
        + b"\x00\x03"
        + b"\x00\x00\x00\x04" + bytes(4)
        + b"\x00\x00\x00\x08" + (10**12).to_bytes(8, "big")
        + b"\x00\x00\x00\x08" + bytes(8)
        + b"\xff\xff"
    )  # fmt: skip


@given(cuts=st.lists(st.integers(0, 1_500), max_size=8), count=st.integers(0, 40))
async def test_any_pieces_give_the_same_columns(cuts: list[int], count: int) -> None:
    raw = await sent(count)
    decoder = Decoder(ROW, decode_at=64)
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    for lo, hi in pairwise(edges):
        await decoder.take(raw[lo:hi])
    columns = decoder.columns()
    assert columns["number"].tolist() == list(range(count))
    assert columns["time"].tolist() == [10**12 + i for i in range(count)]
    assert columns["price"].tolist() == [i / 7 for i in range(count)]
    assert [column.dtype for column in columns.values()] == [np.int32, np.int64, np.float64]


async def test_an_answer_without_rows() -> None:
    decoder = Decoder(ROW)
    assert [len(column) for column in decoder.columns().values()] == [0, 0, 0]
    await decoder.take(await sent(0))
    assert [len(column) for column in decoder.columns().values()] == [0, 0, 0]


async def test_a_null_is_no_number() -> None:
    raw = bytearray(await sent(2))
    raw[21:29] = b"\xff\xff\xff\xff"  # the length of the first number, and no bytes of it
    decoder = Decoder(ROW)
    await decoder.take(bytes(raw))
    with pytest.raises(ValueError, match="the rows are not those of number, time, price"):
        decoder.columns()


async def test_a_cut_answer() -> None:
    decoder = Decoder(ROW)
    await decoder.take((await sent(2))[:-1])
    with pytest.raises(ValueError, match="not all are there"):
        decoder.columns()
