"""Takes no body but JSON, whatever the route.

Browsers send other types to other sites without asking them first, so a route that took them would take a stranger's form.
"""

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perdure.gateway.http.held_body import hold
from perdure.gateway.http.problems import Problem

_READS: Final = {"GET", "HEAD", "OPTIONS", "TRACE"}


class _NotJson(Problem):
    pass


class JsonBodies:
    """ASGI middleware. A write without a body needs no type. `raw`: paths whose bodies may have any type.

    A body of another type is refused when the route lets it in, or when somebody reads it."""

    def __init__(self, app: ASGIApp, raw: Collection[str] = ()) -> None:
        self._app = app
        self._raw = frozenset(raw)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _READS or scope["path"] in self._raw:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if _is_json(headers):
            await self._app(scope, receive, send)
            return
        first: list[Message] = []
        checked = False

        async def check() -> None:
            nonlocal checked
            if checked:
                return
            checked = True
            if "transfer-encoding" in headers:
                # Proxies send a request without a body this way, too, so only its bytes tell.
                first.append(await receive())
                while first[-1].get("more_body") and not first[-1].get("body"):
                    first[:] = [await receive()]
            if (first and first[0].get("body")) or headers.get("content-length", "0").strip("0"):
                raise _NotJson(
                    "unsupported_media_type", "Send the body as JSON, with the header Content-Type: application/json."
                )

        async def received() -> Message:
            await check()
            return first.pop() if first else await receive()

        hold(scope, check)
        try:
            await self._app(scope, received, send)
        except _NotJson as problem:
            await problem.response()(scope, receive, send)


def _is_json(headers: Headers) -> bool:
    types = [given.partition(";")[0].strip().lower() for given in headers.getlist("content-type")]
    return bool(types) and all(_is_json_type(given) for given in types)


def _is_json_type(given: str) -> bool:
    return given == "application/json" or (given.startswith("application/") and given.endswith("+json"))
