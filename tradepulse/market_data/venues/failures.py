"""Turns what ccxt raises into the three ways in which a venue fails. Pure."""

import asyncio
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from ccxt.base import errors as ccxt_errors

from tradepulse.market_data.venues.errors import (
    RateLimitedError,
    VenueDownError,
    VenueError,
    VenueRefusedError,
)

DEFAULT_RETRY_AFTER_S = 5.0
MOST_RETRY_AFTER_S = 300.0
_LIMITED = (418, 429)
_RETRIED = (408, 425)
_OK = 200
_SHOWN = 160
_NOISE = re.compile(r"(GET|POST) https?://\S+|<[^<>]*>")
"""Addresses say nothing that the venue's name does not, and may hold what should not be told."""
UNREADABLE = (
    ccxt_errors.BaseError,
    aiohttp.ClientError,
    asyncio.TimeoutError,
    OSError,
    # ccxt reading an answer of another shape than it knows
    TypeError,
    KeyError,
    IndexError,
    ValueError,
    AttributeError,
    ArithmeticError,
)
"""What a request through ccxt may raise."""


def failure(
    venue: str, error: BaseException, status: int | None, headers: Mapping[str, str], now: datetime
) -> VenueError:
    """Return what a request's exception means.

    Args:
        venue: whom was asked.
        error: one of `UNREADABLE`.
        status: of the HTTP answer; None where there was none.
        headers: of the HTTP answer.
        now: aware, for a Retry-After that is a date.
    """
    if isinstance(error, VenueError):
        return error
    text = _text(venue, error, status)
    limited = (ccxt_errors.RateLimitExceeded, ccxt_errors.DDoSProtection)
    if status in _LIMITED or isinstance(error, limited):
        wait_s = _retry_after(headers, now)
        return RateLimitedError(f"{venue} wants fewer requests: {text}", wait_s)
    refused = (
        ccxt_errors.AuthenticationError,
        ccxt_errors.BadRequest,
        ccxt_errors.ArgumentsRequired,
        ccxt_errors.NotSupported,
    )
    if isinstance(error, ccxt_errors.BadSymbol):
        return VenueRefusedError(f"{venue} does not know this symbol: {text}")
    if isinstance(error, refused) or (
        status is not None and 400 <= status < 500 and status not in _RETRIED  # noqa: PLR2004 - HTTP
    ):
        return VenueRefusedError(f"{venue} refuses the request: {text}")
    return VenueDownError(f"{venue} does not answer: {text}")


def _text(venue: str, error: BaseException, status: int | None) -> str:
    told = " ".join(_NOISE.sub(" ", str(error).removeprefix(f"{venue} ")).split())
    cause = error.__cause__
    if cause is not None and str(cause):
        told = f"{told} ({_NOISE.sub(' ', str(cause))})".strip()
    before = "" if status in {None, _OK} else f"HTTP {status}, "
    if isinstance(error, ccxt_errors.RequestTimeout) and status is None:
        before = "timed out, "
    told = told or type(error).__name__
    return before + (told if len(told) <= _SHOWN else told[:_SHOWN] + "…")


def _retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """Return the seconds of a Retry-After header, which is a number or a date."""
    given = next((v for k, v in headers.items() if k.lower() == "retry-after"), "").strip()
    try:
        seconds = float(given)
    except ValueError:
        try:
            when = parsedate_to_datetime(given)
        except ValueError:
            return DEFAULT_RETRY_AFTER_S
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (when - now).total_seconds()
    if not math.isfinite(seconds):
        return DEFAULT_RETRY_AFTER_S
    return min(max(seconds, 0.0), MOST_RETRY_AFTER_S)
