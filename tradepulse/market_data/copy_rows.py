"""PostgreSQL's binary COPY as NumPy arrays: columns of fixed length, without nulls."""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.void]
"""Rows as they are on the wire."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_SENT_AT_ONCE = 512 << 10
"""Bytes."""


def wire(**columns: str) -> np.dtype[np.void]:
    """Return the type of a row on the wire: the number of fields, then each after its length.

    Args:
        columns: NumPy's name of each column's type, big-endian, as in `>i8`.
    """
    fields = [("fields", ">i2")]
    for name, kind in columns.items():
        fields += [(f"length of {name}", ">i4"), (name, kind)]
    return np.dtype(fields)


def columns_of(row: np.dtype[np.void]) -> list[str]:
    """Return the names of the columns that `row` was made with."""
    return list(row.names or ())[2::2]


def blank(row: np.dtype[np.void], count: int) -> Rows:
    """Return `count` rows of type `row` whose values are to be filled in."""
    one = np.zeros(1, row)
    one["fields"] = len(columns_of(row))
    for name in columns_of(row):
        one[f"length of {name}"] = row[name].itemsize
    return np.repeat(one, count)


async def encoded(rows: Rows) -> AsyncIterator[bytes]:
    """Give rows as the input of a `COPY ... from stdin (format binary)`, as fast as it is taken."""
    yield _HEADER
    step = max(1, _SENT_AT_ONCE // rows.itemsize)
    for lo in range(0, len(rows), step):
        yield rows[lo : lo + step].tobytes()
    yield _END


class Decoder:
    """Takes the output of a `COPY ... to stdout (format binary)` piece by piece.

    Args:
        row: what the rows are like on the wire.
        decode_at: bytes that wait before they are decoded: so few that raw rows never fill the
            memory.
    """

    def __init__(self, row: np.dtype[np.void], decode_at: int = 8 << 20) -> None:
        self._row = row
        self._decode_at = decode_at
        self._raw = bytearray()
        self._skip = len(_HEADER)
        self._parts: dict[str, list[NDArray[Any]]] = {
            name: [np.empty(0, row[name].newbyteorder("="))] for name in columns_of(row)
        }

    async def take(self, data: bytes) -> None:
        """Take the next bytes; a coroutine because asyncpg wants one.

        Raises:
            ValueError: the rows are not those that were expected.
        """
        self._raw += data
        if len(self._raw) >= self._decode_at:
            self._decode()

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns in native byte order: of all that was taken, of nothing if none was.

        Raises:
            ValueError: the rows are not those that were expected, or the end is lacking.
        """
        if self._raw:
            self._decode()
            if self._raw != _END:
                raise self._other()
        return {
            name: parts[1] if len(parts) == 2 else np.concatenate(parts)  # noqa: PLR2004 - the empty one and one more
            for name, parts in self._parts.items()
        }

    def _decode(self) -> None:
        """Decode the whole rows that wait; what remains is shorter than a row."""
        if len(self._raw) < self._skip:
            return
        count = (len(self._raw) - self._skip) // self._row.itemsize
        self._take_rows(np.frombuffer(self._raw, self._row, count, self._skip) if count else None)
        del self._raw[: self._skip + count * self._row.itemsize]
        self._skip = 0

    def _take_rows(self, rows: Rows | None) -> None:
        if rows is None:
            return
        # a null has no bytes, so all after it are elsewhere
        if not (rows["fields"] == len(self._parts)).all():
            raise self._other()
        for name, parts in self._parts.items():
            parts.append(rows[name].astype(self._row[name].newbyteorder("=")))

    def _other(self) -> ValueError:
        names = ", ".join(columns_of(self._row))
        return ValueError(f"the rows are not those of {names} without nulls, or not all are there")
