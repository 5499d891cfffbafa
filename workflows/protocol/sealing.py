"""Sealing a part of a session's past: what passes between the session and the activity that does it."""

import operator

from pydantic import Field
from temporalio import activity

from perdure.workflows.protocol.segment_refs import FAN_OUT, SegmentRef
from perdure.workflows.vocabulary.parts import Frozen


class Sealed(Frozen):
    """A part that lies in the blob store."""

    ref: SegmentRef
    #: What the last `FAN_OUT` refs of a level were folded into, with this one: each in the place of those before it.
    indexes: tuple[SegmentRef, ...] = Field(default=(), exclude_if=operator.not_)


class SealInput(Frozen):
    """Little on purpose: the activity asks its own session for the part (query `part`)."""

    #: As in the part's `SegmentRef`.
    first: int
    last: int
    start: int
    stop: int
    steps: int
    #: Of the part as JSON: what was handed over within a process must be this part.
    sha256: str

    @property
    def handover(self) -> str:
        """What the session's state goes by in the handover within a process."""
        return f"seal.{self.last}.{self.stop}"


class PartRequest(Frozen):
    """A piece of the part that is being sealed. `after`: bytes of the same part that came before, whose `sha256` was this."""

    after: int = 0
    sha256: str = ""


class PartPage(Frozen):
    """Answer to `part(request)`: a piece of a `Segment` as JSON, compressed by zlib."""

    #: False: nothing is being sealed; the rest is then empty.
    open: bool
    #: Of all that is compressed.
    sha256: str = ""
    #: Bytes that come before this piece.
    start: int = 0
    #: In Base64.
    data: str = ""
    more: bool = False
    #: What is sealed already.
    segments: tuple[SegmentRef, ...] = ()


def grown(refs: tuple[SegmentRef, ...], sealed: Sealed) -> tuple[SegmentRef, ...]:
    """The refs with one more, and folded as that one says."""
    refs = (*refs, sealed.ref)
    for index in sealed.indexes:
        refs = (*refs[:-FAN_OUT], index)
    return refs


@activity.defn(name="seal_past")
async def seal_past(request: SealInput) -> Sealed:
    """Puts a part of the calling session's past into the blob store. Fails with `part_changed` where the session has no such
    part to seal any more."""
    raise NotImplementedError
