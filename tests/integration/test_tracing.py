"""The spans of a replay, as a collector receives them: linked from the candle to the ledger."""

import asyncio
import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aiokafka import ConsumerRecord
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from system import DAY, DEMO, START, System, configurations_for, demo_candles

from tradepulse.runtime.settings import RefusedError, RuntimeSettings
from tradepulse.runtime.tracing import NO_TRACES, Traces, traces_of

pytestmark = pytest.mark.integration


class Collector:
    """An OTLP receiver on this machine."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        self.bodies: list[bytes] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["content-length"]))
                for one in ExportTraceServiceRequest.FromString(body).resource_spans:
                    known = {a.key: a.value.string_value for a in one.resource.attributes}
                    for scope in one.scope_spans:
                        collector.spans += [(known["service.name"], span) for span in scope.spans]
                collector.bodies.append(body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    thread = threading.Thread(target=one.server.serve_forever)
    thread.start()
    yield one
    one.server.shutdown()
    thread.join()
    one.server.server_close()


async def test_a_close_is_linked_from_the_market_to_the_ledger(
    kafka_bootstrap: str,
    database_url: str,
    no_topics: object,
    tmp_path: Path,
    collector: Collector,
) -> None:
    end = START + 2 * DAY
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare(configurations_for(demo_candles(2)[:1]))
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    try:
        system.start("signal_svc", **traced)
        system.start("rl_svc")
        system.start("executor_svc", **traced)
        system.start(
            "market_ingest",
            REPLAY_FILE=str(DEMO),
            REPLAY_SYMBOLS="BTC/USD",
            REPLAY_FROM=str(START),
            REPLAY_TO=str(end),
            **traced,
        )
        await system.wait_settled(end - DAY // 2, 240)
        await asyncio.sleep(2)
    finally:
        system.stop()
    by_id = {span.span_id: (service, span) for service, span in collector.spans}

    def way(service: str, span: Span) -> set[tuple[str, str]]:
        """Return all that a span follows from, by parents and links."""
        seen, todo = set(), [(service, span)]
        done: set[bytes] = set()
        while todo:
            name, one = todo.pop()
            seen.add((name, one.name))
            for origin in (one.parent_span_id, *(link.span_id for link in one.links)):
                if origin in by_id and origin not in done:
                    done.add(origin)
                    todo.append(by_id[origin])
        return seen

    settled = [one for one in collector.spans if one[1].name == "settle"]
    assert {service for service, _ in settled} == {"executor_svc"}
    closes = [
        a.value.int_value for _, s in settled for a in s.attributes if a.key.endswith("close_time")
    ]
    # one a close, and none twice
    assert len(set(closes)) == len(closes) > 40
    linked = [way(*one) for one in settled]
    assert any(
        {
            ("market_ingest", "send tradepulse.candles"),
            ("signal_svc", "handle tradepulse.candles"),
            ("signal_svc", "send tradepulse.evaluations"),
            ("executor_svc", "handle tradepulse.evaluations"),
        }
        <= way_
        for way_ in linked
    ), linked[:3]


def traces_to(collector: Collector, service: str) -> Traces:
    settings = RuntimeSettings(
        database_url="postgresql://nobody@nowhere/none",
        kafka_bootstrap_servers="nowhere:1",
        otel_exporter_otlp_endpoint=collector.url,
    )
    return traces_of(service, settings)


async def test_a_request_is_one_span_without_the_token(collector: Collector) -> None:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        asked = f"{request.query_params['token']} {request.headers['authorization']}"
        await PlainTextResponse(asked)(scope, receive, send)

    traces = traces_to(collector, "studio_svc")
    origin = f"00-{'a' * 32}-{'b' * 16}-01"
    headers = {"authorization": "Bearer hush-hush", "cookie": "tp=hush", "traceparent": origin}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(traces.web(page)), base_url="http://page"
    ) as client:
        response = await client.get("/orders?token=hush", headers=headers)
        # what the library could not decode would be an answer of 500
        odd = await client.get(
            "/orders?token=%ff",
            headers=[*((k.encode(), v.encode()) for k, v in headers.items()), (b"x", b"\xff\\x")],
        )
    await traces.stop()
    assert response.text == "hush Bearer hush-hush"
    assert odd.status_code == 200
    assert [(service, span.name) for service, span in collector.spans] == (
        [("studio_svc", "GET /orders")] * 2
    )
    assert {span.trace_id.hex() for _, span in collector.spans} == {"a" * 32}
    assert not any(b"hush" in body for body in collector.bodies)


def record(*headers: tuple[str, bytes | None]) -> ConsumerRecord:
    return ConsumerRecord("t", 0, 0, 0, 0, None, b"", None, 0, 0, headers)


async def test_what_is_no_id_is_no_origin(collector: Collector) -> None:
    traces = traces_to(collector, "signal_svc")
    ids = [f"00-{letter * 32}-{letter * 16}-01".encode() for letter in "abc"]
    odd = [b"", b"\xff", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", None]
    records = [record(("traceparent", value)) for value in (*ids, *odd)]
    with traces.handling("t", [record(), record(("other", b"x")), *records]):
        pass
    with traces.handling("t", [record()]):
        pass
    await traces.stop()
    (_, first), (_, second) = collector.spans
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == ("c" * 32, "c" * 16)
    assert [link.span_id.hex() for link in first.links] == ["a" * 16, "b" * 16]
    assert not second.parent_span_id
    assert not second.links


def test_nothing_is_traced_where_no_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    # not even the libraries are looked for
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    settings = RuntimeSettings(
        database_url="postgresql://nobody@nowhere/none", kafka_bootstrap_servers="nowhere:1"
    )
    assert traces_of("signal_svc", settings) is NO_TRACES


def test_a_collector_without_the_libraries_is_refused(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(RefusedError, match=r"pip install 'tradepulse\[otel\]', or unset it"):
        traces_to(collector, "signal_svc")
