"""Refuses bodies above a limit, so that the client reads why: by their announced length, else once they exceed it.

A connection that is closed with bytes unread is reset, and a client that still sends never sees the answer. So the
answer is sent first, then what still comes is read and dropped, so much and so long, and only then it is closed. The same
goes for any other refusal of a request whose body is too large, or may be without end, and has not been read.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perdure.gateway.http.held_body import hold
from perdure.gateway.http.problems import Problem

#: Of routes that take no messages, results or files.
SMALL: Final = 1024 * 1024
_BIG: Final = re.compile(r"/v1/(?:sessions|sessions/[^/]+/(?:messages|answers|fork)|responses|chat/completions)")
_DROPPED_BYTES: Final = 128 * 1024 * 1024
_DROPPED_S: Final = 20.0


class _TooLarge(Problem):
    pass


class BodyLimit:
    """ASGI middleware. `limit` is in bytes, and of the routes whose bodies may be big; `others` are those of single paths.

    A body that is too large is refused when the route lets it in, or when somebody reads it."""

    def __init__(self, app: ASGIApp, limit: int, others: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._limit = limit
        self._others = others or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        big = _BIG.fullmatch(scope["path"]) is not None
        limit = self._others.get(scope["path"], self._limit if big else min(self._limit, SMALL))
        problem = _TooLarge("body_too_large", f"A body for this address may have {limit} bytes.")
        announced = _announced(scope)
        has_bound = announced <= limit and not _comes_in_chunks(scope)
        read, ended, refused, started, cut = 0, False, False, False, False

        async def check() -> None:
            nonlocal refused
            if announced > limit:
                refused = True
                raise problem

        async def counted() -> Message:
            nonlocal read, ended, refused
            await check()
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                ended = not message.get("more_body", False)
                if read > limit:
                    refused = True
                    raise problem
            return message

        async def sent(message: Message) -> None:
            nonlocal started, cut
            # What the app makes of the refusal is left out: the answer below is the one that is read to its end.
            if refused and not started:
                return
            if message["type"] == "http.response.start":
                started = True
                cut = message["status"] >= 400 and not (has_bound or ended)
                if cut:
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send({**message, "more_body": True} if cut and message["type"] == "http.response.body" else message)

        hold(scope, check)
        with suppress(_TooLarge):
            await self._app(scope, counted, sent)
        if refused and not started:
            await answer_and_drop(problem, scope, receive, send)
        elif cut:
            await _drop_and_end(scope, receive, send)


async def answer_and_drop(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with `problem`, drops what the client still sends, and has the connection closed."""
    response = problem.response()
    response.headers["Connection"] = "close"

    async def unended(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    await response(scope, receive, unended)
    await _drop_and_end(scope, receive, send)


async def _drop_and_end(scope: Scope, receive: Receive, send: Send) -> None:
    # Whoever asks first whether to send, has sent nothing.
    if not _asks_first(scope):
        with suppress(TimeoutError):
            async with asyncio.timeout(_DROPPED_S):
                await _drop(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drop(receive: Receive) -> None:
    left = _DROPPED_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


def _announced(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0


def _comes_in_chunks(scope: Scope) -> bool:
    return any(name == b"transfer-encoding" for name, _ in scope["headers"])


def _asks_first(scope: Scope) -> bool:
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])
