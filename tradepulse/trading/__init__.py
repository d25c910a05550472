"""Trading rules: pure functions and values. No I/O, no asyncio, no clock."""

RULES_VERSION = 1
"""Raised by each change of docs/reference/semantics.md that changes what is decided.

No process goes on with a position that other rules led to: docs/guides/operations/upgrade.md.
"""
