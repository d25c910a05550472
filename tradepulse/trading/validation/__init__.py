"""Gates that a configuration must pass before it may trade: is its backtest more than luck?

docs/validation.md explains every gate.
"""

from tradepulse.trading.validation.gates import Gate, Thresholds
from tradepulse.trading.validation.report import Report
from tradepulse.trading.validation.request import Ranges, ValidationRequest
from tradepulse.trading.validation.validating import validate

__all__ = ["Gate", "Ranges", "Report", "Thresholds", "ValidationRequest", "validate"]
