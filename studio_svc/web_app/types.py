"""What the API takes: texts, numbers, times and names with their bounds; the base of all bodies.

A bound is part of the API's document, so that 422 means what the document says and nothing else.
Patterns spell out which characters are meant: languages differ in what a space is.
"""

from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tradepulse.candles.timeframes import TIMEFRAMES_MS
from tradepulse.research.jobs import LAST_TIME

_WORD = r"[^\x00-\x20:\x7f-\xa0]"
NAME: Final = f"^{_WORD}+$"
SERIES: Final = f"^{_WORD}{{1,64}}:{_WORD}{{1,64}}:({'|'.join(TIMEFRAMES_MS)})$"
TEXT: Final = r"^[^\x00]*[^\x00-\x20\x7f-\xa0][^\x00]*$"
LONGEST_NAME, LONGEST_TEXT, LONGEST_SERIES = 64, 500, 140

WORDS: Final = {
    NAME: "should be a name without spaces and colons",
    SERIES: "should be exchange:symbol:timeframe, as binanceus:BTC/USD:30m; timeframes are "
    + ", ".join(TIMEFRAMES_MS),
    TEXT: "should be a text that is not blank",
}
"""What a pattern asks for, in words."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=NAME)]
"""Of an exchange, a symbol, a timeframe or a parameter."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=TEXT)]
"""What a person writes."""
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""The number of a row."""
EpochMs = Annotated[int | None, Query(ge=0, le=LAST_TIME, description="epoch ms")]

_Series = Annotated[str, StringConstraints(max_length=LONGEST_SERIES, pattern=SERIES)]
Series = Annotated[
    _Series, Query(description="exchange:symbol:timeframe, as binanceus:BTC/USD:30m")
]
OptionalSeries = Annotated[
    _Series | None, Query(description="of this series, as binanceus:BTC/USD:30m")
]
NameQuery = Annotated[Name, Query()]
OptionalName = Annotated[Name | None, Query()]
Limit = Annotated[int, Query(ge=1, le=1_000, description="how many rows, newest first")]
Figure = Annotated[float, Field(allow_inf_nan=False)]


class Body(BaseModel):
    """Base of all bodies: nothing unknown, nothing converted.

    What JSON cannot say itself (ids, enumerations) needs `Field(strict=False)`.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True
    )
