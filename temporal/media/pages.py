"""How many pages a PDF has, as far as it can be told without a reader of PDF. Pure.

Rule: what a PDF is made of costs time, not only its size. So much of each kind is looked at, and nothing is gone over twice.
"""

import re
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Final

_PAGE: Final = re.compile(rb"/Type\s*/Page(?![\w])")
_TREE: Final = re.compile(rb"/Type\s*/Pages\b")
_COUNT: Final = re.compile(rb"/Count\s+(\d{1,7})")
_STREAM: Final = re.compile(rb"/Type\s*/ObjStm\b")
_BEGINS: Final = re.compile(rb"stream\r?\n")
#: Bytes of a dictionary before and behind its type, in which something is looked for.
_NEAR: Final = 400
#: Page tree nodes that are looked at in a piece, and object streams in a file.
_NODES: Final = 20_000
_STREAMS: Final = 10_000
#: Bytes that are unpacked in all, and those that are fed to it at a time.
_UNPACKED: Final = 16 * 1024 * 1024
_FED: Final = 16 * 1024


def count_pages(data: bytes) -> int | None:
    """The pages of a PDF (ISO 32000-1, 7.7.3: each page is an object, the page tree has a count). None where none is seen,
    as in one that is encrypted."""
    left, pages, counted = _UNPACKED, 0, 0
    pieces = [data]
    for found in islice(_STREAM.finditer(data), _STREAMS):
        begins = _BEGINS.search(data, found.end(), found.end() + _NEAR)
        if begins is None:
            continue
        if left <= 0:
            break
        try:
            piece = _unpacked(data, begins.end(), left)
        except zlib.error:
            continue
        left -= len(piece)
        pieces.append(piece)
    for piece in pieces:
        pages += sum(1 for _ in _PAGE.finditer(piece))
        counted = max([counted, *_counts(piece)])
    return max(pages, counted) or None


def _unpacked(data: bytes, start: int, most: int) -> bytes:
    """The stream that begins there, at most so many bytes of it. Raises `zlib.error`."""
    unpacker, found, size = zlib.decompressobj(), [], 0
    while start < len(data) and size < most and not unpacker.eof:
        # In pieces, for what lies behind the stream is copied.
        found.append(unpacker.decompress(data[start : start + _FED], most - size))
        size += len(found[-1])
        start += _FED
    return b"".join(found)


def _counts(piece: bytes) -> Iterator[int]:
    """What the nodes of the page tree say that there is below them."""
    for node in islice(_TREE.finditer(piece), _NODES):
        before = piece[max(node.start() - _NEAR, 0) : node.start()].rpartition(b">")[2]
        behind = piece[node.end() : node.end() + _NEAR].partition(b">")[0]
        yield from (int(count) for count in _COUNT.findall(before) + _COUNT.findall(behind))
