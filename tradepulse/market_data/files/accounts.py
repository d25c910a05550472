"""What became of every row of a file."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tradepulse.market_data.files.judge import RefusedRow


@dataclass(frozen=True, slots=True)
class SeriesPart:
    """Candles of one series that were taken from a file: how many, and from when to when."""

    series: str
    candles: int
    first: int
    last: int


@dataclass(slots=True)
class FileAccount:
    """What became of the rows of a file.

    `rows` is the sum of `written`, `same`, `kept`, `unwanted`, and the lengths of `refused` and
    `repeated`.

    Attributes:
        path: the file.
        layout: which it was taken for; empty where it could not be read.
        notes: what was inferred.
        warnings: what looks wrong and is no reason to refuse.
        rows: how many rows it has.
        series: what was taken.
        written: candles inserted or changed.
        same: candles that were there already.
        replaced: stored candles whose figures were changed, by their source.
        kept: candles that differ from stored ones of a better source, which were kept.
        kept_of: how many those are, by their source.
        example: the first of those, in words.
        unwanted: good rows that were not asked for.
        refused: rows that cannot be used.
        repeated: rows that repeat another.
        problem: why the file as a whole was passed over; empty if it was not.
    """

    path: Path
    layout: str = ""
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows: int = 0
    series: list[SeriesPart] = field(default_factory=list)
    written: int = 0
    same: int = 0
    replaced: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    kept_of: Counter[str] = field(default_factory=Counter)
    example: str = ""
    unwanted: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    repeated: list[RefusedRow] = field(default_factory=list)
    problem: str = ""
