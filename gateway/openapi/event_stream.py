"""How a route says that it answers with an event stream."""

from typing import Any, Final

#: The content of such an answer.
EVENT_STREAM: Final[dict[str, Any]] = {
    "text/event-stream": {"itemSchema": {"$ref": "#/components/schemas/StreamItem"}},
}
