"""Temporal's Web UI, with the gateway's guard before it.

The UI itself answers whoever asks, by any host name, and signals and starts whatever it is told to. It cannot be told
otherwise, and a path of its own hides nothing, since its `/api` stays where it was. So it listens where no browser goes
(see `hidden_address.py`), and people get a proxy that looks at `Host` and `Origin`.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import httpx2
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from perdure.gateway.http.answer_headers import AnswerHeaders
from perdure.gateway.http.hosts import KnownHosts
from perdure.gateway.http.origin_guard import OriginGuard
from perdure.temporal.telemetry.hidden_address import Address

#: Everything but the data that the pages ask for.
_PAGES: Final = re.compile(r"/(?!api/).*")
#: Headers that speak of one connection only.
_HOP_BY_HOP: Final = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
_STOP_S: Final = 1


@asynccontextmanager
async def guarded_web_ui(
    hidden: Address, listener: socket.socket, allowed_hosts: Sequence[str] = ()
) -> AsyncIterator[None]:
    """Serves the UI that listens at `hidden` on `listener`, to this server's own pages and to people only."""
    async with httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=None)) as transport:
        app = AnswerHeaders(OriginGuard(_Proxy(transport, hidden), KnownHosts(allowed_hosts), _PAGES))
        server = _Uvicorn(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=_STOP_S,
                server_header=False,
                date_header=False,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


class _Proxy:
    """Passes requests on as they are. A transport, not a client: it keeps no cookies and follows nothing."""

    def __init__(self, transport: httpx2.AsyncHTTPTransport, upstream: Address) -> None:
        self._transport = transport
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await self._transport.handle_async_request(self._passed_on(request))
        except (httpx2.TransportError, ClientDisconnect):
            await PlainTextResponse("Temporal's Web UI does not answer.\n", 502)(scope, receive, send)
            return
        try:
            await _response(answer)(scope, receive, send)
        finally:
            await answer.aclose()

    def _passed_on(self, request: Request) -> httpx2.Request:
        query = request.scope["query_string"]
        target = request.scope["raw_path"] + (b"?" + query if query else b"")
        url = httpx2.URL(scheme="http", host=self._upstream.ip, port=self._upstream.port, raw_path=target)
        in_pieces = "transfer-encoding" in request.headers
        dropped = _HOP_BY_HOP | {b"content-length"} if in_pieces else _HOP_BY_HOP
        headers = [(name, value) for name, value in request.scope["headers"] if name not in dropped]
        has_body = in_pieces or "content-length" in request.headers
        return httpx2.Request(request.method, url, headers=headers, content=request.stream() if has_body else None)


def _response(answer: httpx2.Response) -> Response:
    response = StreamingResponse(answer.aiter_raw(), answer.status_code)
    response.raw_headers = [
        (name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _HOP_BY_HOP
    ]
    return response
