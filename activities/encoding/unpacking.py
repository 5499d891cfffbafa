"""HTTP answers of strangers, unpacked within bounds: a hook for clients whose servers need not be friends.

Rule 1: packed answers are not asked for. One that comes packed all the same is unpacked in small pieces, and only as far
as its bound; a packing other than gzip and deflate is refused.
Rule 2: what a client would keep whole is bounded: an answer, and a line of one that is read by lines.
Rule 3: an error holds no address and nothing of the answer.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx2

#: Bytes that are unpacked at once.
_PIECE: Final = 256 * 1024
_GZIP: Final = ("gzip", "x-gzip")
_IDENTITY: Final = ("", "identity")
#: For a client's requests: it wants nothing packed.
UNPACKED: Final = {"Accept-Encoding": "identity"}


class TooMuch(httpx2.TransportError):
    """The answer has more bytes than its bound."""


class NotUnpackable(httpx2.TransportError):
    """The answer is packed in a way that was not asked for, or is damaged."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes, as unpacked."""

    #: Of an answer that is no stream of events.
    body: int
    #: Of a whole stream of events, and of one line of it.
    stream: int
    line: int


def bounded(bounds: Bounds) -> Callable[[httpx2.Response], Awaitable[None]]:
    """A client's hook for responses: they come unpacked, and reading one fails with `TooMuch` at its bound, or with
    `NotUnpackable`. A hook and no transport, so that the client's own choice of proxies and sockets stands."""

    async def bound(response: httpx2.Response) -> None:
        response.stream = _Unpacked(response, bounds)
        for name in ("content-encoding", "content-length"):
            if name in response.headers:
                del response.headers[name]

    return bound


class _Unpacked(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response, bounds: Bounds) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        self._source = response.stream
        self._unpacker = _unpacker(response.headers.get("content-encoding", ""))
        self._by_lines = is_event_stream(response)
        self._most = bounds.stream if self._by_lines else bounds.body
        self._longest_line = bounds.line
        self._size = 0
        self._line = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._source:
            if self._unpacker is None:
                self._count(chunk)
                yield chunk
                continue
            rest, more = chunk, True
            while more:
                try:
                    piece, rest = self._unpacker.unpack(rest)
                except zlib.error:
                    raise NotUnpackable("the answer is damaged: it cannot be unpacked") from None
                # A full piece may have left some behind, even where nothing that was sent is left.
                more = bool(rest) or len(piece) == _PIECE
                self._count(piece)
                if piece:
                    yield piece
                if more:
                    # Little that was sent may take long to read; others must go on meanwhile.
                    await asyncio.sleep(0)

    async def aclose(self) -> None:
        await self._source.aclose()

    def _count(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most:
            raise TooMuch(f"the answer has more than {self._most} bytes")
        if self._by_lines:
            end = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
            self._line = self._line + len(piece) if end < 0 else len(piece) - end - 1
            if self._line > self._longest_line:
                raise TooMuch(f"a line of the answer has more than {self._longest_line} bytes")


class _Unpacker:
    def __init__(self, encoding: str) -> None:
        self._raw = encoding == "deflate"
        self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS if self._raw else zlib.MAX_WBITS | 16)

    def unpack(self, data: bytes) -> tuple[bytes, bytes]:
        """A piece of what `data` holds, and what of `data` is left."""
        try:
            piece = self._zlib.decompress(data, _PIECE)
        except zlib.error:
            if not self._raw:
                raise
            # Some servers send the bare form under this name.
            self._zlib = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            piece = self._zlib.decompress(data, _PIECE)
        self._raw = False
        return piece, self._zlib.unconsumed_tail


def _unpacker(named: str) -> _Unpacker | None:
    encoding = named.strip().lower()
    if encoding in _IDENTITY:
        return None
    if encoding in _GZIP or encoding == "deflate":
        return _Unpacker(encoding)
    raise NotUnpackable("the answer is packed in a way that was not asked for")


def is_event_stream(response: httpx2.Response) -> bool:
    """Whether the answer is a stream of server-sent events, by its type."""
    media_type: str = response.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == "text/event-stream"
