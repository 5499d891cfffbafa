"""How a stream that is cut ends over a real connection: in an error for its reader, and without one in the log."""

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from perdure.gateway.http.answer_headers import AnswerHeaders
from perdure.gateway.http.connections import Bounds, protocol
from perdure.gateway.http.draining import Draining
from perdure.gateway.http.sse import EventStreamResponse, StreamCut, StreamMoved
from tests.support.serving import serve

BOUNDS = Bounds(head_s=30, body_s=30, body_rate=1024, connections=10)


async def frames(path: str) -> AsyncIterator[bytes]:
    yield b"data: said\n\n"
    match path:
        case "/moved":
            raise StreamMoved
        case "/cut":
            raise StreamCut


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await EventStreamResponse(frames(scope["path"]))(scope, receive, send)


async def test_a_gateway_that_drains_closes_connections_but_no_stream_says_so() -> None:
    """Node's `fetch` would take a stream that says so for a whole one, wherever it is cut."""
    draining = Draining()
    draining.begin()

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope["path"] == "/cut" else PlainTextResponse("whole"))(scope, receive, send)

    async with (
        serve(AnswerHeaders(both, draining), http=protocol(BOUNDS)) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http,
    ):
        assert (await http.get("/whole")).headers["connection"] == "close"
        async with http.stream("GET", "/cut") as answer:
            assert (answer.headers["content-type"], "connection" in answer.headers) == (
                "text/event-stream; charset=utf-8",
                False,
            )
            with pytest.raises(httpx2.RemoteProtocolError):
                await answer.aread()


@pytest.mark.parametrize(("path", "whole"), [("/moved", False), ("/cut", False), ("/ended", True)])
async def test_a_stream_that_is_cut_is_no_error_of_the_server(
    path: str, whole: bool, caplog: pytest.LogCaptureFixture
) -> None:
    read = []
    async with (
        serve(app, http=protocol(BOUNDS)) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http,
        http.stream("GET", path) as answer,
    ):
        try:
            async for line in answer.aiter_lines():
                read.append(line)
        except httpx2.RemoteProtocolError:
            assert not whole
        else:
            assert whole
    assert "data: said" in read
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("path", ["/moved", "/cut", "/ended"])
async def test_who_is_sent_no_chunks_can_tell_a_cut_from_the_end_too(path: str) -> None:
    """A proxy that speaks HTTP/1.0, as nginx does unless it is told otherwise."""
    async with serve(app, http=protocol(BOUNDS)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n" % path.encode())
        if path == "/ended":
            answer = await reader.read()
            assert b"transfer-encoding" not in answer.lower()
            assert answer.endswith(b"data: said\n\n")
        else:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        writer.close()
