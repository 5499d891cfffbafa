"""An answer of OpenAI Responses, put together from the events of its stream.

Rule 1: an answer is whole when its terminal event came, or `[DONE]`. What came before is for viewers. Failures are events.
Rule 2: compatible servers leave out what they like: announcements, fragments, complete items, the list of items at the end.
Each of these is read.
Rule 3: the decoder is total. What it does not know is passed over and counted.
"""

from dataclasses import dataclass, field
from typing import Any

from perdure.activities.models.failures import StreamTruncated
from perdure.activities.models.provider_turns import encodable
from perdure.activities.models.sse_events import SseEvent
from perdure.activities.models.stop_words import ending
from perdure.activities.models.think_tags import Piece
from perdure.activities.models.token_counts import counts, merged, timed
from perdure.activities.models.wire import Answer, Delta, DeltaKind
from perdure.activities.models.wires.openai_responses_calls import different, is_cut, name_in, same, says_more
from perdure.activities.models.wires.openai_responses_ending import word_of
from perdure.activities.models.wires.openai_responses_events import (
    COMPLETE,
    ENDS,
    ERRORS,
    FRAGMENTS,
    ITEMS,
    PARTS,
    UNFINISHED,
    WHOLE_PART,
    About,
    is_quiet,
)
from perdure.activities.models.wires.openai_responses_item_list import Items, index_in
from perdure.activities.models.wires.openai_responses_items import (
    API,
    KINDS,
    Item,
    as_written,
    is_refused,
    plain,
    text_of,
)
from perdure.activities.models.wires.openai_stream_errors import failure_in
from perdure.workflows.vocabulary.ids import call_id
from perdure.workflows.vocabulary.parts import Part, ToolSpec, Usage

__all__ = ["API", "ArrivingAnswer"]


