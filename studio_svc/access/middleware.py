"""One token opens the page and the API; a browser swaps it for a cookie at its first visit."""

import hashlib
import hmac
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio_svc.web_app.pages import PAGES, STYLE_PATH, refusal_page, wants_page
from studio_svc.web_app.problems import problem

SHORTEST_TOKEN = 16
COOKIE_AGE_S = 30 * 86_400
API = "/api/"
ADDRESSES = frozenset(("/", *(f"/{page}" for page in PAGES)))
"""Where the token may stand in the address."""

MISSING = "no token: open the address that `tradepulse up` printed, it carries the token"
WRONG = "wrong token: open the address that `tradepulse up` printed last"
FOREIGN = "refused: this request comes from another site"
CODES: Final = {MISSING: "no_token", WRONG: "wrong_token", FOREIGN: "foreign"}

SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class TokenError(RuntimeError):
    """The token file cannot be used; the message is one readable line without the token."""


def read_token(path: Path) -> str:
    """Return the token that a file holds.

    Raises:
        TokenError: the file is missing, unreadable, empty, or its token is short or has spaces.
    """
    remedy = "write a long random token into it, as `tradepulse up` does"
    try:
        token = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise TokenError(f"STUDIO_TOKEN_FILE: {path} does not exist; {remedy}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not ASCII text"
        raise TokenError(f"STUDIO_TOKEN_FILE: {path} cannot be read: {reason}; {remedy}") from error
    if not token:
        raise TokenError(f"STUDIO_TOKEN_FILE: {path} is empty; {remedy}")
    if len(token) < SHORTEST_TOKEN or len(token.split()) > 1:
        raise TokenError(
            f"STUDIO_TOKEN_FILE: {path} must hold one word of {SHORTEST_TOKEN} characters or more; "
            f"{remedy}"
        )
    return token


def cookie_name(token: str) -> str:
    """Return the name of the cookie that this token is swapped for."""
    name = hmac.new(token.encode(), b"tradepulse cookie", hashlib.sha256).hexdigest()
    return f"tradepulse_{name[:8]}"


class TokenAuth:
    """ASGI middleware: lets through who knows the token, and adds the security headers.

    The cookie holds a value derived from the token, so that a leaked cookie is not the token,
    and no session needs storing. Its name is derived too: cookies of one host are shared by all
    its ports, and two systems on one machine must not sign each other out.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()
        self._session = hmac.new(self._token, b"tradepulse session", hashlib.sha256).hexdigest()
        self.cookie = cookie_name(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] != "http":
            # there is no WebSocket here; what is not asked for is not accepted
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                given = {name for name, _ in headers}  # a report brings its own policy
                headers += [
                    (name.encode(), value.encode())
                    for name, value in SECURITY_HEADERS.items()
                    if name.encode() not in given
                ]
                if scope["path"].startswith(API):
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        refusal = self._judge(Request(scope))
        if refusal is None:
            await self._app(scope, receive, secured)
        else:
            await refusal(scope, receive, secured)

    def _judge(self, request: Request) -> Response | None:
        """Return None to let a request through, else the answer to give.

        What a client writes is never trusted to be readable: `request.url` would parse the host.
        """
        path, is_reading = request.scope["path"], request.method in {"GET", "HEAD"}
        if path == STYLE_PATH:
            return None  # the style of the page that refuses
        if _is_foreign(request.headers, is_reading=is_reading):
            return _refused(request, 403, FOREIGN)
        if path in ADDRESSES and request.method == "GET" and "token" in request.query_params:
            right = self._is_token(request.query_params["token"])
            return self._signed_in(request) if right else _refused(request, 401, WRONG)
        refusal = self._refusal(request.headers)
        return None if refusal is None else _refused(request, 401, refusal)

    def _refusal(self, headers: Headers) -> str | None:
        """Return why a request's credentials do not open the page; None: they do."""
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return None if self._is_token(credentials.strip()) else WRONG
        cookie = _cookie(headers, self.cookie)
        if cookie is None:
            return MISSING
        return None if hmac.compare_digest(cookie.encode(), self._session.encode()) else WRONG

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token)

    def _signed_in(self, request: Request) -> Response:
        query = parse_qs(request.scope["query_string"].decode("latin-1"))
        query.pop("token", None)
        rest = urlencode(query, doseq=True)
        path = request.scope["path"]
        # relative: a proxy in front may know this page by another name
        response = RedirectResponse(f"{path}?{rest}" if rest else path, status_code=303)
        response.headers["cache-control"] = "no-store"
        response.set_cookie(
            self.cookie,
            self._session,
            max_age=COOKIE_AGE_S,
            httponly=True,
            samesite="strict",
            secure=request.scope["scheme"] == "https",
        )
        return response


def _is_foreign(headers: Headers, *, is_reading: bool) -> bool:
    """Tell whether a browser says that another site made it send this request.

    A navigation from a link elsewhere is let through: it carries no cookie (SameSite=Strict).
    """
    origin = headers.get("origin")
    if origin is not None:
        try:
            return urlsplit(origin).netloc != headers.get("host")
        except ValueError:
            return True  # what cannot be read is not ours
    return headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not (
        is_reading and headers.get("sec-fetch-mode") == "navigate"
    )


def _cookie(headers: Headers, name: str) -> str | None:
    """Return a cookie, the last one of its name."""
    found = None
    for header in headers.getlist("cookie"):
        for part in header.split(";"):
            key, _, value = part.strip().partition("=")
            found = value.strip('"') if key == name else found
    return found


def _refused(request: Request, status: int, reason: str) -> Response:
    if wants_page(request) and not request.scope["path"].startswith(API):
        return refusal_page(reason, status)
    headers = {"www-authenticate": "Bearer"} if status == 401 else None  # noqa: PLR2004 - HTTP
    return problem(status, CODES[reason], reason, headers=headers)
