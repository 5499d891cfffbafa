"""Messages in the form of OpenTelemetry's GenAI conventions: JSON in a span attribute. Pure."""

import json
from collections.abc import Sequence
from typing import Final, assert_never

from pydantic import JsonValue

from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import (
    Data,
    File,
    Message,
    Part,
    Reasoning,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
)

#: The conventions' finish reasons. Stop reasons without a counterpart keep our name.
FINISH: Final[dict[StopReason, str]] = {
    "end": "stop",
    "stop_sequence": "stop",
    "tool_calls": "tool_call",
    "max_tokens": "length",
    "context_window": "length",
    "refusal": "content_filter",
    "content_filter": "content_filter",
}


def finish_reason(stop: StopReason) -> str:
    return FINISH.get(stop, stop)


def input_messages(messages: Sequence[Message]) -> str:
    """The value of `gen_ai.input.messages`."""
    return as_json([{"role": message.role, "parts": _parts(message.parts)} for message in messages])


def output_messages(parts: Sequence[Part], stop: StopReason) -> str:
    """The value of `gen_ai.output.messages`; a folded part is represented by its head and tail."""
    return as_json([{"role": "assistant", "parts": _parts(parts), "finish_reason": finish_reason(stop)}])


def instructions(prompt: Prompt) -> str:
    """The value of `gen_ai.system_instructions`: what the definition says, and the line on the date."""
    return as_json([{"type": "text", "content": text} for text in (prompt.instructions, prompt.date) if text])


def as_json(value: JsonValue) -> str:
    # A model may write half of a surrogate pair, which no exporter can encode.
    return json.dumps(value, ensure_ascii=False).encode(errors="replace").decode()


def _parts(parts: Sequence[Part]) -> list[JsonValue]:
    return [_part(part) for part in parts]


def _part(part: Part) -> JsonValue:
    match part:
        case Text():
            return {"type": "text", "content": part.text}
        case Reasoning():
            return {"type": "reasoning", "content": part.text}
        case ToolCall():
            return {"type": "tool_call", "id": part.call_id, "name": part.name, "arguments": part.as_written().args}
        case ToolResult():
            return {"type": "tool_call_response", "id": part.call_id, "response": part.output}
        case File():
            return {"type": "uri", "uri": part.uri, "mime_type": part.media_type}
        case Data():
            return {"type": "data", "name": part.name, "content": part.value}
        case _:
            assert_never(part)
