"""A request's id: taken or made up, in the answer, the refusal and the log."""

import logging
import re

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from studio_page import Studio, anonymous
from studio_rows import Seeded

from studio_svc.web_app.problems import Bounded
from studio_svc.web_app.requests import RequestIds
from tradepulse.runtime.telemetry import request_id

MADE_UP = "[0-9a-f]{16}"


async def test_the_answer_has_the_id_that_was_asked_with(studio: Studio, seeded: Seeded) -> None:
    for headers, code in (({}, 401), ({"cookie": "x=y"}, 401)):
        async with anonymous(studio) as client:
            asked = {**headers, "x-request-id": "Trace-7_a.b"}
            response = await client.get("/api/orders", headers=asked)
            assert response.status_code == code
            assert response.headers.get_list("x-request-id") == ["Trace-7_a.b"]
            assert response.json()["request_id"] == "Trace-7_a.b"
            page = await client.get("/", headers=asked)
            assert page.headers["x-request-id"] == "Trace-7_a.b"


@pytest.mark.parametrize("given", ["", "a b", 'x"}', "a" * 65, "é", "a\tb"])
async def test_what_could_forge_a_line_is_not_taken(
    studio: Studio, seeded: Seeded, given: str
) -> None:
    async with anonymous(studio) as client:
        headers = {"x-request-id": given.encode()}
        response = await client.get("/api/orders", headers=headers)
    assert re.fullmatch(MADE_UP, response.headers["x-request-id"])
    assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_two_requests_have_two_ids(studio: Studio, seeded: Seeded) -> None:
    async with anonymous(studio) as client:
        ids = {(await client.get("/")).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


async def test_the_log_has_it_while_the_request_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(request_id.get())
        raise RuntimeError("broken")

    transport = httpx.ASGITransport(RequestIds(Bounded(broken)))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        with caplog.at_level(logging.ERROR):
            response = await client.get("/api/x", headers={"x-request-id": "mine"})
    assert seen == ["mine"]
    assert response.json()["request_id"] == "mine"
    [record] = [one for one in caplog.records if one.message == "request failed"]
    assert record.__dict__["request_id"] == "mine"
    assert request_id.get() == ""
