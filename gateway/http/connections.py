"""HTTP connections with deadlines: a client that does not get on with its request gives its place to others.

uvicorn bounds how long a connection rests between requests; how long a request's head and body may take to come, and an
answer to be read, is bounded here.
"""

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Any, Final

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from perdure.gateway.http.body_limit import answer_and_drop
from perdure.gateway.http.problems import MEDIA_TYPE, Problem
from perdure.gateway.http.sse import CUT
from perdure.temporal.sessions.json_bytes import to_json

#: Connections above the cap are told so; above this many times the cap they are dropped without a word.
_TOLD: Final = 2
#: Lingers, for no time.
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds, bytes a second, and connections of this process."""

    head_s: float
    body_s: float
    #: A body gets a second more for each so many bytes that come; and an answer, which has the same time, for each that
    #: are read.
    body_rate: int
    connections: int


def protocol(bounds: Bounds) -> type[H11Protocol]:
    """uvicorn's protocol with `bounds`, for `uvicorn.Config(http=…)`."""

    class Bounded(_Bounded):
        limits = bounds

    return Bounded


class _Bounded(H11Protocol):
    limits: Bounds

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._phase: tuple[str, object] | None = None
        self._since = 0.0
        self._read = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._unread_since = 0.0
        self._unread = 0
        self._unread_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Writing pauses while anything waits to be read: a transport that is closed stays open for as long as it does.
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > self.limits.connections * _TOLD:
            transport.abort()
        elif len(self.connections) > self.limits.connections:
            self.app = _crowded
        self._enter(("head", None))

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter(None)
        self._all_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since, self._unread = self.loop.time(), self.transport.get_write_buffer_size()
        self._unread_deadline = self.loop.call_later(self.limits.body_s, self._read_late)

    def resume_writing(self) -> None:
        self._all_read()
        super().resume_writing()

    def _all_read(self) -> None:
        if self._unread_deadline is not None:
            self._unread_deadline.cancel()
            self._unread_deadline = None

    def _read_late(self) -> None:
        was_read = self._unread - self.transport.get_write_buffer_size()
        until = self._unread_since + self.limits.body_s + was_read / self.limits.body_rate
        if until > self.loop.time():
            self._unread_deadline = self.loop.call_at(until, self._read_late)
        else:
            # Reset, for the system would go on to offer what it has taken already.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._read += len(data)
        super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None:
            # Before the app is called: the cycle's task has only been made.
            self.cycle.scope["extensions"] = {CUT: self._cut}  # type: ignore[dict-item]
        if self.conn.their_state is h11.SEND_BODY:
            self._enter(("body", self.cycle))
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._enter(("head", self.cycle))
        else:
            self._enter(None)

    def _cut(self) -> None:
        """Drops the connection once what was written is sent. An answer that is not finished then ends for its reader in an
        error, and here without one."""
        self.cycle.disconnected = True
        if self.scope["http_version"] == "1.0":
            # Without chunks, the end of the connection is that of the answer, as for a proxy that speaks no newer version.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.close()

    def _enter(self, phase: tuple[str, object] | None) -> None:
        if phase is not None and self.transport.is_closing():
            phase = None
        if phase == self._phase:
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._phase = phase
        if phase is not None:
            self._since, self._read = self.loop.time(), 0
            allowed = self.limits.head_s if phase[0] == "head" else self.limits.body_s
            self._deadline = self.loop.call_later(allowed, self._due)

    def _due(self) -> None:
        assert self._phase is not None
        if self._phase[0] == "body":
            until = self._since + self.limits.body_s + self._read / self.limits.body_rate
            if until > self.loop.time():
                self._deadline = self.loop.call_at(until, self._due)
                return
        phase, self._phase, self._deadline = self._phase, None, None
        silent = phase == ("head", None) and not self.conn.trailing_data[0]
        if not silent and not self.transport.is_closing() and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(phase[0])
        if phase[0] == "body" and self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _refuse(self, late: str) -> None:
        problem = Problem("too_slow", f"The request's {late} took too long to come.")
        body = to_json(problem.body())
        headers = [("content-type", MEDIA_TYPE), ("content-length", str(len(body))), ("connection", "close")]
        answer = h11.Response(status_code=problem.status, headers=headers, reason=b"Request Timeout")
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")


async def _crowded(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        problem = Problem("too_many", "This gateway has as many connections as it takes; come again.")
        await answer_and_drop(problem, scope, receive, send)
