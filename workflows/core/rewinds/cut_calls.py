"""The calls of a part of a conversation, with what they ran with and what they returned. Pure."""

import json
from collections.abc import Iterable

from pydantic import JsonValue

from perdure.workflows.protocol.signals import CutCall
from perdure.workflows.vocabulary.parts import Message, ToolCall, ToolResult


def cut_calls(messages: Iterable[Message]) -> tuple[CutCall, ...]:
    """Calls that have a result, in the order in which the models made them."""
    made: dict[str, ToolCall] = {}
    results: dict[str, ToolResult] = {}
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolCall):
                made[part.call_id] = part
            elif isinstance(part, ToolResult):
                results[part.call_id] = part
    return tuple(_cut_call(call, results[call_id]) for call_id, call in made.items() if call_id in results)


def _cut_call(call: ToolCall, result: ToolResult) -> CutCall:
    whole = result.blob is None
    # An error's words tell its type also in short.
    output = result.output if whole or result.is_error else None
    return CutCall(
        call_id=call.call_id,
        name=call.name,
        args=_args(call, result),
        output=output,
        is_error=result.is_error,
        whole=whole,
    )


def _args(call: ToolCall, result: ToolResult) -> dict[str, JsonValue] | None:
    """What the call ran with."""
    if result.changed_args is not None:
        try:
            changed = json.loads(result.changed_args)
        except ValueError:
            # A person's long ones, of which the result keeps the head and the tail.
            return None
        return changed if isinstance(changed, dict) else None
    return call.args if call.blob is None else None
