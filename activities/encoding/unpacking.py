"""Bounded decompression of HTTP responses: a hook for clients whose servers are not trusted.

Rule 1: compressed responses are not requested. A response that is compressed anyway is decompressed in small pieces and
only up to its limit; encodings other than gzip and deflate are refused.
Rule 2: everything that a client buffers is bounded: a response, and each line of a response that is read by lines.
Rule 3: an error contains neither an address nor any content of the response.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx2

#: Bytes decompressed at once.
_PIECE: Final = 256 * 1024
_GZIP: Final = ("gzip", "x-gzip")
_IDENTITY: Final = ("", "identity")
#: A request header: no compression, please.
UNPACKED: Final = {"Accept-Encoding": "identity"}


class TooMuch(httpx2.TransportError):
    """The response has more bytes than its limit."""


class NotUnpackable(httpx2.TransportError):
    """The response has an encoding that was not requested, or is damaged."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits in bytes, after decompression."""

    #: For a response that is not an event stream.
    body: int
    #: For a whole event stream, and for one line of it.
    stream: int
    line: int


def bounded(bounds: Bounds) -> Callable[[httpx2.Response], Awaitable[None]]:
    """A client's response hook: responses arrive decompressed, and reading one fails with `TooMuch` at its limit, or
    with `NotUnpackable`. It is a hook and not a transport, so that the client's own choice of proxies and sockets
    stands."""

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
                    raise NotUnpackable("the response is damaged: it cannot be decompressed") from None
                # A full piece may have left output behind, even if all input is consumed.
                more = bool(rest) or len(piece) == _PIECE
                self._count(piece)
                if piece:
                    yield piece
                if more:
                    # A small response may take long to decompress; other tasks must run meanwhile.
                    await asyncio.sleep(0)

    async def aclose(self) -> None:
        await self._source.aclose()

    def _count(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most:
            raise TooMuch(f"the response has more than {self._most} bytes")
        if self._by_lines:
            end = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
            self._line = self._line + len(piece) if end < 0 else len(piece) - end - 1
            if self._line > self._longest_line:
                raise TooMuch(f"a line of the response has more than {self._longest_line} bytes")


class _Unpacker:
    def __init__(self, encoding: str) -> None:
        self._raw = encoding == "deflate"
        self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS if self._raw else zlib.MAX_WBITS | 16)

    def unpack(self, data: bytes) -> tuple[bytes, bytes]:
        """Decompresses one piece of `data`; returns the piece and the remaining input."""
        try:
            piece = self._zlib.decompress(data, _PIECE)
        except zlib.error:
            if not self._raw:
                raise
            # Some servers send raw deflate data under this name.
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
    raise NotUnpackable("the response has a content encoding that was not requested")


def is_event_stream(response: httpx2.Response) -> bool:
    """Whether the response is a stream of server-sent events, by its content type."""
    media_type: str = response.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == "text/event-stream"
