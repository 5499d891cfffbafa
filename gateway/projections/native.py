"""What viewers see of messages and events: neutral parts, whole, without what only a provider or the store needs."""

from typing import Any, Final

from perdure.temporal.stores.blobs import BlobStore, unfold
from perdure.workflows.vocabulary.events import (
    ApprovalRequested,
    Event,
    InputRequested,
    MessageAdded,
    StepFinished,
    TimerSet,
    ToolFinished,
    ToolStarted,
)
from perdure.workflows.vocabulary.parts import Data, File, Frozen, Message, Part, Reasoning, Text, ToolCall, ToolResult
from perdure.workflows.vocabulary.questions import Question

Asked = ToolStarted | ApprovalRequested | InputRequested | Question

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

#: What of each record viewers are not shown.
HIDDEN: Final[dict[type[Frozen], frozenset[str]]] = {
    **dict.fromkeys((Text, Reasoning, ToolCall, ToolResult, File, Data), frozenset(PRIVATE)),
    **dict.fromkeys((ToolStarted, ApprovalRequested, InputRequested, Question), frozenset({"blob", "bound"})),
    Message: frozenset({"own"}),
    ToolFinished: frozenset({"blocked"}),
}


async def message_json(message: Message, blobs: BlobStore) -> dict[str, Any]:
    """A message as viewers see it, folded parts fetched."""
    parts = message.parts
    if any(part.blob for part in parts):
        parts = await unfold(blobs, parts)
    dumped = message.model_dump(mode="json", exclude={"parts", "own"})
    if dumped["stopped"] is None:
        del dumped["stopped"]
    return {**dumped, "parts": [_part_json(part) for part in parts]}


async def event_json(event: Event, blobs: BlobStore) -> dict[str, Any]:
    """An event as viewers see it: one flat object, as the guide's page on events describes it."""
    match event:
        case MessageAdded() | StepFinished():
            dumped = event.model_dump(mode="json", exclude={"message"})
            dumped["message"] = await message_json(event.message, blobs)
        case ToolFinished():
            dumped = event.model_dump(mode="json", exclude={"result", "blocked"})
            result: Part = event.result
            if result.blob:
                (result,) = await unfold(blobs, (result,))
            dumped["result"] = _part_json(result)
        case TimerSet():
            # Its `at` is when it will fire; every other event's is when it happened.
            dumped = event.model_dump(mode="json")
            dumped["set_at"], dumped["at"] = dumped["at"], dumped.pop("due")
        case ToolStarted() | ApprovalRequested() | InputRequested():
            dumped = await _asked_json(event, blobs)
        case _:
            dumped = event.model_dump(mode="json")
    absent = ABSENT_HERE.get(event.type, ABSENT)
    return {name: value for name, value in dumped.items() if value is not None or name not in absent}


async def question_json(question: Question, blobs: BlobStore) -> dict[str, Any]:
    """A question as viewers see it, folded arguments fetched."""
    return {name: value for name, value in (await _asked_json(question, blobs)).items() if value is not None}


async def arguments_of(asked: Asked, blobs: BlobStore) -> dict[str, Any] | None:
    """The whole arguments of what is asked or told of a call; none where their blob is lost."""
    if asked.blob is None:
        return asked.args
    call = ToolCall(call_id=asked.call_id or "", name=asked.name or "", args={}, blob=asked.blob)
    (part,) = await unfold(blobs, (call,))
    return part.args if isinstance(part, ToolCall) else {}


async def _asked_json(asked: Asked, blobs: BlobStore) -> dict[str, Any]:
    dumped = asked.model_dump(mode="json", exclude={"blob", "bound"})
    if asked.blob is not None:
        args = dumped["args"] = await arguments_of(asked, blobs) or {}
        # A session cannot read what stands in a blob.
        if _is_input(asked) and dumped["prompt"] is None and isinstance(args.get("prompt"), str):
            dumped["prompt"] = args["prompt"]
    return dumped


def _is_input(asked: Asked) -> bool:
    return isinstance(asked, InputRequested) or (isinstance(asked, Question) and asked.kind == "input")


def _part_json(part: Part) -> dict[str, Any]:
    return part.model_dump(mode="json", exclude=PRIVATE)
