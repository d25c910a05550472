"""`tradepulse backup` and `tradepulse restore`."""
