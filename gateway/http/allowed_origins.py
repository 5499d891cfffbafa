"""Pages of other origins that may use the API: those that the operator lists, by CORS (the Fetch standard).

Rule 1: an origin is listed in whole, scheme, host and port. Nothing stands for several.
Rule 2: such a page reaches what `client.js` needs: the API, `client.js` and its types; no other page and no metrics.
Rule 3: it may send a session's cookie, for that is how an EventSource says who it is.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Scope, Send

_PATHS: Final = re.compile(r"/v1/.*|/client\.(js|d\.ts)|/pages/.*")
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Disposition, Last-Event-ID, Traceparent",
    "Access-Control-Max-Age": "600",
}
_EXPOSED: Final = "Retry-After, RateLimit, RateLimit-Policy, Content-Disposition"


class AllowedOrigins:
    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(origin.lower() for origin in origins)

    def origin_of(self, scope: Scope, headers: Headers) -> str | None:
        """The listed origin whose page makes the request; None: it is no such page's, or asks for something else."""
        named = headers.getlist("origin")
        if len(named) != 1 or named[0].lower() not in self._origins or _PATHS.fullmatch(scope["path"]) is None:
            return None
        return named[0]

    def preflight(self, scope: Scope, headers: Headers, origin: str) -> Response | None:
        """The answer to a browser that asks whether it may send a request; None: the request is something else."""
        if scope["method"] != "OPTIONS" or "access-control-request-method" not in headers:
            return None
        return Response(status_code=204, headers={**_allowing(origin), **_PREFLIGHT, "Vary": "Origin"})

    def answering(self, send: Send, origin: str) -> Send:
        """`send`, which lets the page read the answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", ())))
                headers.add_vary_header("Origin")
                headers.update({**_allowing(origin), "Access-Control-Expose-Headers": _EXPOSED})
                message = {**message, "headers": headers.raw}
            await send(message)

        return with_headers


def _allowing(origin: str) -> Mapping[str, str]:
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
