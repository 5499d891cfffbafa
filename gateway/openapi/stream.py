"""Items of an event stream as records for the schema: the durable events, and what is live."""

from datetime import datetime
from typing import Any, Final, Literal, get_args

from pydantic import Field, JsonValue

from perdure.gateway.openapi.answers import Snapshot
from perdure.temporal.task_queues import Serves
from perdure.workflows.vocabulary.events import Event, EventBase
from perdure.workflows.vocabulary.parts import Frozen, ToolError, absent

EVENTS: Final[tuple[type[EventBase], ...]] = get_args(get_args(Event)[0])


class StepDelta(Frozen):
    """A fragment of a step that streams. It may be lost, and is never sent again: `step.finished` has the whole."""

    step_id: str
    attempt: int
    #: Counts from 0 in an attempt. After a gap comes a `step.snapshot`.
    n: int
    #: The index of the part that grows.
    part: int
    kind: Literal["text", "reasoning", "tool_input"]
    delta: str
    #: Of the tool, with the first fragment of a call.
    name: str | None = Field(default=None, exclude_if=absent)


class SnapshotPart(Frozen):
    type: Literal["text", "reasoning", "tool_input"]
    text: str
    #: Of the tool, for `tool_input`.
    name: str | None = Field(default=None, exclude_if=absent)


class StepSnapshot(Frozen):
    """All that an attempt at a step has streamed so far. It replaces what a viewer has of the step."""

    step_id: str
    attempt: int
    #: Of the next delta.
    n: int
    parts: tuple[SnapshotPart, ...]


class StepRetrying(Frozen):
    """A model call has failed and is tried again. Each one replaces the last; a fragment of the step, or its `step.finished`,
    says that it is over. It comes within seconds, and to whoever comes meanwhile."""

    step_id: str
    #: Attempts that failed.
    failures: int
    #: Why the last attempt failed; its type is `worker_died` where it was no fault of the provider's.
    error: ToolError
    #: When the next attempt begins; null: it has begun.
    retry_at: datetime | None


class ToolProgress(Frozen):
    """How far a tool call is. Each one replaces the last."""

    call_id: str
    #: What the tool says.
    message: str | None = Field(default=None, exclude_if=absent)
    #: From 0 to 1.
    fraction: float | None = Field(default=None, exclude_if=absent)


class AgentEvent(Frozen):
    """An item of a sub-agent's stream, inside the stream of the session that called it."""

    #: The call that the sub-agent answers.
    call_id: str
    #: The sub-agent's own session.
    session_id: str
    #: The item's data, with its type as `type`.
    event: dict[str, JsonValue]


class WorkersState(Frozen):
    """What no worker takes at the moment. It comes where something is missing, and with each change; a stream that has had
    none of it since it was opened misses nothing. What was accepted is kept, and goes on when a worker is there again."""

    #: `sessions`: nothing goes on. `models`, `tools`: calls that are sent to their own task queue wait.
    missing: tuple[Serves, ...]


#: Live frames by their SSE `event`. They have no `id`, and their data no `type`.
FRAMES: Final[dict[str, type[Frozen]]] = {
    "step.delta": StepDelta,
    "step.snapshot": StepSnapshot,
    "step.retrying": StepRetrying,
    "tool.progress": ToolProgress,
    "agent.event": AgentEvent,
    "workers.state": WorkersState,
    "session.snapshot": Snapshot,
}


def type_of(event: type[EventBase]) -> str:
    return str(event.model_fields["type"].default)


def item_schema() -> dict[str, Any]:
    """One item of the stream, by its fields in the SSE format."""
    durable = [_item(type_of(event), event, "The event's `seq`.") for event in EVENTS]
    return {
        "title": "StreamItem",
        "description": "An item of an event stream: the SSE fields `event`, `data` and, for durable events, `id`.",
        "oneOf": [*durable, *(_item(kind, frame, None) for kind, frame in FRAMES.items())],
    }


def _item(kind: str, record: type[Frozen], id_: str | None) -> dict[str, Any]:
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": f"#/components/schemas/{record.__name__}"},
    }
    properties: dict[str, Any] = {"event": {"const": kind}, "data": data}
    if id_ is not None:
        properties["id"] = {"type": "string", "description": id_}
    return {"type": "object", "properties": properties, "required": [*properties]}
