"""Reports as one HTML page that needs nothing but itself: of a validation, of a backtest."""

from tradepulse.research.report_page.page import POLICY, report_page
from tradepulse.research.report_page.run import run_drawing, run_figures, run_page

__all__ = ["POLICY", "report_page", "run_drawing", "run_figures", "run_page"]
