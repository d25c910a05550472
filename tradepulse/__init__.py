"""What the TradePulse services share: trading rules, and the one way to do I/O."""
