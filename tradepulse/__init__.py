"""What the TradePulse services share: trading rules, and the one way to do I/O."""

__version__ = "0.1.0"
