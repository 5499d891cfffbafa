"""Reads the sealed segments of sessions from the blob store (`perdure.workflows.protocol.segments`).

Rule 1: a segment never changes, so those that were read last are kept in memory, whoever asks.
Rule 2: what is lost is an error that names it. A past with a hole in it would be told as if it were whole.
"""

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from pydantic import ValidationError

from perdure.temporal.stores.blobs import BlobDamaged, BlobError, BlobMissing, BlobStore
from perdure.workflows.protocol.paths import Stretch
from perdure.workflows.protocol.segment_blobs import decode_index, decode_segment
from perdure.workflows.protocol.segment_refs import SegmentRef, holding
from perdure.workflows.protocol.segments import Segment
from perdure.workflows.vocabulary.parts import Message

#: Bytes of JSON above which a segment is decoded on another thread.
_BIG: Final = 64 * 1024
#: Bytes of JSON whose decoded form is kept in memory.
_KEPT: Final = 32 * 1024 * 1024


_Read = Segment | tuple[SegmentRef, ...]


class SegmentLost(BlobError):
    """A part of a session's past is missing from the blob store, or damaged; the message names the blob."""


class Segments:
    def __init__(self, blobs: BlobStore, kept_bytes: int = _KEPT) -> None:
        self._blobs = blobs
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[str, tuple[_Read, int]] = OrderedDict()
        self._size = 0

    async def segment(self, workflow_id: str, ref: SegmentRef) -> Segment:
        """The segment that a ref of level 0 tells of. Raises `SegmentLost` and `StoreUnavailable`."""
        found = await self._read(workflow_id, ref)
        if not isinstance(found, Segment):
            raise ValueError(f"{ref.sha256} is an index")
        return found

    async def index(self, workflow_id: str, ref: SegmentRef) -> tuple[SegmentRef, ...]:
        """The refs that an index holds. Raises `SegmentLost` and `StoreUnavailable`."""
        found = await self._read(workflow_id, ref)
        if isinstance(found, Segment):
            raise ValueError(f"{ref.sha256} is a segment")
        return found

    async def leaves(
        self, workflow_id: str, refs: Iterable[SegmentRef], wanted: Callable[[SegmentRef], bool] = lambda ref: True
    ) -> AsyncIterator[SegmentRef]:
        """The refs of segments below `refs`, oldest first, where `wanted` is true of them and of the indexes above them."""
        for ref in refs:
            if not wanted(ref):
                continue
            if ref.level == 0:
                yield ref
                continue
            async for leaf in self.leaves(workflow_id, await self.index(workflow_id, ref), wanted):
                yield leaf

    async def messages(
        self, workflow_id: str, refs: tuple[SegmentRef, ...], stretches: tuple[Stretch, ...]
    ) -> tuple[Message, ...]:
        """The messages of these numbers, in order. Raises `SegmentLost`, also where no ref tells of one of them."""
        found: list[Message] = []
        needed = holding(refs, stretches)
        leaves = [leaf async for leaf in self.leaves(workflow_id, needed, lambda ref: any(map(ref.holds, stretches)))]
        for stretch in stretches:
            here: list[Message] = []
            for leaf in leaves:
                if leaf.holds(stretch):
                    here += (await self.segment(workflow_id, leaf)).of(stretch.start, stretch.stop)
            if len(here) != stretch.length:
                raise SegmentLost(f"messages {stretch.start} to {stretch.stop} of {workflow_id} are in no segment")
            found += here
        return tuple(found)

    async def raw(self, workflow_id: str, ref: SegmentRef) -> bytes:
        """The JSON of a segment or an index. Raises `SegmentLost` and `StoreUnavailable`."""
        try:
            return await asyncio.to_thread(zlib.decompress, await self._blobs.get(ref.key(workflow_id)))
        except (BlobMissing, BlobDamaged, zlib.error) as error:
            raise SegmentLost(f"a part of the past of {workflow_id} is lost: {error}") from error

    def forget(self, workflow_id: str) -> None:
        """Drops what is kept in memory of a session that is erased."""
        for key in [key for key in self._kept if key.startswith(f"{workflow_id}/")]:
            self._size -= self._kept.pop(key)[1]

    async def _read(self, workflow_id: str, ref: SegmentRef) -> _Read:
        key = ref.key(workflow_id)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][0]
        try:
            data = await self._blobs.get(key)
            decode: Callable[[bytes], tuple[_Read, int]] = decode_index if ref.level else decode_segment
            if ref.size * 4 > _BIG:
                found, size = await asyncio.to_thread(decode, data)
            else:
                found, size = decode(data)
        except (BlobMissing, BlobDamaged, zlib.error, ValidationError) as error:
            raise SegmentLost(f"a part of the past of {workflow_id} is lost: {error}") from error
        self._keep(key, found, size)
        return found

    def _keep(self, key: str, found: _Read, size: int) -> None:
        if key in self._kept or size > self._kept_bytes:
            return
        self._kept[key] = (found, size)
        self._size += size
        while self._size > self._kept_bytes:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._size -= dropped
