"""Commands about strategies, backtests, searches, configurations."""
