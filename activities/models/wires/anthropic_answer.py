"""An answer of Anthropic Messages, put together from the events of its stream.

Rule 1: an answer is whole when `message_stop` came, and a stop reason with it. The SDK is content with less.
Rule 2: events are read raw. The SDK would parse a tool's arguments anew with each fragment, and raise an error where they are
not JSON; here that is data.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import anthropic
from anthropic.types import RawContentBlockDelta, RawMessageStreamEvent
from pydantic import JsonValue

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.failures import StreamTruncated
from perdure.activities.models.provider_turns import encodable, parse_arguments
from perdure.activities.models.stop_words import ending, is_good
from perdure.activities.models.wire import Answer, Delta, DeltaKind, Started
from perdure.workflows.vocabulary.ids import call_id
from perdure.workflows.vocabulary.parts import Native, Part, Reasoning, Text, ToolCall, ToolSpec, Usage

#: Tag of the blocks that go back verbatim.
API: Final = "anthropic.messages"
_KINDS: Final[dict[str, DeltaKind]] = {"text": "text", "thinking": "reasoning", "tool_use": "tool_input"}


@dataclass(slots=True)
class _Block:
    """A content block that is arriving. `part` is its index among the answer's parts once it has content."""

    start: dict[str, Any]
    part: int | None = None
    text: list[str] = field(default_factory=list)
    signature: str = ""


@dataclass(slots=True)
class ArrivingAnswer:
    """The state of an answer between two events. `take` returns what viewers are shown of an event."""

    step_id: str
    model: str
    tools: tuple[ToolSpec, ...]
    blocks: dict[int, _Block] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    stop: str | None = None
    refusal: str = ""
    ended: bool = False
    begun: int = 0

    def take(self, event: RawMessageStreamEvent) -> list[Started | Delta]:
        match event.type:
            case "message_start":
                self.model = event.message.model or self.model
                self._count(event.message.usage)
                return [Started(self._usage())]
            case "content_block_start":
                block = _Block(event.content_block.to_dict(mode="json", exclude_none=True, warnings=False))
                self.blocks[event.index] = block
                # Some compatible servers put the first words here.
                first = str(block.start.get("text") or block.start.get("thinking") or "")
                if block.start["type"] == "tool_use":
                    return [self._delta(block, "", block.start["name"])]
                return [self._delta(block, first)] if first else []
            case "content_block_delta":
                return self._fragment(self.blocks[event.index], event.delta)
            case "content_block_stop":
                block = self.blocks[event.index]
                if block.start["type"] == "tool_use" and not any(block.text) and (given := _given(block)):
                    return [self._delta(block, given)]
                if block.part is None and (block.signature or block.start["type"] == "redacted_thinking"):
                    self._begin(block)
            case "message_delta":
                self.stop = event.delta.stop_reason
                details = event.delta.stop_details
                self.refusal = (details.explanation or "") if details else ""
                self._count(event.usage)
            case "message_stop":
                self.ended = True
                if self.stop == "refusal" and self.refusal and not self.begun:
                    self.blocks[-1] = _Block({"type": "text"})
                    return [self._delta(self.blocks[-1], self.refusal)]
        return []

    def whole(self) -> Answer:
        if not self.ended or self.stop is None:
            raise StreamTruncated
        begun = sorted((b for b in self.blocks.values() if b.part is not None), key=lambda block: block.part or 0)
        parts: list[Part] = []
        calls = 0
        for block in begun:
            calls += block.start["type"] == "tool_use"
            parts.append(_part(block, call_id(self.step_id, calls), good=is_good(self.stop)))
        end = ending(self.stop, parts, self.tools)
        return Answer(end.parts, self.model, self._usage(), end.stop, end.word)

    def _fragment(self, block: _Block, delta: RawContentBlockDelta) -> list[Started | Delta]:
        match delta.type:
            case "text_delta":
                text = delta.text
            case "thinking_delta":
                text = delta.thinking
            case "input_json_delta":
                # Some compatible servers send the object itself.
                given: Any = delta.partial_json
                text = given if isinstance(given, str) else compact(given)
            case "signature_delta":
                block.signature += delta.signature
                return []
            case _:
                return []
        return [self._delta(block, text)] if text and block.start["type"] in _KINDS else []

    def _delta(self, block: _Block, text: str, tool_name: str | None = None) -> Delta:
        text = encodable(text)
        block.text.append(text)
        return Delta(self._begin(block), _KINDS[block.start["type"]], text, tool_name)

    def _begin(self, block: _Block) -> int:
        if block.part is None:
            block.part, self.begun = self.begun, self.begun + 1
        return block.part

    def _count(self, usage: anthropic.types.Usage | anthropic.types.MessageDeltaUsage | None) -> None:
        """Counts are totals so far. One that is missing is unchanged."""
        if usage is not None:
            details = usage.output_tokens_details
            counts = {
                "input": usage.input_tokens,
                "written": usage.cache_creation_input_tokens,
                "read": usage.cache_read_input_tokens,
                "output": usage.output_tokens,
                "thinking": details.thinking_tokens if details else None,
            }
            self.usage |= {name: count for name, count in counts.items() if count is not None}

    def _usage(self) -> Usage:
        count = self.usage.get
        return Usage(
            input_tokens=count("input", 0) + count("written", 0) + count("read", 0),
            cached_tokens=count("read", 0),
            cache_write_tokens=count("written", 0),
            output_tokens=count("output", 0),
            reasoning_tokens=count("thinking", 0),
        )


def _given(block: _Block) -> str:
    """The arguments, as JSON, if a compatible server sent them complete with the block's start, else an empty text."""
    given = block.start.get("input")
    return given if isinstance(given, str) else compact(given) if given else ""


def _part(block: _Block, call_id: str, *, good: bool) -> Part:
    """`good`: the answer ended well."""
    text = "".join(block.text)
    match block.start["type"]:
        case "thinking":
            # Without a signature, which compatible servers do not send, it may never be sent back.
            signed: dict[str, JsonValue] = {"type": "thinking", "thinking": text, "signature": block.signature}
            return Reasoning(text=text, native=Native(api=API, block=signed) if block.signature else None)
        case "redacted_thinking":
            return Reasoning(native=Native(api=API, block=block.start))
        case "tool_use":
            # The API always begins with an empty object. It stands for a call without arguments if the answer ended well, but
            # not if the answer was cut before the first byte of them.
            nothing = "{}" if good and block.start.get("input") == {} else ""
            args, raw = parse_arguments(text if text.strip() else _given(block) or nothing)
            native = Native(api=API, block=block.start | {"input": args})
            return ToolCall(call_id=call_id, name=block.start["name"], args=args, args_raw=raw, native=native)
        case _:
            return Text(text=text)
