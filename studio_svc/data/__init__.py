"""Market data: what is followed, what is stored, and what is not."""
