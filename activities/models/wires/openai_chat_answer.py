"""An answer of Chat Completions, put together from the chunks of its stream.

Rule 1: an answer is whole when a choice gave its `finish_reason`, or `[DONE]` came. The SDK is content with less.
Rule 2: compatible servers leave out what they like (usage, its details, ids, indexes) and name reasoning in two ways;
nothing but an end is required.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall
from pydantic import JsonValue

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.failures import StreamTruncated
from perdure.activities.models.provider_turns import encodable, parse_arguments
from perdure.activities.models.stop_words import ending, is_bad
from perdure.activities.models.wire import Answer, Delta
from perdure.workflows.vocabulary.ids import call_id
from perdure.workflows.vocabulary.parts import Native, Part, Reasoning, Text, ToolCall, ToolSpec, Usage

#: Tag of the calls that go back verbatim.
API: Final = "openai.chat"


def function_call(call_id: str, name: str, arguments: str) -> dict[str, JsonValue]:
    """A tool call as the API has it."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


@dataclass(slots=True)
class _Written:
    """A part that is arriving."""

    kind: str
    part: int
    text: list[str] = field(default_factory=list)
    name: str = ""
    id: str = ""


@dataclass(slots=True)
class ArrivingAnswer:
    """The state of an answer between two chunks: at most one text part, one reasoning part, and the tool calls.

    `take` returns what viewers are shown of a chunk."""

    step_id: str
    model: str
    tools: tuple[ToolSpec, ...]
    parts: list[_Written] = field(default_factory=list)
    calls: dict[int, _Written] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    finish: str | None = None
    refused: bool = False

    def take(self, chunk: ChatCompletionChunk) -> list[Delta]:
        self.model = chunk.model or self.model
        if chunk.usage:
            self.usage = _usage(chunk.usage)
        deltas: list[Delta] = []
        for choice in chunk.choices or ():
            deltas += self._take(choice.delta)
            if self.finish is None or not is_bad(self.finish):
                # An answer that was reported as cut stays cut, whatever word follows. Some servers send words without meaning
                # (`null`, `in_progress`) in every chunk.
                self.finish = choice.finish_reason or self.finish
        return deltas

    def whole(self, *, done: bool) -> Answer:
        """`done`: `[DONE]` came, with a finish reason or without."""
        if self.finish is None and not done:
            raise StreamTruncated
        parts: list[Part] = []
        calls = 0
        for written in self.parts:
            calls += written.kind == "tool_input"
            parts.append(_part(written, call_id(self.step_id, calls)))
        # Without a reason, the text counts as complete, and so do calls whose arguments are.
        word = "refusal" if self.refused else self.finish or ("" if calls else "stop")
        end = ending(word, parts, self.tools)
        return Answer(end.parts, self.model, self.usage, end.stop, end.word)

    def _take(self, delta: ChoiceDelta) -> list[Delta]:
        deltas: list[Delta] = []
        reasoning = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
        if isinstance(reasoning, str) and reasoning:
            written = self._one("reasoning")
            deltas.append(Delta(written.part, "reasoning", _add(written, reasoning)))
        self.refused = self.refused or bool(delta.refusal)
        for text in (delta.content, delta.refusal):
            if text:
                written = self._one("text")
                deltas.append(Delta(written.part, "text", _add(written, text)))
        for call in delta.tool_calls or ():
            deltas += self._call(call)
        return deltas

    def _call(self, call: ChoiceDeltaToolCall) -> list[Delta]:
        function = call.function
        name = (function.name if function else None) or ""
        arguments: Any = (function.arguments if function else None) or ""
        # Some servers send an object instead of its JSON: not a fragment, but the complete arguments.
        whole = not isinstance(arguments, str)
        text = compact(arguments) if whole else arguments
        index = call.index or 0
        written = self.calls.get(index)
        # Some servers give every call the index 0, and only the ids differ.
        if written is None or (name and call.id and call.id != written.id):
            written = self.calls[index] = self._begin("tool_input")
            written.name, written.id = name, call.id or ""
            return [Delta(written.part, "tool_input", _add(written, text), name)]
        if whole:
            written.text.clear()
        return [Delta(written.part, "tool_input", _add(written, text))] if text else []

    def _one(self, kind: str) -> _Written:
        return next((written for written in self.parts if written.kind == kind), None) or self._begin(kind)

    def _begin(self, kind: str) -> _Written:
        written = _Written(kind, len(self.parts))
        self.parts.append(written)
        return written


def _add(written: _Written, text: str) -> str:
    text = encodable(text)
    written.text.append(text)
    return text


def _part(written: _Written, call_id: str) -> Part:
    text = "".join(written.text)
    match written.kind:
        case "reasoning":
            return Reasoning(text=text)
        case "text":
            return Text(text=text)
        case _:
            args, raw = parse_arguments(text)
            block = function_call(written.id, written.name, text if text.strip() else "{}")
            native = Native(api=API, block=block) if written.id else None
            return ToolCall(call_id=call_id, name=written.name, args=args, args_raw=raw, native=native)


def _usage(usage: CompletionUsage) -> Usage:
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        cached_tokens=(read.cached_tokens or 0) if read else 0,
        output_tokens=usage.completion_tokens or 0,
        reasoning_tokens=(written.reasoning_tokens or 0) if written else 0,
    )
