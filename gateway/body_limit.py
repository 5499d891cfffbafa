"""Bodies that are too large, or come too slowly, are refused in a way that their sender can read.

Rule 1: how large a body may be depends on the route: messages and files take more than the rest.
Rule 2: a client that is still sending does not read. So the rest of a refused body is read and dropped, within bounds,
before the answer goes out; then the connection is closed.
Rule 3: a body has time by its length, so that a slow line is served and one that trickles is not.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.problems import Problem

#: Bytes, for routes that take neither messages nor files.
SMALL: Final = 1024 * 1024
#: Bytes for an answer: arguments that a person edited may have a megabyte, and stand in JSON.
ANSWER: Final = 2 * 1024 * 1024
_LARGE: Final = re.compile(r"/v1/(files|sessions|sessions/[^/]+/(messages(/[^/]+)?|fork|rewind))")
_ANSWERS: Final = re.compile(r"/v1/sessions/[^/]+/answers")
#: Bytes and seconds of a refused body's rest.
_DROPPED: Final = 64 * 1024 * 1024
_DROP_S: Final = 10.0
#: Seconds for a body's first bytes, and bytes a second from then on.
GRACE_S: Final = 20.0
_SLOWEST: Final = 8 * 1024
_CLOSE: Final = {"connection": "close"}


class BodyLimit:
    """ASGI middleware. `limit` is in bytes, for messages and files; `grace_s` in seconds."""

    def __init__(self, app: ASGIApp, limit: int, grace_s: float = GRACE_S) -> None:
        self._app = app
        self._limit = limit
        self._grace_s = grace_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        if _announced(scope) > limit:
            if not _expects_to_be_asked(scope):
                await _drop(receive)
            await _too_large(limit).response()(scope, receive, send)
            return
        await self._app(scope, self._counted(receive, limit), send)

    def _counted(self, receive: Receive, limit: int) -> Receive:
        read = 0
        whole = False
        began = time.monotonic()

        async def counted() -> Message:
            nonlocal read, whole
            if whole:
                return await receive()
            left = began + self._grace_s + read / _SLOWEST - time.monotonic()
            try:
                message = await _within(receive, left)
            except TimeoutError:
                raise Problem("request_timeout", "The body came too slowly.", headers=_CLOSE) from None
            if message["type"] != "http.request":
                return message
            read += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if read > limit:
                if not whole:
                    await _drop(receive)
                # Raised where the body is read, so the app answers it like any other problem.
                raise _too_large(limit)
            return message

        return counted

    def _limit_of(self, path: str) -> int:
        if _LARGE.fullmatch(path):
            return self._limit
        return min(self._limit, ANSWER if _ANSWERS.fullmatch(path) else SMALL)


def _too_large(limit: int) -> Problem:
    return Problem("body_too_large", f"A body may have {limit} bytes here.", headers=_CLOSE)


async def _drop(receive: Receive) -> None:
    """Reads what is left of a body, or as much of it as the bounds allow."""
    dropped = 0
    try:
        async with asyncio.timeout(_DROP_S):
            while dropped < _DROPPED:
                message = await receive()
                dropped += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


async def _within(receive: Callable[[], Awaitable[Message]], seconds: float) -> Message:
    async with asyncio.timeout(max(seconds, 0)):
        return await receive()


def _announced(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0


def _expects_to_be_asked(scope: Scope) -> bool:
    """The client sends the body only when it is told to, so there is none to read yet."""
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])
