"""One connection to an MCP server over HTTP, observed: whether the server responded to the call, and if not, why.

The SDK turns what it cannot read into errors that look like the server's. Here the bytes themselves are examined.

Rule 1: only a complete JSON-RPC response with the id of the request counts as the server's. Anything else does not: one
that is cut, not JSON, of another id or shape, or of another content type.
Rule 2: a status of 4xx means that nothing ran, except for 408 and 409, which leave it open, as 5xx does.
Rule 3: what the SDK needs to find out which protocol a server speaks passes unchanged.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx2
import pydantic_core

from perdure.activities.encoding.unpacking import TooMuch, is_event_stream
from perdure.activities.mcp.messages import HELLOS, Id, mended, read, same_id, with_id

#: Statuses that do not say whether the request took effect.
_OPEN_STATUS: Final = (408, 409)


class NoAnswer(httpx2.TransportError):
    """What came is not a response. The message says why, without quoting the server."""


@dataclass
class Seen:
    """What was seen of the requests on one connection. Each new request, except for a hello, resets it."""

    #: The server's own response has come, a result or an error.
    answered: bool = False
    #: Why what came is not a response.
    broken: str = ""
    too_much: bool = False
    #: The status of the last request that the server refused.
    status: int | None = None
    #: The status of the last request other than a hello.
    request_id: Id | None = None

    @property
    def did_not_run(self) -> bool:
        return self.status is not None and 300 <= self.status < 500 and self.status not in _OPEN_STATUS

    @property
    def refuses_credentials(self) -> bool:
        return self.status in (401, 403, 407)


def watched(seen: Seen) -> dict[str, list[Callable[..., Awaitable[None]]]]:
    """Hooks for the HTTP client of one connection. The size of responses is limited already."""

    async def asks(request: httpx2.Request) -> None:
        if _asked(request) is not None:
            seen.status = None

    async def answers(response: httpx2.Response) -> None:
        """Raises `NoAnswer` if what the server sent is not a response."""
        asked = _asked(response.request)
        if asked is None:
            if _takes_up(response.request) and is_event_stream(response) and seen.request_id is not None:
                response.stream = _Events(response.stream, seen.request_id, seen)
            return
        method, request_id = asked
        if response.status_code >= 300:
            seen.status = response.status_code
        if method in HELLOS:
            return
        seen.answered, seen.broken, seen.too_much = False, "", False
        seen.request_id = request_id
        if response.status_code == 200 and is_event_stream(response):
            response.stream = _Events(response.stream, request_id, seen)
        elif response.status_code < 300 or _is_json(response):
            response.stream = httpx2.ByteStream(await _whole(response, request_id, seen))

    return {"request": [asks], "response": [answers]}


async def _whole(response: httpx2.Response, request_id: Id, seen: Seen) -> bytes:
    source = response.stream
    assert isinstance(source, httpx2.AsyncByteStream)
    try:
        data = mended(b"".join([chunk async for chunk in source]))
    except TooMuch:
        seen.too_much = True
        raise
    finally:
        # The response is not closed: the SDK has yet to read what was read here.
        await source.aclose()
    told = read(data) if _is_json(response) else None
    if told is not None and told.kind == "error" and told.id is None:
        data, told = with_id(data, request_id), told.model_copy(update={"id": request_id})
    # From a response with such a status the SDK only takes an error.
    expected = ("result", "error") if response.status_code < 300 else ("error",)
    if told is not None and told.kind in expected and same_id(told.id, request_id):
        seen.answered = True
    elif response.status_code < 300:
        seen.broken = _why(response, told is not None)
        raise NoAnswer(seen.broken)
    return data


class _Events(httpx2.AsyncByteStream):
    """A stream of events, line by line. It ends after an invalid response, as if the connection had broken."""

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
                # A lone CR ends a line, too, but no MCP server is known to write that.
                block, newline, rest = chunk.rpartition(b"\n")
                if newline:
                    whole = mended(b"".join((*begun, block, newline)))
                    begun.clear()
                    if self._data or b"data:" in whole:
                        for line in whole.split(b"\n")[:-1]:
                            self._look(line.rstrip(b"\r"))
                    yield whole
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
        data = b"\n".join(self._data)
        self._data.clear()
        if not data:
            # It only says from where a stream may be resumed.
            return
        told = read(data)
        if told is not None and told.kind == "call":
            return
        if told is not None and (same_id(told.id, self._request_id) or (told.kind == "error" and told.id is None)):
            self._seen.answered = True
            return
        self._seen.broken = "its answer is that of another request" if told else "its answer cannot be read"
        raise NoAnswer(self._seen.broken)


def _asked(request: httpx2.Request) -> tuple[str, Id] | None:
    """Method and id of the JSON-RPC request that is sent. None: it is something else."""
    if request.method != "POST":
        return None
    message = pydantic_core.from_json(request.content)
    if not isinstance(message, dict) or "method" not in message or "id" not in message:
        return None
    return message["method"], message["id"]


def _takes_up(request: httpx2.Request) -> bool:
    """Whether the request asks for the rest of a stream that broke."""
    return request.method == "GET" and "last-event-id" in request.headers


def _is_json(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").lower().startswith("application/json")


def _why(response: httpx2.Response, is_message: bool) -> str:
    if response.status_code != 200:
        return f"it answered with HTTP {response.status_code} and nothing else"
    if is_message:
        return "its answer is that of another request"
    return "its answer cannot be read" if _is_json(response) else "its answer is not JSON"
