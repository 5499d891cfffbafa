"""Temporal's Web UI, with the gateway's guard before it.

The UI itself answers whoever asks, by any host name, and signals and starts whatever it is told to. It cannot be told
otherwise, and a path of its own hides nothing, since its `/api` stays where it was. So people get a proxy that looks at
`Host` and `Origin`, and the UI listens where no browser goes: on one of the ports that the Fetch standard makes browsers
refuse, whatever page asks and whatever name it gives. Programs of this machine reach it there as they reach Temporal.
Source of the ports: WHATWG Fetch, section 2.9 (port blocking).
"""

import asyncio
import contextlib
import random
import re
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import httpx2
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.answer_headers import AnswerHeaders
from gateway.hosts import KnownHosts
from gateway.origin_guard import OriginGuard

#: Those that every browser blocks and any user may listen on; without those of NFS and X11, and without those that the
#: standard took up last (4190, 6679) or that administrators open (10080).
BLOCKED_PORTS: Final = (
    *(1719, 1720, 1723, 3659, 4045, 5060, 5061, 6566),
    *(6665, 6666, 6667, 6668, 6669, 6697),
)

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


class Address(NamedTuple):
    ip: str
    port: int


class NoHiddenPort(Exception):
    """Every port that browsers refuse is taken."""


def hidden_address() -> Address:
    """A free address of this machine that no browser connects to. Raises `NoHiddenPort`."""
    for ip in _loopback_addresses():
        for port in random.sample(BLOCKED_PORTS, len(BLOCKED_PORTS)):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((ip, port))
                except OSError:
                    continue
                return Address(ip, port)
    raise NoHiddenPort


def _loopback_addresses() -> Iterator[str]:
    # Linux has all of 127.0.0.0/8, so that servers started at the same time do not meet; others have the usual one only.
    yield f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
    yield "127.0.0.1"


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
        headers = [(name, value) for name, value in request.scope["headers"] if name not in _HOP_BY_HOP]
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        return httpx2.Request(request.method, url, headers=headers, content=request.stream() if has_body else None)


def _response(answer: httpx2.Response) -> Response:
    response = StreamingResponse(answer.aiter_raw(), answer.status_code)
    response.raw_headers = [
        (name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _HOP_BY_HOP
    ]
    return response
