"""Watches one HTTP connection to an MCP server: did the server respond to the call, and if not, why?

The SDK replaces responses that it cannot read with errors of its own, which look like a server's. So this looks at the
bytes themselves.

Rule 1: a complete JSON-RPC response with the request's id comes from the server. Everything else counts as no response:
truncated, not JSON, with another id, shape or content type.
Rule 2: a 4xx status means that nothing ran, except for 408 and 409, which leave it open, as 5xx does.
Rule 3: the handshake in which the SDK finds out the server's protocol version passes unchanged.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx2
import pydantic_core

from perdure.activities.encoding.unpacking import TooMuch, is_event_stream
from perdure.activities.mcp.mending import mended
from perdure.activities.mcp.messages import HANDSHAKES, Id, read, repaired, same_id, with_id
from perdure.activities.mcp.odd_responses import whole_response

#: Client error statuses that do not say whether the request took effect.
_OPEN_STATUS: Final = (408, 409)
_MAY_ANSWER: Final = re.compile(rb'"(?:result|error)"')


class NoAnswer(httpx2.TransportError):
    """The response is not a valid answer. The message says why, without any text from the server."""


@dataclass
class Seen:
    """What was seen of the requests of one connection. Each new request except a handshake resets it."""

    #: The server itself responded, with a result or an error.
    answered: bool = False
    #: Why the response is not a valid answer.
    broken: str = ""
    too_much: bool = False
    #: Status of the last request that the server refused.
    status: int | None = None
    #: Id of the last request except handshakes.
    request_id: Id | None = None
    #: It calls a tool.
    calls: bool = False

    @property
    def did_not_run(self) -> bool:
        return self.status is not None and 300 <= self.status < 500 and self.status not in _OPEN_STATUS

    @property
    def refuses_credentials(self) -> bool:
        return self.status in (401, 403, 407)


def watched(seen: Seen) -> dict[str, list[Callable[..., Awaitable[None]]]]:
    """Hooks for the client of one connection, whose responses are already bounded."""

    async def asks(request: httpx2.Request) -> None:
        if _asked(request) is not None:
            seen.status = None

    async def answers(response: httpx2.Response) -> None:
        """Raises `NoAnswer` if the response is not a valid answer."""
        asked = _asked(response.request)
        if asked is None:
            if _takes_up(response.request) and is_event_stream(response) and seen.request_id is not None:
                response.stream = _Events(response.stream, seen.request_id, seen)
            return
        method, request_id = asked
        if response.status_code >= 300:
            seen.status = response.status_code
        if method in HANDSHAKES:
            return
        seen.answered, seen.broken, seen.too_much = False, "", False
        seen.request_id, seen.calls = request_id, method == "tools/call"
        if response.status_code == 200 and is_event_stream(response):
            response.stream = _Events(response.stream, request_id, seen)
        elif response.status_code < 300 or _is_json(response):
            response.stream = httpx2.ByteStream(await _whole(response, request_id, seen))

    return {"request": [asks], "response": [answers]}


async def _whole(response: httpx2.Response, request_id: Id, seen: Seen) -> bytes:
    source = response.stream
    assert isinstance(source, httpx2.AsyncByteStream)
    try:
        data = whole_response(repaired(b"".join([chunk async for chunk in source])), calls=lambda _: seen.calls)
    except TooMuch:
        seen.too_much = True
        raise
    finally:
        # Close the source, not the response, whose content the SDK has yet to read.
        await source.aclose()
    message = read(data) if _is_json(response) else None
    if message is not None and message.kind == "error" and message.id is None:
        data, message = with_id(data, request_id), message.model_copy(update={"id": request_id})
    # With such a status, the SDK accepts only an error.
    expected = ("result", "error") if response.status_code < 300 else ("error",)
    if message is not None and message.kind in expected and same_id(message.id, request_id):
        seen.answered = True
        if seen.calls and message.kind == "result":
            data = mended(data)
    elif response.status_code < 300:
        seen.broken = _why(response, message is not None)
        raise NoAnswer(seen.broken)
    return data


class _Events(httpx2.AsyncByteStream):
    """An event stream, read line by line. It ends after an invalid answer, as if the connection had been lost."""

    def __init__(self, source: object, request_id: Id, seen: Seen) -> None:
        assert isinstance(source, httpx2.AsyncByteStream)
        self._source = source
        self._request_id = request_id
        self._seen = seen
        self._data: list[bytes] = []

    async def __aiter__(self) -> AsyncIterator[bytes]:
        begun: list[bytes] = []
        try:
            async for chunk in self._source:
                # A lone CR ends a line, too; no MCP server is known to send one.
                block, newline, rest = chunk.rpartition(b"\n")
                if newline:
                    whole = repaired(b"".join((*begun, block, newline)))
                    begun.clear()
                    if self._data or b"data:" in whole:
                        for line in whole.split(b"\n")[:-1]:
                            self._look(line.rstrip(b"\r"))
                    yield _mended_lines(whole) if self._seen.calls and _MAY_ANSWER.search(whole) else whole
                begun.append(rest)
        except TooMuch:
            self._seen.too_much = True
            raise

    async def aclose(self) -> None:
        await self._source.aclose()

    def _look(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            return
        if line or not self._data:
            return
        data, lines = b"\n".join(self._data), len(self._data)
        self._data.clear()
        if not data:
            # An event without data only marks a point from which a stream can be resumed.
            return
        if lines == 1:
            # What is mended for the SDK, too.
            data = whole_response(data, calls=lambda _: self._seen.calls)
        message = read(data)
        if message is not None and message.kind == "call":
            return
        if message is not None and (
            same_id(message.id, self._request_id) or (message.kind == "error" and message.id is None)
        ):
            self._seen.answered = True
            return
        self._seen.broken = "its answer belongs to another request" if message else "its answer cannot be read"
        raise NoAnswer(self._seen.broken)


def _mended_lines(block: bytes) -> bytes:
    """Lines of an event stream, with mended results where a line holds a whole message."""
    return b"\n".join(map(_mended_line, block.split(b"\n")))


def _mended_line(line: bytes) -> bytes:
    if not line.startswith(b"data:"):
        return line
    data = line[5:].strip()
    whole = mended(data)
    return line if whole is data else b"data: " + whole


def _asked(request: httpx2.Request) -> tuple[str, Id] | None:
    """Method and id of the JSON-RPC request being sent; None for anything else."""
    if request.method != "POST":
        return None
    message = pydantic_core.from_json(request.content)
    if not isinstance(message, dict) or "method" not in message or "id" not in message:
        return None
    return message["method"], message["id"]


def _takes_up(request: httpx2.Request) -> bool:
    """Whether the request resumes a broken stream."""
    return request.method == "GET" and "last-event-id" in request.headers


def _is_json(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").lower().startswith("application/json")


def _why(response: httpx2.Response, is_message: bool) -> str:
    if response.status_code != 200:
        return f"it sent only the status HTTP {response.status_code}"
    if is_message:
        return "its answer belongs to another request"
    return "its answer cannot be read" if _is_json(response) else "its answer is not JSON"
