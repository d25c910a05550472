"""Searches, validation, decay (pure); configurations, jobs, reports (kept in PostgreSQL)."""
