"""What tells of sealed segments: refs, and the indexes that they are folded into."""

import operator
from collections.abc import Iterable
from typing import Final

from pydantic import Field, TypeAdapter

from perdure.workflows.protocol.paths import Stretch
from perdure.workflows.vocabulary.parts import Frozen

#: Refs of one level that are folded into an index.
FAN_OUT: Final = 32


class SegmentRef(Frozen):
    """A blob of a session's past: a segment, or an index of refs."""

    #: Of the blob, which lies at `{tenant}/{session}/{sha256}`.
    sha256: str
    #: Bytes of the blob.
    size: int
    #: 0: a segment; n: an index of `FAN_OUT` refs of the level below.
    level: int = Field(default=0, exclude_if=operator.not_)
    #: `seq` of the first and the last event; `last` is `first` - 1 where there are none.
    first: int
    last: int
    #: Numbers of the messages; `stop` is not one of them.
    start: int
    stop: int
    #: Numbers of the first and the last turn that events or messages belong to; 0: of none.
    first_turn: int = 0
    last_turn: int = 0
    #: How many steps.
    steps: int = 0
    #: Bytes of the messages as JSON, folded parts counted in full.
    bytes: int = 0

    def key(self, workflow_id: str) -> str:
        """Of the blob."""
        return f"{workflow_id}/{self.sha256}"

    def holds(self, stretch: Stretch) -> bool:
        """Whether messages of the stretch are in it."""
        return self.start < stretch.stop and stretch.start < self.stop


SegmentRefs: TypeAdapter[tuple[SegmentRef, ...]] = TypeAdapter(tuple[SegmentRef, ...])


def holding(refs: tuple[SegmentRef, ...], stretches: Iterable[Stretch]) -> tuple[SegmentRef, ...]:
    """Those of the refs that hold messages of the stretches."""
    wanted = tuple(stretches)
    return tuple(ref for ref in refs if any(map(ref.holds, wanted)))


def bytes_of(refs: tuple[SegmentRef, ...], stretches: Iterable[Stretch]) -> int:
    """About how many bytes the messages of the stretches have; exactly where they are all that the refs hold."""
    found = 0
    for stretch in stretches:
        for ref in refs:
            here = min(ref.stop, stretch.stop) - max(ref.start, stretch.start)
            found += ref.bytes * here // (ref.stop - ref.start) if here > 0 else 0
    return found


def run_of(refs: tuple[SegmentRef, ...]) -> tuple[SegmentRef, ...]:
    """The refs at the end that are to be folded into an index; empty where there are too few of one level."""
    run = refs[-FAN_OUT:]
    return run if len(run) == FAN_OUT and len({ref.level for ref in run}) == 1 else ()


def index_of(run: tuple[SegmentRef, ...], sha256: str, size: int) -> SegmentRef:
    """What tells of these refs, whose blob is of this hash and size."""
    turns = [ref for ref in run if ref.last_turn]
    return SegmentRef(
        sha256=sha256,
        size=size,
        level=run[0].level + 1,
        first=run[0].first,
        last=run[-1].last,
        start=run[0].start,
        stop=run[-1].stop,
        first_turn=min((ref.first_turn for ref in turns), default=0),
        last_turn=max((ref.last_turn for ref in turns), default=0),
        steps=sum(ref.steps for ref in run),
        bytes=sum(ref.bytes for ref in run),
    )
