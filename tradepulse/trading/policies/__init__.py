"""Policies that need more than a few lines: by covariance, and learned ones."""
