"""Traces through OpenTelemetry, where a collector is named; where none is, nothing is done at all.

One span a batch that is sent or handled, one a close that is settled; a message carries the span
of its batch in the header `traceparent`. Of a batch out of several, the last is the parent and the
others are links, so that a live close is one trace from the venue to the ledger.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from aiokafka import ConsumerRecord

from tradepulse.runtime.health import ASGIApp
from tradepulse.runtime.settings import RefusedError, RuntimeSettings
from tradepulse.runtime.telemetry import instance, version

Carried: TypeAlias = list[tuple[str, bytes]]
HEADER = "traceparent"
MOST_LINKS = 64
"""Of a span; a batch out of more names the last of them."""
SHOWN = frozenset({b"host", b"traceparent", b"tracestate", b"user-agent"})
"""Headers of a request that the library is given: the page's token may stand in others."""
STOP_S = 3.0
"""A collector that is away must not hold up the end of a process."""


class Traces:
    """What is told of the way of a message: nothing, for no collector is named."""

    def sending(self, topic: str, count: int) -> AbstractContextManager[Carried]:
        """Trace a batch while it is sent; give the headers of its messages."""
        del topic, count
        return _NOTHING

    def handling(
        self, topic: str, records: Sequence[ConsumerRecord]
    ) -> AbstractContextManager[Carried]:
        """Trace a batch while it is handled."""
        del topic, records
        return _NOTHING

    def settled(self, closes: Iterable[tuple[int, int]], begun_ns: int) -> None:
        """Trace closes, each with its number of orders, from when their settling began."""

    def web(self, pages: ASGIApp) -> ASGIApp:
        """Return an application whose requests are traced."""
        return pages

    async def stop(self) -> None:
        """Send what is pending."""


_NOTHING: AbstractContextManager[Carried] = contextlib.nullcontext([])
NO_TRACES = Traces()


def traces_of(service: str, settings: RuntimeSettings) -> Traces:
    """Return how a service is traced, by its settings.

    Raises:
        RefusedError: a collector is named, and the libraries are not there.
    """
    if not settings.otel_exporter_otlp_endpoint:
        return NO_TRACES
    try:
        return _OpenTelemetry(service, settings)
    except ImportError as error:
        raise RefusedError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {error.name} is not installed: "
            "pip install 'tradepulse[otel]', or unset it"
        ) from error


class _OpenTelemetry(Traces):
    def __init__(self, service: str, settings: RuntimeSettings) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - as above
            TraceContextTextMapPropagator,
        )

        process = {
            "service.name": service,
            "service.instance.id": instance(),
            "service.version": version(settings.tradepulse_commit),
        }
        self._provider = TracerProvider(resource=Resource.create(process), shutdown_on_exit=False)
        endpoint = settings.otel_exporter_otlp_endpoint.rstrip("/") + "/v1/traces"
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
        self._tracer = self._provider.get_tracer("tradepulse")
        self._propagator = TraceContextTextMapPropagator()

    @contextlib.contextmanager
    def sending(self, topic: str, count: int) -> Iterator[Carried]:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415 - as above

        with self._tracer.start_as_current_span(
            f"send {topic}",
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.destination.name": topic,
                "messaging.batch.message_count": count,
            },
        ):
            carrier: dict[str, str] = {}
            self._propagator.inject(carrier)
            yield [(HEADER, carrier[HEADER].encode())] if HEADER in carrier else []

    @contextlib.contextmanager
    def handling(self, topic: str, records: Sequence[ConsumerRecord]) -> Iterator[Carried]:
        from opentelemetry.trace import Link, SpanKind, get_current_span  # noqa: PLC0415 - as above

        headers = dict.fromkeys(
            value for one in records for name, value in one.headers if name == HEADER and value
        )
        # who wrote it may have written anything: what is no id is no origin
        origins = [self._propagator.extract({HEADER: value.decode("latin-1")}) for value in headers]
        known = [one for one in origins if get_current_span(one).get_span_context().is_valid]
        with self._tracer.start_as_current_span(
            f"handle {topic}",
            context=known[-1] if known else None,
            kind=SpanKind.CONSUMER,
            links=[
                Link(get_current_span(one).get_span_context())
                for one in known[-MOST_LINKS - 1 : -1]
            ],
            attributes={
                "messaging.destination.name": topic,
                "messaging.batch.message_count": len(records),
            },
        ):
            yield []

    def settled(self, closes: Iterable[tuple[int, int]], begun_ns: int) -> None:
        for close_time, orders in closes:
            known = {"tradepulse.close_time": close_time, "tradepulse.orders": orders}
            self._tracer.start_span("settle", start_time=begun_ns, attributes=known).end()

    def web(self, pages: ASGIApp) -> ASGIApp:
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware  # noqa: PLC0415 - as above

        async def as_asked(scope: Any, receive: Any, send: Any) -> None:
            await pages(scope["asked"], receive, send)

        # a stream has a chunk for every close: one span a request is enough
        traced = OpenTelemetryMiddleware(
            as_asked, tracer_provider=self._provider, exclude_spans=["send", "receive"]
        )

        async def without_token(scope: Any, receive: Any, send: Any) -> None:
            headers = [
                one for one in scope.get("headers", ()) if one[0] in SHOWN and one[1].isascii()
            ]
            shown = {**scope, "query_string": b"", "headers": headers, "asked": scope}
            await traced(shown, receive, send)

        return without_token

    async def stop(self) -> None:
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, STOP_S)
