"""Numbers and times as people read them; what is undefined is a dash."""

import math
from datetime import UTC, datetime

NOTHING = "\N{EN DASH}"
_LARGE = 1_000.0


def number(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """Return `1234.5` as `1,234.50`; a dash for None and for what is not finite."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def short(value: float | None) -> str:
    """Return at most five significant digits, without zeros at the end."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    digits = max(0, min(8, 4 - math.floor(math.log10(abs(value)))))
    text = number(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def price(value: float | None) -> str:
    """Return a price with the decimals that its size asks for."""
    if value is None or not math.isfinite(value) or abs(value) >= _LARGE:
        return number(value, 2)
    return short(value)


def measured(value: float | None, unit: str) -> str:
    """Return a figure with its unit; a probability needs none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if unit == "%":
        return f"{short(round(value, 2))} %"
    text = short(round(value, 3))
    return text if unit in {"", "probability", "fraction", "ratio"} else f"{text} {unit}"


def time(ms: float | None) -> str:
    """Return epoch ms as `2018-10-01 12:30`, UTC."""
    return NOTHING if ms is None else f"{_at(ms):%Y-%m-%d %H:%M}"


def day(ms: float | None) -> str:
    """Return the UTC day of epoch ms."""
    return NOTHING if ms is None else f"{_at(ms):%Y-%m-%d}"


def words(name: object) -> str:
    """Return `sma_cross` as `sma cross`."""
    return str(name).replace("_", " ")


def _at(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
