"""Every refusal of the API, in one shape (RFC 9457), documented on every route.

422 is for what the API's document says of a request, 409 for a rule with its `code`, 404 for what
is not there. `detail` is the one readable line.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio_svc.web_app.requests import current_request_id
from studio_svc.web_app.types import WORDS
from tradepulse.market_data.venues.errors import VenueRefusedError
from tradepulse.runtime.db import UNREACHABLE
from tradepulse.runtime.refusals import NotFoundError, RefusedError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
LARGEST_BODY = 1_000_000
AWAY = (*UNREACHABLE, TimeoutError)
"""What a database that is away raises."""

_MEANINGS: Final = {
    400: "The request cannot be read",
    401: "No token, or a wrong one",
    403: "The request comes from another site",
    404: "There is nothing of this name",
    409: "A rule forbids it; `code` names the rule",
    413: "The body is too large",
    422: "A value is not as this document says; `field` names it",
    500: "A fault of the server; `request_id` is in its log",
    503: "Something that is needed is away; try again in a moment",
}


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    text: str


class Problem(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str = "about:blank"
    title: str
    status: int
    code: str
    """Names the reason; programs may rely on it."""
    detail: str
    """The reason in one readable line: what, why, what to do."""
    field: str | None = None
    """The whole path of what is wrong, as `symbols[2]`."""
    errors: list[FieldProblem] | None = Field(default=None)
    """Each wrong field, where there are several."""
    request_id: str
    """The server's log has it beside a fault."""


_REFERENCE = {"schema": {"$ref": "#/components/schemas/Problem"}}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> Response:
    """Return a refusal."""
    said = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        field=errors[0].field if len(errors) == 1 else None,
        errors=list(errors) if len(errors) > 1 else None,
        request_id=request_id or current_request_id(),
    )
    return JSONResponse(said.model_dump(exclude_none=True), status, headers, media_type=MEDIA_TYPE)


def refusals(*, page_too: Sequence[int] = ()) -> dict[int | str, dict[str, Any]]:
    """Return what the document says of every refusal.

    Args:
        page_too: statuses that a browser may be told as a page.
    """
    html = {"text/html": {"schema": {"type": "string"}}}
    return {
        status: {
            "description": meaning,
            "content": {MEDIA_TYPE: _REFERENCE, **(html if status in page_too else {})},
        }
        for status, meaning in _MEANINGS.items()
    }


