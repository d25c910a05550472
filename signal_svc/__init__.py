"""Runs the active configurations on live candles: it decides when to trade."""