@dataclass(slots=True)
class ArrivingAnswer:
    """The state of an answer between two events. `take` returns what viewers are shown of an event."""

    step_id: str
    model: str
    tools: tuple[ToolSpec, ...]
    items: Items = field(default_factory=Items)
    #: Those that have content, in the order of the answer's parts.
    begun: list[Item] = field(default_factory=list)
    #: How many parts have begun.
    parts: int = 0
    refused: bool = False
    #: A complete call that its server calls incomplete.
    cut: bool = False
    #: `[DONE]` came.
    done: bool = False
    #: The server said that it has yet to make the answer.
    awaited: bool = False
    #: The status that the answer ended with. None: it has not ended.
    status: str | None = None
    #: As the terminal event gives it.
    response: dict[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    skipped: int = 0

    @property
    def ended(self) -> bool:
        return self.done or self.status is not None

    @property
    def _reasoned(self) -> bool:
        return any(item.type == "reasoning" for item in self.begun)

    def take(self, event: SseEvent) -> list[Delta]:
        if event.kind == "done":
            self.done = True
            return self._only_announced()
        if event.kind != "object":
            return self._skip()
        kind = event.value.get("type") or event.name
        return self._take(kind, event.value) if isinstance(kind, str) and kind else self._untyped(event.value)

    def _take(self, kind: str, event: dict[str, Any]) -> list[Delta]:
        if (about := FRAGMENTS.get(kind)) is not None:
            return self._fragment(about, event)
        if (about := COMPLETE.get(kind)) is not None:
            return self._complete(about, event)
        if kind in PARTS:
            return self._part(event, done=PARTS[kind])
        if kind in ITEMS:
            return self._item(event, done=ITEMS[kind])
        if kind in ERRORS:
            raise failure_in(event)
        if kind in ENDS:
            return self._end(event.get("response"), event, ENDS[kind])
        if not is_quiet(kind):
            return self._skip()
        self._count(event, event.get("response"))
        return []

    def whole(self) -> Answer:
        if not self.ended or (self.awaited and self.status is None and not self.begun):
            raise StreamTruncated
        parts: list[Part] = []
        calls = 0
        for item in different(self.begun):
            calls += item.type == "function_call"
            parts += item.as_parts(call_id(self.step_id, calls), reasoned=self._reasoned)
        word, complete = word_of(self.status, self.response, calls=bool(calls), cut=self.cut, refused=self.refused)
        end = ending(word, parts, self.tools, whole=complete)
        named = self.response.get("model")
        model = named if isinstance(named, str) and named else self.model
        return Answer(end.parts, model, self.usage, end.stop, end.word, skipped=self.skipped)

    def _skip(self) -> list[Delta]:
        self.skipped += 1
        return []

    def _untyped(self, event: dict[str, Any]) -> list[Delta]:
        """Some servers answer with the whole response in place of its events, or with an error."""
        if isinstance(event.get("output"), list) or event.get("object") == "response":
            if event.get("status") in UNFINISHED:
                self.awaited = True
                self._count(event)
                return []
            return self._end(event, event, "completed")
        if event.get("error") or event.get("detail"):
            raise failure_in(event)
        return self._skip()

    def _fragment(self, about: About, event: dict[str, Any]) -> list[Delta]:
        fragment = event.get(about.key)
        item = self.items.of(about.item, event, event.get("item_id"))
        if about.section == "arguments" and isinstance(fragment, dict):
            item.arguments = as_written(fragment)
            return []
        if isinstance(fragment, dict):
            fragment = fragment.get("text")
        if not isinstance(fragment, str):
            return self._skip()
        self.refused = self.refused or about.refusal
        return self._show(item, fragment, item.section_of(about, event))

    def _complete(self, about: About, event: dict[str, Any]) -> list[Delta]:
        value = event.get(about.key, event.get("text"))
        item = self.items.of(about.item, event, event.get("item_id"))
        if about.section == "arguments":
            item.arguments = as_written(value) or item.arguments
            item.name = item.name or name_in(event)
            value = item.arguments
        if not isinstance(value, str):
            return self._skip()
        self.refused = self.refused or about.refusal
        section = item.section_of(about, event)
        return self._show(item, item.rest(value, section), section)

    def _part(self, event: dict[str, Any], *, done: bool) -> list[Delta]:
        """A part of a message, which some servers give in no other event."""
        part = event.get("part")
        text = text_of({"type": "message", "content": [part]})
        if not text:
            return []
        ident = event.get("item_id")
        messages = [item for item in self.items.all if item.type == "message" and (not ident or item.id in ("", ident))]
        if any(item.has(text) for item in messages):
            return []
        self.refused = self.refused or is_refused({"content": [part]})
        item = self.items.of("message", event, ident)
        if not done:
            item.first = item.first if text_of(item.first) else {"type": "message", "content": [part]}
            return []
        section = item.section_of(WHOLE_PART, event)
        return self._show(item, item.rest(text, section), section)

    def _item(self, event: dict[str, Any], *, done: bool) -> list[Delta]:
        read = plain(event.get("item"))
        if read is None:
            return self._skip()
        kind = read["type"]
        if not done:
            item = self.items.of(kind, event, read.get("id"), announced=True)
            item.name, item.first = item.name or name_in(read), read
            return [self._call(item)] if kind == "function_call" and item.name and item.part is None else []
        item = self.items.of(kind, event, read.get("id"))
        if item.done:
            if same(item.done, read):
                return self._done(item, read) if says_more(read, item.done) else []
            item = self.items.new(kind, index_in(event), read.get("id"))
        return self._done(item, read)

    def _done(self, item: Item, read: dict[str, Any]) -> list[Delta]:
        item.done = read
        self.refused = self.refused or is_refused(read)
        if item.type == "function_call":
            self.cut = self.cut or is_cut(read)
            item.name = name_in(read) or item.name
            if not item.name:
                # A call of nothing cannot be made, and is refused when it goes back.
                return self._skip()
            if item.part is None:
                item.streamed.append(encodable(item.unseen()))
                return [self._call(item)]
        elif item.part is None and (item.type not in KINDS or read.get("encrypted_content")):
            self._begin(item, "reasoning")
        return self._unseen(item) if item.type in KINDS else []

    def _end(self, response: object, event: dict[str, Any], status: str) -> list[Delta]:
        self.response = response if isinstance(response, dict) else {}
        told = self.response.get("status")
        self.status = told if isinstance(told, str) and told and told not in UNFINISHED else status
        if self.status == "failed" and self.response.get("error"):
            raise failure_in(self.response)
        self._count(event, response)
        output = self.response.get("output")
        deltas = self._outstanding(output) if isinstance(output, list) else []
        return [*deltas, *self._only_announced(), *self._only_in_short()]

    def _outstanding(self, output: list[object]) -> list[Delta]:
        """What only the terminal event gives of the answer: some servers announce no items, or do not finish them."""
        deltas: list[Delta] = []
        complete = [plain(given) for given in output]
        self.skipped += complete.count(None)
        for item, read in self.items.matched([read for read in complete if read is not None]):
            self.cut = self.cut or is_cut(read)
            if not item.done or says_more(read, item.done):
                deltas += self._done(item, read)
        return deltas

    def _only_announced(self) -> list[Delta]:
        """Texts that came whole with the announcements of their items, and in no other way."""
        unseen = [item for item in self.items.all if item.part is None and not item.done and item.first]
        return [delta for item in unseen for delta in self._show(item, text_of(item.first), ("content", 0))]

    def _only_in_short(self) -> list[Delta]:
        """The text as SDKs put it together from the items, where no item has any."""
        text = self.response.get("output_text")
        if not isinstance(text, str) or any(item.type == "message" for item in self.begun):
            return []
        return self._show(self.items.new("message"), text, ("content", 0))

    def _count(self, *reports: object) -> None:
        """Takes the usage wherever it stands."""
        for report in reports:
            if isinstance(report, dict):
                for usage in (counts(report.get("usage")), timed(report.get("timings"))):
                    self.usage = self.usage if usage is None else merged(self.usage, usage)

    def _show(self, item: Item, text: str, section: tuple[str, int]) -> list[Delta]:
        if not text:
            return []
        shown = item.add(encodable(text), section)
        if item.type == "message":
            if item.part is None:
                item.tags.reasoned = self._reasoned
            return self._pieces(item, item.tags.take(shown))
        if item.type == "function_call" and item.part is None:
            # Viewers see a call once its name is known.
            return [self._call(item)] if item.name else []
        return [self._delta(item, KINDS[item.type], shown)]

    def _unseen(self, item: Item) -> list[Delta]:
        """What viewers have not seen of a complete item."""
        text = encodable(item.unseen())
        item.streamed.append(text)
        if item.type == "message":
            return self._pieces(item, [*item.tags.take(text), *item.tags.end()])
        return [self._delta(item, KINDS[item.type], text)] if text else []

    def _pieces(self, item: Item, pieces: list[Piece]) -> list[Delta]:
        return [self._delta(item, kind, text) for kind, text in pieces if kind != "turned"]

    def _call(self, item: Item) -> Delta:
        delta = self._delta(item, "tool_input", "".join(item.streamed))
        return Delta(delta.part, delta.kind, delta.text, item.name)

    def _delta(self, item: Item, kind: DeltaKind, text: str) -> Delta:
        if item.kind != kind:
            self._begin(item, kind)
        assert item.part is not None
        return Delta(item.part, kind, text)

    def _begin(self, item: Item, kind: DeltaKind) -> None:
        if item.part is None:
            self.begun.append(item)
        item.part, item.kind = self.parts, kind
        self.parts += 1
