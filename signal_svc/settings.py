"""What signal_svc is told by its environment."""

from pydantic import Field

from tradepulse.strategies.files import StrategySettings
from tradepulse.trading.event_time import TOLERANCE_MS


class SignalSettings(StrategySettings):
    """Strategy files and clock."""

    clock_tolerance_s: int = Field(default=TOLERANCE_MS // 1000, ge=0)
    """A candle that is further ahead of the wall clock is put aside."""
