"""Messages, events and questions as JSON for people and programs: neutral parts, without what only a provider or the blob
store needs. Pure: what lies in the blob store is fetched before (`temporal.sessions.hydrate`).
"""

from typing import Any, Final

from perdure.workflows.vocabulary.events import (
    Event,
    MessageAdded,
    MessageQueued,
    StepFinished,
    TimerSet,
    ToolFinished,
    ToolStarted,
)
from perdure.workflows.vocabulary.parts import Data, File, Frozen, Message, Part, Reasoning, Text, ToolCall, ToolResult
from perdure.workflows.vocabulary.question_events import ApprovalRequested, InputRequested
from perdure.workflows.vocabulary.questions import Question

#: Fields of ours that say nothing to a viewer.
PRIVATE: Final = {"native", "blob", "args_raw", "misfit", "checked", "written", "changed_args"}
#: Optional fields of an event that are absent, not null, when there is nothing to say.
ABSENT: Final = {"error", "attempts", "expires_at", "prompt", "by"}

#: The same for single types of events.
ABSENT_HERE: Final = {
    "approval.resolved": ABSENT | {"reason"},
    "input.requested": ABSENT | {"call_id"},
    "tool.started": ABSENT | {"session_id"},
    "tool.finished": ABSENT | {"usage", "cost_usd"},
    "agent.updated": ABSENT | {"agent"},
}
#: Where a call's arguments lie, and what its approval is bound to.
_INTERNAL: Final = frozenset({"blob", "bound"})

#: What of each record viewers are not shown.
HIDDEN: Final[dict[type[Frozen], frozenset[str]]] = {
    **dict.fromkeys((Text, Reasoning, ToolCall, ToolResult, File, Data), frozenset(PRIVATE)),
    **dict.fromkeys((ToolStarted, ApprovalRequested, InputRequested, Question), _INTERNAL),
    Message: frozenset({"own"}),
    ToolFinished: frozenset({"blocked"}),
}


def message_json(message: Message) -> dict[str, Any]:
    dumped = message.model_dump(mode="json", exclude={"parts", "own"})
    if dumped["stopped"] is None:
        del dumped["stopped"]
    return {**dumped, "parts": [_part_json(part) for part in message.parts]}


def event_json(event: Event) -> dict[str, Any]:
    """One flat object, as the guide's page on events describes it."""
    match event:
        case MessageAdded() | StepFinished():
            dumped = event.model_dump(mode="json", exclude={"message"})
            dumped["message"] = message_json(event.message)
        case ToolFinished():
            dumped = event.model_dump(mode="json", exclude={"result", "blocked"})
            dumped["result"] = _part_json(event.result)
        case MessageQueued() if event.message is not None:
            dumped = event.model_dump(mode="json", exclude={"message"})
            dumped["message"] = message_json(event.message)
        case TimerSet():
            # A viewer's `at` is when the timer will fire; every other event's is when it happened.
            dumped = event.model_dump(mode="json")
            dumped["set_at"], dumped["at"] = dumped["at"], dumped.pop("due")
        case ToolStarted() | ApprovalRequested() | InputRequested():
            dumped = event.model_dump(mode="json", exclude=set(_INTERNAL))
        case _:
            dumped = event.model_dump(mode="json")
    absent = ABSENT_HERE.get(event.type, ABSENT)
    return {name: value for name, value in dumped.items() if value is not None or name not in absent}


def question_json(question: Question) -> dict[str, Any]:
    dumped = question.model_dump(mode="json", exclude=set(_INTERNAL))
    return {name: value for name, value in dumped.items() if value is not None}


def _part_json(part: Part) -> dict[str, Any]:
    return part.model_dump(mode="json", exclude=PRIVATE)
