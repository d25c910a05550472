"""What every answer is made of. Money is a decimal string, times are epoch ms UTC."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema


def _row_of(*names: str) -> WithJsonSchema:
    """Describe a row as checkers can read it; what a tuple's document looks like they dispute."""
    bounds = {"minItems": len(names), "maxItems": len(names)}
    said = {"type": "array", "items": {"type": "number"}, "description": ", ".join(names)}
    return WithJsonSchema({**said, **bounds}, mode="serialization")


CandleRow = Annotated[
    tuple[int, float, float, float, float, float],
    _row_of("open_time", "open", "high", "low", "close", "volume"),
]
EquityRow = Annotated[
    tuple[int, float, float, float, int],
    _row_of("close_time", "equity", "cash", "exposure", "open_positions"),
]
"""For drawing only, hence floats."""


def plain(value: Decimal) -> str:
    """Return money as plain digits: `100000`, never `1.0E+5`, which not every reader knows."""
    return format(value, "f")


Money = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}, mode="serialization"),
]
"""An amount, a price or a quantity of the ledger."""


class View(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_serialization_defaults_required=True,
        use_attribute_docstrings=True,
    )
