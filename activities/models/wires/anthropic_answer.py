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
from perdure.activities.models.stop_words import ending, is_bad, is_good, is_pause, says_nothing
from perdure.activities.models.think_tags import ThinkTags
from perdure.activities.models.wire import Answer, Delta, Started
from perdure.activities.models.wires.anthropic_blocks import API, SHOWN, Block, Blocks
from perdure.activities.models.wires.anthropic_events import error_of, fragment_of, kind_of, word
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
    stop: str | None = None
    refusal: str = ""
    #: Nothing of the answer can follow.
    ended: bool = False
    skipped: int = 0
    _started: bool = False
    #: Content came behind the stop reason.
    _goes_on: bool = False
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
                self._goes_on = self.stop is not None
            yield from self._take(kind, event.value)
        elif event.name == "error":
            raise ProviderError(event.text)
        elif event.kind == "done":
            self.ended = self._started
        else:
            self.skipped += 1
            self.blocks.doubt(None)

    def _take(self, kind: str, event: dict[str, Any]) -> Iterator[Delta]:
        match kind:
            case "content_block_delta":
                yield from self._delta(event.get("delta"), event.get("index"))
            case "content_block_start":
                yield from self._start(event.get("content_block"), event.get("index"))
            case "content_block_stop":
                yield from self._stop(event.get("content_block"), event.get("index"))
            case "message_start":
                self._name(event.get("message"))
            case "message_delta":
                self._end_with(event, event.get("delta"))
            case "message_stop":
                self._name(event.get("message"))
                self._end_with(event, event.get("message"))
                self.ended = True
            case "message":
                self._name(event)
                self._end_with(event)
                self.ended = True
            case "error":
                raise error_of(event)
            case _:
                self.skipped += 1

    def finish(self) -> Iterator[Delta]:
        """No more events come. Returns what viewers are shown only now."""
        content = [{"type": "text", "text": self._content}] if isinstance(self._content, str) else self._content
        if isinstance(content, list) and not self.blocks.all:
            for index, block in enumerate(content):
                yield from self._start(block, index)
                yield from self._stop(block, index)
        for kind, text in self.tags.end() if self.tags else ():
            yield from self._piece(kind, text)
        if self.stop == "refusal" and self.refusal and not self._begun:
            yield self._show(self.blocks.begin(Block("text", ended=True), None), self.refusal)

    @property
    def has_end(self) -> bool:
        return self.ended or (self.stop is not None and not self._goes_on)

    def whole(self) -> Answer:
        """Raises `StreamTruncated`, and `AnswerAborted` where the server gave the answer up."""
        if not self.has_end:
            raise StreamTruncated
        begun = sorted((b for b in self.blocks.all if b.part is not None), key=lambda block: block.part or 0)
        # Without a reason, a text counts as whole, and so do calls whose arguments are.
        otherwise = "" if any(block.is_call for block in begun) else "stop"
        reason = otherwise if self.stop is None else self.stop
        end = ending(reason, tuple(self._parts(begun, reason)), self.tools)
        return Answer(end.parts, self.model, self.usage.whole(), end.stop, end.word, skipped=self.skipped)

    def _parts(self, begun: list[Block], reason: str) -> Iterator[Part]:
        lost = self._homeless or any(block.doubtful and block.takes("input") for block in begun)
        made: list[tuple[object, ...]] = []
        for block in begun:
            if block.is_call:
                call = block.as_call(call_id(self.step_id, len(made) + 1), sure=is_good(reason) and not lost)
                same = (block.start.get("id"), call.name, call.args, call.args_raw)
                # Some servers send a call a second time, under the same id.
                if not block.start.get("id") or same not in made:
                    made.append(same)
                    yield call
            elif part := block.as_part(whole=is_good(reason) or is_pause(reason)):
                yield part

    def _name(self, message: Any) -> None:
        if isinstance(message, dict):
            self.model = encodable(word(message.get("model"))) or self.model
            self._content = message.get("content") or self._content

    def _start(self, start: Any, index: Any) -> Iterator[Delta]:
        named = self.blocks.named(index)
        if not isinstance(start, dict) or len(self.blocks.all) >= _MOST_BLOCKS:
            self.skipped += 1
        elif named is not None and not named.ended and named.start == start and start.get("id"):
            self.skipped += 1  # the same event once more
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
        block = self.blocks.taking(_FAMILIES[member], index) if member else None
        if block is None:
            self.skipped += 1
            self._homeless = self._homeless or member == "partial_json"
            named = self.blocks.named(index)
            if not isinstance(delta, dict) or (named is not None and named.kind not in SHOWN):
                self.blocks.doubt(index)
        elif member == "partial_json" and isinstance(fragment, dict) and not block.written:
            # Some compatible servers send the object itself.
            block.given = fragment or block.given
        elif member == "citation" and isinstance(fragment, dict):
            block.citations.append(fragment)
        elif not isinstance(fragment, str):
            self.skipped += 1
            block.doubtful = block.doubtful or member == "partial_json"
        elif member == "signature":
            block.signature += fragment
            self._place(block)
        elif block.kind not in SHOWN:
            block.write(fragment)
        elif fragment:
            yield from self._say(block, fragment)

    def _stop(self, final: Any, index: Any) -> Iterator[Delta]:
        block = self.blocks.named(index) if type(index) is int else self.blocks.open()
        if block is None:
            self.skipped += 1
            return
        block.ended = True
        if block.written:
            return
        if isinstance(final, dict):
            # Some servers send the whole block once more.
            block.given = block.given or final.get("input")
            if block.kind in ("text", "thinking") and (words := word(final.get(block.kind))):
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
        text = encodable(text)
        block.write(text)
        return Delta(self._place(block), SHOWN[block.kind], text, tool_name)

    def _place(self, block: Block) -> int:
        if block.part is None:
            block.part, self._begun = self._begun, self._begun + 1
        return block.part

    def _end_with(self, *holders: Any) -> None:
        """Takes the reason to stop. An answer that was reported as cut stays cut, whatever follows."""
        for holder in holders:
            if isinstance(holder, dict):
                reason, details = holder.get("stop_reason"), holder.get("stop_details")
                # Some servers put a word that says nothing into every event that may have one.
                if isinstance(reason, str) and not says_nothing(reason):
                    self._goes_on = False
                    if self.stop is None or not is_bad(self.stop):
                        self.stop = encodable(reason)
                if isinstance(details, dict):
                    self.refusal = encodable(word(details.get("explanation"))) or self.refusal
