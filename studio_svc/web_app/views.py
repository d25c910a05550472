"""What every answer is made of. Money is a decimal string, times are epoch ms UTC."""

from pydantic import BaseModel, ConfigDict

CandleRow = tuple[int, float, float, float, float, float]
"""open_time, open, high, low, close, volume."""
EquityRow = tuple[int, float, float, float, int]
"""close_time, equity, cash, exposure, open positions; for drawing only, hence floats."""


class View(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)
