"""The real `eventsource` from npm, over a connection that is cut repeatedly: each event once, in order, complete."""

import asyncio
import contextlib
import re
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.vocabulary.events import Event
from tests.support.dev import Dev
from tests.support.needs import missing
from tests.support.programs import lines_of
from tests.support.session_client import Frame, Sessions, frames_of

pytestmark = [pytest.mark.server, pytest.mark.slow]

CLIENTS = Path(__file__).parent / "clients"
TYPES = sorted(kind.model_fields["type"].default for kind in get_args(get_args(Event)[0]))


@dataclass(frozen=True)
class Cut:
    """Ends a connection inside the second event that is sent over it."""

    #: The bytes to look for, and how many bytes from their start still pass.
    at: bytes
    after: int
    reset: bool = False


CUTS = [
    Cut(b"id: ", 2),
    Cut(b"id: ", 5, reset=True),
    Cut(b"event: ", 9),
    Cut(b"data: ", 0),
    Cut(b"data: ", 20, reset=True),
    # The whole event except the empty line that ends it.
    Cut(b"}\n\n", 2),
    Cut(b"}\n\n", 1, reset=True),
]


@dataclass
class CuttingProxy:
    """A TCP proxy between a client and `port`; each connection that carries events is cut by the next of `cuts`, if
    any.

    It shortens the reconnection time that the gateway sends to the client.
    """

    port: int
    cuts: list[Cut]
    #: The cursor of each request; None for a request without one.
    cursors: list[int | None] = field(default_factory=list)
    _connections: set["asyncio.Task[Any]"] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.port)
        requests = asyncio.create_task(self._requests(reader, to_server))
        try:
            await self._answers(from_server, writer)
        except (ConnectionError, asyncio.CancelledError):
            # One side disconnected, or the test is over. A cancelled handler would be logged as an error.
            pass
        finally:
            requests.cancel()
            writer.close()
            to_server.close()
            self._connections.discard(connection)

    async def _requests(self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if data.startswith(b"GET "):
                cursor = re.search(rb"(?i)\nlast-event-id: (\d+)", data)
                self.cursors.append(int(cursor[1]) if cursor else None)
            to_server.write(data)

    async def _answers(self, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen, sent = b"", 0
        while data := await from_server.read(65536):
            # Of the same length, because the body is chunked.
            seen += data.replace(b"retry: 2000", b"retry: 0020")
            until = self._cut_in(seen)
            writer.write(seen[sent : len(seen) if until is None else until])
            sent = len(seen)
            await writer.drain()
            if until is not None:
                if self.cuts.pop(0).reset:
                    raw: socket.socket = writer.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return

    def _cut_in(self, seen: bytes) -> int | None:
        """Where to cut, once all of that has arrived."""
        ids = [match.start() for match in re.finditer(rb"\r\nid: ", seen)]
        if not self.cuts or len(ids) < 2:
            return None
        cut = self.cuts[0]
        found = seen.find(cut.at, ids[1])
        return None if found == -1 or len(seen) < found + len(cut.at) else found + cut.after


@pytest.fixture(scope="module")
def eventsource(node: str) -> list[str]:
    """The client's command."""
    if not (CLIENTS / "node_modules" / "eventsource").is_dir():
        missing("npm's eventsource (npm install --prefix tests/clients)")
    return [node, str(CLIENTS / "follow.mjs")]


async def test_cut_again_and_again(
    dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider, eventsource: list[str]
) -> None:
    sessions = Sessions(http)
    provider.default(Reply(text="A short answer, a word at a time.", gap=0.02))
    session = await sessions.create(message="first")
    seen: list[dict[str, Any]] = []
    async with asyncio.timeout(60), CuttingProxy(dev.port, list(CUTS)) as proxy:
        url = f"{proxy.url}/v1/sessions/{session}/events"
        async with contextlib.aclosing(lines_of(*eventsource, url, *TYPES)) as lines:
            async for line in lines:
                seen.append(line)
                # While there are cuts left, another message is sent; then the session is closed.
                if line.get("type") == "turn.finished":
                    if proxy.cuts:
                        await sessions.send(session, f"turn {len(seen)}")
                    else:
                        await http.delete(f"/v1/sessions/{session}")
        assert proxy.cuts == []
        assert seen.pop() == {"closed": 204}
        shown = [Frame(line["type"], int(line["id"]), line["data"]) for line in seen]
        # It reconnected after each cut, and once more after the stream's end, always from the last complete event.
        assert len(proxy.cursors) == 1 + len(CUTS) + 1
        assert proxy.cursors[-1] == shown[-1].seq
        assert proxy.cursors[1:] == sorted(set(proxy.cursors[1:]), key=lambda cursor: cursor or 0)

    async with http.stream("GET", f"/v1/sessions/{session}/events") as response:
        undisturbed = [frame async for frame in frames_of(response)]
    assert shown == undisturbed
    assert [frame.seq for frame in shown] == list(range(1, len(shown) + 1))
    assert shown[-1].type == "session.closed"


async def test_a_closed_session_is_read_once(
    dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider, eventsource: list[str]
) -> None:
    """It gets the session's events, then 204 when it reconnects with the last event's id."""
    sessions = Sessions(http)
    session = await sessions.create(message="hello")
    async with sessions.view(session) as viewer:
        await viewer.until("turn.finished")
        await http.delete(f"/v1/sessions/{session}")
        await viewer.until("session.closed")
    async with asyncio.timeout(60), CuttingProxy(dev.port, []) as proxy:
        url = f"{proxy.url}/v1/sessions/{session}/events"
        *events, last = [line async for line in lines_of(*eventsource, url, *TYPES)]
    assert [event["type"] for event in events] == [
        *("session.started", "turn.started", "message.added", "step.started", "step.finished", "turn.finished"),
        "session.closed",
    ]
    assert last == {"closed": 204}
    assert proxy.cursors == [None, len(events)]
