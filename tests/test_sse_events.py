import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.activities.models.sse_events import LARGEST, SseDecoder, SseEvent

A, B = SseEvent("object", "", {"a": 1}), SseEvent("object", "", {"b": 2})
DONE = SseEvent("done")


def decoded(body: bytes, size: int = 1 << 30) -> list[SseEvent]:
    decoder = SseDecoder()
    events = [event for start in range(0, len(body), size) for event in decoder.feed(body[start : start + size])]
    return events + decoder.end()


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b'event: x\ndata: {"a": 1}\n\n', [SseEvent("object", "x", {"a": 1})]),
        (b'data: {"a": 1}\n\ndata:{"b": 2}\n\n', [A, B]),
        (b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\r\n\r\n', [A, B]),
        (b'data: {"a": 1}\r\rdata: {"b": 2}\r\r', [A, B]),
        # Two lines of one event, and two events without the blank line between them.
        (b'data: {"a":\ndata: 1}\n\n', [A]),
        (b'data: {"a": 1}\ndata: {"b": 2}\ndata: [DONE]\n\n', [A, B, DONE]),
        # Blank data, blank lines, comments, fields that mean nothing here, and a byte order mark.
        (b'\xef\xbb\xbf: hi\n\nid: 1\nretry: 2\n\ndata:\n\ndata: \n\n\n\ndata: {"a": 1}\n\nevent: x\n\n', [A]),
        (b'data: {"a": 1}', [A]),
        (b"data: [DONE]", [DONE]),
        (b'data: "[DONE]"\n\n', [DONE]),
        # In small letters, and with blanks before the names of fields.
        (b"data: [done]\n\n", [DONE]),
        (b'data: "[Done]"\n\n', [DONE]),
        (b'  data: {"a": 1}\n\n\tdata: [DONE]\n\n', [A, DONE]),
        (b' event: x\n data: {"a": 1}\n\n', [SseEvent("object", "x", {"a": 1})]),
        (b'data: {"a": \n\ndata: {"b": 2}\n\n', [SseEvent("damaged", text='{"a": '), B]),
        (b"data: 7\n\ndata: [1]\n\n", [SseEvent("other", text="7"), SseEvent("other", text="[1]")]),
        (b"event: error\ndata: too busy\n\n", [SseEvent("damaged", "error", text="too busy")]),
        (b'data: {"a": "\xff"}\n\n', [SseEvent("object", "", {"a": "\ufffd"})]),
        (b'data: {"a": "\\ud83d"}\n\n', [SseEvent("object", "", {"a": "\ud83d"})]),
        (b"data: " + b"[" * 100_000 + b"\n\n", [SseEvent("damaged", text="[" * 500)]),
        (b"data: " + b"9" * 10_000 + b"\n\n", [SseEvent("damaged", text="9" * 500)]),
        # JSON in place of events: a whole body, over several lines, one text a line, or a list.
        (b'{"a": 1}', [A]),
        (b'\n{\n  "a": 1\n}\n', [A]),
        (b'{"a": 1}\n{"b": 2}\n', [A, B]),
        (b'[{"a": 1},\n\n{"b": 2}]', [A, B]),
        (b'{"a": 1', [SseEvent("damaged", text='{"a": 1')]),
        (b"", []),
        # Neither: a page of a proxy, and a mere text.
        (b"<html>\n<b>no</b>\n\n</html>", [SseEvent("damaged", text="<html>\n<b>no</b>\n</html>")]),
        (b": hi\n\nbad gateway", [SseEvent("damaged", text="bad gateway")]),
        (b'one moment\ndata: {"a": 1}\n\n', [A]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1 << 30])
def test_what_servers_send(body: bytes, events: list[SseEvent], size: int) -> None:
    assert decoded(body, size) == events


_PIECES = [
    b"data:",
    b"data: ",
    b"event: x",
    b"\n",
    b"\n\n",
    b"\r",
    b"\r\n",
    b'{"a": 1}',
    b"[DONE]",
    b"{",
    b"\xff",
    b":",
]
_BODIES = st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(_PIECES), max_size=20).map(b"".join))


@given(_BODIES, st.integers(1, 9))
@settings(deadline=None, max_examples=300)
def test_any_bytes_in_any_pieces_give_the_same_events(body: bytes, size: int) -> None:
    assert decoded(body, size) == decoded(body)


def test_memory_is_bounded() -> None:
    decoder = SseDecoder()
    piece = b"x" * 2**20
    tracemalloc.start()
    try:
        decoder.feed(b"data: ")
        for _ in range(8 * LARGEST // len(piece)):
            assert decoder.feed(piece) == []
        for _ in range(8 * LARGEST // len(piece)):
            assert decoder.feed(b"\ndata: " + piece) == []
        assert tracemalloc.get_traced_memory()[1] < 4 * LARGEST
    finally:
        tracemalloc.stop()
    assert decoder.feed(b"\n\n") == [SseEvent("damaged")]
    following: dict[str, Any] = {"a": 1}
    assert decoder.feed(f"data: {json.dumps(following)}\n\n".encode()) == [A]
