"""Server-sent events of model servers, read from raw bytes. Total: no input raises.

It follows the HTML standard's rules for event streams and forgives what servers get wrong: lines that end in LF, CRLF or CR,
or begin with blanks, bytes that are not UTF-8, missing event names, blank data, a last event without its blank line, several
JSON texts in one event, and a whole JSON body, or one JSON text a line, in place of events. A body that is none of these,
such as a page of a proxy, is one damaged event.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

#: Bytes of one event, or of a JSON body. A longer one is read as `damaged`.
LARGEST: Final = 16 * 1024 * 1024
#: Characters of what is no JSON object that are kept, for error messages.
_TEXT: Final = 500
_DONE: Final = "[DONE]"
#: Comments, and fields that mean nothing here.
_FIELDS: Final = (b":", b"id:", b"retry:")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SseEvent:
    """A JSON object that a server sent, or what stands in the place of one."""

    #: `done`: the word `[DONE]`. `damaged`: what is neither this word nor JSON. `other`: JSON that is no object.
    kind: Literal["object", "done", "damaged", "other"]
    #: The event's name; "": none.
    name: str = ""
    value: dict[str, Any] = field(default_factory=dict)
    #: The beginning of what is `damaged`, or of `other` JSON.
    text: str = ""


class Decoder(Protocol):
    """`feed` takes the bytes as they come, `end` says that no more do. Both return the events that are complete by then."""

    def feed(self, chunk: bytes) -> list[SseEvent]: ...

    def end(self) -> list[SseEvent]: ...


class SseDecoder:
    def __init__(self) -> None:
        self._line = bytearray()
        self._name = b""
        self._data = bytearray()
        self._lines = 0
        self._after_cr = False
        #: The beginning of lines that are neither events nor JSON, as long as nothing else has come.
        self._strange = b""
        #: What kind of body it is; None: nothing but blank lines has come.
        self._form: Literal["events", "json"] | None = None

    def feed(self, chunk: bytes) -> list[SseEvent]:
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, newline, rest = chunk.partition(b"\n")
        if len(self._line) <= LARGEST:
            self._line += first
        if not newline:
            return []
        lines = rest.split(b"\n")
        first = bytes(self._line)
        self._line = bytearray(lines.pop())
        events: list[SseEvent] = []
        self._take(first, events)
        for line in lines:
            self._take(line, events)
        return events

    def end(self) -> list[SseEvent]:
        events: list[SseEvent] = []
        if self._line:
            self._take(bytes(self._line), events)
            self._line.clear()
        self._dispatch(events)
        if self._form is None and self._strange:
            events.append(SseEvent("damaged", text=self._strange.decode(errors="replace")[:_TEXT]))
        return events

    def _take(self, line: bytes, events: list[SseEvent]) -> None:
        if self._form is None:
            line = line.removeprefix(_BYTE_ORDER_MARK)
            if line.lstrip()[:1] in (b"{", b"["):
                self._form = "json"
        if self._form == "json":
            self._add(line)
            return
        if line[:1] in (b" ", b"\t") and line.lstrip().startswith((b"data:", b"event:")):
            line = line.lstrip()
        if line.startswith(b"data:"):
            self._form = "events"
            self._add(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b"event:"):
            self._form = "events"
            self._name = line[6:].strip()
        elif not line and (self._lines or self._name):
            self._dispatch(events)
        elif self._form is None and len(self._strange) < _TEXT and not line.isspace() and not line.startswith(_FIELDS):
            self._strange = b"\n".join(filter(None, (self._strange, line[: 4 * _TEXT])))

    def _add(self, data: bytes) -> None:
        if len(self._data) <= LARGEST:
            if self._lines:
                self._data += b"\n"
            self._data += data
        self._lines += 1

    def _dispatch(self, events: list[SseEvent]) -> None:
        name = self._name.decode(errors="replace")
        if len(self._data) > LARGEST:
            events.append(SseEvent("damaged", name))
        elif self._data and not self._data.isspace():
            events += read_event(name, self._data.decode(errors="replace"))
        self._name, self._lines = b"", 0
        self._data.clear()


async def events_of(chunks: AsyncIterable[bytes], decoder: Decoder) -> AsyncGenerator[SseEvent, None]:
    """The events of a response body."""
    async for chunk in chunks:
        for event in decoder.feed(chunk):
            yield event
    for event in decoder.end():
        yield event


def read_event(name: str, data: str) -> Iterator[SseEvent]:
    """The event with this data, or several where it holds several JSON texts."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        lines = [line.removeprefix("data:") for line in data.split("\n") if line and not line.isspace()]
        if len(lines) > 1:
            for line in lines:
                yield from read_event(name, line)
        else:
            done = data.strip()[: len(_DONE)].upper() == _DONE
            yield SseEvent("done", name) if done else SseEvent("damaged", name, text=data[:_TEXT])
        return
    if type(value) is dict:
        yield SseEvent("object", name, value)
    elif isinstance(value, list) and value and all(type(item) is dict for item in value):
        for item in value:
            yield SseEvent("object", name, item)
    else:
        yield (
            SseEvent("done", name)
            if isinstance(value, str) and value.strip().upper() == _DONE
            else SseEvent("other", name, text=data[:_TEXT])
        )
