"""Headers that every answer has, also one that something outside of the routes gives.

Rule: a stream never says that it closes its connection. Node's `fetch` takes whatever came of such an answer for all of it,
also where the connection is dropped in the middle (undici, `onHttpSocketEnd`), and so a cut stream for a whole one.
"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perdure.gateway.http.draining import Draining
from perdure.gateway.http.limit_headers import room

#: An answer's own come first: event streams, files and pages say how they may be kept.
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class AnswerHeaders:
    """ASGI middleware, to be the outermost: no answer is read as another type than it says, and none is kept. While the
    gateway is `draining`, each that is no stream closes its connection."""

    def __init__(self, app: ASGIApp, draining: Draining | None = None) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = room(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                for name, value in (_HEADERS | told).items():
                    headers.setdefault(name, value)
                if self._draining and not headers.get("content-type", "").startswith("text/event-stream"):
                    headers["Connection"] = "close"
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._app(scope, receive, with_headers)
