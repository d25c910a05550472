"""What the market's figures must be, in every event."""

from typing import Annotated

from pydantic import AfterValidator, Field

Price = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Volume = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


def _grow(steps: tuple[tuple[int, float], ...]) -> tuple[tuple[int, float], ...]:
    minutes = [minute for minute, _ in steps]
    if sorted(set(minutes)) != minutes:
        raise ValueError("the minutes of a falling target must grow from step to step")
    return steps


Targets = Annotated[
    tuple[tuple[Annotated[int, Field(ge=0)], Price], ...],
    Field(max_length=4),
    AfterValidator(_grow),
]
"""Minutes and price of each step of a falling target."""
