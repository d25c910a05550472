"""Configurations, and the jobs that find and validate them."""
