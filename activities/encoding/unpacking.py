"""HTTP responses of untrusted servers, decompressed within limits: a hook for HTTP clients.

Rule 1: compressed responses are not requested. One that comes compressed all the same is decompressed in small pieces,
and only up to its limit. Encodings other than gzip and deflate are refused.
Rule 2: whatever a client would hold in memory is limited: a response, and a line of one that is read line by line.
Rule 3: an error holds neither the address nor anything of the response.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx2

#: Bytes that are decompressed at once.
_PIECE: Final = 256 * 1024
#: A stream of events in AWS's binary frames.
_FRAMES: Final = "application/vnd.amazon.eventstream"
_GZIP: Final = ("gzip", "x-gzip")
_IDENTITY: Final = ("", "identity")
#: Headers for a client's requests: no compression.
UNPACKED: Final = {"Accept-Encoding": "identity"}


class TooMuch(httpx2.TransportError):
    """The response exceeds its limit."""


class NotUnpackable(httpx2.TransportError):
    """The response has an encoding that was not requested, or is damaged."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits in bytes, after decompression."""

    #: Of a response that is not a stream of events.
    body: int
    #: Of a whole stream of events, and of one line of it.
    stream: int
    line: int


def bounded(bounds: Bounds) -> Callable[[httpx2.Response], Awaitable[None]]:
    """A response hook for a client: responses come decompressed, and reading one fails with `TooMuch` at its limit, or with
    `NotUnpackable`. It is a hook rather than a transport, so that the client's own choice of proxies and sockets stands."""

    async def bound(response: httpx2.Response) -> None:
        response.stream = _DecompressedStream(response, bounds)
        for name in ("content-encoding", "content-length"):
            if name in response.headers:
                del response.headers[name]

    return bound


class _DecompressedStream(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response, bounds: Bounds) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        self._source = response.stream
        self._decompressor = _decompressor(response.headers.get("content-encoding", ""))
        self._by_lines = is_event_stream(response) or _media_type(response) == _FRAMES
        self._most = bounds.stream if self._by_lines else bounds.body
        self._longest_line = bounds.line
        self._size = 0
        self._line = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._source:
            if self._decompressor is None:
                self._count(chunk)
                yield chunk
                continue
            rest, more = chunk, True
            while more:
                try:
                    piece, rest = self._decompressor.unpack(rest)
                except zlib.error:
                    raise NotUnpackable("the response is damaged: it cannot be decompressed") from None
                # After a full piece there may be more output, even if all input was consumed.
                more = bool(rest) or len(piece) == _PIECE
                self._count(piece)
                if piece:
                    yield piece
                if more:
                    # A small input may take long to decompress, and other work must go on meanwhile.
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


class _Decompressor:
    def __init__(self, encoding: str) -> None:
        self._raw = encoding == "deflate"
        self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS if self._raw else zlib.MAX_WBITS | 16)

    def unpack(self, data: bytes) -> tuple[bytes, bytes]:
        """A piece of the decompressed `data`, and what is left of `data`."""
        try:
            piece = self._zlib.decompress(data, _PIECE)
        except zlib.error:
            if not self._raw:
                raise
            # Some servers send raw deflate under this name.
            self._zlib = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            piece = self._zlib.decompress(data, _PIECE)
        self._raw = False
        return piece, self._zlib.unconsumed_tail


def _decompressor(named: str) -> _Decompressor | None:
    encoding = named.strip().lower()
    if encoding in _IDENTITY:
        return None
    if encoding in _GZIP or encoding == "deflate":
        return _Decompressor(encoding)
    raise NotUnpackable("the response has a content encoding that was not requested")


def is_event_stream(response: httpx2.Response) -> bool:
    """Whether the response is a stream of server-sent events, by its content type."""
    return _media_type(response) == "text/event-stream"


def _media_type(response: httpx2.Response) -> str:
    media_type: str = response.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower()
