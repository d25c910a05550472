"""Search jobs: what is tried, where it is measured, what is kept."""
