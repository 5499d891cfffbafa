"""How many pages a PDF has, as far as it can be told without a reader of PDF. Pure."""

import re
import zlib
from typing import Final

_PAGE: Final = re.compile(rb"/Type\s*/Page(?![\w])")
_COUNT: Final = re.compile(
    rb"/Type\s*/Pages\b[^>]{0,400}?/Count\s+(\d{1,7})|/Count\s+(\d{1,7})[^>]{0,400}?/Type\s*/Pages\b"
)
_STREAM: Final = re.compile(rb"/Type\s*/ObjStm\b.{0,400}?stream\r?\n", re.DOTALL)
#: Bytes that are unpacked in all.
_UNPACKED: Final = 16 * 1024 * 1024


def count_pages(data: bytes) -> int | None:
    """The pages of a PDF (ISO 32000-1, 7.7.3: each page is an object, the page tree has a count). None where none is seen,
    as in one that is encrypted."""
    left, pages, counted = _UNPACKED, 0, 0
    pieces = [data]
    for found in _STREAM.finditer(data):
        if left <= 0:
            break
        unpacker = zlib.decompressobj()
        try:
            piece = unpacker.decompress(data[found.end() : found.end() + left], left)
        except zlib.error:
            continue
        left -= len(piece)
        pieces.append(piece)
    for piece in pieces:
        pages += len(_PAGE.findall(piece))
        counted = max([counted, *(int(one or other) for one, other in _COUNT.findall(piece))])
    return max(pages, counted) or None
