"""Reads that more than one page shows."""
