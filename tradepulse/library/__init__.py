"""What `import tradepulse` gives to Python and notebooks; `tradepulse/__init__.py` names it."""
