"""Publishes portfolio weights: it decides how much. It knows nothing of signals."""
