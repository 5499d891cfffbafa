"""An answer of Anthropic Messages, put together from the events of its stream. Pure.

Rule 1: an answer has an end when `message_stop`, a stop reason or `[DONE]` came, or when the server sent one whole message in
place of a stream. The end of the connection alone is none.
Rule 2: nothing raises but an explicit error of the server. An event of an unknown shape is passed over and counted. Servers
that only resemble Anthropic leave out starts, stops and indexes, so a fragment goes to the block that can take it.
Rule 3: the SDK's own reading of events is not used. It skips events without a name, and raises an error on one that is not
JSON.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from perdure.activities.models.failures import ProviderError, StreamTruncated
from perdure.activities.models.provider_turns import encodable
from perdure.activities.models.sse_events import SseEvent
from perdure.activities.models.stop_words import ending, is_good, is_pause
from perdure.activities.models.think_tags import ThinkTags
from perdure.activities.models.wire import Answer, Delta, Started
from perdure.activities.models.wires.anthropic_arguments import arguments_in, holds_arguments
from perdure.activities.models.wires.anthropic_blocks import API, SHOWN, Block, Blocks, is_same
from perdure.activities.models.wires.anthropic_calls import complete, told_apart
from perdure.activities.models.wires.anthropic_end import ArrivingEnd
from perdure.activities.models.wires.anthropic_events import error_of, fragment_of, kind_of, says_something, word
from perdure.activities.models.wires.anthropic_usage import ArrivingUsage
from perdure.workflows.vocabulary.ids import call_id
from perdure.workflows.vocabulary.parts import Part, ToolSpec

__all__ = ["API", "ArrivingAnswer"]

#: More are passed over: fragments look for their blocks among them.
_MOST_BLOCKS: Final = 1000
#: By the member that holds its fragment, the blocks that a delta may belong to.
_FAMILIES: Final = {
    "text": "text",
    "citation": "text",
    "thinking": "thinking",
    "signature": "thinking",
    "partial_json": "input",
}


@dataclass(slots=True)
class ArrivingAnswer:
    """The state of an answer between two events. `take` and `finish` return what viewers are shown."""

    step_id: str
    model: str
    tools: tuple[ToolSpec, ...]
    #: For servers that may pass on thinking as text between tags.
    tags: ThinkTags | None = None
    blocks: Blocks = field(default_factory=Blocks)
    usage: ArrivingUsage = field(default_factory=ArrivingUsage)
    end: ArrivingEnd = field(default_factory=ArrivingEnd)
    skipped: int = 0
    _started: bool = False
    #: Parts that have begun.
    _begun: int = 0
    #: The content of a whole message in an event of the stream, for servers that send no blocks.
    _content: Any = None
    #: Fragments of arguments came that no call could take.
    _homeless: bool = False

    def take(self, event: SseEvent) -> Iterator[Started | Delta]:
        """Raises `ProviderError` where the server reports an error."""
        if event.kind == "object":
            kind = kind_of(event)
            if kind == "ping":
                return
            if kind != "content_block_delta":
                self.usage.take(event.value)
            if kind == "message_start" or not self._started:
                self._started = True
                yield Started(self.usage.whole())
            if kind in ("content_block_start", "content_block_delta"):
                self.end.goes_on = self.end.reason is not None
            yield from self._take(kind, event.value)
        elif event.name == "error":
            raise ProviderError(event.text)
        elif event.kind == "done":
            self.end.final = self._started
        else:
            self.skipped += 1
            self._doubt(None)

    def _take(self, kind: str, event: dict[str, Any]) -> Iterator[Delta]:
        if kind in ("message_delta", "message_stop", "message", ""):
            self._homeless = self._homeless or holds_arguments(event)
        match kind:
            case "content_block_delta":
                # Some servers leave the level of the delta out.
                yield from self._delta(event.get("delta") or event, event.get("index"))
            case "content_block_start":
                yield from self._start(event.get("content_block"), event.get("index"))
            case "content_block_stop":
                yield from self._stop(event.get("content_block") or event, event.get("index"))
            case "message_start":
                self._name(event.get("message"))
            case "message_delta":
                self._name(event, event.get("delta"), event.get("message"))
                self.end.take(event, event.get("delta"), event.get("message"))
            case "message_stop":
                self._name(event, event.get("message"))
                self.end.take(event, event.get("message"))
                self.end.final = True
            case "message":
                self._name(event)
                self.end.take(event)
                self.end.final = True
            case "error":
                raise error_of(event)
            case _:
                self.skipped += 1
                if says_something(event):
                    for block in self.blocks.concerned(event.get("index")):
                        block.unread = True

    def finish(self) -> Iterator[Delta]:
        """No more events come. Returns what viewers are shown only now."""
        content = [{"type": "text", "text": self._content}] if isinstance(self._content, str) else self._content
        if isinstance(content, list):
            blocks = [block for block in content if isinstance(block, dict)]
            self.skipped += len(content) - len(blocks)
            yield from self._fill(blocks)
        for kind, text in self.tags.end() if self.tags else ():
            yield from self._piece(kind, text)
        if self.end.reason == "refusal" and self.end.refusal and not self._begun:
            yield self._show(self.blocks.begin(Block("text", ended=True), None), self.end.refusal)

    def _fill(self, content: list[dict[str, Any]]) -> Iterator[Delta]:
        """Takes from the whole message what no event of the stream brought."""
        streamed = [block for block in self.blocks.all if block.part is not None]
        if any(block.is_call for block in streamed):
            self._homeless = not complete([b for b in streamed if b.is_call], content) or self._homeless
        kinds = {"text" if block.tags else block.kind for block in streamed}
        missing = {"text", "tool_use"} - kinds
        for block in content:
            if not streamed or block.get("type") in missing:
                yield from self._start(block, None)
                yield from self._stop(block, None)

    @property
    def has_end(self) -> bool:
        return self.end.has_come

    @property
    def ended(self) -> bool:
        """Nothing of the answer can follow."""
        return self.end.final

    def whole(self) -> Answer:
        """Raises `StreamTruncated`, and `AnswerAborted` where the server gave the answer up."""
        if not self.has_end:
            raise StreamTruncated
        begun = sorted((b for b in self.blocks.all if b.part is not None), key=lambda block: block.part or 0)
        # Without a reason, a text counts as whole, and so do calls whose arguments are.
        otherwise = "" if any(block.is_call for block in begun) else "stop"
        reason = otherwise if self.end.reason is None else self.end.reason
        end = ending(reason, tuple(self._parts(begun, reason)), self.tools)
        return Answer(end.parts, self.model, self.usage.whole(), end.stop, end.word, skipped=self.skipped)

    def _parts(self, begun: list[Block], reason: str) -> Iterator[Part]:
        lost = self._homeless or any(block.doubtful and block.takes("input") for block in begun)
        good, made = is_good(reason), 0
        read = {call.part: read for call, read in told_apart((b for b in begun if b.is_call), good=good, lost=lost)}
        for block in begun:
            if not block.is_call:
                if part := block.as_part(whole=good or is_pause(reason)):
                    yield part
            elif block.part in read:
                made += 1
                yield block.as_call(call_id(self.step_id, made), read[block.part])

    def _name(self, *holders: Any) -> None:
        for holder in holders:
            if isinstance(holder, dict):
                self.model = encodable(word(holder.get("model"))) or self.model
                self._content = holder.get("content") or self._content

    def _start(self, start: Any, index: Any) -> Iterator[Delta]:
        named = self.blocks.named(index)
        if not isinstance(start, dict) or len(self.blocks.all) >= _MOST_BLOCKS:
            self.skipped += 1
        elif named is not None and not named.ended and is_same(start, named.start):
            self.skipped += 1
            named.given = arguments_in(start) or named.given
        else:
            block = self.blocks.begin(Block.begun(start), index)
            if block.is_call:
                yield self._show(block, "", block.name)
            elif block.kind == "tool_use":
                self.skipped += 1  # it names no tool
            elif block.first_words:
                yield from self._say(block, block.first_words)
            elif block.kind not in SHOWN or block.signature:
                self._place(block)

    def _delta(self, delta: Any, index: Any) -> Iterator[Delta]:
        member, fragment = fragment_of(delta) if isinstance(delta, dict) else ("", None)
        call = self.blocks.call_at(index)
        if call is not None and member in ("text", "thinking", ""):
            if fragment == "":
                return
            if member == "text" and isinstance(fragment, str) and call.takes_as_arguments(fragment):
                member, call.comes_as_text = "partial_json", True
            else:
                call.unread = call.unread or not member or fragment is not None
        block = self.blocks.taking(_FAMILIES[member], index) if member else None
        if block is None:
            self._miss(delta, member, index)
        elif member == "partial_json" and isinstance(fragment, dict):
            # Some compatible servers send the object itself.
            if not block.takes_object(fragment):
                self.skipped += 1
                block.doubtful = True
        elif member == "partial_json" and fragment is None:
            self.skipped += 1
            block.unread = True
        elif member == "citation" and isinstance(fragment, dict):
            block.citations.append(fragment)
        elif not isinstance(fragment, str):
            self.skipped += 1
            block.doubtful = block.doubtful or member == "partial_json"
        elif member == "signature":
            block.signature += fragment
            self._place(block)
        elif block.kind not in SHOWN:
            block.write(encodable(fragment))
        elif fragment:
            yield from self._say(block, fragment)

    def _miss(self, delta: Any, member: str, index: Any) -> None:
        """A delta that is not known, or that no block can take."""
        self.skipped += 1
        named = self.blocks.named(index)
        astray = named is None and isinstance(delta, dict) and says_something(delta)
        self._homeless = self._homeless or member == "partial_json" or astray
        if not isinstance(delta, dict) or (named is not None and named.kind not in SHOWN):
            self._doubt(index)

    def _doubt(self, index: Any) -> None:
        for block in self.blocks.concerned(index):
            block.doubtful = True

    def _stop(self, final: Any, index: Any) -> Iterator[Delta]:
        block = self.blocks.named(index) if type(index) is int else self.blocks.open()
        if block is None:
            self.skipped += 1
            return
        block.ended = True
        if isinstance(final, dict) and block.takes("input"):
            # Some servers send the whole block once more.
            told = arguments_in(final)
            block.final = block.final if told is None else told
        if block.written:
            return
        if isinstance(final, dict) and block.kind in ("text", "thinking") and (words := word(final.get(block.kind))):
            yield from self._say(block, words)
        if block.is_call and (given := block.given_text):
            yield Delta(self._place(block), "tool_input", given)

    def _say(self, block: Block, text: str) -> Iterator[Delta]:
        if self.tags is None or block.kind == "tool_use":
            yield self._show(block, text)
        elif block.kind == "thinking":
            self.tags.reasoned = True
            yield self._show(block, text)
        else:
            for kind, piece in self.tags.take(text):
                yield from self._piece(kind, piece, block)

    def _piece(self, kind: str, text: str, block: Block | None = None) -> Iterator[Delta]:
        """Shows a piece of the text of `block`, told apart by its tags."""
        assert self.tags is not None
        if kind == "turned":
            for earlier in self.blocks.all:
                if earlier.kind == "text":
                    earlier.kind, earlier.tags = "thinking", self.tags.pair
        elif kind == "reasoning":
            thought = next((one for one in self.blocks.all if one.tags), None)
            if thought is None:
                thought = self.blocks.begin(Block("thinking", ended=True, tags=self.tags.pair), None)
            yield self._show(thought, text)
        elif text:
            if block is None or block.kind != "text":
                block = self.blocks.last("text") or self.blocks.begin(Block("text"), None)
            yield self._show(block, text)

    def _show(self, block: Block, text: str, tool_name: str | None = None) -> Delta:
        new = block.write(encodable(text))
        return Delta(self._place(block), SHOWN[block.kind], new, tool_name)

    def _place(self, block: Block) -> int:
        if block.part is None:
            block.part, self._begun = self._begun, self._begun + 1
        return block.part
