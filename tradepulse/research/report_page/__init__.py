"""A validation report as one HTML page that needs nothing but itself: `report_page`."""

from tradepulse.research.report_page.page import POLICY, report_page

__all__ = ["POLICY", "report_page"]
