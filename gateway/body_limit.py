"""Refuses bodies above a limit: by their announced length before a byte is read, else as soon as they exceed it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.problems import Problem


class BodyLimit:
    """ASGI middleware. `limit` is in bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _announced(scope) > self._limit:
            await self._problem().response()(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self._limit:
                    # Raised where the body is read, so the app answers it like any other problem.
                    raise self._problem()
            return message

        await self._app(scope, counted, send)

    def _problem(self) -> Problem:
        # The connection stays open: closed with bytes unread, it would be reset, and the client would miss the answer.
        return Problem("body_too_large", f"A body may have {self._limit} bytes.")


def _announced(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0
