"""Gaps in PostgreSQL: found, kept, repaired."""
