"""Amounts as users give them, on the command line and in Python."""

from decimal import Decimal, InvalidOperation

Amount = Decimal | float | int | str
"""A float stands for the decimal that it prints as."""


def amount(
    name: str,
    value: Amount,
    *,
    positive: bool = False,
    below: float | None = None,
    to: float | None = None,
) -> Decimal:
    """Read an amount.

    Args:
        name: for the message.
        value: of any form.
        positive: whether zero is refused.
        below: it must be less.
        to: it must not be more.

    Raises:
        ValueError: it is no number, or out of its bounds.
    """
    try:
        read = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} {value}: no number") from None
    if not read.is_finite() or read < 0 or (positive and read == 0):
        raise ValueError(f"{name} {value}: must be {'above zero' if positive else 'zero or more'}")
    if below is not None and read >= below:
        raise ValueError(f"{name} {value}: must be below {below:g}")
    if to is not None and read > to:
        raise ValueError(f"{name} {value}: must be at most {to:g}")
    return read
