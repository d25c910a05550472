"""What is asked of the ledger, and a page of it."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from studio_svc.web_app.types import NAME
from studio_svc.web_app.views import View
from tradepulse.ledger.rows import Row
from tradepulse.research.jobs import LAST_TIME

R = TypeVar("R", bound=Row)
LARGEST_PAGE = 5_000
_HEX = "[0-9a-f]"
Time = Annotated[int | None, Field(ge=0, le=LAST_TIME)]


class Asked(BaseModel):
    """What every table is asked by."""

    model_config = ConfigDict(frozen=True)

    limit: int = Field(1_000, ge=1, le=LARGEST_PAGE, description="how many rows at most")
    start: Time = Field(None, description="from this time on, epoch ms")
    end: Time = Field(None, description="before this time, epoch ms")
    after: str | None = Field(
        None,
        max_length=154,
        pattern=r"^[0-9]{1,13}:[^\x00]{0,140}$",
        description="`cursor` of the page before",
    )


class AskedBySymbol(Asked):
    """What is asked of rows that have a symbol."""

    symbol: str | None = Field(
        None, max_length=500, pattern=NAME, description="of this symbol, or of several, by commas"
    )


class AskedByConfiguration(AskedBySymbol):
    """What is asked of rows that have a configuration."""

    configuration: str | None = Field(
        None,
        max_length=36,
        pattern="^[0-9a-fA-F-]{1,36}$",
        description="id of a configuration, or how it begins",
    )
    after: str | None = Field(
        None,
        max_length=50,
        pattern=f"^[0-9]{{1,13}}:{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$",
        description="`cursor` of the page before",
    )


class LedgerPage(View, Generic[R]):
    """Some rows, oldest first; `cursor` is the `after` of the next page, null after the last."""

    rows: list[R]
    cursor: str | None
