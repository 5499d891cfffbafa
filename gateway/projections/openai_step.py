"""What a model says in one attempt at a step, as stream events of OpenAI's Responses API: reasoning and text. Pure.

Rule 1: the events are those of the whole answer, in the same order, however much of it has come: `grow` gives what is
certain so far, `close` the rest.
Rule 2: a text that is sent is never taken back. Where an answer turns out to be another one than has streamed, no fragments
of it follow, and the events that end its items hold the whole of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from perdure.gateway.projections.openai_pieces import pieces
from perdure.temporal.live.frames import StepProgress
from perdure.workflows.vocabulary.parts import Part, Reasoning, Text

StreamEvent = dict[str, Any]
Kind = Literal["text", "reasoning"]
#: A part of an answer: what it is, and what it says.
Said = tuple[Kind, str]
ItemStatus = Literal["in_progress", "completed", "incomplete"]

_SUMMARY: Final = "response.reasoning_summary"


def said_by(parts: Sequence[Part]) -> list[Said]:
    """What of an answer is text or reasoning, and not empty."""
    found: list[Said] = []
    for part in parts:
        match part:
            case Text() if part.text:
                found.append(("text", part.text))
            case Reasoning() if part.text:
                found.append(("reasoning", part.text))
            case _:
                pass
    return found


def said_so_far(progress: StepProgress) -> list[Said]:
    return [(part.kind, part.text) for part in progress.parts if part.kind != "tool_input" and part.text]


def said_item(kind: Kind, item_id: str, text: str, status: ItemStatus) -> dict[str, Any]:
    """An output item; empty while it is in progress."""
    if kind == "text":
        content = [] if status == "in_progress" else [output_text(text)]
        return {"type": "message", "id": item_id, "role": "assistant", "status": status, "content": content}
    summary = [] if status == "in_progress" else [_summary(text)]
    return {"type": "reasoning", "id": item_id, "status": status, "summary": summary}


def output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


@dataclass(slots=True)
class _Item:
    kind: Kind
    item_id: str
    index: int
    #: What of its text was sent in pieces; all of it once the item is done.
    sent: str = ""
    done: bool = False


class StepItems:
    def __init__(self, name: str, index: int) -> None:
        """`name` is unique to the attempt; `index` is the output index of its first item."""
        self._name = name
        self._index = index
        self._items: list[_Item] = []
        #: Whether the answer is what has streamed of it.
        self.true = True

    @property
    def begun(self) -> int:
        """How many items it has begun."""
        return len(self._items)

    def grow(self, said: Sequence[Said]) -> Iterator[StreamEvent]:
        """The events that are certain once so much was said; the last part may go on."""
        for place, one in enumerate(said):
            yield from self._say(place, one, whole=place < len(said) - 1)

    def close(self, said: Sequence[Said], status: ItemStatus = "completed") -> Iterator[StreamEvent]:
        """The events that are left once this is the whole answer; `status` is that of its last item."""
        for place, one in enumerate(said):
            yield from self._say(place, one, whole=True, status=_status(said, place, status))
        yield from self._end(len(said))

    def abandon(self) -> Iterator[StreamEvent]:
        """Ends what is open of an attempt that was lost: another one begins."""
        yield from self._end(0)

    def items(self, said: Sequence[Said], status: ItemStatus) -> list[dict[str, Any]]:
        """The output items of the whole answer."""
        return [
            said_item(kind, self._id(kind, place), text, _status(said, place, status))
            for place, (kind, text) in enumerate(said)
        ]

    def _end(self, first: int) -> Iterator[StreamEvent]:
        for item in self._items[first:]:
            if not item.done:
                self.true = False
                yield from _ends(item, item.sent, "incomplete")

    def _say(self, place: int, said: Said, *, whole: bool, status: ItemStatus = "completed") -> Iterator[StreamEvent]:
        kind, text = said
        if place == len(self._items):
            item = _Item(kind, self._id(kind, place), self._index + place)
            self._items.append(item)
            yield from _begins(item)
        item = self._items[place]
        if item.done:
            self.true = self.true and (item.kind, item.sent) == (kind, text)
            return
        if item.kind != kind or not text.startswith(item.sent):
            # An answer that began in another way.
            self.true = False
            if whole:
                yield from _ends(item, text if item.kind == kind else item.sent, status)
            return
        for piece in pieces(text, len(item.sent), whole=whole):
            item.sent += piece
            yield _delta(item, piece)
        if whole:
            yield from _ends(item, text, status)

    def _id(self, kind: Kind, place: int) -> str:
        return f"{'msg' if kind == 'text' else 'rs'}_{self._name}_{place}"


def _status(said: Sequence[Said], place: int, last: ItemStatus) -> ItemStatus:
    return last if place == len(said) - 1 else "completed"


def _begins(item: _Item) -> Iterator[StreamEvent]:
    added = said_item(item.kind, item.item_id, "", "in_progress")
    yield {"type": "response.output_item.added", "output_index": item.index, "item": added}
    if item.kind == "text":
        yield _of(item, "response.content_part.added", content_index=0, part=output_text(""))
    else:
        yield _of(item, f"{_SUMMARY}_part.added", summary_index=0, part=_summary(""))


def _delta(item: _Item, piece: str) -> StreamEvent:
    if item.kind == "text":
        return _of(item, "response.output_text.delta", content_index=0, delta=piece, logprobs=[])
    return _of(item, f"{_SUMMARY}_text.delta", summary_index=0, delta=piece)


def _ends(item: _Item, text: str, status: ItemStatus) -> Iterator[StreamEvent]:
    item.done, item.sent = True, text
    if item.kind == "text":
        yield _of(item, "response.output_text.done", content_index=0, text=text, logprobs=[])
        yield _of(item, "response.content_part.done", content_index=0, part=output_text(text))
    else:
        yield _of(item, f"{_SUMMARY}_text.done", summary_index=0, text=text)
        yield _of(item, f"{_SUMMARY}_part.done", summary_index=0, part=_summary(text))
    done = said_item(item.kind, item.item_id, text, status)
    yield {"type": "response.output_item.done", "output_index": item.index, "item": done}


def _of(item: _Item, kind: str, **fields: Any) -> StreamEvent:
    return {"type": kind, "item_id": item.item_id, "output_index": item.index, **fields}
