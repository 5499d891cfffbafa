"""The tool calls of a step as the trace shows them: what they were given and gave, and what was asked about them.

Rule: of a question nothing is shown twice. What the model wrote stands in the step's message, and what the call ran with,
where a person changed it, in the call's `args`.
"""

from collections.abc import Sequence
from typing import Any

from perdure.temporal.sessions.event_json import event_json
from perdure.temporal.sessions.json_bytes import rfc3339
from perdure.workflows.vocabulary.events import Event, ToolFinished, ToolStarted
from perdure.workflows.vocabulary.question_events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
)


def calls_json(events: Sequence[Event]) -> list[dict[str, Any]]:
    """`{call_id, name, args, started_at, duration_ms, attempts, result, session_id?, questions?, blocked?}` of each call
    of a step, from its events in whole. `blocked` is `{seconds, line}` of a tool that held up others.

    A question is `{question_id, kind, asked_at, prompt?, expires_at?, resolved_at?, approved?, reason?, by?, value?}`;
    one without `resolved_at` is open.
    """
    calls: dict[str, dict[str, Any]] = {}
    questions: dict[str, dict[str, Any]] = {}
    for event in events:
        match event:
            case ToolStarted():
                shown = event_json(event)
                call = _call(calls, event) | {"args": shown["args"], "started_at": rfc3339(event.at)}
                calls[event.call_id] = call if event.session_id is None else call | {"session_id": event.session_id}
            case ApprovalRequested() | InputRequested() if event.call_id is not None:
                questions[event.question_id] = asked = _asked(event)
                call = _call(calls, event)
                calls[event.call_id] = call | {"questions": [*call.get("questions", ()), asked]}
            case ApprovalResolved() if event.question_id in questions:
                told = {"approved": event.approved, "reason": event.reason, "by": _by(event)}
                _resolve(questions[event.question_id], event, told)
            case InputReceived() if event.question_id in questions:
                _resolve(questions[event.question_id], event, {"value": event.value, "by": _by(event)})
            case ToolFinished():
                shown = event_json(event)
                outcome = {"duration_ms": event.duration_ms, "attempts": event.attempts, "result": shown["result"]}
                if event.blocked is not None:
                    outcome["blocked"] = event.blocked.model_dump(mode="json")
                calls[event.call_id] = _call(calls, event) | outcome
                for asked in calls[event.call_id].get("questions", ()):
                    # One that was declined, or not answered in time, has the call's result and no event of its own.
                    asked.setdefault("resolved_at", rfc3339(event.at))
            case _:
                pass
    return list(calls.values())


def _call(calls: dict[str, dict[str, Any]], event: Any) -> dict[str, Any]:
    unknown = dict.fromkeys(("args", "started_at", "duration_ms", "attempts", "result"))
    return calls.get(event.call_id, {"call_id": event.call_id, "name": event.name, **unknown})


def _asked(event: ApprovalRequested | InputRequested) -> dict[str, Any]:
    kind = "approval" if isinstance(event, ApprovalRequested) else "input"
    asked: dict[str, Any] = {"question_id": event.question_id, "kind": kind, "asked_at": rfc3339(event.at)}
    if isinstance(event, InputRequested) and event.prompt is not None:
        asked["prompt"] = event.prompt
    if event.expires_at is not None:
        asked["expires_at"] = rfc3339(event.expires_at)
    return asked


def _by(event: ApprovalResolved | InputReceived) -> dict[str, Any] | None:
    return None if event.by is None else event.by.model_dump(mode="json")


def _resolve(asked: dict[str, Any], event: ApprovalResolved | InputReceived, told: dict[str, Any]) -> None:
    known = {name: value for name, value in told.items() if value is not None or name == "value"}
    asked.update(known, resolved_at=rfc3339(event.at))
