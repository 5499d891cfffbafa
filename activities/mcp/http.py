"""One connection to an MCP server over HTTP, watched: whether the server answered the call, and if not, why.

The SDK makes errors of its own of what it cannot read, and they look like a server's; here the bytes themselves are seen.

Rule 1: a whole JSON-RPC answer with the id of the request is the server's word. Anything else is none: an answer that is
cut, no JSON, of another id or shape, in another type of content.
Rule 2: a status of 4xx says that nothing ran, but for 408 and 409, which leave it open, as 5xx does.
Rule 3: what the SDK needs to find out which protocol a server speaks passes as it is.
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
    """What came is no answer. The message says why, without a word of the server's."""


@dataclass
class Seen:
    """What was seen of the requests of one connection. Each new request but a hello begins anew."""

    #: The server's own answer has come, a result or an error.
    answered: bool = False
    #: Why what came is no answer.
    broken: str = ""
    too_much: bool = False
    #: Of the last request that the server refused.
    status: int | None = None
    #: Of the last request but a hello.
    request_id: Id | None = None

    @property
    def did_not_run(self) -> bool:
        return self.status is not None and 300 <= self.status < 500 and self.status not in _OPEN_STATUS

    @property
    def refuses_credentials(self) -> bool:
        return self.status in (401, 403, 407)


def watched(seen: Seen) -> dict[str, list[Callable[..., Awaitable[None]]]]:
    """Hooks for the client of one connection. Answers are bounded already."""

    async def asks(request: httpx2.Request) -> None:
        if _asked(request) is not None:
            seen.status = None

    async def answers(response: httpx2.Response) -> None:
        """Raises `NoAnswer` where the server's answer is none."""
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
        # Not the answer: what was read of it is yet to be read by the SDK.
        await source.aclose()
    told = read(data) if _is_json(response) else None
    if told is not None and told.kind == "error" and told.id is None:
        data, told = with_id(data, request_id), told.model_copy(update={"id": request_id})
    # The SDK takes nothing but an error from an answer with such a status.
    expected = ("result", "error") if response.status_code < 300 else ("error",)
    if told is not None and told.kind in expected and same_id(told.id, request_id):
        seen.answered = True
    elif response.status_code < 300:
        seen.broken = _why(response, told is not None)
        raise NoAnswer(seen.broken)
    return data


class _Events(httpx2.AsyncByteStream):
    """A stream of events, line by line. It ends behind what is no answer, as if the connection had broken."""

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
                # A lone CR ends a line, too; no server of MCP is known to write that.
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
            # It only tells from where a stream may be taken up again.
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
    """Method and id of the JSON-RPC request that is sent; None for anything else."""
    if request.method != "POST":
        return None
    message = pydantic_core.from_json(request.content)
    if not isinstance(message, dict) or "method" not in message or "id" not in message:
        return None
    return message["method"], message["id"]


def _takes_up(request: httpx2.Request) -> bool:
    """Whether the rest of a stream that broke is asked for."""
    return request.method == "GET" and "last-event-id" in request.headers


def _is_json(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").lower().startswith("application/json")


def _why(response: httpx2.Response, is_message: bool) -> str:
    if response.status_code != 200:
        return f"it answered with HTTP {response.status_code} and nothing else"
    if is_message:
        return "its answer is that of another request"
    return "its answer cannot be read" if _is_json(response) else "its answer is no JSON"
