"""Follows venues: streams, REST behind them, one candle for each slot."""
