"""Items of streams to viewers, decoded as a client decodes them."""

from typing import Any

import orjson

from perdure.gateway.http.sse import encode
from perdure.gateway.live.items import Frame, Item
from perdure.gateway.projections.native import shown
from perdure.workflows.vocabulary.events import Event


def written(item: Item) -> tuple[str, dict[str, Any]]:
    """Type and JSON of an item's frame."""
    frame = encode(*shown(item.value), item.seq).decode()
    fields = dict(line.split(": ", 1) for line in frame.strip().split("\n"))
    return fields["event"], orjson.loads(fields["data"])


def read(value: Event | Frame) -> dict[str, Any]:
    """The JSON of an event or a live frame."""
    return written(Item(value))[1]
