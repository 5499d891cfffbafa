"""The sealed part of a fork's past: copied below the fork's own name.

Rule 1: a segment that names nothing of the session that it came from is copied as it is, so its ref and those above it stay.
One that names files or folded parts is written anew, with the fork's names for them.
Rule 2: what is lost stays lost, and is logged: the fork is told so when it is read there.
"""

import asyncio
import hashlib
from typing import Final

import structlog

from perdure.temporal.sessions.fork_blobs import Move
from perdure.temporal.stores.blobs import BlobDamaged, BlobMissing, BlobStore
from perdure.temporal.stores.segments import SegmentLost, Segments
from perdure.workflows.protocol.segment_blobs import encode_index, encode_segment
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.segments import Segment
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.vocabulary.events import Event, SessionStarted

log = structlog.get_logger(__name__)

#: Segments that are copied at a time.
_COPIES: Final = 4


class SegmentMove:
    """Moves the segments of the session `source` to the session `target` (workflow ids), which `new` begins."""

    def __init__(self, blobs: BlobStore, move: Move, source: str, target: str, new: NewSession) -> None:
        self._blobs = blobs
        self._segments = Segments(blobs, kept_bytes=0)
        self._move = move
        self._source = source
        self._target = target
        self._new = new
        self._room = asyncio.Semaphore(_COPIES)

    async def moved(self, refs: tuple[SegmentRef, ...]) -> tuple[SegmentRef, ...]:
        """The refs of the same segments below the target's name."""
        return tuple(await asyncio.gather(*map(self._one, refs)))

    async def _one(self, ref: SegmentRef) -> SegmentRef:
        try:
            return await (self._index(ref) if ref.level else self._segment(ref))
        except (SegmentLost, BlobMissing, BlobDamaged) as error:
            log.warning("segment.lost", problem=str(error))
            return ref

    async def _segment(self, ref: SegmentRef) -> SegmentRef:
        async with self._room:
            raw = await self._segments.raw(self._source, ref)
            if ref.first > 1 and f"{self._source}/".encode() not in raw:
                return await self._copied(ref)
            segment = await asyncio.to_thread(Segment.model_validate_json, raw)
            await self._move.fold_anew(segment.said(), segment.events)
            data = await asyncio.to_thread(self._written_anew, segment)
            return await self._stored(ref, data)

    async def _index(self, ref: SegmentRef) -> SegmentRef:
        async with self._room:
            refs = await self._segments.index(self._source, ref)
        there = await self.moved(refs)
        async with self._room:
            return await (self._copied(ref) if there == refs else self._stored(ref, encode_index(there)))

    async def _copied(self, ref: SegmentRef) -> SegmentRef:
        await self._blobs.copy(ref.key(self._source), ref.key(self._target))
        return ref

    async def _stored(self, ref: SegmentRef, data: bytes) -> SegmentRef:
        stored = ref.model_copy(update={"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)})
        await self._blobs.put(stored.key(self._target), data)
        return stored

    def _written_anew(self, segment: Segment) -> bytes:
        changes = {
            "events": tuple(self._begun(self._move.event(event)) for event in segment.events),
            "messages": tuple(map(self._move.message, segment.messages)),
        }
        return encode_segment(segment.model_copy(update=changes))

    def _begun(self, event: Event) -> Event:
        return begun_as(event, self._new) if isinstance(event, SessionStarted) else event


def begun_as(event: SessionStarted, new: NewSession) -> SessionStarted:
    """The first event of a session, as that of `new`."""
    return event.model_copy(update={"agent": new.agent, "digest": new.digest, "inputs": new.inputs})
