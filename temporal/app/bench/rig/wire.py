"""Minimal HTTP, so that the reader's own cost does not hide what is measured.

Rule 1: a stream's tokens are timed when the event loop hands over the bytes, before anything is parsed.
Rule 2: the same reader reads Perdure's stream and the provider's own; only the name of the event differs.
Rule 3: a token is the `time.time()` at which the provider sent it, with six decimals and a space after it; on one
machine all processes have the same clock.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from perdure.temporal.app.bench.rig.failure import BenchFailed

_STAMP = re.compile(rb"(\d{10}\.\d{6}) ")
#: Seconds before a refused request is repeated.
_AGAIN_S = 0.1
_NAME = re.compile(rb"^event: (.+)$", re.MULTILINE)


async def request(url: str, method: str = "GET", body: Any = None) -> Any:
    """The JSON of the response. Raises `BenchFailed` unless the status is 2xx."""
    answer = await read(url, method, body)
    return json.loads(answer) if answer else None


async def read(url: str, method: str = "GET", body: Any = None, *, begins: Callable[[], None] = lambda: None) -> bytes:
    """The body of the response. `begins` is called when its head has come, which the gateway sends once all of it is built.
    Raises `BenchFailed` unless the status is 2xx."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(_head(url, method, body, "application/json", "close"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        begins()
        length = re.search(r"content-length: (\d+)", head)
        answer = await reader.readexactly(int(length[1])) if length else b""
    finally:
        writer.close()
    status = head.split(" ", 2)[1]
    if not status.startswith("2"):
        raise BenchFailed(f"{method} {url} was answered with {status}: {answer[:500].decode(errors='replace')}")
    return answer


async def first_event(url: str) -> tuple[float, float]:
    """Seconds from before the connection until the first byte of the answer at `url`, and until the first event in it, which
    is a server-sent event with data. Raises `BenchFailed` where none comes."""
    parts = urlsplit(url)
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    first, came = 0.0, b""
    try:
        writer.write(_head(url, "GET", None, "text/event-stream", "keep-alive"))
        while b"\ndata: " not in came:
            data = await reader.read(65536)
            first = first or time.perf_counter() - began
            came += data
            if not data or b" 200 " not in came.partition(b"\r\n")[0]:
                raise BenchFailed(f"{url} sent no event: {came[:500].decode(errors='replace')}")
        return first, time.perf_counter() - began
    finally:
        writer.close()


class Token(NamedTuple):
    """A token's sending and arrival times, as `time.time()`."""

    sent: float
    arrived: float


@dataclass(slots=True)
class Tokens:
    """A server-sent event stream as it arrives: the tokens in events named `event`, and the names of all others."""

    event: bytes
    came: list[Token] = field(default_factory=list)
    #: Names of the events without tokens, in order.
    others: list[str] = field(default_factory=list)
    ended: bool = False
    #: Why there is no stream, if it was refused.
    refused: str = ""
    _decoder: "_Decoder" = field(default_factory=lambda: _Decoder())
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, data: bytes, now: float) -> None:
        try:
            frames = self._decoder.frames(data)
        except BenchFailed as refused:
            # The event loop cannot handle the error, so it is kept for the next caller that waits here.
            self.refused = str(refused)
            self.end()
            return
        for name, payload in frames:
            if name == self.event:
                self.came.extend(Token(float(stamp), now) for stamp in _STAMP.findall(payload))
            else:
                self.others.append(name.decode())
        self._changed.set()

    def end(self) -> None:
        self.ended = True
        self._changed.set()

    async def until(self, name: str) -> None:
        """Waits for an event of this name. Raises `BenchFailed` if the stream ends without it."""
        while name not in self.others:
            await self._change(name)
        self.others.remove(name)

    async def until_tokens(self, count: int) -> None:
        while len(self.came) < count:
            await self._change(f"{count} tokens")

    async def _change(self, wanted: str) -> None:
        if self.ended:
            raise BenchFailed(self.refused or f"a stream ended before {wanted} came")
        self._changed.clear()
        await self._changed.wait()


async def events_until(url: str, name: str, patience_s: float) -> list[dict[str, Any]]:
    """The events of the stream at `url`, up to the first of type `name`, as parsed JSON.

    Retries while the session is reported as busy. Raises `BenchFailed` if the event does not come.
    """
    try:
        async with asyncio.timeout(patience_s):
            while True:
                found = await _read_until(url, name)
                if found:
                    return found
                await asyncio.sleep(_AGAIN_S)
    except TimeoutError:
        raise BenchFailed(f"{url} sent no {name} within {patience_s:g} s") from None


async def _read_until(url: str, name: str) -> list[dict[str, Any]]:
    """Empty if the stream is refused with 503, or ends before the event."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    decoder, found = _Decoder(), list[dict[str, Any]]()
    try:
        writer.write(_head(url, "GET", None, "text/event-stream", "keep-alive"))
        while data := await reader.read(65536):
            for kind, frame in decoder.frames(data):
                payload = frame.partition(b"\ndata: ")[2]
                found.append(json.loads(payload.partition(b"\n")[0]) | {"type": kind.decode()})
                if kind == name.encode():
                    return found
    except BenchFailed as refused:
        if " 503 " not in str(refused):
            raise
    finally:
        writer.close()
    return []


@asynccontextmanager
async def reading(url: str, event: str, method: str = "GET", body: Any = None) -> AsyncIterator[Tokens]:
    """Opens the stream at `url` and reads it while the block runs."""
    parts = urlsplit(url)
    tokens = Tokens(event.encode())
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(lambda: _Reader(tokens), str(parts.hostname), parts.port or 80)
    try:
        transport.write(_head(url, method, body, "text/event-stream", "keep-alive"))
        yield tokens
    finally:
        transport.close()


class _Reader(asyncio.Protocol):
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def data_received(self, data: bytes) -> None:
        self._tokens.take(data, time.time())

    def connection_lost(self, exc: Exception | None) -> None:
        self._tokens.end()


class _Decoder:
    """Turns a response's bytes into frames: skips the head, joins the chunks, splits at empty lines."""

    def __init__(self) -> None:
        self._raw = b""
        self._text = b""
        self._in_body = False

    def frames(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The frames that `data` completes, each as event name and full content."""
        self._raw += data
        if not self._in_body:
            head, found, rest = self._raw.partition(b"\r\n\r\n")
            if not found:
                return []
            if b" 200 " not in head.partition(b"\r\n")[0]:
                raise BenchFailed(f"a stream was refused: {self._raw[:500].decode(errors='replace')}")
            self._in_body, self._raw = True, rest
        self._unchunk()
        *whole, self._text = self._text.split(b"\n\n")
        return [(name[1], frame) for frame in whole if (name := _NAME.search(frame))]

    def _unchunk(self) -> None:
        while True:
            size, found, rest = self._raw.partition(b"\r\n")
            if not found or len(rest) < (length := int(size, 16)) + 2:
                return
            self._text += rest[:length]
            self._raw = rest[length + 2 :]


def _head(url: str, method: str, body: Any, accept: str, connection: str) -> bytes:
    parts = urlsplit(url)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    data = b"" if body is None else json.dumps(body).encode()
    # A name in the URL is an API key.
    key, _, host = parts.netloc.rpartition("@")
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", f"accept: {accept}", f"connection: {connection}"]
    lines += [f"authorization: Bearer {key}"] if key else []
    lines += ["content-type: application/json", f"content-length: {len(data)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data
