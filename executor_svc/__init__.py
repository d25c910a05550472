"""Sizes signals, checks risk, fills orders, and keeps the ledger."""
