"""Which spans a turn's span is, and is linked to, as any process can tell from the session alone."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, TraceFlags

from perdure.temporal.telemetry.trace_context import parts_of
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.vocabulary.ids import turn_of


class Ids(RandomIdGenerator):
    """Generates random ids, except for a span whose ids are given."""

    def __init__(self) -> None:
        self._given = threading.local()

    @contextmanager
    def given(self, ids: SpanContext) -> Iterator[None]:
        """The span started inside, on this thread and without a parent, gets `ids`."""
        self._given.ids = ids
        try:
            yield
        finally:
            self._given.ids = None

    def generate_trace_id(self) -> int:
        ids: SpanContext | None = getattr(self._given, "ids", None)
        return ids.trace_id if ids else super().generate_trace_id()

    def generate_span_id(self) -> int:
        ids: SpanContext | None = getattr(self._given, "ids", None)
        return ids.span_id if ids else super().generate_span_id()


def turn_ids(session: str, turn_id: str) -> SpanContext:
    """Ids that every process can derive: of a sha256, the first 16 bytes are the trace id, the next 8 the span id."""
    digest = hashlib.sha256(f"{session}\n{turn_id}".encode()).digest()
    return SpanContext(int.from_bytes(digest[:16]), int.from_bytes(digest[16:24]), is_remote=True)


def links_of(state: SessionState) -> list[Link]:
    """Whoever caused the turn that runs."""
    assert state.turn is not None
    links: list[Link] = []
    for caller in state.turn.callers:
        trace_id, span_id, flags = parts_of(caller)
        links.append(Link(SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))))
    parent = state.new.parent
    if parent is not None:
        links.append(Link(turn_ids(f"{state.new.tenant}/{parent.session_id}", turn_of(parent.call_id))))
    return links
