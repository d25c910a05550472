"""Gates that a configuration must pass before it may trade: is its backtest more than luck?

docs/guides/validation.md explains every gate.
"""

from tradepulse.research.validation.gates import Gate, Thresholds
from tradepulse.research.validation.report import Report
from tradepulse.research.validation.request import Ranges, ValidationRequest
from tradepulse.research.validation.validating import validate

__all__ = ["Gate", "Ranges", "Report", "Thresholds", "ValidationRequest", "validate"]
