"""The encoder against the format (WHATWG HTML, section 9.2), and the response that carries it. Time is virtual."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message as Asgi
from starlette.types import Receive, Send

from perdure.gateway.http.sse import (
    KEEPALIVE,
    OPENING,
    EventStreamResponse,
    StreamCut,
    encode,
)
from perdure.gateway.live.items import turn_of
from perdure.gateway.projections.native import shown
from perdure.temporal.live.frames import LivePart, StepDelta, StepProgress
from tests.support.virtual_time import run


def parsed(stream: bytes) -> list[dict[str, str]]:
    """The events of a stream according to the standard's own algorithm."""
    events: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    text = stream.decode().removeprefix("\ufeff")
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line == "":
            if "data" in fields:
                events.append(fields)
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields['data']}\n{value}" if name == "data" and "data" in fields else value
    return events


def test_a_frame_to_the_byte() -> None:
    assert encode("turn.started", {"seq": 7, "a": "é"}, 7) == (
        b'id: 7\nevent: turn.started\ndata: {"seq":7,"a":"\xc3\xa9"}\n\n'
    )
    assert encode("step.delta", {}) == b"event: step.delta\ndata: {}\n\n"


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "a\r\nb\rc",
        "\n\nevent: session.closed\ndata: {}\n\n",
        "nul \0 esc \x1b del \x7f",
        "line\u2028paragraph\u2029next\x85",
        "\ufeffbom \ufffe\uffff",
        "é 🙂 \U0010ffff e" + "\u0301" * 100,
        'quote " backslash \\ \\u0000 \\n',
        "</script>: data: id: retry: 1",
    ],
)
def test_hostile_text_stays_inside_its_frame(text: str) -> None:
    frames = b"".join([OPENING, encode("x", {"text": text, text: 1}, 3), KEEPALIVE, encode("y", {})])
    first, second = parsed(frames)
    assert (first["id"], first["event"], json.loads(first["data"])) == ("3", "x", {"text": text, text: 1})
    assert second == {"event": "y", "data": "{}"}


@given(
    st.recursive(
        st.none() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
        lambda deeper: st.lists(deeper, max_size=4),
    )
)
def test_any_value_is_one_frame_of_three_lines(value: Any) -> None:
    frame = encode("x", {"value": value}, 3)
    # Readers that split lines as Python does must not find more of them either.
    assert len(frame.decode().splitlines()) == 4
    assert json.loads(parsed(frame)[0]["data"]) == {"value": value}


@pytest.mark.parametrize("text", ["\ud83d", "a\udc00b", "\udc00\ud83d"])
def test_a_lone_surrogate_is_replaced(text: str) -> None:
    for frame in (
        encode("x", {"text": text, "n": 1}, 3),
        encode(*shown(StepDelta("t1.s1", 1, 0, 0, "text", text))),
        encode(*shown(StepProgress("t1.s1", 1, 1, [LivePart("text", text)]))),
    ):
        (event,) = parsed(frame)
        assert text.encode(errors="replace").decode() in str(orjson.loads(event["data"]))


def test_a_long_integer_is_kept_whole() -> None:
    (event,) = parsed(encode("x", {"args": {"n": 2**70}, "text": "é\u2028"}))
    assert json.loads(event["data"]) == {"args": {"n": 2**70}, "text": "é\u2028"}


def test_live_frames_are_what_the_contract_says_and_have_no_id() -> None:
    delta = StepDelta("t2.s1", 2, 5, 1, "tool_input", '{"a', "add")
    (event,) = parsed(encode(*shown(delta)))
    assert ("id" in event, turn_of(delta), event["event"]) == (False, "t2", "step.delta")
    assert orjson.loads(event["data"]) == {
        "step_id": "t2.s1",
        "attempt": 2,
        "n": 5,
        "part": 1,
        "kind": "tool_input",
        "delta": '{"a',
        "name": "add",
    }
    assert "name" not in shown(StepDelta("t2.s1", 2, 5, 0, "text", "x"))[1]

    parts = [LivePart("reasoning", "hm"), LivePart("text", "yes"), LivePart("tool_input", '{"a', "add")]
    progress = StepProgress("t2.s1", 2, 6, parts)
    (event,) = parsed(encode(*shown(progress)))
    assert ("id" in event, turn_of(progress), event["event"]) == (False, "t2", "step.snapshot")
    assert orjson.loads(event["data"]) == {
        "step_id": "t2.s1",
        "attempt": 2,
        "n": 6,
        "parts": [
            {"type": "reasoning", "text": "hm"},
            {"type": "text", "text": "yes"},
            {"type": "tool_input", "text": '{"a', "name": "add"},
        ],
    }


