"""A fake model provider: Anthropic Messages, Chat Completions and OpenAI Responses on loopback, scripted, with real
faults.

It serves tests and `perdure bench`. It uses only the standard library, so that benchmarks measure Perdure alone. Each
request takes the next scripted reply, or else the default. Every request is recorded with the time of each token, and
with the moment at which the client closed the connection mid-stream.

In another process: `python -m perdure.temporal.app.fakes.provider [--port N]` prints its URL; then `POST /_script`
with a list of replies (the fields of `Reply`), `POST /_default` with one, `GET /_calls`, `DELETE /_calls`.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from perdure.temporal.app.fakes.replies import Api, Frame, Reply, anthropic_stream, chat_stream, error_body, error_event
from perdure.temporal.app.fakes.responses import failure_event, responses_stream
from perdure.temporal.app.fakes.rules import anthropic_complaint, chat_complaint, responses_complaint

_ROUTES: Final[dict[str, Api]] = {"messages": "anthropic", "completions": "chat", "responses": "responses"}
_COMPLAINTS: Final = {"anthropic": anthropic_complaint, "chat": chat_complaint, "responses": responses_complaint}
_STREAMS: Final = {"anthropic": anthropic_stream, "chat": chat_stream, "responses": responses_stream}


@dataclass(slots=True)
class Call:
    """One request and its outcome. Times are `time.time()`."""

    api: Api
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float
    #: Each token with the time at which it was written.
    tokens: list[tuple[str, float]] = field(default_factory=list)
    #: When the client disconnected mid-stream.
    closed_at: float | None = None
    #: The answer was written completely.
    whole: bool = False


class FakeProvider:
    def __init__(self, port: int = 0) -> None:
        """Listens on 127.0.0.1; port 0 picks a free port."""
        self.calls: list[Call] = []
        self._port = port
        self._script: deque[Reply] = deque()
        self._default: Callable[[Call], Reply] = lambda call: Reply()
        self._changed = asyncio.Condition()
        #: Number of connections opened so far.
        self.connections = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self._port, limit=64 * 2**20)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def url(self) -> str:
        """Base URL for an Anthropic client."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def chat_url(self) -> str:
        """Base URL for an OpenAI client, for both of OpenAI's APIs."""
        return f"{self.url}/v1"

    def script(self, *replies: Reply) -> None:
        """Queues `replies` for the next requests, in this order."""
        self._script.extend(replies)

    def default(self, reply: Reply | Callable[[Call], Reply]) -> None:
        """Sets the reply to requests without a scripted one."""
        self._default = reply if callable(reply) else lambda call: reply

    def reset(self) -> None:
        """Clears scripted replies and recorded calls."""
        self.calls.clear()
        self._script.clear()
        self._default = lambda call: Reply()

    async def until(self, condition: Callable[[list[Call]], bool]) -> None:
        """Waits until `condition` is true of the calls; it is checked whenever one of them changes."""
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self.calls))

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.connections += 1
        try:
            while await self._request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The client disconnected between requests, or the server stops. A cancelled handler would be logged as an
            # error.
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serves one request; returns False if the connection cannot serve another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        body: Any = json.loads(raw) if raw else {}
        if path.startswith("/_"):
            return await self._control(writer, method, path, body)
        api = _ROUTES.get(path.rpartition("/")[2])
        if api is None or method != "POST":
            return await _respond(writer, 404, error_body("chat", 404, "", f"no route {method} {path}"))
        call = Call(api, path, headers, body, time.time())
        self.calls.append(call)
        await self._notify()
        complaint = _COMPLAINTS[api](body)
        if complaint:
            return await _respond(writer, 400, error_body(api, 400, "", complaint))
        reply = self._script.popleft() if self._script else self._default(call)
        if reply.status != 200:
            failure = error_body(api, reply.status, reply.error, reply.message)
            return await _respond(writer, reply.status, failure, reply.headers)
        # While its answer is written, the client sends nothing, so a read can only end with a disconnect.
        gone = asyncio.ensure_future(reader.read(1))
        try:
            return await self._answer(call, reply, writer, gone)
        except ConnectionError:
            call.closed_at = call.closed_at or time.time()
            return False
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await gone
            await self._notify()

    async def _answer(
        self, call: Call, reply: Reply, writer: asyncio.StreamWriter, gone: asyncio.Future[bytes]
    ) -> bool:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
            b"request-id: req_fake\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for item in _STREAMS[call.api](reply, call.body):
            if isinstance(item, Frame):
                due = item.terminal or (item.token is not None and len(call.tokens) >= reply.fault_after)
                if reply.fault and due:
                    return await self._fail(call, reply, writer, gone)
                if item.token is not None:
                    call.tokens.append((item.token, time.time()))
                _chunk(writer, item.data)
                await writer.drain()
                await self._notify()
            if isinstance(item, float | int) or gone.done():
                await asyncio.wait({gone}, timeout=item if isinstance(item, float | int) else 0)
            if gone.done():
                call.closed_at = time.time()
                return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        call.whole = True
        return True

    async def _fail(self, call: Call, reply: Reply, writer: asyncio.StreamWriter, gone: asyncio.Future[bytes]) -> bool:
        match reply.fault:
            case "error_event" | "failed":
                _chunk(writer, failure_event(reply.fault) if call.api == "responses" else error_event(call.api))
            case "malformed":
                _chunk(writer, b'event: content_block_delta\ndata: {"type": "content_block_de\n\n')
            case "stall":
                await asyncio.wait({gone})
                call.closed_at = time.time()
                return False
            case "fin":
                await writer.drain()
                return False
            case "rst":
                await writer.drain()
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            case _:
                pass
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _control(self, writer: asyncio.StreamWriter, method: str, path: str, body: Any) -> bool:
        match method, path:
            case "POST", "/_script":
                self.script(*(_reply(fields) for fields in body))
            case "POST", "/_default":
                self.default(_reply(body))
            case "DELETE", "/_calls":
                self.calls.clear()
            case "GET", "/_calls":
                return await _respond(writer, 200, [asdict(call) for call in self.calls])
            case _:
                return await _respond(writer, 404, {})
        return await _respond(writer, 200, {})


def _reply(fields: dict[str, Any]) -> Reply:
    """A reply from JSON, in which tuples are lists."""
    pairs: dict[str, Any] = {key: tuple(map(tuple, fields[key])) for key in ("tools", "headers") if key in fields}
    return Reply(**{**fields, **pairs})


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


async def _respond(
    writer: asyncio.StreamWriter, status: int, body: Any, headers: tuple[tuple[str, str], ...] = ()
) -> bool:
    data = json.dumps(body).encode()
    lines = [("content-type", "application/json"), ("content-length", str(len(data))), *headers]
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    writer.write(f"HTTP/1.1 {status} -\r\n{head}\r\n".encode() + data)
    await writer.drain()
    return True


async def _main(port: int) -> None:
    async with FakeProvider(port) as fake:
        print(fake.url, flush=True)  # noqa: T201 - the parent process waits for this line
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a fake model provider on loopback")
    parser.add_argument("--port", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args().port))
