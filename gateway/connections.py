"""Connections of the gateway's server, bounded in number, and in the time that a request's headers may take.

Source of what is extended: uvicorn 0.54, `protocols/http/h11_impl.py`, which has neither bound.
"""

import asyncio
import resource
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from gateway.problems import Code, Problem

#: Seconds for the headers of a request, from the connection's or the request's first byte.
HEADERS_S: Final = 15.0
_MOST: Final = 10_000
#: Files that the process needs for anything but callers.
_OWN_FILES: Final = 200


def most_connections() -> int:
    """As many as this process may have files open, less some of its own; 10,000 at most."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(min(_MOST, soft - _OWN_FILES), 50)


def bounded(most: int, headers_s: float = HEADERS_S) -> type[asyncio.Protocol]:
    """The protocol class of a server with at most `most` connections. Those beyond it are told so (503) and closed."""

    class Bounded(_Bounded):
        MOST = most
        PATIENCE_S = headers_s

    return Bounded


class _Bounded(H11Protocol):
    MOST: int
    PATIENCE_S: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.MOST:
            self._refuse("overloaded", "Too many connections are open.")
        else:
            self._deadline = self.loop.call_later(self.PATIENCE_S, self._too_slow)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_request:
            self._disarm()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.PATIENCE_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    @property
    def _in_request(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None until the first request
        return cycle is not None and not cycle.response_complete

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self._in_request:
            self._refuse("request_timeout", "The request's headers came too slowly.")

    def _refuse(self, code: Code, detail: str) -> None:
        """Answers a request that is not there yet, and closes."""
        if self.transport.is_closing():
            return
        if self.conn.our_state is h11.IDLE:
            response = Problem(code, detail, headers={"connection": "close"}).response()
            head = h11.Response(status_code=response.status_code, headers=response.raw_headers)
            for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
