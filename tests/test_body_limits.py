"""Bodies and headers that are too large or too slow, on plain sockets: whoever sends them can read why they are refused."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from gateway.body_limit import ANSWER, SMALL, BodyLimit
from gateway.connections import bounded
from gateway.problems import Problem

LIMIT = 3_000_000
MESSAGES = "/v1/sessions/s1/messages"


@dataclass
class Server:
    port: int

    async def talk(self, *pieces: bytes) -> bytes:
        """Sends the pieces without reading, then reads to the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(30):
            answer = await reader.read()
        writer.close()
        return answer


async def reads_all(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        length = len(await Request(scope, receive).body())
        await JSONResponse({"length": length})(scope, receive, send)
    except Problem as problem:
        await problem.response()(scope, receive, send)


@asynccontextmanager
async def serving(grace_s: float = 20, headers_s: float = 15, most: int = 100) -> AsyncIterator[Server]:
    app = BodyLimit(reads_all, LIMIT, grace_s)
    config = uvicorn.Config(
        app, port=0, log_config=None, ws="none", lifespan="off", http=bounded(most, headers_s), timeout_keep_alive=30
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
        yield Server(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await running


def request(path: str, *headers: str, method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def told(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert b"connection: close" in lines
    return int(lines[0].split()[1]), json.loads(body)["code"]


async def test_whoever_sends_all_of_a_large_body_first_reads_the_answer() -> None:
    size = 40_000_000
    async with serving() as server:
        answer = await server.talk(request(MESSAGES, f"Content-Length: {size}"), *[b"x" * 1_000_000] * 40)

    assert told(answer) == (413, "body_too_large")


async def test_so_does_whoever_sends_it_in_chunks() -> None:
    chunk = b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n"
    async with serving() as server:
        answer = await server.talk(request(MESSAGES, "Transfer-Encoding: chunked"), *[chunk] * 20, b"0\r\n\r\n")

    assert told(answer) == (413, "body_too_large")


async def test_clients_of_the_standard_library_and_of_httpx_read_it() -> None:
    body = b"x" * 20_000_000

    def plain(port: int) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", MESSAGES, body=body)
        return connection.getresponse().status

    async with serving() as server:
        assert await asyncio.to_thread(plain, server.port) == 413
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
            assert (await client.post(MESSAGES, content=body)).status_code == 413


async def test_whoever_asks_first_is_told_before_it_sends() -> None:
    async with serving() as server:
        answer = await server.talk(request(MESSAGES, f"Content-Length: {10**12}", "Expect: 100-continue"))

    assert told(answer) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/v1/sessions", LIMIT),
        (MESSAGES, LIMIT),
        ("/v1/sessions/s1/messages/m1", LIMIT),
        ("/v1/sessions/s1/fork", LIMIT),
        ("/v1/files", LIMIT),
        ("/v1/sessions/s1/answers", ANSWER),
        ("/v1/sessions/s1/stop", SMALL),
        ("/v1/sessions/s1", SMALL),
        ("/v1/sessions/s1/limits", SMALL),
        ("/v1/messages", SMALL),
    ],
)
async def test_how_large_a_body_may_be_depends_on_the_route(path: str, limit: int) -> None:
    async with (
        serving() as server,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):
        assert (await client.post(path, content=b"x" * limit)).json() == {"length": limit}
        assert (await client.post(path, content=b"x" * (limit + 1))).status_code == 413


async def test_a_body_that_trickles_is_refused() -> None:
    async with serving(grace_s=0.3) as server:
        answer = await server.talk(request(MESSAGES, "Content-Length: 100"), b"x")

    assert told(answer) == (408, "request_timeout")


async def test_headers_that_never_end_are_refused_on_a_fresh_connection_and_on_a_used_one() -> None:
    whole = request(MESSAGES, "Content-Length: 2") + b"{}"
    async with serving(headers_s=0.3) as server:
        fresh = await server.talk(b"POST / HTTP/1.1\r\nHost: local")
        silent = await server.talk()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(whole)
        first = await reader.readuntil(b'{"length":2}')
        writer.write(b"POST / HTTP/1.1\r\nHost: local")
        async with asyncio.timeout(20):
            used = await reader.read()
        writer.close()

    assert first.startswith(b"HTTP/1.1 200")
    assert [told(fresh), told(silent), told(used)] == [(408, "request_timeout")] * 3


async def test_a_slow_answer_is_no_slow_request() -> None:
    """The deadlines are over once the request is there."""
    gate = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await gate.wait()
        await JSONResponse({"length": 0})(scope, receive, send)

    config = uvicorn.Config(
        BodyLimit(slow, LIMIT, 0.1), port=0, log_config=None, ws="none", lifespan="off", http=bounded(10, 0.1)
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.5, gate.set)
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    ) as client:
        assert (await client.post(MESSAGES, content=b"{}")).status_code == 200
    server.should_exit = True
    await running


async def test_one_connection_too_many_is_told_so_and_room_is_made_by_those_that_end() -> None:
    async with serving(most=2) as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
        beyond = await server.talk()
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        whole = request(MESSAGES, "Content-Length: 2", "Connection: close") + b"{}"
        async with asyncio.timeout(10):
            # The server sees a moment later that they have gone.
            while not (await server.talk(whole)).startswith(b"HTTP/1.1 200"):
                pass

    assert told(beyond) == (503, "overloaded")
