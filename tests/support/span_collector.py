"""A collector of OpenTelemetry spans, exported by OTLP over HTTP."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(frozen=True)
class Seen:
    """A span, as it was received."""

    name: str
    trace: str
    id: str
    parent: str
    kind: str
    attributes: dict[str, Any]
    start: int
    end: int
    failed: bool
    service: str
    #: Attributes of the span's events, by event name.
    events: dict[str, dict[str, Any]]
    #: Trace and span ids of the spans that it is linked to.
    links: tuple[tuple[str, str], ...]


class Collector:
    """Receives exports by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        #: All bytes received, to check for content that must not be exported.
        self.raw = b""
        self._changed = asyncio.Condition()

    async def take(self, request: Request) -> Response:
        body = await request.body()
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(str(_value(one.value)) for one in resource.resource.attributes if one.key == "service.name")
            for scope in resource.scope_spans:
                self.spans += [_seen(span, service) for span in scope.spans]
        async with self._changed:
            self._changed.notify_all()
        return Response(b"", media_type="application/x-protobuf")

    async def turn(self, session: str, turn_id: str) -> list[Seen]:
        """The spans of a turn, once its own span has arrived, which is exported after its children have ended."""
        digest = hashlib.sha256(f"default/{session}\n{turn_id}".encode()).hexdigest()

        def found() -> list[Seen]:
            return [span for span in self.spans if span.trace == digest[:32]]

        await self.until(lambda: any(span.id == digest[32:48] for span in found()))
        return sorted(found(), key=lambda span: span.start)

    async def until(self, right: Callable[[], bool]) -> None:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(right)


def _seen(span: trace_pb2.Span, service: str) -> Seen:
    return Seen(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        attributes={pair.key: _value(pair.value) for pair in span.attributes},
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        service=service,
        events={event.name: {pair.key: _value(pair.value) for pair in event.attributes} for event in span.events},
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
    )


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, str(kind))


@asynccontextmanager
async def serving(collector: Collector) -> AsyncIterator[str]:
    app = Starlette(routes=[Route("/v1/traces", collector.take, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none"))
    running = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
