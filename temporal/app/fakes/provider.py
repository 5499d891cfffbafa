"""A fake model provider: Anthropic Messages, Chat Completions, OpenAI Responses and Gemini on loopback, scripted, in the
dialects of many servers (`dialects`), with real faults.

It serves tests and `perdure bench`. It uses only the standard library, so that benchmarks measure Perdure alone. Each
request takes the next scripted reply, or else the default. Every request is recorded with the time of each token, and
with the moment at which the client closed the connection mid-stream. A key that is `bad-key` is refused. It is also a
proxy (`HTTP_PROXY`) that answers in the place of the hosts that it knows.

In another process: `python -m perdure.temporal.app.fakes.provider [--port N] [--dialect NAME]` prints its URL; then
`POST /_script` with a list of replies (the fields of `Reply`), `POST /_default` with one, `GET /_calls`, `DELETE /_calls`.
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
from typing import Any, Final, Self

from perdure.temporal.app.fakes.anthropic import anthropic_stream
from perdure.temporal.app.fakes.bedrock import bedrock_stream
from perdure.temporal.app.fakes.calls import Call as Call
from perdure.temporal.app.fakes.chat import chat_stream
from perdure.temporal.app.fakes.dialect import FakeDialect
from perdure.temporal.app.fakes.dialects import DIALECTS, dialect_asked, refusal_of
from perdure.temporal.app.fakes.faults import last_words
from perdure.temporal.app.fakes.gemini import gemini_stream
from perdure.temporal.app.fakes.http import chunk, parted, respond
from perdure.temporal.app.fakes.refusals import Refusal
from perdure.temporal.app.fakes.replies import Api, Frame, Reply, Stream, error_body
from perdure.temporal.app.fakes.responses import responses_stream

#: By the end of the path.
_ROUTES: Final[dict[str, Api]] = {
    "messages": "anthropic",
    "completions": "chat",
    "responses": "responses",
    "invoke-with-response-stream": "anthropic",
    "streamGenerateContent": "gemini",
}
_STREAMS: Final[dict[Api, Callable[..., Stream]]] = {
    "anthropic": anthropic_stream,
    "chat": chat_stream,
    "responses": responses_stream,
    "gemini": gemini_stream,
}
_KEYS: Final = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


class FakeProvider:
    def __init__(self, port: int = 0, dialect: str = "") -> None:
        """Listens on 127.0.0.1; port 0 picks a free port. `dialect` is that of requests that name no other."""
        self.calls: list[Call] = []
        self._port = port
        self._dialect = dialect
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

    def at(self, dialect: str) -> str:
        """Base URL for a client of the API of this dialect."""
        return f"{self.url}/{dialect}{DIALECTS[dialect].base}"

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
        # A proxy is asked for the whole address.
        host, path = parted(path, headers.get("host", ""))
        api = _ROUTES.get(path.partition("?")[0].rpartition("/")[2].rpartition(":")[2])
        if api is None or method != "POST":
            return await respond(writer, 404, error_body("chat", 404, "", f"no route {method} {path}"))
        dialect = dialect_asked(api, path, host, str(body.get("model", "")), self._dialect)
        call = Call(api, path, headers, body, time.time(), dialect)
        self.calls.append(call)
        await self._notify()
        call.refused = _refusal(call)
        if call.refused is not None:
            return await _refuse(writer, dialect, call.refused)
        reply = self._script.popleft() if self._script else self._default(call)
        if reply.failure:
            return await _refuse(writer, dialect, dialect.failures[reply.failure], reply.headers)
        if reply.status != 200:
            failure = error_body(api, reply.status, reply.error, reply.message)
            return await respond(writer, reply.status, failure, reply.headers)
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
        dialect = call.dialect
        form = b"application/vnd.amazon.eventstream" if dialect.bedrock else b"text/event-stream"
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: " + form + b"\r\ncache-control: no-cache\r\n"
            b"request-id: req_fake\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for item in _stream_of(dialect)(reply, call.body, dialect.manner):
            if isinstance(item, Frame):
                due = item.terminal or (item.token is not None and len(call.tokens) >= reply.fault_after)
                if reply.fault and due:
                    return await self._fail(call, reply, writer, gone)
                if item.token is not None:
                    call.tokens.append((item.token, time.time()))
                chunk(writer, item.data)
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
            case "error_event" | "failed" | "malformed":
                chunk(writer, last_words(reply.fault, call.dialect))
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
                self.script(*map(_reply, body))
            case "POST", "/_default":
                self.default(_reply(body))
            case "DELETE", "/_calls":
                self.calls.clear()
            case "GET", "/_calls":
                return await respond(writer, 200, [call.told() for call in self.calls])
            case _:
                return await respond(writer, 404, {})
        return await respond(writer, 200, {})


def _refusal(call: Call) -> Refusal | None:
    key = next((call.headers[name] for name in _KEYS if name in call.headers), "")
    if key.endswith("bad-key") and "bad_key" in call.dialect.failures:
        return call.dialect.failures["bad_key"]
    return refusal_of(call.dialect, call.body)


def _stream_of(dialect: FakeDialect) -> Callable[..., Stream]:
    return bedrock_stream if dialect.bedrock else _STREAMS[dialect.api]


async def _refuse(
    writer: asyncio.StreamWriter, dialect: FakeDialect, refusal: Refusal, headers: tuple[tuple[str, str], ...] = ()
) -> bool:
    return await respond(writer, refusal.status, dialect.error(refusal), headers)


def _reply(given: dict[str, Any]) -> Reply:
    """A reply from JSON, in which tuples are lists."""
    pairs: dict[str, Any] = {key: tuple(map(tuple, given[key])) for key in ("tools", "headers") if key in given}
    return Reply(**{**given, **pairs})


async def _main(port: int, dialect: str) -> None:
    async with FakeProvider(port, dialect) as fake:
        print(fake.url, flush=True)  # noqa: T201 - the parent process waits for this line
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a fake model provider on loopback")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dialect", choices=sorted(DIALECTS), default="")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(given.port, given.dialect))
