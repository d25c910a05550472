"""What a browser is served: the built page, and readable pages where there is none."""

import html
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

DIST = Path(__file__).parents[1] / "web" / "dist"
YEAR_S = 31_536_000
PAGES = ("market-data", "rl-portfolio")
"""Paths that are the page too; it shows itself by its address."""

_STYLE = (
    "html{color-scheme:dark;background:#0b0e14;color:#d7dee8;font:16px/1.6 system-ui,sans-serif}"
    "body{max-width:34rem;margin:18vh auto 0;padding:0 1.25rem}"
    "h1{font-size:1.25rem}code{background:#161c26;padding:.1em .35em;border-radius:4px}"
    "a{color:#7aa2ff}input,button{font:inherit;color:inherit;background:#161c26;"
    "border:1px solid #2b3648;border-radius:6px;padding:.4rem .7rem}td,th{text-align:left;"
    "padding:.35rem 1rem .35rem 0;vertical-align:top}table{border-collapse:collapse}"
    "tr{border-top:1px solid #1c2431}body.wide{max-width:64rem;margin:2rem auto 6rem}"
    "h2{font-size:1.1rem;margin-top:2.5rem}h3{font-size:.85rem;color:#8d99ab;margin:1rem 0 .25rem}"
    "details{border-top:1px solid #1c2431;padding:.35rem 0}summary{cursor:pointer}"
    "details>:not(summary){margin-left:1.1rem}details table{font-size:.85rem}"
    "pre{background:#161c26;border-radius:4px;padding:.6rem .8rem;font-size:.8rem;overflow:auto;"
    "max-height:24rem}@media(max-width:40rem){td{display:block;padding:.1rem 0}}"
)
STYLE_PATH = "/plain.css"


def style() -> Response:
    """Return the style of the plain pages; inline styles are forbidden by our own policy."""
    return Response(_STYLE, media_type="text/css")


def wants_page(request: Request) -> bool:
    """Tell whether a person asks, by a browser."""
    return "text/html" in request.headers.get("accept", "")


def plain_page(title: str, body: str, status: int, *, wide: bool = False) -> HTMLResponse:
    """Return a page without scripts; `body` is HTML."""
    kind = ' class="wide"' if wide else ""
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{html.escape(title)} · TradePulse</title><link rel="stylesheet" '
        f'href="{STYLE_PATH}"><body{kind}><h1>{html.escape(title)}</h1>{body}</html>',
        status,
        {"cache-control": "no-store"},
    )


def refusal_page(reason: str, status: int) -> HTMLResponse:
    """Return the page of a visitor without the right token."""
    what, _, remedy = reason.partition(": ")
    return plain_page(
        what[:1].upper() + what[1:],
        f"<p>{_marked(remedy)}.</p>"
        '<form action="/" method="get"><p><label>Or enter the token: '
        '<input type="password" name="token" autocomplete="off" required></label> '
        "<button>Open</button></form>",
        status,
    )


def _marked(text: str) -> str:
    """Escape text and set what is in backticks as code."""
    parts = html.escape(text[:1].upper() + text[1:]).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


class BuiltPage(StaticFiles):
    """Serves the built front end: hashed files for ever, the entry page never from a cache."""

    def __init__(self, dist: Path = DIST) -> None:
        self._dist = dist
        super().__init__(directory=dist, html=True, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or a readable page."""
        if not (self._dist / "index.html").is_file():
            return plain_page(
                "The page is not built yet",
                "<p>Run <code>make web</code> in the project's folder and load this page again. "
                'The API works: <a href="/api/docs">its list</a>.',
                503,
            )
        try:
            response = await super().get_response("index.html" if path in PAGES else path, scope)
        except HTTPException as error:
            if error.status_code != 404:  # noqa: PLR2004 - HTTP
                raise
            return plain_page("There is no such page", '<p><a href="/">To the page</a>.', 404)
        if isinstance(response, FileResponse):
            hashed = path.startswith("assets/")
            response.headers["cache-control"] = (
                f"private, max-age={YEAR_S}, immutable" if hashed else "no-cache"
            )
        return response
