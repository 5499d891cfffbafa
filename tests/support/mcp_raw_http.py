"""An MCP server over HTTP that answers a call of its only tool, `say`, with exactly the bytes that a test gives it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from perdure.workflows.definition.tools import McpAddress

TOOL: dict[str, Any] = {"name": "say", "inputSchema": {"type": "object"}}


@dataclass
class Answer:
    """`{id}` in the body stands for the call's id. `cut`: the connection ends before the body does."""

    body: bytes = b""
    status: str = "200 OK"
    content_type: str = "application/json"
    headers: tuple[str, ...] = ()
    cut: bool = False


@dataclass
class RawServer:
    port: int = 0
    #: The response to a call; None: the connection is closed without a response.
    answer: Answer | None = None
    #: Responses to other requests, by their method.
    other: dict[str, Answer] = field(default_factory=dict)
    tools: list[dict[str, Any]] = field(default_factory=lambda: [TOOL])
    calls: int = 0
    #: Method and headers of each request, the headers' names in lower case.
    sent: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def address(self) -> McpAddress:
        # Ports are reused, and what is known of a server is cached by its address.
        return McpAddress(url=f"http://127.0.0.1:{self.port}/mcp/{id(self)}?key=hush")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                received = (await reader.readuntil(b"\r\n\r\n")).decode()
                head = received.lower()
                length = head.partition("content-length:")[2].partition("\r\n")[0].strip()
                asked = json.loads(await reader.readexactly(int(length))) if length and length != "0" else {}
                lines = [line.partition(": ") for line in received.splitlines()[1:] if line]
                self.sent.append((asked.get("method", ""), {name.lower(): value for name, _, value in lines}))
                answer = self._answer(head.partition(" ")[0], asked)
                if answer is None:
                    break
                body = answer.body.replace(b"{id}", json.dumps(asked.get("id")).encode())
                size = len(body) + (100 if answer.cut else 0)
                told = (f"HTTP/1.1 {answer.status}", f"content-type: {answer.content_type}", f"content-length: {size}")
                writer.write("\r\n".join((*told, *answer.headers, "", "")).encode() + body)
                await writer.drain()
                if answer.cut:
                    break
        writer.close()

    def _answer(self, verb: str, asked: dict[str, Any]) -> Answer | None:
        method = asked.get("method", verb)
        if method in self.other:
            return self.other[method]
        match method:
            case "initialize":
                info = {"name": "raw", "version": "1"}
                return _result({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info})
            case "tools/list":
                return _result({"tools": self.tools})
            case "tools/call":
                self.calls += 1
                return self.answer
            case "get" | "delete":
                return Answer(status="405 Method Not Allowed")
            case _ if "id" not in asked:
                return Answer(status="202 Accepted")
            case _:
                return Answer(b'{"jsonrpc":"2.0","id":{id},"error":{"code":-32601,"message":"unknown"}}')


def _result(of: dict[str, Any]) -> Answer:
    return Answer(b'{"jsonrpc":"2.0","id":{id},"result":' + json.dumps(of).encode() + b"}")


@asynccontextmanager
async def raw_server() -> AsyncIterator[RawServer]:
    raw = RawServer()
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0, limit=1 << 20)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