class Client:
    """A server's view of a client: what it was sent, and when it disconnects."""

    def __init__(self) -> None:
        self.sent: list[Asgi] = []
        self.gone = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()

    async def send(self, message: Asgi) -> None:
        await self.reads.wait()
        self.sent.append(message)

    async def receive(self) -> Asgi:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    @property
    def body(self) -> list[bytes]:
        return [message["body"] for message in self.sent[1:]]

    @property
    def ended(self) -> bool:
        return not self.sent[-1].get("more_body", True)


def served(
    frames: Callable[[], AsyncIterator[bytes]], during: Callable[[Client], Coroutine[Any, Any, None]] | None = None
) -> Client:
    """The client of a response that was served to its end, while `during` ran."""

    async def serve() -> Client:
        client = Client()
        response = EventStreamResponse(frames(), keepalive_s=15)
        other = asyncio.create_task(during(client)) if during else None
        send: Send = client.send
        receive: Receive = client.receive
        async with asyncio.timeout(1000):
            await response({"type": "http"}, receive, send)
        if other is not None:
            await other
        return client

    return run(serve())


async def two() -> AsyncGenerator[bytes]:
    yield b"one\n\n"
    yield b"two\n\n"


def test_an_exhausted_source_ends_the_body() -> None:
    client = served(two)
    assert client.body == [OPENING, b"one\n\n", b"two\n\n", b""]
    assert client.ended


def test_the_head() -> None:
    (head, *_) = served(two).sent
    assert head["status"] == 200
    assert dict(head["headers"]) == {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-cache, no-transform",
        b"x-accel-buffering": b"no",
    }
    assert OPENING.startswith(b":")
    assert parsed(OPENING + b"data: x\n\n") == [{"data": "x"}]
    assert b"\nretry: 2000\n" in OPENING


def test_the_opening_does_not_wait_for_the_source() -> None:
    async def silent() -> AsyncGenerator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async def leaves(client: Client) -> None:
        await asyncio.sleep(1)
        assert client.body == [OPENING]
        client.gone.set()

    served(silent, leaves)


@pytest.mark.parametrize("error", [StreamCut(), ValueError("broken")], ids=lambda error: type(error).__name__)
def test_a_source_that_fails_leaves_the_body_open(error: Exception) -> None:
    async def fails() -> AsyncGenerator[bytes]:
        yield b"one\n\n"
        raise error

    client = served(fails)
    assert client.body == [OPENING, b"one\n\n"]
    assert not client.ended


def test_a_comment_comes_when_nothing_else_did_for_a_while() -> None:
    async def slow() -> AsyncGenerator[bytes]:
        for pause in (10, 10, 40):
            await asyncio.sleep(pause)
            yield b"x\n\n"

    assert served(slow).body == [OPENING, b"x\n\n", b"x\n\n", KEEPALIVE, KEEPALIVE, b"x\n\n", b""]


def test_a_client_that_goes_stops_the_source_at_once() -> None:
    ended: list[float] = []

    async def endless() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"x\n\n"
                await asyncio.sleep(1)
        finally:
            # The source may take a moment to release its resources.
            await asyncio.sleep(0)
            ended.append(asyncio.get_running_loop().time())

    async def leaves(client: Client) -> None:
        await asyncio.sleep(2.5)
        client.gone.set()

    client = served(endless, leaves)
    assert client.body == [OPENING, b"x\n\n", b"x\n\n", b"x\n\n"]
    assert not client.ended
    assert ended == [1002.5]


def test_a_client_that_reads_no_more_is_cut() -> None:
    ended: list[float] = []

    async def endless() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"x\n\n"
                await asyncio.sleep(1)
        finally:
            ended.append(asyncio.get_running_loop().time())

    async def stalls(client: Client) -> None:
        await asyncio.sleep(0.5)
        client.reads.clear()

    client = served(endless, stalls)
    assert client.body == [OPENING, b"x\n\n"]
    assert not client.ended
    assert ended == [1031]


def test_a_server_that_stops_ends_the_source_and_leaves_the_body_open() -> None:
    ended: list[str] = []

    async def endless() -> AsyncGenerator[bytes]:
        try:
            await asyncio.Event().wait()
            yield b""
        finally:
            ended.append("source")

    async def play() -> Client:
        client = Client()
        serving = asyncio.create_task(EventStreamResponse(endless())({"type": "http"}, client.receive, client.send))
        await asyncio.sleep(1)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        return client

    client = run(play())
    assert (client.ended, ended) == (False, ["source"])
