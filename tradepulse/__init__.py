"""TradePulse in Python: what `docs/guides/python.md` shows. Its types stand in `__init__.pyi`.

Nothing is imported before it is asked for, so the services pay nothing for it.
"""

from importlib import import_module
from typing import Any

from tradepulse.version import __version__ as __version__

_FROM = {
    "Candles": "tradepulse.candles.arrays",
    "Found": "tradepulse.library.found",
    "Run": "tradepulse.library.runs",
    "Time": "tradepulse.candles.times",
    "Verdict": "tradepulse.library.verdicts",
    "backtest": "tradepulse.library.backtests",
    "connect": "tradepulse.library.live",
    "demo_candles": "tradepulse.library.demo",
    "from_frame": "tradepulse.library.series",
    "load": "tradepulse.library.series",
    "load_all": "tradepulse.library.series",
    "look_ahead": "tradepulse.library.findings",
    "stored": "tradepulse.library.series",
    "sweep": "tradepulse.library.searches",
    "use": "tradepulse.library.uses",
    "validate": "tradepulse.library.verdicts",
}


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module 'tradepulse' has no attribute {name!r}")
    return getattr(import_module(_FROM[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FROM})
