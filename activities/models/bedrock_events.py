"""Events of Amazon Bedrock, which come in binary frames with checksums (`application/vnd.amazon.eventstream`). Total: no
input raises.

A frame holds an event of the model's own API as base64 in JSON, or an exception of Bedrock. A frame that is damaged ends the
stream, for nothing tells where the next one begins.
"""

import base64
import binascii
import json
import struct
from collections.abc import Iterator
from typing import Any, Final

from botocore.eventstream import EventStreamBuffer, EventStreamMessage, ParserError

from perdure.activities.models.sse_events import SseEvent, read_event

MEDIA_TYPE: Final = "application/vnd.amazon.eventstream"
#: Anthropic's names for Bedrock's exceptions.
_ERRORS: Final = {
    "internalserverexception": "api_error",
    "modelstreamerrorexception": "api_error",
    "modeltimeoutexception": "timeout_error",
    "serviceunavailableexception": "overloaded_error",
    "throttlingexception": "rate_limit_error",
    "validationexception": "invalid_request_error",
}


class BedrockDecoder:
    """A `Decoder`, see `sse_events`."""

    def __init__(self) -> None:
        self._buffer = EventStreamBuffer()
        self._damaged = False

    def feed(self, chunk: bytes) -> list[SseEvent]:
        if self._damaged:
            return []
        events: list[SseEvent] = []
        self._buffer.add_data(chunk)
        try:
            for message in self._buffer:
                events += _events(message)
        except (ParserError, struct.error, ValueError, KeyError) as error:
            self._damaged = True
            events.append(SseEvent("damaged", text=type(error).__name__))
        return events

    def end(self) -> list[SseEvent]:
        return []


def _events(message: EventStreamMessage) -> Iterator[SseEvent]:
    headers: dict[str, Any] = message.headers
    if headers.get(":message-type") in ("exception", "error"):
        name = str(headers.get(":exception-type") or headers.get(":error-code") or "")
        text = _message(message.payload) or str(headers.get(":error-message") or "")
        error = {"type": _ERRORS.get(name.lower(), name), "message": text}
        yield SseEvent("object", "error", {"type": "error", "error": error})
        return
    try:
        chunk = json.loads(message.payload)
        data = base64.b64decode(chunk["bytes"])
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        yield SseEvent("damaged")
        return
    yield from read_event("", data.decode(errors="replace"))


def _message(payload: bytes) -> str:
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError):
        return payload.decode(errors="replace")[:500]
    text = told.get("message", told.get("Message")) if isinstance(told, dict) else None
    return text if isinstance(text, str) else ""
