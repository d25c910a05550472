"""What signal_svc is told by its environment."""

from pydantic import Field

from tradepulse.strategies.files import StrategySettings
from tradepulse.trading.event_time import GRACE_MS, TOLERANCE_MS


class SignalSettings(StrategySettings):
    """Strategy files and clock."""

    reference_grace_ms: int = Field(default=GRACE_MS * 3 // 5, gt=0)
    """How long a candle waits live for that of another instrument that a strategy looks at. It must
    be shorter than `GRACE_MS`, after which the account is settled without the signal."""
    clock_tolerance_s: int = Field(default=TOLERANCE_MS // 1000, ge=0)
    """A candle that is further ahead of the wall clock is put aside."""
