"""Refusals by table, over every route of the API's document: one shape, and none forgotten."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from studio_page import TOKEN, Studio, anonymous
from studio_rows import Seeded

from studio_svc.access.middleware import cookie_name
from studio_svc.overview.views import OverviewView
from studio_svc.web_app.problems import LARGEST_BODY, MEDIA_TYPE, Bounded, Problem
from studio_svc.web_app.types import Body
from studio_svc.web_app.views import Money, View

UNKNOWN = "00000000-0000-0000-0000-000000000000"
BODIES: Mapping[str, Any] = {
    "stage": {"stage": "MATURE", "reason": "x"},
    "active": {"active": False, "reason": "x"},
    "edit": {"params": {"fast": 15}, "reason": "x"},
    "jobs": {
        "strategies": ["sma_cross"],
        "exchange": "kraken",
        "symbols": ["BTC/USD"],
        "timeframe": "30m",
    },
    "promote": {"to": "SHADOW", "reason": "x"},
    "retire": {"reason": "x"},
    "subscriptions": {"exchange": "kraken", "symbol": "BTC/USD", "timeframe": "5m"},
}
QUERIES: Mapping[str, Any] = {
    "/api/candles": {"series": "kraken:BTC/USD:30m"},
    "DELETE /api/subscriptions": {"exchange": "kraken", "symbol": "BTC/USD", "timeframe": "9m"},
}
FOREIGN: tuple[Mapping[str, str], ...] = (
    {"origin": "http://evil.example"},
    {"origin": "http://page:81"},
    {"origin": "null"},
    {"origin": "http://["},
    {"origin": ""},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    {"sec-fetch-site": "same-site"},
)


class Route:
    """One operation of the document, and a request that it accepts as far as types go."""

    def __init__(self, method: str, path: str, operation: Mapping[str, Any]) -> None:
        self.method, self.path, self.operation = method.upper(), path, operation
        self.name = f"{self.method} {path}"

    @property
    def address(self) -> str:
        return re.sub(r"\{gap_id\}", "987654", re.sub(r"\{\w+_id\}", UNKNOWN, self._kept))

    @property
    def _kept(self) -> str:
        return self.path.replace("{gap_id}", "987654")

    @property
    def request(self) -> dict[str, Any]:
        asked = {"params": QUERIES.get(self.path) or QUERIES.get(self.name)}
        body = next((b for end, b in BODIES.items() if self.path.endswith(end)), None)
        return asked | ({"json": body} if body and self.method in {"POST", "PUT"} else {})


async def routes(studio: Studio) -> list[Route]:
    paths = (await studio.get("/api/openapi.json"))["paths"]
    found = [Route(m, path, op) for path, ops in paths.items() for m, op in ops.items()]
    assert len(found) == 50
    return found


def problem_of(response: httpx.Response) -> Problem:
    assert response.headers["content-type"] == MEDIA_TYPE, response.text
    found = Problem.model_validate_json(response.text)
    assert found.status == response.status_code
    assert found.detail
    assert "\n" not in found.detail
    assert re.fullmatch("[0-9a-f]{16}", found.request_id)
    return found


async def counted(studio: Studio) -> list[int]:
    tables = ("training_jobs", "subscriptions", "configuration_events", "trained_configurations",
              "rl_models", "rl_model_events")  # fmt: skip
    return [await studio.pool.fetchval(f"select count(*) from {table}") for table in tables]


class TestSecurity:
    async def test_no_route_answers_who_has_no_token(self, studio: Studio, seeded: Seeded) -> None:
        before = await counted(studio)
        cookie = cookie_name(TOKEN)
        async with anonymous(studio) as client:
            for route in await routes(studio):
                for headers, code in (
                    ({}, "no_token"),
                    ({"authorization": "Bearer wrong"}, "wrong_token"),
                    ({"authorization": "Bearer "}, "wrong_token"),
                    ({"authorization": f"Bearer {TOKEN[:-1]}"}, "wrong_token"),
                    ({"authorization": f"Basic {TOKEN}"}, "no_token"),
                    ({"cookie": f"{cookie}={TOKEN}"}, "wrong_token"),
                    ({"cookie": f"{cookie}="}, "wrong_token"),
                    ({"cookie": f"other={TOKEN}; =;;\x7f"}, "no_token"),
                ):
                    response = await client.request(
                        route.method, route.address, headers=headers, **route.request
                    )
                    said = problem_of(response)
                    assert (route.name, headers, said.status, said.code) == (
                        route.name, headers, 401, code,
                    )  # fmt: skip
                    assert response.headers["www-authenticate"] == "Bearer"
        assert await counted(studio) == before

    async def test_no_route_answers_another_site(self, studio: Studio, seeded: Seeded) -> None:
        before = await counted(studio)
        async with anonymous(studio) as client:
            assert (await client.get("/", params={"token": TOKEN})).status_code == 303
            for route in await routes(studio):
                for headers in FOREIGN:
                    response = await client.request(
                        route.method, route.address, headers=headers, **route.request
                    )
                    said = problem_of(response)
                    assert (route.name, headers, said.status, said.code) == (
                        route.name, headers, 403, "foreign",
                    )  # fmt: skip
        assert await counted(studio) == before

    async def test_a_link_elsewhere_opens_the_page_but_changes_nothing(
        self, studio: Studio, seeded: Seeded
    ) -> None:
        link = {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}
        assert (await studio.client.get("/", headers=link)).status_code == 200
        response = await studio.client.post("/api/gap-scans", headers=link)
        assert problem_of(response).code == "foreign"

    async def test_our_own_page_may(self, studio: Studio, seeded: Seeded) -> None:
        for headers in (
            {"origin": "http://page", "sec-fetch-site": "same-origin"},
            {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
            {},
        ):
            response = await studio.client.get("/api/series", headers=headers)
            assert response.status_code == 200

    @pytest.mark.parametrize("page", ["/", "/market-data"])
    async def test_the_token_opens_each_address(self, studio: Studio, page: str) -> None:
        async with anonymous(studio) as client:
            response = await client.get(page, params={"token": TOKEN, "x": "1"})
            assert (response.status_code, response.headers["location"]) == (303, f"{page}?x=1")
            for elsewhere in ("http://page//evil.example/", "/api/series", "/x"):
                response = await client.get(elsewhere, params={"token": TOKEN})
                assert response.status_code != 303

    @pytest.mark.parametrize("host", ["[", "a b", "\x7f", "évil"])
    async def test_a_host_that_cannot_be_read_is_no_fault(self, studio: Studio, host: str) -> None:
        headers = {"host": host.encode("utf-8"), "authorization": f"Bearer {TOKEN}".encode()}
        for path in ("/api/series", "/", "/nope"):
            response = await studio.client.get(path, headers=headers)
            assert response.status_code in {200, 404}


class TestMethods:
    async def test_others_are_refused_and_the_right_ones_named(self, studio: Studio) -> None:
        paths: dict[str, set[str]] = {}
        for route in await routes(studio):
            paths.setdefault(route.address, set()).add(route.method)
        for address, methods in paths.items():
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - methods:
                response = await studio.client.request(method, address)
                assert (method, address, response.status_code) == (method, address, 405)
                assert problem_of(response).code == "method_not_allowed"
                assert response.headers["allow"] == ", ".join(sorted(methods))

    @pytest.mark.parametrize(
        "path", ["/api", "/api/", "/api/nope", "/api/overview/", "/api/jobs/x"]
    )
    async def test_what_is_not_there_is_no_page(self, studio: Studio, path: str) -> None:
        for method in ("GET", "POST", "DELETE"):
            response = await studio.client.request(method, path, headers={"accept": "text/html"})
            assert problem_of(response).code == "not_found"
            assert path in response.json()["detail"]

    async def test_no_address_lies_in_another_s_way(self, studio: Studio) -> None:
        """A static part beside a parameter answers for it: /gaps/scan is no gap."""
        parts: dict[str, set[bool]] = {}
        for route in await routes(studio):
            names = route.path.split("/")
            for n, name in enumerate(names):
                parts.setdefault("/".join(names[:n]), set()).add(name.startswith("{"))
        assert [prefix for prefix, kinds in parts.items() if len(kinds) > 1] == []


NUL = "a\x00b"


class TestValues:
    async def test_ids(self, studio: Studio, seeded: Seeded) -> None:
        for route in await routes(studio):
            for name, given, status in (
                ("gap_id", "987654", 404),
                ("gap_id", str(2**63 - 1), 404),
                ("gap_id", str(2**63), 422),
                ("gap_id", "-1", 422),
                ("gap_id", "%00", 422),
                ("configuration_id", UNKNOWN, 404),
                ("configuration_id", "%00", 422),
                ("configuration_id", str(2**128), 422),
                ("model_id", UNKNOWN, 404),
                ("model_id", "x", 422),
                ("job_id", UNKNOWN, 404),
                ("job_id", "x", 422),
            ):
                if f"{{{name}}}" not in route.path:
                    continue
                address = route.path.replace(f"{{{name}}}", given)
                response = await studio.client.request(route.method, address, **route.request)
                said = problem_of(response)
                assert (route.name, given, said.status) == (route.name, given, status)
                assert said.code == ("not_found" if status == 404 else "wrong_value")

    async def test_queries(self, studio: Studio, seeded: Seeded) -> None:
        asked = 0
        for route in await routes(studio):
            for parameter in route.operation.get("parameters", []):
                if parameter["in"] != "query":
                    continue
                is_number = any(one.get("type") == "integer" for one in _parts(parameter["schema"]))
                numbers = (str(2**63), str(-(2**63) - 1), "9" * 5_000) if is_number else ()
                for given in (NUL, "x" * 5_000, "\x85", " ", *numbers):
                    params = (route.request["params"] or {}) | {parameter["name"]: given}
                    response = await studio.client.request(
                        route.method, route.address, **(route.request | {"params": params})
                    )
                    said = problem_of(response)
                    wrong = (route.name, parameter["name"], given)
                    assert (*wrong, said.status, said.field) == (*wrong, 422, parameter["name"])
                    asked += 1
        assert asked > 100

    async def test_every_text_is_bounded(self, studio: Studio) -> None:
        document = await studio.get("/api/openapi.json")
        taken = [
            (route.name, parameter["name"], parameter["schema"])
            for route in await routes(studio)
            for parameter in route.operation.get("parameters", [])
        ]
        for route in await routes(studio):
            body = route.operation.get("requestBody")
            if body is None:
                continue
            reference = body["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
            schema = document["components"]["schemas"][reference]
            assert schema["additionalProperties"] is False
            taken += [(route.name, name, one) for name, one in schema["properties"].items()]
        assert len(taken) > 40
        assert [(route, name) for route, name, schema in taken if _is_loose(schema)] == []

    async def test_what_no_type_catches_is_no_fault(self, studio: Studio) -> None:
        """The database and its driver have the last word, as a refusal."""
        for wrong in (("select $1::text", NUL), ("select $1::bigint", 2**63)):

            async def fetch(*_: object, wrong: tuple[str, Any] = wrong) -> Any:
                return await studio.pool.fetch(*wrong)

            broken: Any = SimpleNamespace(fetch=fetch)
            studio.stores.orders.pool = broken
            said = problem_of(await studio.client.get("/api/orders"))
            assert (said.status, said.code) == (422, "wrong_value")


def _is_loose(schema: Mapping[str, Any]) -> bool:
    for one in _parts(schema):
        match one.get("type"):
            case "string" if "enum" not in one and "const" not in one and "format" not in one:
                if "maxLength" not in one:
                    return True
            case "integer" if "maximum" not in one or "minimum" not in one:
                return True
            case "array" if "maxItems" not in one:
                return True
            case "object" if "maxProperties" not in one:
                return True
            case _:
                pass
    return False


def _parts(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    for key in ("anyOf", "allOf"):
        for one in schema.get(key, []):
            yield from _parts(one)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield from _parts(schema[key])


class TestBodies:
    async def test_one_that_is_too_large_is_not_read(self, studio: Studio) -> None:
        async def undeclared() -> Any:
            for _ in range(40):
                yield b" " * 65_536

        symbols = ["BTC/USD"] * 1_500_000
        for content in (undeclared(), json.dumps({"symbols": symbols}).encode()):
            response = await studio.client.post(
                "/api/jobs", content=content, headers={"content-type": "application/json"}
            )
            assert problem_of(response).code == "body_too_large"
        body = json.dumps(BODIES["jobs"]).encode()
        for size, status in ((LARGEST_BODY, 201), (LARGEST_BODY + 1, 413)):
            response = await studio.client.post(
                "/api/jobs",
                content=body.ljust(size),
                headers={"content-type": "application/json"},
            )
            assert response.status_code == status

    @pytest.mark.parametrize(
        ("content", "status", "said"),
        [
            (b"", 422, "Field required"),
            (b"{", 422, "the body is no JSON: "),
            (b"[" * 100_000, 400, "There was an error parsing the body"),
            (b'{"trials": ' + b"9" * 5_000 + b"}", 400, "There was an error parsing the body"),
            (b"\xff", 400, "There was an error parsing the body"),
            (b"[]", 422, "Input should be"),
            (b"null", 422, "Input should be"),
            (b'{"fee": NaN}', 422, "strategies: Field required"),
        ],
    )
    async def test_one_that_cannot_be_read(
        self, studio: Studio, content: bytes, status: int, said: str
    ) -> None:
        response = await studio.client.post(
            "/api/jobs", content=content, headers={"content-type": "application/json"}
        )
        problem = problem_of(response)
        assert problem.status == status
        assert problem.detail.startswith(said), problem.detail

    async def test_one_that_is_no_json(self, studio: Studio, seeded: Seeded) -> None:
        """A form of another site cannot say that it sends JSON."""
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            response = await studio.client.put(
                "/api/subscriptions",
                content=json.dumps(BODIES["subscriptions"]),
                headers={"content-type": kind},
            )
            assert problem_of(response).status == 422

    async def test_nothing_is_taken_for_something_else(
        self, studio: Studio, seeded: Seeded
    ) -> None:
        wrong = {
            "active": (0, 1, "false", "", None, [], 0.0),
            "reason": (0, True, None, [], {}, "", " ", "\x00", "x" * 501),
        }
        [one, *_] = await studio.get("/api/configurations")
        for name, values in wrong.items():
            for value in values:
                response = await studio.client.post(
                    f"/api/configurations/{one['configuration_id']}/active",
                    json={"active": False, "reason": "x"} | {name: value},
                )
                said = problem_of(response)
                assert (value, said.status, said.field) == (value, 422, name)
        assert (await studio.get("/api/configurations"))[0]["is_active"]


class TestFaults:
    async def test_they_are_said_with_the_number_in_the_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def broken(scope: Scope, receive: Receive, send: Send) -> None:
            raise RuntimeError("secret")

        transport = httpx.ASGITransport(Bounded(broken))
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            said = problem_of(await client.get("/api/x"))
        assert (said.status, said.code) == (500, "internal")
        assert "secret" not in said.detail
        [record] = [one for one in caplog.records if one.message == "request failed"]
        assert record.__dict__["request_id"] == said.request_id

    async def test_every_refusal_is_documented_on_every_route(self, studio: Studio) -> None:
        document = await studio.get("/api/openapi.json")
        reference = {"$ref": "#/components/schemas/Problem"}
        for route in await routes(studio):
            for status in (400, 401, 403, 404, 409, 413, 422, 500, 503):
                content = route.operation["responses"][str(status)]["content"]
                assert content[MEDIA_TYPE] == {"schema": reference}
            assert {name for one in route.operation["security"] for name in one} == {
                "HTTPBearer",
                "APIKeyCookie",
            }
        assert "HTTPValidationError" not in document["components"]["schemas"]
        schemes = document["components"]["securitySchemes"]
        assert schemes["APIKeyCookie"]["name"] == cookie_name(TOKEN)


class TestMoney:
    def test_it_is_plain_in_every_view(self) -> None:
        loose = [
            f"{view.__name__}.{name}"
            for view in _below(View)
            for name, kind in get_type_hints(view, include_extras=True).items()
            if _has_decimal(kind)
        ]
        assert loose == []
        assert len(list(_below(View))) > 20

    def test_it_has_no_exponent(self) -> None:
        amounts = ("1.0E+5", "1E-11", "0E-8", "-0.10", "123456789012345678.90")
        for text in amounts:
            view = OverviewView.model_construct(cash=Decimal(text))
            [written] = json.loads(view.model_dump_json(include={"cash"})).values()
            assert re.fullmatch(r"-?\d+(\.\d+)?", written)
            assert Decimal(written) == Decimal(text)

    async def test_it_has_none_in_an_answer_and_a_push(
        self, studio: Studio, seeded: Seeded
    ) -> None:
        await studio.pool.execute("update accounts set initial_cash = 1.0E+5, cash = 1E-8")
        overview = await studio.get("/api/overview")
        assert (overview["initial_cash"], overview["cash"]) == ("100000", "0.00000001")
        stream = studio.hub.stream(None)
        await anext(stream)
        studio.hub.state("overview", await studio.stores.overview.overview(None, None))
        assert b'"cash":"0.00000001"' in await anext(stream)


def _below(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _has_decimal(kind: Any) -> bool:
    """Tell whether there is a Decimal in a type that is not written as money."""
    if kind == Money:
        return False
    return kind is Decimal or any(_has_decimal(part) for part in get_args(kind))


def test_bodies_take_nothing_unknown() -> None:
    for body in _below(Body):
        config = getattr(body, "model_config")  # noqa: B009 - a type knows it, mypy does not
        assert config["extra"] == "forbid"
        assert config["strict"] is True
