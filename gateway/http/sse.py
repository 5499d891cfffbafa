"""Server-sent events: a pure encoder, and a response that is cut, never ended cleanly, when the process stops.

Rule 1: frames end in `\\n\\n` and `id:` is there for durable events only.
Rule 2: to a client, a clean end means that all was said. So only an exhausted source ends the body; a shutdown, a slow
reader or an error leaves it open and drops the connection. Before a shutdown does, clients are told to come again soon.
Source of the format: WHATWG HTML, section 9.2 (server-sent events).
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from perdure.temporal.sessions.json_bytes import to_json

log = structlog.get_logger(__name__)

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
OPENING = b": perdure\nretry: 2000\n\n"
KEEPALIVE = b": keep-alive\n\n"
#: Milliseconds after which clients of a process that stops come again: soon, and not all at the same moment.
SOON_MS: Final = (100, 800)
_TAKEN_S: Final = 1.0
#: The extension of a scope by which our server drops the connection: a function without arguments. Another server drops it
#: by itself, and logs that an answer was not finished.
CUT: Final = "perdure.cut"
#: What the format takes for a part of a line, but many readers of lines (Python's among them) for the end of one. Other
#: such characters JSON escapes by itself. Valid UTF-8 holds these bytes for these characters only.
_LINE_ENDS = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))


class StreamCut(Exception):
    """The source cannot go on, and the client must not take that for the end."""


class StreamMoved(StreamCut):
    """This process stops, and another one goes on with the stream."""


def encode(kind: str, payload: dict[str, Any], seq: int | None = None) -> bytes:
    """A whole frame. `kind` and the keys of `payload` are ours; its values may hold anything."""
    identity = b"" if seq is None else b"id: %d\n" % seq
    return b"%sevent: %s\ndata: %s\n\n" % (identity, kind.encode(), json_line(payload))


def json_line(payload: dict[str, Any]) -> bytes:
    """JSON that every reader takes for one line."""
    data = to_json(payload)
    for character, escaped in _LINE_ENDS:
        data = data.replace(character, escaped)
    return data


#: Seconds between two looks whether the reader of a stream may still read.
_KNOWN_S: Final = 3.0


class EventStreamResponse(Response):
    """Sends `frames` as they come, a comment at once and whenever nothing was sent for `keepalive_s` seconds.

    A reader who takes nothing for twice as long is cut.
    """

    def __init__(
        self,
        frames: AsyncIterator[bytes],
        *,
        keepalive_s: float = 15,
        headers: dict[str, str] | None = None,
        closed: Callable[[], None] = lambda: None,
        until: float | None = None,
        known: Callable[[], Awaitable[bool]] | None = None,
        beside: AsyncIterator[bytes] | None = None,
    ) -> None:
        """`closed` is called when the stream ends. It is cut at `until` (in seconds since 1970), when its reader has to say
        anew who they are, and soon after `known`, asked each 3 s, is false. `beside` are frames for this reader, in no order
        with the others; it never ends."""
        super().__init__(status_code=200, headers={**HEADERS, **(headers or {})})
        self._frames = frames
        self._keepalive_s = keepalive_s
        self._sent_at = 0.0
        self._closed = closed
        self._until = until
        self._known = known
        self._beside = beside

    def init_headers(self, headers: Any = None) -> None:
        super().init_headers(headers)
        # The length is not known, and a client would wait for it.
        self.raw_headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if not await self._stream(receive, send):
                scope.get("extensions", {}).get(CUT, lambda: None)()
        finally:
            self._closed()

    async def _stream(self, receive: Receive, send: Send) -> bool:
        """Whether all was said."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await self._send(send, OPENING)
        pump = asyncio.create_task(self._pump(send, self._frames))
        others = [asyncio.create_task(self._keep_alive(send)), asyncio.create_task(_disconnected(receive))]
        if self._until is not None:
            others.append(asyncio.create_task(asyncio.sleep(self._until - time.time())))
        if self._known is not None:
            others.append(asyncio.create_task(self._while_known(self._known)))
        if self._beside is not None:
            others.append(asyncio.create_task(self._pump(send, self._beside)))
        try:
            await asyncio.wait([pump, *others], return_when=asyncio.FIRST_COMPLETED)
            if pump.done() and not pump.cancelled():
                error = pump.exception()
                if error is None:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    return True
                if isinstance(error, StreamMoved):
                    await self._send_off(send)
                elif not isinstance(error, StreamCut):
                    log.warning("stream_broke", exc_info=error)
            # The body stays open, and the connection is dropped.
            return False
        finally:
            for task in (pump, *others):
                task.cancel()
            await asyncio.gather(pump, *others, return_exceptions=True)
            close = getattr(self._frames, "aclose", None)
            if close is not None:
                with suppress(RuntimeError):
                    await close()

    async def _send_off(self, send: Send) -> None:
        with suppress(TimeoutError):
            # A reader that is stuck does not take it.
            async with asyncio.timeout(_TAKEN_S):
                await self._send(send, b"retry: %d\n\n" % random.randint(*SOON_MS))

    async def _pump(self, send: Send, frames: AsyncIterator[bytes]) -> None:
        async for frame in frames:
            await self._send(send, frame)

    async def _keep_alive(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        while True:
            wait = self._sent_at + self._keepalive_s - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            else:
                # The server does not take bytes faster than they are read, so this also finds out who reads no more.
                async with asyncio.timeout(self._keepalive_s):
                    await self._send(send, KEEPALIVE)

    async def _while_known(self, known: Callable[[], Awaitable[bool]]) -> None:
        while True:
            await asyncio.sleep(min(_KNOWN_S, self._keepalive_s))
            if not await known():
                return

    async def _send(self, send: Send, body: bytes) -> None:
        self._sent_at = asyncio.get_running_loop().time()
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
