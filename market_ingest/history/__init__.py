"""Gaps are found and repaired; what came before a replay is stored."""
