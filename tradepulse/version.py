"""The version; apart from `tradepulse/__init__.py`, which knows the whole library by its types."""

__version__ = "0.1.0"
