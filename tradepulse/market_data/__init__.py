"""Candles in PostgreSQL: kept, loaded, fetched, imported, repaired."""
