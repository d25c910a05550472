"""Validation jobs: the gates of a configuration."""
