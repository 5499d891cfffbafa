"""Which output item of an OpenAI Responses stream an event is about.

Rule 1: an item is known by its id, else by its index, else as the one of its type that is open, else by its call's id.
Servers leave out either, change an item's id in each event, or give every item the same index.
Rule 2: two complete calls are one only if they say the same. Taken for another, a call would be lost; taken for a second one,
it would run twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from perdure.activities.models.wires.openai_responses_calls import (
    agree,
    call_id_in,
    name_in,
    same,
    without_repeats,
)
from perdure.activities.models.wires.openai_responses_items import Item, text_of


@dataclass(slots=True)
class Items:
    """In the order in which they came."""

    all: list[Item] = field(default_factory=list)

    def of(self, kind: str, event: dict[str, Any], own_id: object, *, announced: bool = False) -> Item:
        """The item of this type that `event` is about, or a new one. `announced`: the event begins it."""
        index = index_in(event)
        ident = own_id if isinstance(own_id, str) else ""
        place: Item | None = None
        loose: Item | None = None
        for item in reversed(self.all):
            if item.type != kind:
                continue
            if ident and item.id == ident and not (announced and item.done):
                return item
            if item.done:
                continue
            if place is None and index is not None and item.index == index:
                place = item
            if loose is None and not (item.id and ident) and (item.index is None or index is None):
                loose = item
        if place is not None and not (announced and place.id and ident):
            return place
        if loose is not None and not announced:
            loose.id, loose.index = loose.id or ident, loose.index if loose.index is not None else index
            return loose
        called = None if announced else self._by_call(kind, event)
        return called or self.new(kind, index, ident)

    def new(self, kind: str, index: int | None = None, own_id: object = "") -> Item:
        item = Item(kind, index, own_id if isinstance(own_id, str) else "")
        self.all.append(item)
        return item

    def _by_call(self, kind: str, event: dict[str, Any]) -> Item | None:
        """The open call that `event` is about although its item has another id there."""
        if kind != "function_call":
            return None
        read = event.get("item")
        about = read if isinstance(read, dict) else event
        call_id, written = call_id_in(about), text_of(about)
        # A call that nothing announced has no id of its own yet.
        open_ = [item for item in self.all if item.type == kind and not item.done]
        alike = [item for item in open_ if call_id == call_id_in(item.first)] if call_id else []
        if not alike and about is read:
            alike = [item for item in open_ if not item.first]
        return alike[0] if len(alike) == 1 and agree(alike[0].written, written, known=True) else None

    def matched(self, output: list[dict[str, Any]]) -> Iterator[tuple[Item, dict[str, Any]]]:
        """Each item of the list that ends the answer, with what has come of it."""
        left = list(self.all)
        for at, read in without_repeats(output):
            item = _match(left, read, at)
            if item is None:
                item = self.new(read["type"])
            else:
                left.remove(item)
            yield item, read


def index_in(event: dict[str, Any]) -> int | None:
    index = event.get("output_index")
    return index if isinstance(index, int) and not isinstance(index, bool) else None


def _match(items: list[Item], read: dict[str, Any], at: int) -> Item | None:
    """The item that the list which ends the answer has at place `at`."""
    alike = [item for item in items if item.type == read["type"]]
    known = [item for item in alike if item.id and item.id == read.get("id")]
    if read["type"] != "function_call":
        return next(iter(known), None) or _placed(alike, at)
    for item in (*known, *alike):
        if item.done and same(item.done, read):
            return item
    open_ = [item for item in alike if not item.done and item.name in ("", name_in(read))]
    called = [item for item in open_ if call_id_in(read) and call_id_in(item.first) == call_id_in(read)]
    return next((item for item in known if not item.done), None) or _placed(called or open_, at)


def _placed(items: list[Item], at: int) -> Item | None:
    return next((item for item in items if item.index == at), next(iter(items), None))
