"""Whether every part is well, and what the API offers."""
