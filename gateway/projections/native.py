"""Events and live frames in Perdure's own words: the name of each, and its JSON. Pure."""

from typing import Any, assert_never

from perdure.gateway.live.items import AgentEvent, Frame
from perdure.gateway.projections.snapshot_json import snapshot_json
from perdure.temporal.live.frames import StepDelta, StepProgress, ToolProgress
from perdure.temporal.sessions.event_json import event_json
from perdure.temporal.sessions.json_bytes import rfc3339
from perdure.temporal.sessions.look import StepRetrying
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.workflows.vocabulary.events import Event, EventBase


def shown(value: Event | Frame) -> tuple[str, dict[str, Any]]:
    """The type and the JSON object of an event or a live frame."""
    match value:
        case StepDelta():
            return "step.delta", _delta_json(value)
        case StepProgress():
            return "step.snapshot", _progress_json(value)
        case StepRetrying():
            return "step.retrying", _retrying_json(value)
        case ToolProgress():
            return "tool.progress", _tool_json(value)
        case AgentEvent():
            kind, event = shown(value.event)
            nested = {**event, "type": kind}
            return "agent.event", {"call_id": value.call_id, "session_id": value.session_id, "event": nested}
        case Snapshot():
            return "session.snapshot", snapshot_json(value)
        case EventBase():
            return value.type, event_json(value)
        case _:
            assert_never(value)


def _delta_json(delta: StepDelta) -> dict[str, Any]:
    shown = {
        "step_id": delta.step_id,
        "attempt": delta.attempt,
        "n": delta.n,
        "part": delta.part,
        "kind": delta.kind,
        "delta": delta.text,
    }
    return shown if delta.name is None else {**shown, "name": delta.name}


def _progress_json(progress: StepProgress) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for part in progress.parts:
        shown: dict[str, Any] = {"type": part.kind, "text": part.text}
        if part.kind == "tool_input":
            shown["name"] = part.name
        parts.append(shown)
    return {"step_id": progress.step_id, "attempt": progress.attempt, "n": progress.n, "parts": parts}


def _retrying_json(retrying: StepRetrying) -> dict[str, Any]:
    error = {"type": retrying.type, "message": retrying.message, "retryable": True}
    due = None if retrying.retry_at is None else rfc3339(retrying.retry_at)
    return {"step_id": retrying.step_id, "failures": retrying.failures, "error": error, "retry_at": due}


def _tool_json(progress: ToolProgress) -> dict[str, Any]:
    shown: dict[str, Any] = {"call_id": progress.call_id}
    if progress.message is not None:
        shown["message"] = progress.message
    if progress.fraction is not None:
        shown["fraction"] = progress.fraction
    return shown
