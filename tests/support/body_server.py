"""A model server on loopback that answers each request with the bytes that it was given for it, whatever they are."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

EVENTS: Final = "text/event-stream"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Body:
    data: bytes
    content_type: str = EVENTS
    #: The connection is closed within the body, after `data`, rather than the body ended.
    broken: bool = False
    #: Bytes that are sent at once.
    piece: int = 1 << 20
    status: int = 200


class BodyServer:
    """`give` queues the answers. `requests` holds the bodies of the requests so far, `paths` and `headers` the rest."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._bodies: deque[Body] = deque()

    def give(self, *bodies: Body | bytes) -> None:
        self._bodies.extend(body if isinstance(body, Body) else Body(body) for body in bodies)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request. Returns whether the connection can serve another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        self.paths.append(head[0].split(" ")[1])
        self.headers.append(headers)
        self.requests.append(await reader.readexactly(int(headers.get("content-length", "0"))))
        body = self._bodies.popleft()
        writer.write(
            f"HTTP/1.1 {body.status} -\r\ncontent-type: {body.content_type}\r\n"
            "transfer-encoding: chunked\r\n\r\n".encode()
        )
        for start in range(0, len(body.data), body.piece):
            piece = body.data[start : start + body.piece]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if not body.broken:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return not body.broken


@asynccontextmanager
async def body_server() -> AsyncIterator[BodyServer]:
    serving = BodyServer()
    connections: set[asyncio.Task[None]] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await serving.answer(reader, writer):
                    pass
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    serving.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield serving
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