def with_problem(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the shape of a refusal to an OpenAPI document."""
    _, definitions = models_json_schema(
        [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
    )
    known = schema.setdefault("components", {}).setdefault("schemas", {})
    known.update(definitions["$defs"])
    return schema


def answer_problems(api: FastAPI) -> None:
    """Let every refusal of an application be a `Problem`."""
    handlers: Mapping[type[Exception], Any] = {
        HTTPException: _on_status,
        RequestValidationError: _on_wrong_value,
        NotFoundError: _on_missing,
        RefusedError: _on_rule,
        VenueRefusedError: _on_venue,
        **dict.fromkeys(AWAY, _on_database_away),
        asyncpg.DataError: _on_wrong_data,
        asyncpg.InterfaceError: _on_refused_by_driver,
    }
    for error, handler in handlers.items():
        api.add_exception_handler(error, handler)


async def _on_status(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = _methods(request.app.openapi(), request.scope["path"])
        text = f"{request.method} is not for this address, but {', '.join(allowed)}"
        return problem(status, "method_not_allowed", text, headers={"allow": ", ".join(allowed)})
    text = error.detail
    if status == HTTPStatus.NOT_FOUND and text == status.phrase:
        text = f"there is no {request.scope['path']}; /api/docs lists what there is"
    return problem(status, status.name.lower(), text, headers=error.headers)


async def _on_missing(_: Request, error: NotFoundError) -> Response:
    return problem(404, error.code, str(error))


async def _on_rule(_: Request, error: RefusedError) -> Response:
    return problem(409, error.code, str(error))


async def _on_venue(_: Request, error: VenueRefusedError) -> Response:
    return problem(409, "venue_refused", str(error))


async def _on_database_away(_: Request, error: Exception) -> Response:
    text = f"the database does not answer ({type(error).__name__}); try again in a moment"
    return problem(503, "database_away", text, headers={"retry-after": "2"})


async def _on_refused_by_driver(request: Request, error: Exception) -> Response:
    # the driver itself refuses what it cannot write, as a number of more than 64 bits
    is_value = isinstance(error, ValueError)
    return await (_on_wrong_data if is_value else _on_database_away)(request, error)


async def _on_wrong_data(_: Request, error: Exception) -> Response:
    # what no type has caught; the database says which value it was
    return problem(422, "wrong_value", f"a value cannot be used: {' '.join(str(error).split())}")


async def _on_wrong_value(_: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    rules = [one.get("ctx", {}).get("error") for one in found]
    if rules and all(isinstance(rule, RefusedError) for rule in rules):
        # each value is as the document says, but not all of them go together
        return await _on_rule(_, rules[0])
    fields = [FieldProblem(field=_path(one["loc"]), text=_text(one)) for one in found]
    detail = "; ".join(f"{one.field}: {one.text}" if one.field else one.text for one in fields)
    return problem(422, "wrong_value", detail, errors=[one for one in fields if one.field])


def _text(found: Mapping[str, Any]) -> str:
    if found["type"] == "json_invalid":
        return f"the body is no JSON: {found.get('ctx', {}).get('error', 'it cannot be read')}"
    if found["type"] == "string_pattern_mismatch":
        pattern = found["ctx"]["pattern"]
        return WORDS.get(pattern, str(found["msg"]))
    return str(found["msg"]).removeprefix("Value error, ")


def _path(loc: Sequence[int | str]) -> str:
    """Write where a value stands: `symbols[2]`, `fixed.sma_cross.fast`; empty: all of it."""
    where = ""
    for part in loc[1:]:
        where += f"[{part}]" if isinstance(part, int) else f".{part}"
    return "" if where.startswith("[") else where.removeprefix(".")


def _methods(schema: Mapping[str, Any], path: str) -> list[str]:
    """Return the methods that the document gives an address."""
    found: set[str] = set()
    for template, operations in schema["paths"].items():
        pattern = "".join(
            "[^/]+" if part.startswith("{") else re.escape(part)
            for part in re.split(r"(\{[^}]+\})", template)
        )
        if re.fullmatch(pattern, path):
            found |= {method.upper() for method in operations}
    return sorted(found) or ["GET"]


class Bounded:
    """ASGI middleware: refuses what is too large before anybody reads it, and answers every fault.

    Args:
        app: what is served.
        largest: of a body, bytes.
    """

    def __init__(self, app: ASGIApp, largest: int = LARGEST_BODY) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        is_begun = False

        async def sent(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        try:
            body = await self._body(scope, receive)
            if body is None:
                text = f"the body is larger than {self._largest} bytes"
                await problem(413, "body_too_large", text)(scope, receive, send)
                return
            await self._app(scope, body, sent)
        except Exception:
            request_id = current_request_id()
            log.exception("request failed", extra={"request_id": request_id})
            if is_begun:
                raise
            text = f"the server failed; its log says why, beside {request_id}"
            answer = problem(500, "internal", text, request_id=request_id)
            await answer(scope, receive, send)

    async def _body(self, scope: Scope, receive: Receive) -> Receive | None:
        """Return what gives the body, all of it read where there may be one; None: too large."""
        if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            return receive  # nobody reads it
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared[:20]) > self._largest:
            return None
        messages: list[Message] = []
        size, more = 0, True
        while more:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if size > self._largest:
                return None
            more = message.get("more_body", False)
        given = iter(messages)

        async def again() -> Message:
            message = next(given, None)
            return await receive() if message is None else message

        return again
