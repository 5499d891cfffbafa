"""Messages, events and questions as they were before big parts of them were offloaded to the blob store.

What is lost from the store stays short, and is logged. Raises `StoreUnavailable`.
"""

from typing import TypeGuard

from pydantic import JsonValue

from perdure.temporal.stores.blobs import BlobStore, unfold
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.events import (
    Event,
    MessageAdded,
    MessageQueued,
    StepFinished,
    ToolFinished,
    ToolStarted,
)
from perdure.workflows.vocabulary.parts import Message, ToolCall
from perdure.workflows.vocabulary.question_events import ApprovalRequested, InputRequested
from perdure.workflows.vocabulary.questions import Question

Asked = ToolStarted | ApprovalRequested | InputRequested | Question


async def whole_message(message: Message, blobs: BlobStore) -> Message:
    if not any(part.blob for part in message.parts):
        return message
    return message.model_copy(update={"parts": await unfold(blobs, message.parts)})


async def whole_prompt(prompt: Prompt, blobs: BlobStore) -> Prompt:
    """With the messages whole that stand before a summary."""
    summary = prompt.summary
    if summary is None or not any(part.blob for message in summary.pinned for part in message.parts):
        return prompt
    pinned = [await whole_message(message, blobs) for message in summary.pinned]
    return prompt.model_copy(update={"summary": summary.with_pinned(tuple(pinned))})


async def whole_event(event: Event, blobs: BlobStore) -> Event:
    match event:
        case MessageAdded() | StepFinished():
            message = await whole_message(event.message, blobs)
            return event if message is event.message else event.model_copy(update={"message": message})
        case MessageQueued() if event.message is not None:
            return event.model_copy(update={"message": await whole_message(event.message, blobs)})
        case ToolFinished() if event.result.blob is not None:
            (result,) = await unfold(blobs, (event.result,))
            return event.model_copy(update={"result": result})
        case ToolStarted() | ApprovalRequested() | InputRequested() if event.blob is not None:
            return event.model_copy(update=await _in_whole(event, blobs))
        case _:
            return event


async def whole_question(question: Question, blobs: BlobStore) -> Question:
    return question if question.blob is None else question.model_copy(update=await _in_whole(question, blobs))


async def arguments_of(asked: Asked, blobs: BlobStore) -> dict[str, JsonValue] | None:
    """The whole arguments of the call that this is about; empty where their blob is lost."""
    if asked.blob is None:
        return asked.args
    call = ToolCall(call_id=asked.call_id or "", name=asked.name or "", args={}, blob=asked.blob)
    (part,) = await unfold(blobs, (call,))
    return part.args if isinstance(part, ToolCall) else {}


async def _in_whole(asked: Asked, blobs: BlobStore) -> dict[str, object]:
    """What of it is longer than it travelled."""
    args = await arguments_of(asked, blobs) or {}
    found: dict[str, object] = {"args": args, "blob": None}
    # A session cannot read the prompt that lies in a blob.
    if _is_input(asked) and asked.prompt is None and isinstance(args.get("prompt"), str):
        found["prompt"] = args["prompt"]
    return found


def _is_input(
    asked: ToolStarted | ApprovalRequested | InputRequested | Question,
) -> TypeGuard[InputRequested | Question]:
    return isinstance(asked, InputRequested) or (isinstance(asked, Question) and asked.kind == "input")
