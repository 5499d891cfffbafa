"""Requests over plain sockets that are cut after any number of bytes: in a head, between frames, in the middle of one."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

#: Seconds after which a test stops waiting for the next bytes.
_PATIENCE_S = 60


class Refused(Exception):
    """The answer is no stream: `status`, and what it says."""

    def __init__(self, status: int, head: bytes, text: str) -> None:
        super().__init__(f"{status} {text[:500]}")
        self.status = status
        #: It is only put off.
        self.is_for_now = status in (429, 503) and b"\r\nretry-after: " in head.lower()


@dataclass(frozen=True)
class Request:
    path: str
    #: None: it is a GET.
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self, port: int) -> bytes:
        data = b"" if self.body is None else json.dumps(self.body).encode()
        lines = [f"{'GET' if self.body is None else 'POST'} {self.path} HTTP/1.1", f"host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += ["content-type: application/json", f"content-length: {len(data)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


@dataclass(frozen=True)
class Frame:
    """One server-sent event."""

    data: str
    #: `event:` and `id:`.
    type: str | None = None
    id: str | None = None


class Line:
    """One connection. `whole`: the answer has come to its end."""

    def __init__(self) -> None:
        self.whole = False
        #: Bytes that have come, the head's among them.
        self.came = 0

    async def frames(
        self, port: int, request: Request, cut: int | None = None, *, still: float = _PATIENCE_S, reset: bool = False
    ) -> AsyncGenerator[Frame]:
        """The frames that came whole, until the answer ends, or breaks; or until `cut` bytes have come, or none has for
        `still` seconds since the first: then it is cut, with an RST where `reset`. Raises Refused."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = _Answer()
        try:
            writer.write(request.encoded(port))
            while not answer.ended and (cut is None or self.came < cut):
                most = 65536 if cut is None else min(65536, cut - self.came)
                try:
                    async with asyncio.timeout(still if self.came else _PATIENCE_S):
                        data = await reader.read(most)
                except TimeoutError:
                    assert still < _PATIENCE_S
                    break
                if not data:
                    break
                self.came += len(data)
                for frame in answer.take(data):
                    yield frame
            self.whole = answer.ended
        except ConnectionError:
            return
        finally:
            if reset:
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


class _Answer:
    """A response in chunks, as its bytes come."""

    def __init__(self) -> None:
        self.ended = False
        self._raw = b""
        self._text = b""
        self._in_body = False

    def take(self, data: bytes) -> list[Frame]:
        self._raw += data
        if not self._in_body:
            head, found, rest = self._raw.partition(b"\r\n\r\n")
            if not found:
                return []
            status = int(head.split(b" ", 2)[1])
            if status != 200:
                raise Refused(status, head, rest.decode(errors="replace"))
            assert b"\r\ncontent-type: text/event-stream" in head.lower(), head
            self._in_body, self._raw = True, rest
        self._unchunk()
        *blocks, self._text = self._text.split(b"\n\n")
        return [frame for block in blocks if (frame := _frame(block.decode())) is not None]

    def _unchunk(self) -> None:
        while not self.ended:
            size, found, rest = self._raw.partition(b"\r\n")
            if not found or len(rest) < (length := int(size, 16)) + 2:
                return
            self._text += rest[:length]
            self._raw = rest[length + 2 :]
            self.ended = length == 0


def _frame(block: str) -> Frame | None:
    """None: it is a comment, or says when to come again."""
    fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
    if "data" not in fields:
        assert fields.keys() <= {"retry"}, block
        return None
    return Frame(fields["data"], fields.get("event"), fields.get("id"))
