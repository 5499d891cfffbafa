"""Sealed segments as the blob store has them: read in any order, through indexes, and never in silence when one is lost."""

import hashlib
from pathlib import Path

import pytest

from perdure.temporal.stores.blobs import LocalBlobs
from perdure.temporal.stores.segments import SegmentLost, Segments
from perdure.workflows.protocol.paths import Stretch
from perdure.workflows.protocol.segment_blobs import encode_index, encode_segment
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.segments import Segment
from perdure.workflows.vocabulary.parts import Message
from tests.support.core import user

SESSION = "acme/s1"


async def stored(blobs: LocalBlobs, data: bytes, refs: tuple[SegmentRef, ...], start: int, stop: int) -> SegmentRef:
    sha256, level = hashlib.sha256(data).hexdigest(), refs[0].level + 1 if refs else 0
    await blobs.put(f"{SESSION}/{sha256}", data)
    return SegmentRef(sha256=sha256, size=len(data), level=level, first=1, last=0, start=start, stop=stop)


async def past(blobs: LocalBlobs, size: int = 10) -> tuple[tuple[Message, ...], tuple[SegmentRef, ...]]:
    """Four segments of five messages each; the first two are in an index."""
    said = tuple(user("x" * size, f"m{number}") for number in range(20))
    leaves = []
    for start in range(0, 20, 5):
        data = encode_segment(Segment(first=1, start=start, messages=said[start : start + 5]))
        leaves.append(await stored(blobs, data, (), start, start + 5))
    below = tuple(leaves[:2])
    return said, (await stored(blobs, encode_index(below), below, 0, 10), *leaves[2:])


@pytest.mark.parametrize("kept_bytes", [0, 1 << 20])
async def test_messages_are_read_by_their_numbers_whichever_segments_they_are_in(
    tmp_path: Path, kept_bytes: int
) -> None:
    blobs = LocalBlobs(tmp_path)
    said, refs = await past(blobs, size=40_000)
    segments = Segments(blobs, kept_bytes)
    for _ in range(2):
        assert await segments.messages(SESSION, refs, (Stretch(start=0, stop=20),)) == said
        some = (Stretch(start=3, stop=6), Stretch(start=12, stop=13))
        assert await segments.messages(SESSION, refs, some) == (*said[3:6], said[12])
        assert await segments.messages(SESSION, refs, ()) == ()


async def test_what_is_lost_is_named(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, cache_bytes=0)
    _, refs = await past(blobs)
    (tmp_path / refs[1].key(SESSION)).unlink()
    (tmp_path / refs[2].key(SESSION)).write_bytes(b"broken")
    segments = Segments(blobs)
    for ref in refs[1:]:
        with pytest.raises(SegmentLost, match=ref.sha256):
            await segments.messages(SESSION, refs, (Stretch(start=ref.start, stop=ref.stop),))
    with pytest.raises(SegmentLost, match="20 to 21"):
        await segments.messages(SESSION, refs, (Stretch(start=20, stop=21),))
