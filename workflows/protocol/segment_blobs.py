"""The bytes of sealed segments and of their indexes: JSON, compressed by zlib. Pure."""

import hashlib
import zlib

from perdure.workflows.protocol.sealing import Sealed
from perdure.workflows.protocol.segment_refs import SegmentRef, SegmentRefs, index_of, run_of
from perdure.workflows.protocol.segments import Segment, ref_of


def sealed_as(part: Segment, refs: tuple[SegmentRef, ...]) -> tuple[Sealed, dict[str, bytes]]:
    """A part as it is sealed behind `refs`, and the blobs to write, by their sha256. The same part gives the same."""
    data = encode_segment(part)
    blobs = {hashlib.sha256(data).hexdigest(): data}
    ref = ref_of(part, next(iter(blobs)), len(data))
    refs = (*refs, ref)
    indexes: list[SegmentRef] = []
    while run := run_of(refs):
        data = encode_index(run)
        sha256 = hashlib.sha256(data).hexdigest()
        blobs[sha256] = data
        indexes.append(index_of(run, sha256, len(data)))
        refs = (*refs[: -len(run)], indexes[-1])
    return Sealed(ref=ref, indexes=tuple(indexes)), blobs


def encode_segment(segment: Segment) -> bytes:
    return zlib.compress(segment.model_dump_json().encode(), level=6)


def encode_index(refs: tuple[SegmentRef, ...]) -> bytes:
    return zlib.compress(SegmentRefs.dump_json(refs), level=6)


def decode_segment(data: bytes) -> tuple[Segment, int]:
    """The segment, and the bytes of its JSON. Raises `zlib.error` and pydantic's ValidationError."""
    whole = zlib.decompress(data)
    return Segment.model_validate_json(whole), len(whole)


def decode_index(data: bytes) -> tuple[tuple[SegmentRef, ...], int]:
    """The refs, and the bytes of their JSON. Raises `zlib.error` and pydantic's ValidationError."""
    whole = zlib.decompress(data)
    return SegmentRefs.validate_json(whole), len(whole)
