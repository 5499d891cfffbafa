"""OpenTelemetry spans, following the GenAI conventions: one trace per turn. Imported only if spans are switched on.

`invoke_agent {agent}` is the turn. Its children are `chat {model}` for each attempt at a step, `execute_tool {name}` for
each attempt at a Python tool or an MCP server's, in which the tool's own code can open further spans, and what MCP servers
were asked for their lists.

Rule 1: the ids of a turn's span are derived from session and turn. So every process can compute the parent's ids,
nothing is stored, and a turn that outlives its worker is still one trace.
Rule 2: the turn's span is sent when `turn.finished` is appended, which does not happen in a replay: once, with its true
times. A span is lost if its process is killed, so a lost attempt shows up as a missing number.
Rule 3: whoever caused the turn is linked, and is not its parent: the caller whose message or answer it works on, and for a
sub-agent the turn that called it. So OpenTelemetry's conventions for messaging have it where sending and processing are
apart in time. A turn may wait in a queue, answer several callers, and run for days.
Rule 4: no content unless it is switched on, and never the texts of exceptions, because they quote content.

Why not the SDK's own `temporalio.contrib.opentelemetry`: it passes contexts through headers, which are written into the
history with every signal and activity; it knows workflows and activities but neither turns nor steps; and a span for a
session, which lives for months, is of no use.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from perdure.temporal.telemetry import span_content
from perdure.temporal.telemetry.turn_spans import Ids, links_of, turn_ids
from perdure.workflows.core.dates import turn_start
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.protocol.activities import (
    ALLOWED_SPEC,
    CallMcpToolInput,
    CallModelInput,
    LoadAgentInput,
    StepOutput,
    ToolOutput,
    ToolsChangedInput,
)
from perdure.workflows.protocol.document_activities import ReadDocumentsInput
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.running.children import SESSION_WORKFLOW
from perdure.workflows.vocabulary.events import Event, TurnFinished
from perdure.workflows.vocabulary.ids import call_of_activity, turn_of
from perdure.workflows.vocabulary.parts import Blocked, Message, Usage

#: Seconds that an ending process waits for a collector that does not respond.
FLUSH_S: Final = 5.0

Attributes = dict[str, AttributeValue]


class Tracing(Interceptor):
    """Creates the spans of this process and sends them to the exporter that the `OTEL_…` variables configure.

    Pass it to a worker as an interceptor, `event` to the sessions, and `asked` to the model calls."""

    def __init__(self, *, content: bool) -> None:
        """`content`: spans also contain messages, arguments and results."""
        self._content = content
        self._ids = Ids()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("perdure")

    def make_global(self) -> None:
        """Makes this the process's tracer provider, which is how spans opened by tools find their parent's provider."""
        trace.set_tracer_provider(self._provider)

    async def close(self) -> None:
        """Sends the remaining spans, unless the collector takes longer than `FLUSH_S`."""
        # A daemon thread: the exporter keeps retrying, and a thread of the loop's pool would keep the process from
        # exiting.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, FLUSH_S)

    def event(self, session: str, before: SessionState, event: Event, stop_at: datetime | None) -> None:
        if not isinstance(event, TurnFinished) or event.turn_id is None:
            return
        name = f"invoke_agent {before.agent}"
        started = turn_start(before, event.turn_id) or event.at
        attributes = _of_session(session, event.turn_id) | _usage(event.usage)
        attributes |= {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": before.agent,
            "perdure.reason": event.reason,
        }
        if before.slot.last_model is not None:
            attributes |= _model(before.slot.last_model)
        if event.cost_usd is not None:
            attributes["perdure.cost_usd"] = event.cost_usd
        with self._ids.given(turn_ids(session, event.turn_id)):
            span = self._tracer.start_span(
                name, Context(), attributes=attributes, start_time=_nanoseconds(started), links=links_of(before)
            )
        if event.error is not None:
            span.set_attribute("error.type", event.error.type)
            span.set_status(StatusCode.ERROR)
        span.end(_nanoseconds(event.at))

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Inbound(next, self)

    def asked(self, prompt: Prompt, messages: tuple[Message, ...]) -> None:
        """Call inside a step's span, with the request that is about to go to the model."""
        if self._content:
            span = trace.get_current_span()
            span.set_attribute("gen_ai.system_instructions", span_content.instructions(prompt))
            span.set_attribute("gen_ai.input.messages", span_content.input_messages(prompt.around(messages)))

    def blocked(self, blocked: Blocked) -> None:
        """Call inside a tool's span, after the tool blocked others."""
        attributes: Attributes = {"perdure.seconds": blocked.seconds, "perdure.line": blocked.line}
        trace.get_current_span().add_event("tool.blocks", attributes)

    @contextmanager
    def chat(self, request: CallModelInput) -> Iterator[Span]:
        """The span of this attempt at a step."""
        attributes = _model(request.model) | {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.stream": True,
            "perdure.step_id": request.step_id,
        }
        with self._child(f"chat {request.model.partition('/')[2]}", SpanKind.CLIENT, attributes) as span:
            yield span

    @contextmanager
    def tool(self, request: object) -> Iterator[Span]:
        """The span of this attempt at a tool call; `request` is the activity's first argument."""
        info = activity.info()
        served = isinstance(request, CallMcpToolInput)
        match request:
            case CallMcpToolInput(name=name, args=args) | ReadDocumentsInput(tool=name, args=args):
                pass
            case args:
                name = info.activity_type
        attributes: Attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": call_of_activity(info.activity_id),
            "gen_ai.tool.type": "extension" if served else "function",
        }
        if self._content and isinstance(args, dict):
            given = {name: value for name, value in args.items() if name != ALLOWED_SPEC}
            attributes["gen_ai.tool.call.arguments"] = span_content.as_json(given)
        with self._child(f"execute_tool {name}", SpanKind.INTERNAL, attributes) as span:
            yield span

    @contextmanager
    def looked_up(self, turn_id: str) -> Iterator[None]:
        """What is asked of servers inside of a look-up belongs to the turn that needs it. The look-up has no span itself."""
        session = activity.info().workflow_id or ""
        with trace.use_span(NonRecordingSpan(self._parent(turn_ids(session, turn_id)))):
            yield

    def finished(self, span: Span, result: object) -> None:
        """Records on `span` that its activity returned `result`."""
        match result:
            case StepOutput():
                span.set_attributes(_usage(result.usage))
                span.set_attribute("gen_ai.response.model", result.model)
                span.set_attribute("gen_ai.response.finish_reasons", (span_content.finish_reason(result.stop),))
                if result.timing.first_token_ms is not None:
                    span.set_attribute("gen_ai.response.time_to_first_chunk", result.timing.first_token_ms / 1000)
                if result.cost_usd is not None:
                    span.set_attribute("perdure.cost_usd", result.cost_usd)
                if result.adapted:
                    span.set_attribute("perdure.adapted", result.adapted)
                if result.skipped:
                    span.set_attribute("perdure.skipped", result.skipped)
                if self._content:
                    said = span_content.output_messages(result.parts, result.stop)
                    span.set_attribute("gen_ai.output.messages", said)
            case ToolOutput() if self._content:
                span.set_attribute("gen_ai.tool.call.result", span_content.as_json(result.output))
            case _:
                pass

    @contextmanager
    def _child(self, name: str, kind: SpanKind, attributes: Attributes) -> Iterator[Span]:
        info = activity.info()
        session, turn_id = info.workflow_id or "", turn_of(info.activity_id)
        attributes = attributes | _of_session(session, turn_id) | {"perdure.attempt": info.attempt}
        parent = trace.set_span_in_context(NonRecordingSpan(self._parent(turn_ids(session, turn_id))), Context())
        with self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", _error_type(error))
                span.set_status(Status(StatusCode.ERROR))
                raise

    def _parent(self, ids: SpanContext) -> SpanContext:
        """The turn's span context for children: sampled if the turn's span will be sampled."""
        result = self._provider.sampler.should_sample(None, ids.trace_id, "invoke_agent")
        sampled = result.decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        return SpanContext(ids.trace_id, ids.span_id, is_remote=True, trace_flags=flags)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, tracing: Tracing) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._tracing = tracing

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        if activity.info().workflow_type != SESSION_WORKFLOW:
            # The delivery of a scheduled message belongs to no turn.
            return await self.next.execute_activity(input)
        request = input.args[0] if input.args else None
        tracing = self._tracing
        if activity.info().is_local:
            if not isinstance(request, LoadAgentInput | ToolsChangedInput) or request.turn_id is None:
                return await self.next.execute_activity(input)
            with tracing.looked_up(request.turn_id):
                return await self.next.execute_activity(input)
        opened = tracing.chat(request) if isinstance(request, CallModelInput) else tracing.tool(request)
        with opened as span:
            result = await self.next.execute_activity(input)
            tracing.finished(span, result)
        return result


def _of_session(session: str, turn_id: str) -> Attributes:
    tenant, _, session_id = session.partition("/")
    return {"gen_ai.conversation.id": session_id, "perdure.tenant": tenant, "perdure.turn_id": turn_id}


def _model(use: str) -> Attributes:
    """Attributes of `provider/model`; this version may not know the provider."""
    name, _, model = use.partition("/")
    provider = PROVIDERS.get(name)
    return {
        "gen_ai.provider.name": name if provider is None else provider.trace_name,
        "gen_ai.request.model": model,
    }


def _usage(usage: Usage) -> Attributes:
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        **({"perdure.usage.estimated": True} if usage.estimated else {}),
    }


def _error_type(error: BaseException) -> str:
    if isinstance(error, ApplicationError) and error.type:
        return error.type
    return "cancelled" if isinstance(error, asyncio.CancelledError) else type(error).__name__


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1000


def _resource() -> Resource:
    found = Resource.create()
    if str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        return found.merge(Resource({SERVICE_NAME: "perdure"}))
    return found
