"""The database schema, forward only: one SQL file each, applied in order of name."""
