"""Candles from the market: stored first, then published."""
