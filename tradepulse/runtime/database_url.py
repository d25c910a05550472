"""Whether an address of a database can be read, asked before anything that would repeat it."""

import re
import ssl
from urllib.parse import parse_qs, quote, urlsplit

UNREADABLE = (
    "it cannot be read as an address, postgresql://user:password@host:port/database; in the "
    "password write # as %23, / as %2F, ? as %3F, : as %3A, @ as %40, [ as %5B and % as %25"
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]*\]|[^\[\]:@]*)(:[0-9]+)?")


def is_readable(url: str) -> bool:
    """Tell whether the address means one thing only.

    A `#`, `/` or `?` in a password ends what is taken for host and port: the part of the password
    before it becomes a port, and a client's error repeats it.
    """
    if not url.startswith(("postgresql://", "postgres://")) or "#" in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if "@" in parts.path or ("@" in parts.query and "@" not in parts.netloc):
        return False
    hosts = parts.netloc.rpartition("@")[2]
    return all(_HOST.fullmatch(host) for host in hosts.split(","))


def readable(url: str) -> str:
    """Return the address.

    Raises:
        ValueError: it cannot be read; the message repeats nothing of it.
    """
    if not is_readable(url):
        raise ValueError(UNREADABLE)
    return url


def with_password(url: str, password: str) -> str:
    """Return a readable address with a password, which it must not have by then.

    Raises:
        ValueError: it has one; the message repeats nothing of it.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if ":" in parts.netloc.rpartition("@")[0] or "password" in query or "passfile" in query:
        raise ValueError("it has a password, and DATABASE_PASSWORD_FILE is given: leave one out")
    return f"{url}{'&' if parts.query else '?'}password={quote(password, safe='')}"


def said_of(error: BaseException) -> str:
    """Return what may be told of an error of connecting; the address holds a password."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not believed: {error.verify_message}; see sslrootcert"
    if isinstance(error, ValueError):
        words = str(error)
        # the one of them that names nothing but the file
        told = words if words.startswith("root certificate file") else ""
    else:
        told = str(error)
    return " ".join(f"{type(error).__name__}: {told}".rstrip(": ").split())
