"""What the ledger holds, read and never written: signals, weights, orders, trades, equity."""
