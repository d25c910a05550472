"""Signatures of the venues, checked with the one dummy key that `config` gives out."""

import base64
import hashlib
import hmac
from time import time

from tests.fakes.exchange.core import VenueCore
from tests.fakes.exchange.orders import Refusal, RefusedError
from tests.fakes.exchange.wire import API_KEY, SECRET, TIME_WINDOW


def check_key(key: str | None) -> None:
    """RefusedError unless it is the key that was given out."""
    if key != API_KEY:
        raise RefusedError(Refusal.BAD_KEY)


def check_signature(given: str | None, *expected: str) -> None:
    """RefusedError unless the signature is one of those expected."""
    if given is None or given not in expected:
        raise RefusedError(Refusal.BAD_SIGNATURE)


def check_time(core: VenueCore, stamp: str | None) -> None:
    """RefusedError where a client stamps with the wall clock against a venue whose clock is off.

    Recorded markets lie in the past, so a stamp cannot be compared with market time. A client that
    has taken the venue's time over does not stamp with the wall clock.
    """
    if stamp is None:
        raise RefusedError(Refusal.BAD_REQUEST, "no timestamp")
    off = abs(core.faults.skew(core.name)) > TIME_WINDOW
    if off and abs(float(stamp) - time() * 1000) < TIME_WINDOW:
        raise RefusedError(Refusal.BAD_TIME)


def sha256(message: str) -> str:
    """HMAC-SHA256 of a message with the secret, in hex."""
    return hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()


def kraken_signature(path: str, nonce: str, body: str) -> str:
    """Return Kraken's signature: HMAC-SHA512 of path + SHA256(nonce + body), in base64."""
    digest = hashlib.sha256((nonce + body).encode()).digest()
    signature = hmac.new(base64.b64decode(SECRET), path.encode() + digest, hashlib.sha512).digest()
    return base64.b64encode(signature).decode()
