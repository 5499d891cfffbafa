"""Ids that were taken in long ago, packed: six bytes of a hash of each, and what is to be known of it.

Ten thousand ids with the hashes of their contents would be 1.3 MB of a session's state. Packed they are a tenth. A new id is
taken for one of ten thousand once in 28 billion.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final

_ID: Final = 6
_MARK: Final = 2


def pack_ids(ids: Sequence[str]) -> str:
    """Ids alone."""
    return base64.b85encode(bytes([len(ids)]) + b"".join(map(_hash, ids))).decode()


def pack(entries: Sequence[tuple[str, str, int]]) -> str:
    """Ids, each with the mark of its content (`content_marks`) and its cursor."""
    return _packed([(_hash(one), bytes.fromhex(mark), cursor) for one, mark, cursor in entries])


def taken_before(packed: Iterable[str], seq: int) -> tuple[str, ...]:
    """Of what `pack` made, the entries with a cursor below `seq`."""
    kept: list[str] = []
    for chunk in packed:
        entries = _entries(_unpacked(chunk))
        below = [entry for entry in entries if entry[2] < seq]
        if below:
            kept.append(chunk if len(below) == len(entries) else _packed(below))
    return tuple(kept)


def find(packed: Iterable[str], wanted: str) -> tuple[str, int] | None:
    """The mark and the cursor of an id, empty and 0 where there are none; None: the id is in none of `packed`."""
    needle = _hash(wanted)
    for chunk in packed:
        data = _unpacked(chunk)
        at = _index(data, needle)
        if at is not None:
            count = data[0]
            mark = data[1 + count * _ID + at * _MARK :][:_MARK].hex()
            return mark, next(islice(_cursors(data[1 + count * (_ID + _MARK) :]), at, None), 0)
    return None


def _index(data: bytes, needle: bytes) -> int | None:
    end, at = 1 + data[0] * _ID, 1
    while (at := data.find(needle, at, end)) >= 0:
        if (at - 1) % _ID == 0:
            return (at - 1) // _ID
        at += 1
    return None


def _entries(data: bytes) -> list[tuple[bytes, bytes, int]]:
    """The hash, the mark and the cursor of each."""
    count = data[0]
    ids, marks = data[1:], data[1 + count * _ID :]
    return [
        (ids[at * _ID :][:_ID], marks[at * _MARK :][:_MARK], cursor)
        for at, cursor in enumerate(_cursors(marks[count * _MARK :]))
    ]


def _packed(entries: Sequence[tuple[bytes, bytes, int]]) -> str:
    cursors = bytearray()
    last = 0
    for _, _, cursor in entries:
        cursors += _varint((cursor - last) << 1 if cursor >= last else ((last - cursor) << 1) - 1)
        last = cursor
    ids = b"".join(one for one, _, _ in entries)
    marks = b"".join(mark for _, mark, _ in entries)
    return base64.b85encode(bytes([len(entries)]) + ids + marks + cursors).decode()


def _cursors(varints: bytes) -> Iterator[int]:
    cursor, value, shift = 0, 0, 0
    for byte in varints:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte & 0x80:
            continue
        cursor += -((value + 1) >> 1) if value & 1 else value >> 1
        yield cursor
        value, shift = 0, 0


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:_ID]


@lru_cache(maxsize=8192)
def _unpacked(chunk: str) -> bytes:
    return base64.b85decode(chunk)
